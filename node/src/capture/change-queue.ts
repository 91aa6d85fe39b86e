import { keyOf, sameStat } from '@holdfast/capture'
import { Generations } from './generations.ts'
import { CREATED_MS, MERGE_MS, SMALL_JOB_BYTES_MAX } from './limits.ts'

/** A path known to have changed, to be read or deleted. */
export interface Change {
  readonly key: string
  readonly path: Uint8Array
  readonly deleted: boolean
  /** Expected bytes of content. */
  readonly size: number
  /** The history has the path, or may have. */
  readonly known: boolean
  /** Status that a walk or check saw. */
  readonly words: Uint32Array | undefined
  readonly generation: number
}

interface Hint {
  readonly path: Uint8Array
  generation: number
  notBeforeMs: number
}

/**
 * Every path of one volume that awaits something, in one stage at a time of: hint (a watcher named it) → being checked →
 * change (to be read or deleted) → busy (being read, committed, noted). What is said of a busy path waits until it is free.
 * A path keeps the generation in which it first came until it is through, so that a flush knows when what it saw is.
 */
export class ChangeQueue {
  readonly generations = new Generations()
  /** Hints that wait for their time, and when the first comes at the earliest. */
  readonly #hints = new Map<string, Hint>()
  #earliestMs = Infinity
  readonly #ready = new Map<string, Hint>()
  readonly #checking = new Map<string, number>()
  readonly #toRead = new Map<string, Change>()
  /** Those of `#toRead` that a watcher told of and that are small: they do not wait behind what a walk found. */
  readonly #live = new Set<string>()
  readonly #toDelete = new Map<string, Change>()
  readonly #busy = new Map<string, number>()
  /** When files were read last, for as long as closes are merged; oldest first. */
  readonly #reads = new Map<string, number>()
  #bytes = 0

  get hintCount(): number {
    return this.#hints.size + this.#ready.size
  }

  get readCount(): number {
    return this.#toRead.size
  }

  get liveCount(): number {
    return this.#live.size
  }

  get changeCount(): number {
    return this.#toRead.size + this.#toDelete.size
  }

  /** Paths that are not through. */
  get count(): number {
    return this.hintCount + this.#checking.size + this.changeCount + this.#busy.size
  }

  /** Expected bytes of the changes that wait to be read. */
  get readBytes(): number {
    return this.#bytes
  }

  /** Whether someone told of the path, or it is under way: that explains a change of it. */
  isAbout(path: Uint8Array): boolean {
    const key = keyOf(path)
    const stages = [this.#hints, this.#ready, this.#checking, this.#toRead, this.#toDelete, this.#busy]
    return stages.some((stage) => stage.has(key))
  }

  // Hints

  /** The path may have changed: look at it, but not within `MERGE_MS` of its last read. `created`: it may be open still. */
  hint(path: Uint8Array, nowMs: number, created = false, generation = this.generations.current): void {
    const key = keyOf(path)
    const readMs = this.#reads.get(key)
    const mergedMs = readMs === undefined ? nowMs : Math.max(nowMs, readMs + MERGE_MS)
    const notBeforeMs = created ? Math.max(mergedMs, nowMs + CREATED_MS) : mergedMs
    const before = this.#hints.get(key) ?? this.#ready.get(key)
    this.generations.enter(generation)
    if (before === undefined) {
      this.#hints.set(key, { path, generation, notBeforeMs })
    } else {
      this.generations.leave(Math.max(generation, before.generation))
      before.generation = Math.min(generation, before.generation)
      before.notBeforeMs = Math.min(before.notBeforeMs, notBeforeMs)
    }
    if (!this.#ready.has(key)) this.#earliestMs = Math.min(this.#earliestMs, notBeforeMs)
  }

  /** Hints whose time has come, of paths that are not busy; they are being checked then. */
  takeHints(nowMs: number, max: number): Uint8Array[] {
    this.#makeReady(nowMs)
    for (const [key, readMs] of this.#reads) {
      if (readMs + MERGE_MS > nowMs) break
      this.#reads.delete(key)
    }
    const taken: Uint8Array[] = []
    for (const [key, hint] of this.#ready) {
      if (taken.length >= max) break
      if (this.#busy.has(key) || this.#checking.has(key)) continue
      this.#ready.delete(key)
      this.#checking.set(key, hint.generation)
      taken.push(hint.path)
    }
    return taken
  }

  /** When to take hints again at the latest; undefined if none waits for its time. */
  nextHintMs(): number | undefined {
    return this.#hints.size === 0 ? undefined : this.#earliestMs
  }

  /** A flush does not wait for company. */
  hurry(): void {
    this.#makeReady(Infinity)
  }

  /** The check of these is over; what it found has been told by `found` and `gone`. */
  checked(paths: readonly Uint8Array[]): void {
    for (const path of paths) {
      const key = keyOf(path)
      const generation = this.#checking.get(key)
      if (generation === undefined) continue
      this.#checking.delete(key)
      this.generations.leave(generation)
    }
  }

  #makeReady(nowMs: number): void {
    if (this.#earliestMs > nowMs) return
    this.#earliestMs = Infinity
    for (const [key, hint] of this.#hints) {
      if (hint.notBeforeMs <= nowMs) {
        this.#hints.delete(key)
        this.#ready.set(key, hint)
      } else {
        this.#earliestMs = Math.min(this.#earliestMs, hint.notBeforeMs)
      }
    }
  }

  // Changes

  /** A walk or check saw the path, different from what is known. `words` are kept. `live`: it changed just now. */
  found(path: Uint8Array, size: number, known: boolean, words: Uint32Array, live = false): void {
    const key = this.#put({ path, deleted: false, size, known, words })
    if (live && size <= SMALL_JOB_BYTES_MAX) this.#live.add(key)
  }

  /** A walk or check saw that the path, which the history has, is gone. */
  gone(path: Uint8Array): void {
    this.#put({ path, deleted: true, size: 0, known: true, words: undefined })
  }

  /** Changes to be read of paths that are not busy, oldest first, up to these bounds but at least one; they are busy then. */
  takeReads(nowMs: number, pathsMax: number, bytesMax: number): Change[] {
    return this.#takeReads(this.#toRead.keys(), nowMs, pathsMax, bytesMax)
  }

  /** The same, of live changes only. */
  takeLive(nowMs: number, pathsMax: number, bytesMax: number): Change[] {
    return this.#takeReads(this.#live, nowMs, pathsMax, bytesMax)
  }

  #takeReads(keys: Iterable<string>, nowMs: number, pathsMax: number, bytesMax: number): Change[] {
    const taken: Change[] = []
    let bytes = 0
    for (const key of keys) {
      const change = this.#toRead.get(key)
      if (change === undefined) continue
      if (taken.length >= pathsMax || (taken.length > 0 && bytes + change.size > bytesMax)) break
      if (this.#busy.has(change.key)) continue
      bytes += change.size
      taken.push(change)
      // Deleted first, so that the map stays in order of time.
      this.#reads.delete(change.key)
      this.#reads.set(change.key, nowMs)
    }
    this.#begin(taken)
    return taken
  }

  takeDeletions(max: number): Change[] {
    const taken: Change[] = []
    for (const change of this.#toDelete.values()) {
      if (taken.length >= max) break
      if (!this.#busy.has(change.key)) taken.push(change)
    }
    this.#begin(taken)
    return taken
  }

  /** Takes back everything that is not under way: a walk will find it again. */
  clear(): void {
    for (const stage of [this.#hints, this.#ready, this.#toRead, this.#toDelete]) {
      for (const { generation } of stage.values()) this.generations.leave(generation)
      stage.clear()
    }
    this.#live.clear()
    this.#earliestMs = Infinity
    this.#bytes = 0
  }

  /** The path is through. `captured` is the status that was captured, if that can be relied on: a change that saw the same is done too.
   *  A deletion that was seen meanwhile may be older than the capture, so it is looked at again. */
  release(change: Change, nowMs: number, captured?: Uint32Array): void {
    const { key } = change
    const generation = this.#busy.get(key)
    if (generation === undefined) return
    this.#busy.delete(key)
    const deletion = this.#toDelete.get(key)
    const next = this.#toRead.get(key)
    if (deletion !== undefined) {
      this.#drop(deletion)
      this.hint(deletion.path, nowMs, false, deletion.generation)
      this.generations.leave(deletion.generation)
    } else if (next?.words !== undefined && captured !== undefined && sameStat(next.words, 0, captured, 0)) {
      this.#drop(next)
      this.generations.leave(next.generation)
    }
    this.generations.leave(generation)
  }

  #put(seen: Omit<Change, 'key' | 'generation'>): string {
    const key = keyOf(seen.path)
    const before = this.#toRead.get(key) ?? this.#toDelete.get(key)
    if (before !== undefined) this.#drop(before)
    const generation = before?.generation ?? this.generations.enter()
    const known = seen.known || before?.known === true || this.#busy.has(key)
    const { path, deleted, size, words } = seen
    const change = { key, path, deleted, size, known, words, generation }
    if (change.deleted) this.#toDelete.set(key, change)
    else this.#toRead.set(key, change)
    this.#bytes += change.size
    return key
  }

  #begin(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#drop(change)
      this.#busy.set(change.key, change.generation)
    }
  }

  #drop(change: Change): void {
    const stage = change.deleted ? this.#toDelete : this.#toRead
    if (stage.delete(change.key)) this.#bytes -= change.size
    this.#live.delete(change.key)
  }
}
