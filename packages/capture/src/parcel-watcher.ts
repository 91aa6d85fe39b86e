import { lstatSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { HoldfastError } from '@holdfast/ports'
import type { Watcher, WatchEvents, WatchOptions } from './watcher.ts'

interface Subscription {
  unsubscribe(): Promise<void>
}

interface ParcelEvent {
  readonly path: string
  readonly type: 'create' | 'update' | 'delete'
}

interface Parcel {
  subscribe(
    directory: string,
    callback: (error: Error | null, events: readonly ParcelEvent[]) => void,
    options: { ignore: string[] },
  ): Promise<Subscription>
}

/**
 * @parcel/watcher, for systems other than Linux. It tells of changes some 50 ms late and in groups, not of closes; it loses a
 * few in large bursts without a word, names that are not UTF-8 always, and files that are in a directory before it watches it:
 * directories that came or changed are announced as trees. Its own inotify backend does not follow moved directories: there it
 * subscribes anew after each directory that came, and has everything walked for what happened in between.
 */
export async function openParcelWatcher(options: WatchOptions): Promise<Watcher> {
  const watcher = new ParcelWatcher(options)
  await watcher.open()
  return watcher
}

class ParcelWatcher implements Watcher {
  readonly watchCount = 0
  readonly #parcel: Parcel = createRequire(import.meta.url)('@parcel/watcher')
  #root: string
  readonly #exclude: readonly string[]
  readonly #events: WatchEvents
  #subscription: Subscription | undefined
  #renewing: Promise<void> | undefined
  #renewAgain = false
  #closed = false

  constructor(options: WatchOptions) {
    this.#root = Buffer.from(options.root).toString()
    this.#events = options.events
    this.#exclude = (options.exclude ?? []).map((path) => Buffer.from(path).toString())
  }

  async open(): Promise<void> {
    try {
      // Events name what a link to the root stands for.
      this.#root = realpathSync(this.#root)
      this.#subscription = await this.#subscribe()
    } catch (cause) {
      throw new HoldfastError('HF_SOURCE_UNAVAILABLE', 'the directory cannot be watched', { cause, retryable: true })
    }
    this.#events.onWatched()
  }

  /** It never says what it does not watch. */
  refresh(): void {}

  async close(): Promise<void> {
    this.#closed = true
    await this.#renewing
    await this.#subscription?.unsubscribe()
    this.#subscription = undefined
  }

  #subscribe(): Promise<Subscription> {
    const ignore = this.#exclude.map((path) => join(this.#root, path))
    return this.#parcel.subscribe(this.#root, (error, events) => this.#take(error, events), { ignore })
  }

  #take(error: Error | null, events: readonly ParcelEvent[]): void {
    if (this.#closed) return
    if (error !== null) {
      this.#events.onLost(EMPTY, 'overflow')
      return
    }
    const dirty: Uint8Array[] = []
    const trees: Uint8Array[] = []
    for (const event of events) {
      const path = Buffer.from(relative(this.#root, event.path))
      if (path.byteLength === 0) {
        if (event.type === 'delete') this.#events.onLost(EMPTY, 'gone')
      } else if (event.type !== 'delete' && isDirectory(event.path)) trees.push(path)
      else dirty.push(path)
    }
    if (dirty.length > 0) this.#events.onDirty(dirty)
    if (trees.length === 0) return
    if (process.platform === 'linux') this.#renew()
    else for (const tree of trees) this.#events.onTree(tree)
  }

  #renew(): void {
    this.#renewAgain = true
    this.#renewing ??= this.#renewAll().finally(() => {
      this.#renewing = undefined
    })
  }

  async #renewAll(): Promise<void> {
    while (this.#renewAgain && !this.#closed) {
      this.#renewAgain = false
      try {
        // The other way round, the new subscription would share the stale list of directories with the old one.
        await this.#subscription?.unsubscribe()
        this.#subscription = undefined
        this.#subscription = await this.#subscribe()
      } catch {
        this.#events.onLost(EMPTY, 'failed')
        return
      }
      if (!this.#closed) this.#events.onTree(EMPTY)
    }
  }
}

const EMPTY = new Uint8Array(0)

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
