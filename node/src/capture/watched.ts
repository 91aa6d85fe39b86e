import { openWatcher } from '@holdfast/capture'
import type { WatchEvents, Watcher, WatchLoss } from '@holdfast/capture'
import { EVENT_PATHS_MAX, EVENTS_AHEAD_MAX } from './limits.ts'
import type { FromWatcher } from './messages.ts'
import { PathListWriter } from './path-list.ts'

const EMPTY = new Uint8Array(0)

/** The events of one volume, sent in messages as the other side takes them. */
export class Watched implements WatchEvents {
  readonly #volume: number
  readonly #send: (message: FromWatcher) => void
  readonly #dirty = new PathListWriter()
  readonly #created = new PathListWriter()
  #trees: Uint8Array[] = []
  #watcher: Watcher | undefined
  #closed = false
  #ahead = 0
  /** Events were dropped since that was said last. */
  #dropped = false
  /** Messages that the other side will have dealt with before it hears what was said last of dropped events. */
  #unheard = 0

  constructor(volume: number, send: (message: FromWatcher) => void) {
    this.#volume = volume
    this.#send = send
  }

  async open(root: Uint8Array, exclude: readonly Uint8Array[]): Promise<void> {
    try {
      const watcher = await openWatcher({ root, exclude, events: this })
      if (this.#closed) return await watcher.close()
      this.#watcher = watcher
      this.#send({ type: 'opened', volume: this.#volume, watches: watcher.watchCount })
    } catch (error) {
      if (!this.#closed) this.#send({ type: 'refused', volume: this.#volume, message: messageOf(error) })
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#watcher?.close()
  }

  onDirty(paths: readonly Uint8Array[]): void {
    for (const path of paths) this.#dirty.add(path)
    this.#push()
  }

  onCreated(paths: readonly Uint8Array[]): void {
    for (const path of paths) this.#created.add(path)
    this.#push()
  }

  onTree(path: Uint8Array): void {
    this.#trees.push(path)
    this.#push()
  }

  onWatched(): void {
    if (!this.#closed) this.#send({ type: 'watched', volume: this.#volume })
  }

  onLost(path: Uint8Array, reason: WatchLoss): void {
    this.#push()
    if (!this.#closed) this.#send({ type: 'lost', volume: this.#volume, path, reason })
  }

  refresh(): void {
    this.#watcher?.refresh()
  }

  taken(): void {
    this.#ahead--
    if (this.#unheard > 0) this.#unheard--
    this.#push()
    this.#tellDropped()
  }

  /** In a storm without end, too: what is dropped after that was heard is said again. */
  #tellDropped(): void {
    if (!this.#dropped || this.#unheard > 0 || this.#closed) return
    this.#dropped = false
    this.#unheard = this.#ahead
    this.#send({ type: 'lost', volume: this.#volume, path: EMPTY, reason: 'overflow' })
  }

  #push(): void {
    const count = this.#dirty.count + this.#created.count + this.#trees.length
    if (count === 0 || this.#closed) return
    if (this.#ahead >= EVENTS_AHEAD_MAX) {
      if (count < EVENT_PATHS_MAX) return
      this.#take()
      this.#dropped = true
      this.#tellDropped()
      return
    }
    this.#ahead++
    this.#send({ type: 'events', volume: this.#volume, ...this.#take(), watches: this.#watcher?.watchCount ?? 0 })
  }

  #take() {
    const trees = this.#trees
    this.#trees = []
    return { dirty: this.#dirty.take(), created: this.#created.take(), trees }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
