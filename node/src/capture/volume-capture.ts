import { keyOf, sizeOf, STAT_WORDS, typeOf } from '@holdfast/capture'
import type { WalkEnd, WatchLoss } from '@holdfast/capture'
import { hasCode, HoldfastError, throwIfAborted } from '@holdfast/ports'
import type { Clock, Timer, VolumeId } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'
import type { Draft, IngestPool, SealedGroup } from '../ingest/types.ts'
import { type Change, ChangeQueue } from './change-queue.ts'
import { Committer } from './committer.ts'
import { HotFiles } from './hot-files.ts'
import * as limits from './limits.ts'
import { loadTree } from './load-tree.ts'
import { FLAG_KNOWN, FLAG_RACY, type FoundMessage } from './messages.ts'
import { pathsOf } from './path-list.ts'
import type { CaptureThreads } from './threads.ts'
import type { CaptureHealth, CaptureProgress, CaptureStatus, FlushResult, VolumeCapture } from './types.ts'
import type { VolumeCaptureOptions } from './types.ts'
import { UnreadablePaths } from './unreadable.ts'
import { directoriesOf, type Events, VolumeLink } from './volume-link.ts'
import { type Waiter, Walks } from './walks.ts'

export interface VolumeCaptureParts {
  readonly clock: Clock
  readonly pool: IngestPool
  readonly threads: CaptureThreads
  readonly onStopped: () => void
}

/**
 * Watcher → hints → checks, and walks → changes → jobs of the ingest pool → commits. Every loop is driven by `#pump`,
 * which does what can be done now and sets one timer for what comes later.
 */
export class VolumeCaptureDriver implements VolumeCapture {
  readonly volume: VolumeId
  readonly #options: VolumeCaptureOptions
  readonly #parts: VolumeCaptureParts
  readonly #link: VolumeLink
  readonly #queue = new ChangeQueue()
  readonly #hot = new HotFiles()
  readonly #walks: Walks
  readonly #unreadable = new UnreadablePaths()
  readonly #abort = new AbortController()
  readonly #jobs = new Set<Promise<void>>()
  #committer: Committer
  #state: CaptureStatus['state'] = 'starting'
  #message: string | undefined
  #failure: Error | undefined
  #watching: 'no' | 'opening' | 'yes' = 'no'
  #watches = 0
  #notWatching: string | undefined
  #checking = false
  /** Until the next walk, nothing is read: what is known of changes was dropped. */
  #paused = true
  /** Messages of the walker that are not answered, so that it waits. */
  #foundHeld = 0
  #timer: Timer | undefined
  #done = { files: 0, bytes: 0 }
  #busyBytes = 0
  #toldMs = -Infinity
  #skipped = 0
  #stopping: Promise<void> | undefined

  constructor(options: VolumeCaptureOptions, parts: VolumeCaptureParts) {
    this.volume = options.volume
    this.#options = options
    this.#parts = parts
    this.#link = new VolumeLink(parts.threads, options.root, options.exclude ?? [], {
      onFound: (message) => this.#found(message),
      onEvents: (message) => this.#events(message),
      onWatching: (watches) => this.#watcherOpened(watches),
      onNotWatching: (message) => this.#watcherRefused(message),
      onLost: (path, reason) => this.#lost(path, reason),
      onDeath: (error) => this.#fail(error),
    })
    this.#walks = new Walks({
      clock: parts.clock,
      link: this.#link,
      generations: this.#queue.generations,
      onEnd: (end, whole) => this.#walkEnded(end, whole),
      onCovered: () => this.#covered(),
    })
    this.#committer = this.#newCommitter()
  }

  async start(): Promise<void> {
    if (this.#state !== 'starting') throw this.#failure ?? new HoldfastError('HF_CLOSED', 'the capture is stopped')
    this.#watch()
    await loadTree(this.#options, this.#link)
    if (this.#stopping !== undefined) return
    this.#state = 'running'
    this.#walks.within(0)
    this.#pump()
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async flush({ signal }: { signal?: AbortSignal } = {}): Promise<FlushResult> {
    throwIfAborted(signal)
    if (this.#failure !== undefined) throw this.#failure
    if (this.#stopping !== undefined) throw new HoldfastError('HF_CLOSED', 'the capture is stopped')
    let waiter: Waiter | undefined
    const onAbort = (): void => waiter?.reject(new HoldfastError('HF_ABORTED', 'aborted', { cause: signal?.reason }))
    signal?.addEventListener('abort', onAbort)
    try {
      const coverageMs = await new Promise<number>((resolve, reject) => {
        waiter = { resolve, reject }
        this.#walks.wait(waiter)
        this.#queue.hurry()
        this.#pump()
      })
      return { coverageMs, unreadableCount: this.#unreadable.count }
    } finally {
      if (waiter !== undefined) this.#walks.leave(waiter)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  status(): CaptureStatus {
    return {
      ...this.#progress(),
      state: this.#state,
      coverageMs: this.#walks.coverageMs,
      pendingFiles: this.#queue.count,
      pendingBytes: this.#queue.readBytes + this.#busyBytes,
      unreadableCount: this.#unreadable.count,
      unreadable: this.#unreadable.paths(),
      skippedCount: this.#skipped,
      watches: this.#watches,
      lastWalkMs: this.#walks.lastMs,
      message: this.#message,
    }
  }

  acceptRoot(): void {
    this.#link.acceptRoot()
    this.#walks.within(0)
    this.#pump()
  }

  // The loop

  #pump(): void {
    if (this.#state === 'starting' || this.#failure !== undefined || this.#stopping !== undefined) return
    const nowMs = this.#parts.clock.monotonicMs()
    for (const path of this.#hot.due(nowMs)) this.#queue.hint(path, nowMs)
    if (!this.#paused) {
      this.#checkHints(nowMs)
      this.#startJobs(nowMs)
      this.#startDeletions()
    }
    while (this.#foundHeld > 0 && this.#queue.changeCount < limits.WORK_MAX) {
      this.#foundHeld--
      this.#link.taken()
    }
    if (this.#walks.pump()) this.#paused = false
    this.#walks.settle()
    this.#tell(false)
    this.#arm(nowMs)
  }

  #arm(nowMs: number): void {
    const due = [this.#paused ? undefined : this.#queue.nextHintMs(), this.#hot.nextMs(), this.#walks.nextMs()]
    const nextMs = Math.min(...due.map((ms) => ms ?? Infinity))
    this.#timer?.cancel()
    this.#timer = undefined
    if (nextMs === Infinity) return
    this.#timer = this.#parts.clock.setTimer(Math.max(0, nextMs - nowMs), () => this.#pump())
  }

  // Hints and what walks and checks find

  #events(message: Events): void {
    this.#watches = message.watches
    const nowMs = this.#parts.clock.monotonicMs()
    if (this.#queue.hintCount < limits.HINTS_MAX) {
      for (const path of pathsOf(message.dirty)) this.#queue.hint(path, nowMs)
      for (const path of pathsOf(message.created)) this.#queue.hint(path, nowMs, true)
      for (const path of message.trees) this.#walks.addTree(path)
    } else {
      this.#gap(EMPTY, 'more changes at once than are kept')
    }
    this.#link.eventsTaken()
    this.#pump()
  }

  #checkHints(nowMs: number): void {
    if (this.#checking) return
    const paths = this.#queue.takeHints(nowMs, limits.CHECK_PATHS_MAX)
    if (paths.length === 0) return
    this.#checking = true
    void this.#link.check(paths).then((ended) => {
      this.#checking = false
      this.#queue.checked(paths)
      for (const path of directoriesOf(ended)) this.#walks.addTree(path)
      // Only a walk can tell whether a root that seems to be another one is to be accepted.
      if (ended.end.type === 'unavailable') this.#walks.within(0)
      this.#pump()
    })
  }

  #found(message: FoundMessage): void {
    this.#foundHeld++
    if (!this.#paused) {
      const nowMs = this.#parts.clock.monotonicMs()
      const whole = this.#walks.isWhole(message.id) && this.#walks.coverageMs !== undefined
      let index = 0
      for (const path of pathsOf(message.paths)) {
        const words = message.stats.subarray(index * STAT_WORDS, (index + 1) * STAT_WORDS)
        const flags = message.flags[index++] ?? 0
        const size = sizeOf(words)
        const known = (flags & FLAG_KNOWN) !== 0
        const unexplained = whole && known && (flags & FLAG_RACY) === 0 && typeOf(words) === 'file'
        if (unexplained && !this.#queue.isAbout(path)) this.#hot.add(path, size, nowMs)
        else if ((flags & FLAG_RACY) === 0) this.#hot.changed(path, size, nowMs)
        this.#queue.found(path, size, known, words)
      }
      for (const path of pathsOf(message.gone)) this.#queue.gone(path)
    }
    for (const { path, errno } of message.problems)
      this.#cannotRead(path, errno, `it cannot be looked at (${errno})`, true)
    this.#pump()
  }

  #walkEnded(end: WalkEnd, whole: boolean): void {
    if (this.#stopping !== undefined) return
    if (end.type === 'unavailable') {
      if (whole) this.#becameUnavailable(end.message)
      else this.#walks.within(0)
    } else if (whole) {
      this.#unreadable.walked(this.#walks.count)
      if (this.#state === 'unavailable') {
        this.#state = 'running'
        this.#message = undefined
        this.#health({ type: 'available' })
      }
      if (end.rootChanged || this.#watching === 'no') this.#watch()
    }
    this.#pump()
  }

  #becameUnavailable(reason: string): void {
    const message = `${pathText(this.#options.root)} is unavailable: ${reason}`
    const next = 'bring it back, or tell the node that it is meant'
    if (this.#state !== 'unavailable' || this.#message !== message) this.#health({ type: 'unavailable', message })
    this.#state = 'unavailable'
    this.#message = message
    this.#watching = 'no'
    this.#giveUp(new HoldfastError('HF_SOURCE_UNAVAILABLE', message, { retryable: true, next }))
  }

  // The watcher

  #watch(): void {
    if (this.#options.watch === false) return
    this.#watching = 'opening'
    this.#link.watch()
  }

  #watcherOpened(watches: number): void {
    this.#watching = 'yes'
    this.#watches = watches
    this.#notWatching = undefined
    // What changed between the walk's passing by and now, no one has told.
    if (this.#walks.count > 0) this.#walks.within(limits.SECOND_WALK_MS)
    this.#pump()
  }

  #watcherRefused(message: string): void {
    this.#watching = 'no'
    if (this.#notWatching === message) return
    this.#notWatching = message
    this.#health({ type: 'unwatched', path: EMPTY, reason: message })
  }

  #lost(path: Uint8Array, reason: WatchLoss): void {
    switch (reason) {
      case 'overflow':
        this.#gap(path, 'the queue of the watcher overflowed')
        break
      case 'watch-limit':
        this.#health({ type: 'unwatched', path, reason: 'the system allows no more watches' })
        break
      case 'unreadable':
        this.#health({ type: 'unwatched', path, reason: 'the directory cannot be read' })
        break
      case 'gone':
        if (path.byteLength === 0) this.#watching = 'no'
        this.#walks.addTree(path)
        break
      case 'failed':
        this.#watching = 'no'
        this.#gap(path, 'the watcher failed')
    }
    this.#pump()
  }

  #gap(path: Uint8Array, reason: string): void {
    this.#walks.addTree(path)
    this.#health({ type: 'gap', reason, path })
  }

  // Reading and committing

  #startJobs(nowMs: number): void {
    while (this.#queue.readCount > 0) {
      const small =
        this.#queue.readCount <= limits.SMALL_JOB_PATHS_MAX && this.#queue.readBytes <= limits.SMALL_JOB_BYTES_MAX
      if (this.#jobs.size >= limits.JOBS_MAX + (small ? limits.SMALL_JOBS_MAX : 0)) return
      const changes = this.#queue.takeReads(nowMs, limits.JOB_PATHS_MAX, limits.JOB_BYTES_MAX)
      if (changes.length === 0) return
      this.#run(changes, (left) => this.#read(changes, left))
    }
  }

  #startDeletions(): void {
    for (;;) {
      const changes = this.#queue.takeDeletions(limits.DELETIONS_MAX)
      if (changes.length === 0) return
      this.#run(changes, (left) => this.#remove(changes, left))
    }
  }

  /** Runs a job; what it leaves in `left` is released at its end, seen or not. */
  #run(changes: readonly Change[], work: (left: Map<string, Change>) => Promise<void>): void {
    const left = new Map(changes.map((change) => [change.key, change]))
    for (const { size } of changes) this.#busyBytes += size
    const job = work(left)
      .catch((error: unknown) => this.#interrupted(error))
      .finally(() => {
        for (const change of left.values()) this.#release(change, left)
        this.#jobs.delete(job)
        this.#pump()
      })
    this.#jobs.add(job)
  }

  #release(change: Change, left: Map<string, Change>, captured?: Uint32Array): void {
    left.delete(change.key)
    this.#busyBytes -= change.size
    this.#queue.release(change, this.#parts.clock.monotonicMs(), captured)
  }

  async #read(changes: readonly Change[], left: Map<string, Change>): Promise<void> {
    const committer = this.#committer
    const readMs = this.#parts.clock.nowMs()
    const paths = changes.map(({ path, size }) => ({ path, sizeHint: size }))
    const job = { volume: this.volume, root: this.#options.root, paths }
    const onGroup = async (group: SealedGroup): Promise<void> => {
      const drafts = group.drafts.filter((draft) => this.#isRead(draft, left))
      for (const { change, captured } of await committer.put(group, drafts, left, readMs)) {
        this.#done.files++
        this.#done.bytes += change.size
        this.#unreadable.remove(change.path)
        this.#release(change, left, captured)
      }
      this.#pump()
    }
    await this.#parts.pool.ingest(job, onGroup, this.#abort.signal)
  }

  /** Deals with what was not read; true for what goes on to the sink. */
  #isRead(draft: Draft, left: Map<string, Change>): boolean {
    const { path } = draft
    const change = left.get(keyOf(path))
    if (change === undefined) return false
    const nowMs = this.#parts.clock.monotonicMs()
    if (draft.type === 'absent') {
      this.#release(change, left)
      // The check tells a deletion from an unavailable root.
      this.#queue.hint(path, nowMs)
      return false
    }
    if (draft.type === 'unreadable') {
      this.#release(change, left)
      this.#cannotRead(path, draft.error?.code ?? 'HF_SOURCE_UNAVAILABLE', draft.error?.message ?? 'unreadable', false)
      return false
    }
    if (draft.type === 'other') {
      this.#skipped++
      this.#health({ type: 'skipped', path })
    }
    if (draft.torn) {
      this.#hot.add(path, draft.size, nowMs)
      this.#health({ type: 'torn', path })
    }
    return true
  }

  async #remove(changes: readonly Change[], left: Map<string, Change>): Promise<void> {
    for (const { change } of await this.#committer.remove(changes)) {
      this.#unreadable.remove(change.path)
      this.#release(change, left)
    }
  }

  #cannotRead(path: Uint8Array, code: string, message: string, listed: boolean): void {
    if (this.#unreadable.add(path, this.#walks.count, listed)) this.#health({ type: 'unreadable', path, code, message })
  }

  #newCommitter(): Committer {
    return new Committer({ sink: this.#options.sink, stats: this.#options.stats, link: this.#link })
  }

  // Failures and the end

  /** What passes by itself is tried again by a walk, which finds everything that is not captured; all else ends the capture. */
  #interrupted(error: unknown): void {
    if (this.#stopping !== undefined || this.#failure !== undefined) return
    const passing = error instanceof HoldfastError && (error.retryable || PASSING.some((code) => hasCode(error, code)))
    if (!passing) {
      this.#fail(error)
      return
    }
    if (!this.#paused) this.#health({ type: 'gap', reason: error.message, path: EMPTY })
    this.#committer = this.#newCommitter()
    this.#giveUp(error)
  }

  #giveUp(error: HoldfastError): void {
    this.#paused = true
    this.#queue.clear()
    this.#walks.fail(error)
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined || this.#stopping !== undefined) return
    const error = cause instanceof Error ? cause : new HoldfastError('HF_INTERNAL', 'capture failed', { cause })
    this.#failure = error
    this.#state = 'failed'
    this.#message = error.message
    this.#timer?.cancel()
    this.#walks.close(error)
    this.#abort.abort(error)
    this.#health({ type: 'failed', error })
  }

  async #stop(): Promise<void> {
    const closed = new HoldfastError('HF_CLOSED', 'the capture is stopped')
    this.#timer?.cancel()
    this.#walks.close(closed)
    this.#abort.abort(closed)
    await Promise.all(this.#jobs)
    await this.#committer.settled()
    // So that the next start need not compare the stat store with the catalog.
    if (this.#state === 'running' && this.#walks.coverageMs !== undefined)
      await this.#committer.noteSeq(this.#options.history.seq())
    this.#link.close()
    this.#state = 'stopped'
    this.#parts.onStopped()
  }

  // What others are told

  #covered(): void {
    this.#tell(true)
  }

  #progress(): CaptureProgress {
    const { files, bytes } = this.#done
    return {
      filesDone: files,
      bytesDone: bytes,
      filesTotal: files + this.#queue.count,
      bytesTotal: bytes + this.#queue.readBytes + this.#busyBytes,
      walking: this.#walks.walking,
    }
  }

  #tell(now: boolean): void {
    const nowMs = this.#parts.clock.monotonicMs()
    const told = nowMs - this.#toldMs < limits.PROGRESS_MS
    if (!told || now) {
      this.#toldMs = nowMs
      this.#options.onProgress?.(this.#progress())
    }
    if (this.#queue.count === 0 && !this.#walks.walking) this.#done = { files: 0, bytes: 0 }
  }

  #health(event: CaptureHealth): void {
    this.#options.onHealth?.(event)
  }
}

const EMPTY = new Uint8Array(0)
/** What an operator or time cures without a restart. */
const PASSING = ['HF_SOURCE_UNAVAILABLE', 'HF_DRIVE_FULL', 'HF_BUSY'] as const
