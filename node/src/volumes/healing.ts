import { SECOND_MS } from '@holdfast/ports'
import type { Clock } from '@holdfast/ports'
import type { Volume } from './volume.ts'

/** Without a chunk arriving for so long, ms, nobody in reach has what is missing. */
export const HEAL_IDLE_MS = 10 * SECOND_MS

/** Waits while missing chunks of these volumes are being fetched in the background; how many came. */
export function waitForHealing(volumes: readonly Volume[], clock: Clock, signal: AbortSignal): Promise<number> {
  const missing = (): number => volumes.reduce((sum, volume) => sum + volume.completeness.missingCount, 0)
  const before = missing()
  if (before === 0) return Promise.resolve(0)
  return new Promise((resolve) => {
    let left = before
    let came = 0
    const end = (): void => {
      timer.cancel()
      for (const off of offs) off()
      signal.removeEventListener('abort', end)
      resolve(came)
    }
    let timer = clock.setTimer(HEAL_IDLE_MS, end)
    const look = (): void => {
      const now = missing()
      const gain = left - now
      // More than before: a recipe came, and what it names is in view now.
      left = now
      if (gain <= 0) return
      came += gain
      if (now === 0) return end()
      timer.cancel()
      timer = clock.setTimer(HEAL_IDLE_MS, end)
    }
    const offs = volumes.map((volume) => volume.onHead(look))
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
  })
}
