import { equalBytes, SECOND_MS } from '@holdfast/ports'
import type { Notice } from '../api/work.ts'
import type { Volume } from '../volumes/volume.ts'
import type { ServiceParts } from './parts.ts'

/** What a restore of the newest state waits for this node to hear the end of the journal, ms: usually it is a blink behind. */
export const CATCH_UP_WAIT_MS = 10 * SECOND_MS

/** Blocks that the members are known to have and this node has not. */
export function blocksBehind({ replication }: Pick<ServiceParts, 'replication'>, volume: Volume): number {
  const heads = replication.heads(volume.id).filter((head) => equalBytes(head.coreKey, volume.coreKey))
  return Math.max(0, ...heads.map((head) => head.length)) - volume.log.head().length
}

/** Says so where this node shows less than the mesh has. */
export function* behindNotices(parts: Pick<ServiceParts, 'replication'>, volume: Volume): Generator<Notice> {
  const behind = blocksBehind(parts, volume)
  if (behind <= 0) return
  yield {
    message_type: 'notice',
    message: `this node is ${behind} journal blocks behind and shows what it has; holdfast status tells when it is current`,
  }
}

/** Resolves once this node has the journal's end as it was known at the call, or after `CATCH_UP_WAIT_MS`. */
export function caughtUp(
  parts: Pick<ServiceParts, 'replication' | 'clock'>,
  volume: Volume,
  signal: AbortSignal,
): Promise<void> {
  const behind = blocksBehind(parts, volume)
  if (behind <= 0 || signal.aborted) return Promise.resolve()
  const wanted = volume.log.head().length + behind
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      off()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = parts.clock.setTimer(CATCH_UP_WAIT_MS, end)
    const off = volume.onHead((head) => {
      if (head.length >= wanted) end()
    })
    signal.addEventListener('abort', end, { once: true })
  })
}
