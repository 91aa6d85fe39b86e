import { sizeOf, STAT_WORDS, typeOf } from '@holdfast/capture'
import type { WalkEnd } from '@holdfast/capture'
import { hasCode, HoldfastError, throwIfAborted } from '@holdfast/ports'
import type { Clock, Timer, VolumeId } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'
import type { IngestPool } from '../ingest/types.ts'
import { ChangeQueue } from './change-queue.ts'
import { HotFiles } from './hot-files.ts'
import { Jobs } from './jobs.ts'
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
import { Watching } from './watching.ts'

export interface VolumeCaptureParts {
  readonly clock: Clock
  readonly pool: IngestPool
  readonly threads: CaptureThreads
  readonly onStopped: () => void
}

/**
 * Watcher → hints → checks, and walks → changes → jobs of the ingest pool → commits. All of it is driven by `#pump`, which
 * does what can be done now and sets one timer for what comes later; whatever happens is noted, then `#pump` is called.
 */
export class VolumeCaptureDriver implements VolumeCapture {
  readonly volume: VolumeId
  readonly #options: VolumeCaptureOptions
  readonly #parts: VolumeCaptureParts
  readonly #link: VolumeLink
  readonly #queue = new ChangeQueue()
  readonly #hot = new HotFiles()
  readonly #walks: Walks
  readonly #watching: Watching
  readonly #jobs: Jobs
  readonly #unreadable = new UnreadablePaths()
  #state: CaptureStatus['state'] = 'starting'
  #message: string | undefined
  #failure: Error | undefined
  #checking = false
  /** What was known of changes was dropped: until the next walk, nothing is read. */
  #paused = true
  /** Messages of the walker that are not answered, so that it waits. */
  #foundHeld = 0
  #timer: Timer | undefined
  #toldMs = -Infinity
  #stopping: Promise<void> | undefined

  constructor(options: VolumeCaptureOptions, parts: VolumeCaptureParts) {
    this.volume = options.volume
    this.#options = options
    this.#parts = parts
    const pumped = (act: () => void): void => {
      act()
      this.#pump()
    }
    this.#link = new VolumeLink(parts.threads, options.root, options.exclude ?? [], {
      onFound: (message) => pumped(() => this.#found(message)),
      onEvents: (message) => pumped(() => this.#events(message)),
      onWatching: (watches) => pumped(() => this.#watching.opened(watches)),
      onNotWatching: (message) => this.#watching.refused(message),
      onWatched: () => pumped(() => this.#watching.watched()),
      onLost: (path, reason) => pumped(() => this.#watching.lost(path, reason)),
      onDeath: (error) => this.#fail(error),
    })
    const onHealth = (event: CaptureHealth): void => options.onHealth?.(event)
    const { clock, pool } = parts
    this.#walks = new Walks({
      clock,
      link: this.#link,
      generations: this.#queue.generations,
      onEnd: (end, whole) => pumped(() => this.#walkEnded(end, whole)),
      onCovered: (closed) => this.#covered(closed),
    })
    this.#watching = new Watching({
      link: this.#link,
      walks: this.#walks,
      enabled: options.watch ?? true,
      onHealth,
    })
    this.#jobs = new Jobs({
      options,
      clock,
      pool,
      queue: this.#queue,
      hot: this.#hot,
      link: this.#link,
      onHealth,
      onUnreadable: (path, code, message) => this.#cannotRead(path, code, message, false),
      onCaptured: (path) => this.#unreadable.remove(path),
      onFailed: (error) => this.#interrupted(error),
      onProgress: () => this.#pump(),
    })
  }

  async start(): Promise<void> {
    if (this.#state !== 'starting') throw this.#failure ?? new HoldfastError('HF_CLOSED', 'the capture is stopped')
    this.#watching.ensure(false)
    await loadTree(this.#options, this.#link)
    if (this.#stopping !== undefined || this.#failure !== undefined) return
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
        // Of what is written through a memory map, not even the walk need see a trace.
        for (const path of this.#hot.paths()) this.#queue.hint(path, this.#parts.clock.monotonicMs())
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
      pendingBytes: this.#queue.readBytes + this.#jobs.busyBytes,
      unreadableCount: this.#unreadable.count,
      unreadable: this.#unreadable.paths(),
      skippedCount: this.#jobs.skipped,
      watches: this.#watching.watches,
      lastWalkMs: this.#walks.lastMs,
      message: this.#message,
    }
  }

  walkSoon(): void {
    this.#walks.within(0)
    this.#pump()
  }

  acceptRoot(): void {
    this.#link.acceptRoot()
    this.walkSoon()
  }

  // The loop

  #pump(): void {
    if (this.#state === 'starting' || this.#failure !== undefined || this.#stopping !== undefined) return
    const nowMs = this.#parts.clock.monotonicMs()
    for (const path of this.#hot.due(nowMs)) this.#queue.hint(path, nowMs)
    if (!this.#paused) {
      this.#checkHints(nowMs)
      this.#jobs.start(nowMs)
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

  // Hints, and what walks and checks find

  #events(message: Events): void {
    this.#watching.watches = message.watches
    const nowMs = this.#parts.clock.monotonicMs()
    if (this.#queue.hintCount < limits.HINTS_MAX) {
      for (const path of pathsOf(message.dirty)) {
        this.#hot.told(path, nowMs)
        this.#queue.hint(path, nowMs)
      }
      for (const path of pathsOf(message.created)) this.#queue.hint(path, nowMs, true)
      for (const path of message.trees) this.#walks.addTree(path)
    } else {
      this.#watching.gap(EMPTY, 'more changes at once than are kept')
    }
    this.#link.eventsTaken()
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
    if (!this.#paused) this.#queueFound(message)
    for (const { path, errno } of message.problems)
      this.#cannotRead(path, 'HF_UNREADABLE', `it cannot be looked at (${errno})`, true)
  }

  #queueFound(message: FoundMessage): void {
    const nowMs = this.#parts.clock.monotonicMs()
    const whole = this.#walks.isWhole(message.id) && this.#walks.coverageMs !== undefined
    const live = !this.#walks.isWalk(message.id)
    let index = 0
    for (const path of pathsOf(message.paths)) {
      const words = message.stats.subarray(index * STAT_WORDS, (index + 1) * STAT_WORDS)
      const flags = message.flags[index++] ?? 0
      const size = sizeOf(words)
      const known = (flags & FLAG_KNOWN) !== 0
      if ((flags & FLAG_RACY) === 0) {
        // A file that changed without a word is held open by its writer.
        const untold = whole && known && typeOf(words) === 'file' && !this.#queue.isAbout(path)
        if (untold) this.#hot.add(path, size, nowMs)
        else this.#hot.changed(path, size, nowMs)
      }
      this.#queue.found(path, size, known, words, live)
    }
    for (const path of pathsOf(message.gone)) this.#queue.gone(path)
  }

  #cannotRead(path: Uint8Array, code: string, message: string, listed: boolean): void {
    if (this.#unreadable.add(path, this.#walks.count, listed))
      this.#options.onHealth?.({ type: 'unreadable', path, code, message })
  }

  // Walks

  #walkEnded(end: WalkEnd, whole: boolean): void {
    if (this.#stopping !== undefined || this.#failure !== undefined) return
    if (end.type === 'unavailable') {
      if (whole) this.#becameUnavailable(end.message)
      else this.#walks.within(0)
      return
    }
    if (!whole) return
    this.#unreadable.walked(this.#walks.count)
    if (this.#state === 'unavailable') {
      this.#state = 'running'
      this.#message = undefined
      this.#options.onHealth?.({ type: 'available' })
    }
    this.#watching.ensure(end.rootChanged)
  }

  #becameUnavailable(reason: string): void {
    const message = `${pathText(this.#options.root)} is unavailable: ${reason}`
    if (this.#state !== 'unavailable' || this.#message !== message)
      this.#options.onHealth?.({ type: 'unavailable', message })
    this.#state = 'unavailable'
    this.#message = message
    this.#watching.gone()
    const next = 'bring it back; nothing is taken for deleted meanwhile'
    this.#giveUp(new HoldfastError('HF_SOURCE_UNAVAILABLE', message, { retryable: true, next }))
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
    if (!this.#paused) this.#options.onHealth?.({ type: 'gap', reason: error.message, path: EMPTY })
    this.#walks.missed()
    this.#jobs.renew()
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
    this.#jobs.abort(error)
    this.#options.onHealth?.({ type: 'failed', error })
  }

  async #stop(): Promise<void> {
    const closed = new HoldfastError('HF_CLOSED', 'the capture is stopped')
    this.#timer?.cancel()
    this.#walks.close(closed)
    this.#jobs.abort(closed)
    await this.#jobs.settled()
    // So that the next start need not compare the stat store with the catalog.
    if (this.#failure === undefined && this.#walks.coverageMs !== undefined) await this.#jobs.noteSeq()
    this.#link.close()
    this.#state = 'stopped'
    this.#parts.onStopped()
  }

  // What others are told

  #covered(closed: boolean): void {
    this.#tell(true)
    if (closed) this.#options.onHealth?.({ type: 'covered' })
    this.#options.onCovered?.()
    // Records that are not of paths move the catalog on, too: without this the next start would compare everything.
    this.#jobs.noteSeq().catch((error: unknown) => this.#interrupted(error))
  }

  #progress(): CaptureProgress {
    const { files, bytes } = this.#jobs.done
    return {
      filesDone: files,
      bytesDone: bytes,
      filesTotal: files + this.#queue.count,
      bytesTotal: bytes + this.#queue.readBytes + this.#jobs.busyBytes,
      walking: this.#walks.walking,
    }
  }

  #tell(now: boolean): void {
    const nowMs = this.#parts.clock.monotonicMs()
    if (now || nowMs - this.#toldMs >= limits.PROGRESS_MS) {
      this.#toldMs = nowMs
      this.#options.onProgress?.(this.#progress())
    }
    if (this.#queue.count === 0 && !this.#walks.walking) this.#jobs.resetDone()
  }
}

const EMPTY = new Uint8Array(0)
/** What an operator or time cures without a restart. */
const PASSING = ['HF_SOURCE_UNAVAILABLE', 'HF_DRIVE_FULL', 'HF_BUSY'] as const
