import { keyOf } from '@holdfast/capture'
import type { Clock } from '@holdfast/ports'
import type { Draft, IngestPool, SealedGroup } from '../ingest/types.ts'
import type { Change, ChangeQueue } from './change-queue.ts'
import { Committer, isSocket, type Read } from './committer.ts'
import type { HotFiles } from './hot-files.ts'
import * as limits from './limits.ts'
import type { CaptureHealth, VolumeCaptureOptions } from './types.ts'
import type { VolumeLink } from './volume-link.ts'

export interface JobsParts {
  readonly options: VolumeCaptureOptions
  readonly clock: Clock
  readonly pool: IngestPool
  readonly queue: ChangeQueue
  readonly hot: HotFiles
  readonly link: VolumeLink
  readonly onHealth: (event: CaptureHealth) => void
  /** The path is there and could not be read. */
  readonly onUnreadable: (path: Uint8Array, code: string, message: string) => void
  /** The path is captured, or recorded as deleted. */
  readonly onCaptured: (path: Uint8Array) => void
  /** A job failed; what it had not captured is free again. */
  readonly onFailed: (error: unknown) => void
  /** Something is through, so that other things may begin. */
  readonly onProgress: () => void
}

/** The changes of one volume that are under way: read by the pool and committed, or committed as deletions. */
export class Jobs {
  readonly #parts: JobsParts
  readonly #running = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #committer: Committer
  #busyBytes = 0
  #done = { files: 0, bytes: 0 }
  #notedSeq: number | undefined
  /** Sockets met. */
  skipped = 0

  constructor(parts: JobsParts) {
    this.#parts = parts
    this.#committer = this.#newCommitter(true)
  }

  /** Expected bytes of the files under way. */
  get busyBytes(): number {
    return this.#busyBytes
  }

  /** Captured since the last `resetDone`. */
  get done(): { readonly files: number; readonly bytes: number } {
    return this.#done
  }

  resetDone(): void {
    this.#done = { files: 0, bytes: 0 }
  }

  /** Starts what may start now. */
  start(nowMs: number): void {
    const { queue } = this.#parts
    while (queue.liveCount > 0 && this.#running.size < limits.JOBS_MAX + limits.SMALL_JOBS_MAX) {
      const changes = queue.takeLive(nowMs, limits.SMALL_JOB_PATHS_MAX, limits.SMALL_JOB_BYTES_MAX)
      if (changes.length === 0) break
      this.#run(changes, (left) => this.#read(changes, left, true))
    }
    while (queue.readCount > 0) {
      const small = queue.readCount <= limits.SMALL_JOB_PATHS_MAX && queue.readBytes <= limits.SMALL_JOB_BYTES_MAX
      if (this.#running.size >= limits.JOBS_MAX + (small ? limits.SMALL_JOBS_MAX : 0)) break
      const changes = queue.takeReads(nowMs, limits.JOB_PATHS_MAX, limits.JOB_BYTES_MAX)
      if (changes.length === 0) break
      this.#run(changes, (left) => this.#read(changes, left, small))
    }
    while (this.#running.size < limits.JOBS_MAX + limits.SMALL_JOBS_MAX) {
      const changes = queue.takeDeletions(limits.DELETIONS_MAX)
      if (changes.length === 0) break
      this.#run(changes, (left) => this.#remove(changes, left))
    }
  }

  /** After a failure: what was handed over before may fail, what comes now goes on. */
  renew(): void {
    this.#committer = this.#newCommitter(false)
  }

  abort(reason: Error): void {
    this.#abort.abort(reason)
  }

  /** Resolves when nothing is under way any more; nothing new may be started. */
  async settled(): Promise<void> {
    await Promise.all(this.#running)
    await this.#committer.settled()
  }

  /** Notes that the stat store describes the catalog as it is now, unless something is under way that would make it untrue. */
  async noteSeq(): Promise<void> {
    const seq = this.#parts.options.history.seq()
    if (this.#running.size > 0 || seq === this.#notedSeq) return
    this.#notedSeq = seq
    await this.#committer.noteSeq(seq)
  }

  /** Runs a job; what it leaves in `left` is released at its end, seen or not. */
  #run(changes: readonly Change[], work: (left: Map<string, Change>) => Promise<void>): void {
    const left = new Map(changes.map((change) => [change.key, change]))
    for (const { size } of changes) this.#busyBytes += size
    const job = work(left)
      .catch((error: unknown) => this.#parts.onFailed(error))
      .finally(() => {
        for (const change of left.values()) this.#release(change, left)
        this.#running.delete(job)
        this.#parts.onProgress()
      })
    this.#running.add(job)
  }

  #release(change: Change, left: Map<string, Change>, captured?: Uint32Array): void {
    left.delete(change.key)
    this.#busyBytes -= change.size
    this.#parts.queue.release(change, this.#parts.clock.monotonicMs(), captured)
  }

  async #read(changes: readonly Change[], left: Map<string, Change>, isUrgent: boolean): Promise<void> {
    const committer = this.#committer
    const { clock, options, pool, onCaptured, onUnreadable, onProgress } = this.#parts
    const beganMs = clock.nowMs()
    const beganMonotonicMs = clock.monotonicMs()
    const paths = changes.map(({ path, size }) => ({ path, sizeHint: size }))
    const onGroup = async (group: SealedGroup): Promise<void> => {
      // A clock that was set back meanwhile must not make what changed since look old.
      const readMs = Math.min(beganMs, clock.nowMs() - (clock.monotonicMs() - beganMonotonicMs))
      const reads = group.drafts.flatMap((draft) => this.#readOf(draft, left))
      for (const { change, captured } of await committer.put(group, reads, readMs)) {
        this.#done.files++
        this.#done.bytes += change.size
        onCaptured(change.path)
        this.#release(change, left, captured)
      }
      // After the captured ones, which takes a path off the list of those that cannot be read.
      for (const { path, error } of reads.map(({ draft }) => draft))
        if (error !== undefined) onUnreadable(path, error.code, error.message)
      onProgress()
    }
    await pool.ingest({ volume: options.volume, root: options.root, paths, isUrgent }, onGroup, this.#abort.signal)
  }

  /** Deals with what was not read; the rest goes on to the sink. */
  #readOf(draft: Draft, left: Map<string, Change>): Read[] {
    const { path, type, error, torn, size } = draft
    const { clock, queue, hot, onHealth, onUnreadable } = this.#parts
    const change = left.get(keyOf(path))
    if (change === undefined) return []
    if (type === 'absent') {
      this.#release(change, left)
      // The check tells a deletion from an unavailable root.
      queue.hint(path, clock.monotonicMs())
      return []
    }
    if (type === 'unreadable') {
      this.#release(change, left)
      onUnreadable(path, error?.code ?? 'HF_UNREADABLE', error?.message ?? 'it cannot be read')
      return []
    }
    if (isSocket(draft)) {
      this.skipped++
      onHealth({ type: 'skipped', path })
    }
    if (torn) {
      hot.add(path, size, clock.monotonicMs())
      onHealth({ type: 'torn', path })
    }
    return [{ draft, change }]
  }

  async #remove(changes: readonly Change[], left: Map<string, Change>): Promise<void> {
    for (const { change } of await this.#committer.remove(changes)) {
      this.#parts.onCaptured(change.path)
      this.#release(change, left)
    }
  }

  #newCommitter(complete: boolean): Committer {
    const { options, link } = this.#parts
    return new Committer({ sink: options.sink, stats: options.stats, link, complete })
  }
}
