import { STAT_WORDS } from '@holdfast/capture'
import type { WatchLoss } from '@holdfast/capture'
import type { HoldfastError } from '@holdfast/ports'
import { FLAG_IGNORED, FLAG_RACY, FLAG_UNKEYED, FLAG_YOUNG } from './messages.ts'
import type { FoundMessage, FromWalker, FromWatcher } from './messages.ts'
import { packPaths, pathsOf } from './path-list.ts'
import type { CaptureThreads } from './threads.ts'

/** What is noted of a path in the walker's tree. */
export interface TreeNote {
  readonly path: Uint8Array
  /** Its status as words. */
  readonly words: Uint32Array
  /** False: only the history knows it. */
  readonly keyed: boolean
  readonly racy: boolean
  readonly young: boolean
  readonly ignored: boolean
}

export type Ended = Extract<FromWalker, { type: 'ended' }>
export type Events = Extract<FromWatcher, { type: 'events' }>

export interface LinkListener {
  /** `taken` must be called for each. */
  onFound(message: FoundMessage): void
  /** `eventsTaken` must be called for each. */
  onEvents(message: Events): void
  onWatching(watches: number): void
  onNotWatching(message: string): void
  onWatched(): void
  onLost(path: Uint8Array, reason: WatchLoss): void
  onDeath(error: HoldfastError): void
}

/** One volume's line to the threads. Messages arrive in the order in which they were sent, each way. */
export class VolumeLink {
  readonly #threads: CaptureThreads
  readonly #root: Uint8Array
  readonly #exclude: readonly Uint8Array[]
  readonly #volume: number
  readonly #ends = new Map<number, (ended: Ended) => void>()
  readonly #reached = new Map<number, () => void>()
  #ids = 0

  constructor(threads: CaptureThreads, root: Uint8Array, exclude: readonly Uint8Array[], listener: LinkListener) {
    this.#threads = threads
    this.#root = root
    this.#exclude = exclude
    this.#volume = threads.add({
      onWalker: (message) => this.#fromWalker(message, listener),
      onWatcher: (message) => fromWatcher(message, listener),
      onDeath: (error) => {
        listener.onDeath(error)
        this.#giveUp()
      },
    })
    threads.toWalker({ type: 'open', volume: this.#volume, root, exclude })
  }

  /** Starts the watcher, or starts it anew. */
  watch(): void {
    this.#threads.toWatcher({ type: 'close', volume: this.#volume })
    this.#threads.toWatcher({ type: 'open', volume: this.#volume, root: this.#root, exclude: this.#exclude })
  }

  /** Watches what could not be watched before and what came without an event. */
  refreshWatches(): void {
    this.#threads.toWatcher({ type: 'refresh', volume: this.#volume })
  }

  /** The walk's number, and its end. */
  walk(top: Uint8Array, thorough: boolean): { readonly id: number; readonly ended: Promise<Ended> } {
    const id = this.#ids++
    const ended = this.#end(id)
    this.#threads.toWalker({ type: 'walk', volume: this.#volume, id, top, thorough })
    return { id, ended }
  }

  check(paths: readonly Uint8Array[]): Promise<Ended> {
    const id = this.#ids++
    const ended = this.#end(id)
    this.#threads.toWalker({ type: 'check', volume: this.#volume, id, paths: packPaths(paths) })
    return ended
  }

  note(notes: readonly TreeNote[]): void {
    const stats = new Uint32Array(notes.length * STAT_WORDS)
    const flags = new Uint8Array(notes.length)
    for (const [index, { words, keyed, racy, young, ignored }] of notes.entries()) {
      stats.set(words, index * STAT_WORDS)
      const doubt = (racy ? FLAG_RACY : 0) | (young ? FLAG_YOUNG : 0)
      flags[index] = doubt | (ignored ? FLAG_IGNORED : 0) | (keyed ? 0 : FLAG_UNKEYED)
    }
    const paths = packPaths(notes.map(({ path }) => path))
    this.#threads.toWalker({ type: 'capture', volume: this.#volume, paths, stats, flags }, [stats.buffer])
  }

  forget(paths: readonly Uint8Array[]): void {
    this.#threads.toWalker({ type: 'forget', volume: this.#volume, paths: packPaths(paths) })
  }

  /** Resolves when the walker has done everything asked before, and everything it said before has been heard. */
  reach(): Promise<void> {
    const id = this.#ids++
    const reached = new Promise<void>((resolve) => this.#reached.set(id, resolve))
    this.#threads.toWalker({ type: 'reach', volume: this.#volume, id })
    return reached
  }

  taken(): void {
    this.#threads.toWalker({ type: 'taken', volume: this.#volume })
  }

  eventsTaken(): void {
    this.#threads.toWatcher({ type: 'taken', volume: this.#volume })
  }

  acceptRoot(): void {
    this.#threads.toWalker({ type: 'accept-root', volume: this.#volume })
  }

  /** Nothing is heard any more; what was awaited never comes. */
  close(): void {
    this.#threads.remove(this.#volume)
  }

  /** Lets those who wait for a thread that died go on. */
  #giveUp(): void {
    for (const resolve of this.#reached.values()) resolve()
    this.#reached.clear()
    const end = { type: 'unavailable', message: 'the thread died' } as const
    for (const [id, resolve] of this.#ends)
      resolve({ type: 'ended', volume: this.#volume, id, end, directories: new Uint8Array(0), durationMs: 0 })
    this.#ends.clear()
  }

  #end(id: number): Promise<Ended> {
    return new Promise((resolve) => this.#ends.set(id, resolve))
  }

  #fromWalker(message: FromWalker, listener: LinkListener): void {
    switch (message.type) {
      case 'found':
        listener.onFound(message)
        return
      case 'reached':
        this.#reached.get(message.id)?.()
        this.#reached.delete(message.id)
        return
      case 'ended':
        this.#ends.get(message.id)?.(message)
        this.#ends.delete(message.id)
    }
  }
}

function fromWatcher(message: FromWatcher, listener: LinkListener): void {
  switch (message.type) {
    case 'opened':
      listener.onWatching(message.watches)
      return
    case 'refused':
      listener.onNotWatching(message.message)
      return
    case 'watched':
      listener.onWatched()
      return
    case 'events':
      listener.onEvents(message)
      return
    case 'lost':
      listener.onLost(message.path, message.reason)
  }
}

/** Directories that a check found to be walked. */
export const directoriesOf = (ended: Ended): Uint8Array[] => [...pathsOf(ended.directories)]
