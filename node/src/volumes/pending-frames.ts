import { hasCode, hexOf, HoldfastError } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import type { FrameEntry, PackStore } from '@holdfast/store-pack'
import type { IngestPool, SealedGroup } from '../ingest/index.ts'

/** Frames of chunks that may be written and not yet durable, over all workers. Capture waits for its commits, so this bounds
 *  the memory of entries: about 200 bytes each. */
export const PENDING_FRAMES_MAX = 1 << 16

interface PendingFrame {
  readonly worker: number
  /** Set once a sync that covers it has begun. */
  sync: Promise<void> | undefined
}

/**
 * Frames that ingest workers wrote to their packs and that no sync has covered yet. A commit needs its chunks durable
 * wherever they were written; a chunk that another commit is syncing at the moment is waited for, not synced twice.
 */
export class PendingFrames {
  readonly #pool: Pick<IngestPool, 'commit'>
  readonly #store: Pick<PackStore, 'adopt' | 'settled'>
  readonly #byChunk = new Map<string, PendingFrame>()
  readonly #unsynced = new Map<number, FrameEntry[]>()
  #failure: Error | undefined

  constructor(pool: Pick<IngestPool, 'commit'>, store: Pick<PackStore, 'adopt' | 'settled'>) {
    this.#pool = pool
    this.#store = store
  }

  /** The pool, with every group's frames noted here before anybody else hears of the group: from then on other workers' drafts
   *  may name its chunks. */
  watching(pool: IngestPool): IngestPool {
    return {
      start: () => pool.start(),
      addVolume: (volume) => pool.addVolume(volume),
      learn: (segments) => pool.learn(segments),
      ingest: (job, onGroup, signal) => {
        const noted = (group: SealedGroup): void | Promise<void> => {
          this.add(group.worker, group.entries)
          return onGroup(group)
        }
        return pool.ingest(job, noted, signal)
      },
      commit: (worker, frames) => pool.commit(worker, frames),
      stop: () => pool.stop(),
    }
  }

  /** Frames that a worker has just written. @throws HF_BUSY beyond `PENDING_FRAMES_MAX`: then nothing more is acknowledged */
  add(worker: number, entries: readonly FrameEntry[]): void {
    if (this.#byChunk.size + entries.length > PENDING_FRAMES_MAX) {
      // Frames that are not noted here would pass for durable ones.
      this.#failure ??= new HoldfastError('HF_BUSY', `more than ${PENDING_FRAMES_MAX} chunks wait for a commit`)
      throw this.#failure
    }
    for (const entry of entries) this.#byChunk.set(hexOf(entry.id), { worker, sync: undefined })
    const waiting = this.#unsynced.get(worker)
    if (waiting === undefined) this.#unsynced.set(worker, [...entries])
    else waiting.push(...entries)
  }

  /** Writes `frames` through `worker` and resolves when they and every chunk in `needs` are durable and known to the store.
   *  @throws HF_DRIVE_FULL: nothing of `frames` was written, and the same call may succeed later; HF_DRIVE_FAILED: nothing may be
   *  acknowledged any more */
  async makeDurable(worker: number, frames: readonly Uint8Array[], needs: Iterable<ChunkId>): Promise<void> {
    // A drive that failed for one thread has failed for all: nothing more is acknowledged on it.
    if (this.#failure !== undefined) throw this.#failure
    const workers = new Set([worker])
    const underWay = new Set<Promise<void>>()
    for (const id of needs) {
      const pending = this.#byChunk.get(hexOf(id))
      if (pending?.sync !== undefined) underWay.add(pending.sync)
      else if (pending !== undefined) workers.add(pending.worker)
    }
    for (const each of workers) underWay.add(this.#sync(each, each === worker ? frames : []))
    // All of them end first, so that a failure leaves no sync behind that nobody waits for.
    const failures = (await Promise.allSettled(underWay)).filter((result) => result.status === 'rejected')
    for (const { reason } of failures) if (hasCode(reason, 'HF_DRIVE_FAILED')) this.#failure ??= reason
    const [first] = failures
    if (first !== undefined) throw first.reason
    await this.#settled()
  }

  /** An index that met a full file system does not recover while it is open. */
  async #settled(): Promise<void> {
    try {
      await this.#store.settled()
    } catch (cause) {
      const next = 'make room, then restart the node: the index is made anew from the packs'
      this.#failure ??= new HoldfastError('HF_DRIVE_FAILED', 'the index of the packs cannot be written', {
        cause,
        next,
      })
      throw this.#failure
    }
  }

  #sync(worker: number, frames: readonly Uint8Array[]): Promise<void> {
    const entries = this.#unsynced.get(worker) ?? []
    this.#unsynced.delete(worker)
    const sync = this.#pool.commit(worker, frames).then(
      (written) => {
        this.#store.adopt([...entries, ...written])
        for (const entry of entries) this.#byChunk.delete(hexOf(entry.id))
      },
      (error: unknown) => {
        // Refused before the sync: the worker's next one covers what it has written.
        if (hasCode(error, 'HF_DRIVE_FULL')) this.#takeBack(worker, entries)
        throw error
      },
    )
    for (const entry of entries) {
      const pending = this.#byChunk.get(hexOf(entry.id))
      if (pending !== undefined) pending.sync = sync
    }
    return sync
  }

  #takeBack(worker: number, entries: readonly FrameEntry[]): void {
    for (const entry of entries) this.#byChunk.set(hexOf(entry.id), { worker, sync: undefined })
    this.#unsynced.set(worker, [...entries, ...(this.#unsynced.get(worker) ?? [])])
  }
}
