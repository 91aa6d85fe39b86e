import { holdsData, mayVote } from '@holdfast/charter'
import { HoldfastError } from '@holdfast/ports'
import type { NodeId, VolumeId } from '@holdfast/ports'
import { z } from 'zod'
import type { NodeService } from '../api/service.ts'
import type { FlushLevel } from '../api/vocabulary.ts'
import type { FlushSummary } from '../api/volume-messages.ts'
import type { WorkEvent } from '../api/work.ts'
import type { FlushResult, VolumeCapture } from '../capture/types.ts'
import type { Volume } from '../volumes/volume.ts'
import { EventQueue } from './event-queue.ts'
import { levelReached } from './levels.ts'
import type { ServiceParts } from './parts.ts'

/** Method by which a member asks the primary to flush. */
export const FLUSH_METHOD = 'flush'
/** Between two looks at how far capture and members are, ms: what a person sees as alive. */
export const FLUSH_STATUS_MS = 250

type VolumeFlush = FlushSummary['volumes'][number]

/** Makes what was written before the call safe at a level, and says which members that rests on. */
export function createFlush(
  parts: ServiceParts,
): Pick<NodeService, 'flush'> & { answerFlush: (body: Uint8Array) => Promise<Uint8Array> } {
  const { volumes, clock, replication } = parts

  const flushHere = async (id: VolumeId, level: FlushLevel, signal: AbortSignal): Promise<VolumeFlush> => {
    for (;;) {
      const capture = await parts.capturing(id, signal)
      let unreadableCount = 0
      try {
        if (capture !== undefined) unreadableCount = (await flushCapture(parts, capture, signal)).unreadableCount
      } catch (error) {
        if (signal.aborted || parts.captureOf(id) === capture) throw error
        continue
      }
      const volume = volumes.get(id)
      if (volume === undefined && capture === undefined)
        throw new HoldfastError('HF_CLOSED', 'the volume is not protected any more, and closed')
      // The volume went on to another epoch meanwhile: lengths of the one before mean nothing in it.
      if (volume === undefined || parts.captureOf(id) !== capture) continue
      const pending = parts.pendingOf(id)
      // What is recorded on this node alone gets beyond it in the next epoch.
      const length = pending === undefined || level === 'local' ? volume.log.head().length : Number.POSITIVE_INFINITY
      const { seq } = volume.reader().catalog.applied
      const counted = await untilReached(parts, volume, length, level, signal)
      if (counted === undefined) continue
      return {
        volume: volume.name,
        epoch: volume.epoch,
        length,
        seq,
        level: volume.members.length <= 1 ? 'local' : level,
        counted: counted.map((node) => parts.authority.nameOf(node)),
        unreadableCount,
        ...(pending === undefined ? {} : { pendingChanges: pending.count }),
      }
    }
  }

  const flushAtPrimary = async (
    volume: Volume,
    level: FlushLevel,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<VolumeFlush> => {
    const body = Buffer.from(JSON.stringify({ volume: Buffer.from(volume.id).toString('hex'), level, timeoutMs }))
    const answer = await replication.call(volume.entry.primary, FLUSH_METHOD, body, { signal, timeoutMs })
    return volumeFlushSchema.parse(JSON.parse(Buffer.from(answer).toString()))
  }

  return {
    async *flush({ volume: name, level, timeoutMs }, { signal }) {
      const startedMs = clock.monotonicMs()
      const wanted =
        name === undefined ? volumes.list().filter((volume) => volume.entry.protected) : [volumes.find(name)]
      const events = new EventQueue<WorkEvent<FlushSummary>>(signal)
      const limit = deadline(parts, timeoutMs, events.signal)
      const timer = every(parts, FLUSH_STATUS_MS, () => events.status(progressOf(parts, wanted)))
      const work = (async () => {
        try {
          const flushes = wanted.map((volume) =>
            volume.role === 'primary'
              ? flushHere(volume.id, level, limit.signal)
              : flushAtPrimary(volume, level, timeoutMs, limit.signal),
          )
          const results = await Promise.all(flushes)
          const seconds = (clock.monotonicMs() - startedMs) / 1000
          return { message_type: 'summary' as const, level, seconds, volumes: results }
        } catch (error) {
          throw limit.expired() ? notInTime(level, timeoutMs, error) : error
        } finally {
          timer()
          limit.end()
        }
      })()
      yield* events.drain(work)
    },

    async answerFlush(body) {
      const { volume: id, level, timeoutMs } = flushCallSchema.parse(JSON.parse(Buffer.from(body).toString()))
      const volume = volumes.find(id)
      if (volume.role !== 'primary')
        throw new HoldfastError('HF_NOT_PRIMARY', `this node is not the primary of volume ${volume.name}`)
      const limit = deadline(parts, timeoutMs, new AbortController().signal)
      try {
        return Buffer.from(JSON.stringify(await flushHere(volume.id, level, limit.signal)))
      } catch (error) {
        throw limit.expired() ? notInTime(level, timeoutMs, error) : error
      } finally {
        limit.end()
      }
    },
  }
}

const LEVEL = z.enum(['local', 'quorum'])
const flushCallSchema = z.strictObject({
  volume: z.string().max(64),
  level: LEVEL,
  timeoutMs: z.number().int().min(1).max(86_400_000),
})
const volumeFlushSchema = z.object({
  volume: z.string(),
  epoch: z.number(),
  length: z.number(),
  seq: z.number(),
  level: LEVEL,
  counted: z.array(z.string()),
  unreadableCount: z.number(),
  pendingChanges: z.number().exactOptional(),
})

/** Flushes unless there is no room even for the journal: then commits wait, and a person should not. @throws as `VolumeCapture.flush` */
async function flushCapture({ room }: ServiceParts, capture: VolumeCapture, signal: AbortSignal): Promise<FlushResult> {
  const ended = new AbortController()
  const look = (): void => {
    if (room.state === 'none') ended.abort(room.problem)
  }
  const off = room.onChange(look)
  look()
  try {
    return await capture.flush({ signal: AbortSignal.any([signal, ended.signal]) })
  } catch (error) {
    if (ended.signal.aborted && !signal.aborted) throw ended.signal.reason
    // Whoever asks next is told the same, also if something made room since.
    if (error instanceof HoldfastError && error.code === 'HF_DRIVE_FULL') room.refused(error, 'low')
    throw error
  } finally {
    off()
  }
}

/** Waits for the members' acks; which members the level rests on, or undefined if the volume was opened anew meanwhile. */
function untilReached(
  parts: ServiceParts,
  volume: Volume,
  length: number,
  level: FlushLevel,
  signal: AbortSignal,
): Promise<readonly NodeId[] | undefined> {
  const { self, replication, volumes } = parts
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (volumes.get(volume.id) !== volume) {
        end()
        resolve(undefined)
        return
      }
      if (level === 'quorum' && !hasSecondMember(parts, volume)) return
      const counted = levelReached({ self, volume, length, level, acks: replication.acks(volume.id) })
      if (counted === undefined) return
      end()
      resolve(counted)
    }
    const stop = (): void => {
      end()
      reject(new HoldfastError('HF_ABORTED', 'flush was given up', { cause: signal.reason }))
    }
    const offAck = replication.onAck(look)
    const offHead = volume.onHead(look)
    const offVolumes = volumes.onChange(look)
    const end = (): void => {
      offAck()
      offHead()
      offVolumes()
      signal.removeEventListener('abort', stop)
    }
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    else look()
  })
}

/** Whether the volume has the second holder that `quorum` means. Where the mesh has a node that can be one, a volume that was not
 *  given it yet is not safe elsewhere, though its only voter is a majority. */
function hasSecondMember({ authority }: ServiceParts, { members, entry }: Volume): boolean {
  const possible = authority.nodes().filter(({ role }) => mayVote(role) && holdsData(role)).length
  const holders = members.filter((member) => member.voter && holdsData(member.role)).length
  return holders >= Math.min(2, entry.copies, possible)
}

function progressOf({ captureOf }: ServiceParts, volumes: readonly Volume[]): WorkEvent<FlushSummary> {
  let [bytesDone, bytesTotal, filesDone, filesTotal, errorCount] = [0, 0, 0, 0, 0]
  let capturing = false
  for (const volume of volumes) {
    const status = captureOf(volume.id)?.status()
    if (status === undefined) continue
    capturing ||= status.walking || status.pendingFiles > 0
    bytesDone += status.bytesDone
    bytesTotal += status.bytesTotal
    filesDone += status.filesDone
    filesTotal += status.filesTotal
    errorCount += status.unreadableCount
  }
  const phase = capturing ? 'capturing' : 'waiting for members'
  return { message_type: 'status', phase, bytesDone, bytesTotal, filesDone, filesTotal, errorCount }
}

function every({ clock }: ServiceParts, intervalMs: number, callback: () => void): () => void {
  let timer = clock.setTimer(intervalMs, tick)
  function tick(): void {
    callback()
    timer = clock.setTimer(intervalMs, tick)
  }
  return () => timer.cancel()
}

const notInTime = (level: FlushLevel, timeoutMs: number, cause: unknown): HoldfastError =>
  new HoldfastError(
    'HF_TIMEOUT',
    `not safe at level ${level} within ${timeoutMs / 1000} s; what was captured is kept and goes on travelling`,
    { cause, retryable: true, next: 'holdfast status shows who is behind' },
  )

/** A signal that fires with the caller's, when the time is over, or at `end`, so that nothing is waited for any longer. */
function deadline(
  { clock }: Pick<ServiceParts, 'clock'>,
  timeoutMs: number,
  signal: AbortSignal,
): { signal: AbortSignal; expired: () => boolean; end: () => void } {
  const controller = new AbortController()
  let expired = false
  const timer = clock.setTimer(timeoutMs, () => {
    expired = true
    controller.abort(new HoldfastError('HF_TIMEOUT', 'out of time'))
  })
  return {
    signal: AbortSignal.any([signal, controller.signal]),
    expired: () => expired,
    end: () => {
      timer.cancel()
      controller.abort()
    },
  }
}
