import type { WatchLoss } from '@holdfast/capture'
import { SECOND_WALK_MS } from './limits.ts'
import type { CaptureHealth } from './types.ts'
import type { VolumeLink } from './volume-link.ts'
import type { Walks } from './walks.ts'

export interface WatchingParts {
  readonly link: VolumeLink
  readonly walks: Walks
  /** False: only walks find changes. */
  readonly enabled: boolean
  readonly onHealth: (event: CaptureHealth) => void
}

const EMPTY = new Uint8Array(0)

/** Whether the volume is watched; what is lost is walked. */
export class Watching {
  readonly #parts: WatchingParts
  #state: 'no' | 'opening' | 'yes' = 'no'
  /** What was said of parts that are not watched, so that it is said once. */
  readonly #unwatched = new Set<string>()
  /** Directories watched. */
  watches = 0

  constructor(parts: WatchingParts) {
    this.#parts = parts
  }

  /** Opens the watcher if there is none, or anew if the root is another one; else has it watch what it could not before. */
  ensure(anew: boolean): void {
    if (!this.#parts.enabled) return
    if (this.#state !== 'no' && !anew) {
      this.#parts.link.refreshWatches()
      return
    }
    this.#state = 'opening'
    this.#parts.link.watch()
  }

  /** The root is gone, and its watches with it. */
  gone(): void {
    this.#state = 'no'
    this.watches = 0
  }

  opened(watches: number): void {
    const { walks } = this.#parts
    this.#state = 'yes'
    this.watches = watches
    // What changed between the walk's passing by and now, no one has told.
    if (walks.count > 0) walks.within(SECOND_WALK_MS)
  }

  refused(message: string): void {
    this.#state = 'no'
    this.#notWatched(EMPTY, message)
  }

  /** Everything is watched; what changed where nobody watched is found by a walk. */
  watched(): void {
    if (this.#unwatched.size === 0) return
    this.#unwatched.clear()
    this.#parts.onHealth({ type: 'watched' })
    this.#parts.walks.within(SECOND_WALK_MS)
  }

  lost(path: Uint8Array, reason: WatchLoss): void {
    const { walks } = this.#parts
    switch (reason) {
      case 'overflow':
        this.gap(path, 'the queue of the watcher overflowed')
        return
      case 'watch-limit':
        this.#notWatched(path, 'the system allows no more watches; raise fs.inotify.max_user_watches')
        return
      case 'unreadable':
        this.#notWatched(path, 'a directory cannot be read')
        return
      case 'gone':
        if (path.byteLength === 0) this.gone()
        walks.addTree(path)
        return
      case 'failed':
        this.gone()
        this.gap(path, 'the watcher failed')
    }
  }

  /** Something happened at or below the path that nobody told. */
  gap(path: Uint8Array, reason: string): void {
    const { walks, onHealth } = this.#parts
    const isNew = walks.missed()
    walks.addTree(path)
    if (isNew) onHealth({ type: 'gap', reason, path })
  }

  #notWatched(path: Uint8Array, reason: string): void {
    if (this.#unwatched.has(reason)) return
    this.#unwatched.add(reason)
    this.#parts.onHealth({ type: 'unwatched', path, reason })
  }
}
