/** The thread that watches the trees of all volumes: it only empties queues, so that they do not overflow. */
import { parentPort } from 'node:worker_threads'
import { openWatcher } from '@holdfast/capture'
import type { WatchEvents, Watcher, WatchLoss } from '@holdfast/capture'
import { EVENT_PATHS_MAX, EVENTS_AHEAD_MAX } from './limits.ts'
import type { FromWatcher, ToWatcher } from './messages.ts'
import { PathListWriter } from './path-list.ts'

const port = parentPort
if (port === null) throw new TypeError('this file is for a worker thread')

const volumes = new Map<number, Watched>()
const EMPTY = new Uint8Array(0)

const send = (message: FromWatcher): void => port.postMessage(message)

/** The events of one volume, sent in messages as the other side takes them. */
class Watched implements WatchEvents {
  readonly #volume: number
  readonly #dirty = new PathListWriter()
  readonly #created = new PathListWriter()
  #trees: Uint8Array[] = []
  #watcher: Watcher | undefined
  #closed = false
  #ahead = 0
  #overflowed = false

  constructor(volume: number) {
    this.#volume = volume
  }

  async open(root: Uint8Array, exclude: readonly Uint8Array[]): Promise<void> {
    try {
      const watcher = await openWatcher({ root, exclude, events: this })
      if (this.#closed) return await watcher.close()
      this.#watcher = watcher
      send({ type: 'opened', volume: this.#volume, watches: watcher.watchCount })
    } catch (error) {
      if (!this.#closed) send({ type: 'refused', volume: this.#volume, message: messageOf(error) })
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
    if (!this.#closed) send({ type: 'watched', volume: this.#volume })
  }

  onLost(path: Uint8Array, reason: WatchLoss): void {
    this.#push()
    if (!this.#closed) send({ type: 'lost', volume: this.#volume, path, reason })
  }

  refresh(): void {
    this.#watcher?.refresh()
  }

  taken(): void {
    this.#ahead--
    if (this.#ahead > 0 || !this.#overflowed) {
      this.#push()
      return
    }
    this.#overflowed = false
    this.onLost(EMPTY, 'overflow')
  }

  #push(): void {
    const count = this.#dirty.count + this.#created.count + this.#trees.length
    if (count === 0 || this.#closed) return
    if (this.#ahead >= EVENTS_AHEAD_MAX) {
      if (count < EVENT_PATHS_MAX) return
      this.#overflowed = true
      this.#take()
      return
    }
    this.#ahead++
    send({ type: 'events', volume: this.#volume, ...this.#take(), watches: this.#watcher?.watchCount ?? 0 })
  }

  #take() {
    const trees = this.#trees
    this.#trees = []
    return { dirty: this.#dirty.take(), created: this.#created.take(), trees }
  }
}

port.on('message', (message: ToWatcher) => {
  if (message.type === 'stop') {
    for (const opened of volumes.values()) void opened.close()
    port.close()
    return
  }
  const watched = volumes.get(message.volume)
  switch (message.type) {
    case 'open': {
      const opened = new Watched(message.volume)
      volumes.set(message.volume, opened)
      void opened.open(message.root, message.exclude)
      return
    }
    case 'taken':
      watched?.taken()
      return
    case 'refresh':
      watched?.refresh()
      return
    case 'close':
      volumes.delete(message.volume)
      void watched?.close()
  }
})

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
