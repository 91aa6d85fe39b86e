import type { InodeSet } from './inode-set.ts'
import { STAT_WORDS } from './stat-key.ts'

/**
 * What is known of every path of one volume, in typed arrays: a million files are some 110 MiB and no objects. An entry is
 * a number; its path is the chain of names up to the root, number 0. Entries of captured paths stay until `forget`; an
 * entry without flags is a directory that only holds others. Entry numbers are valid until `collect` or the next call that
 * adds an entry after it: a freed number is not given out again before `collect`.
 */
export class LiveTree {
  #capacity = 1024
  #count = 1
  #parent = new Int32Array(1024)
  #firstChild = new Int32Array(1024).fill(-1)
  #next = new Int32Array(1024).fill(-1)
  #previous = new Int32Array(1024).fill(-1)
  #nameAt = new Uint32Array(1024)
  #nameLength = new Uint8Array(1024)
  #flags = new Uint8Array(1024)
  #stamp = new Uint32Array(1024)
  #stats = new Uint32Array(1024 * STAT_WORDS)
  #names = new Uint8Array(16 * 1024)
  #namesEnd = 0
  #namesGarbage = 0
  #slots = new Int32Array(4096).fill(-1)
  #used = 1
  #free: number[] = []
  #freed: number[] = []
  #captured = 0

  constructor() {
    this.#parent[0] = -1
  }

  /** Paths that have a version in the history. */
  get capturedCount(): number {
    return this.#captured
  }

  /** Bytes that the tree occupies. */
  get byteLength(): number {
    return this.#capacity * (STAT_WORDS * 4 + 30) + this.#slots.byteLength + this.#names.byteLength
  }

  /** The words of every entry: those of `entry` start at `statAt(entry)`. Replaced when an entry is added. */
  get stats(): Uint32Array {
    return this.#stats
  }

  statAt = (entry: number): number => entry * STAT_WORDS

  has(entry: number, flag: number): boolean {
    return (this.#flagsOf(entry) & flag) !== 0
  }

  /** The entry of a path, or -1. */
  find(path: Uint8Array): number {
    return this.#descend(path, false)
  }

  /** The entry of a path, made (with its parents) if there is none. */
  ensure(path: Uint8Array): number {
    return this.#descend(path, true)
  }

  /** The child whose name is `bytes[start..end)`, or -1. */
  child(parent: number, bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hashOf(parent, bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot] ?? -1
      if (entry < 0) return -1
      if (this.#parent[entry] === parent && this.#nameEquals(entry, bytes, start, end)) return entry
    }
  }

  ensureChild(parent: number, bytes: Uint8Array, start: number, end: number): number {
    const found = this.child(parent, bytes, start, end)
    return found >= 0 ? found : this.#add(parent, bytes, start, end)
  }

  /** Notes what was captured of the path: `words` is its status from `at`, or undefined if only the history knows it. */
  capture(
    path: Uint8Array,
    words: Uint32Array | undefined,
    at: number,
    flags: { racy: boolean; young: boolean; ignored: boolean },
  ): void {
    const entry = this.ensure(path)
    if (words !== undefined) this.#stats.set(words.subarray(at, at + STAT_WORDS), this.statAt(entry))
    const keyed = words === undefined ? 0 : KEYED
    const captured = flags.ignored ? 0 : CAPTURED | (flags.racy ? RACY : 0) | (flags.young ? YOUNG : 0)
    this.#setFlags(entry, keyed | captured | (this.#flagsOf(entry) & PENDING))
  }

  /** Notes on which device the entry is now, from the words of its status. */
  setDevice(entry: number, words: Uint32Array): void {
    const at = this.statAt(entry)
    this.#stats[at + STAT_WORDS - 2] = words[STAT_WORDS - 2] ?? 0
    this.#stats[at + STAT_WORDS - 1] = words[STAT_WORDS - 1] ?? 0
  }

  /** The path is not in the history any more. */
  forget(path: Uint8Array): void {
    const entry = this.find(path)
    if (entry <= 0) return
    this.#setFlags(entry, this.#flagsOf(entry) & PENDING)
    this.prune(entry)
  }

  setFlag(entry: number, flag: number): void {
    this.#setFlags(entry, this.#flagsOf(entry) | flag)
  }

  clearFlag(entry: number, flag: number): void {
    this.#setFlags(entry, this.#flagsOf(entry) & ~flag)
  }

  stamp(entry: number, walk: number): void {
    this.#stamp[entry] = walk
  }

  stampOf(entry: number): number {
    return this.#stamp[entry] ?? 0
  }

  parentOf(entry: number): number {
    return this.#parent[entry] ?? -1
  }

  /** First child of a directory, or -1; the others follow by `nextOf`. */
  firstChildOf(entry: number): number {
    return this.#firstChild[entry] ?? -1
  }

  nextOf(entry: number): number {
    return this.#next[entry] ?? -1
  }

  nameOf(entry: number): Uint8Array {
    const at = this.#nameAt[entry] ?? 0
    return this.#names.slice(at, at + (this.#nameLength[entry] ?? 0))
  }

  /** The path of an entry; empty for the root. */
  pathOf(entry: number): Uint8Array {
    let length = -1
    for (let at = entry; at > 0; at = this.parentOf(at)) length += 1 + (this.#nameLength[at] ?? 0)
    const path = new Uint8Array(Math.max(0, length))
    for (let at = entry; at > 0; at = this.parentOf(at)) {
      const nameLength = this.#nameLength[at] ?? 0
      const nameAt = this.#nameAt[at] ?? 0
      length -= nameLength
      path.set(this.#names.subarray(nameAt, nameAt + nameLength), length)
      length -= 1
      if (length >= 0) path[length] = SLASH
    }
    return path
  }

  /** Whether the number is of an entry, and not freed. */
  isUsed(entry: number): boolean {
    return entry === 0 || this.parentOf(entry) >= 0
  }

  /** Entries whose status has one of these inodes, `max` at most. Costs a look at every entry. */
  withInodes(inodes: InodeSet, max: number): number[] {
    const found: number[] = []
    if (inodes.size === 0) return found
    for (let entry = 1; entry < this.#count && found.length < max; entry++)
      if (inodes.has(this.#stats, entry * STAT_WORDS) && this.isUsed(entry) && this.has(entry, KEYED)) found.push(entry)
    return found
  }

  /** Frees an entry that says nothing: no flags, no children; then its parents likewise. */
  prune(entry: number): void {
    let at = entry
    while (at > 0 && this.isUsed(at) && this.#flags[at] === 0 && this.#firstChild[at] === -1) {
      const parent = this.parentOf(at)
      this.#remove(at)
      at = parent
    }
  }

  /** Lets freed entry numbers be used again: no one holds any. */
  collect(): void {
    for (const entry of this.#freed) this.#free.push(entry)
    this.#freed = []
    if (this.#namesGarbage > NAMES_GARBAGE_BYTES && this.#namesGarbage * 2 > this.#namesEnd) this.#compactNames()
  }

  #flagsOf(entry: number): number {
    return this.#flags[entry] ?? 0
  }

  #setFlags(entry: number, flags: number): void {
    const before = this.#flagsOf(entry)
    this.#captured += (flags & CAPTURED) - (before & CAPTURED)
    this.#flags[entry] = flags
  }

  #descend(path: Uint8Array, create: boolean): number {
    let entry = 0
    for (let start = 0; start < path.byteLength;) {
      let end = path.indexOf(SLASH, start)
      if (end < 0) end = path.byteLength
      entry = create ? this.ensureChild(entry, path, start, end) : this.child(entry, path, start, end)
      if (entry < 0) return -1
      start = end + 1
    }
    return entry
  }

  #nameEquals(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#nameLength[entry] !== end - start) return false
    const at = this.#nameAt[entry] ?? 0
    for (let index = start; index < end; index++) if (this.#names[at + index - start] !== bytes[index]) return false
    return true
  }

  #add(parent: number, bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    if (length < 1 || length > 255) throw new TypeError(`a name of ${length} bytes`)
    const entry = this.#free.pop() ?? this.#count++
    if (entry >= this.#capacity) this.#grow()
    if (this.#namesEnd + length > this.#names.byteLength) this.#names = grown(this.#names, 2 * this.#names.byteLength)
    this.#names.set(bytes.subarray(start, end), this.#namesEnd)
    this.#nameAt[entry] = this.#namesEnd
    this.#nameLength[entry] = length
    this.#namesEnd += length
    this.#parent[entry] = parent
    this.#flags[entry] = 0
    this.#stamp[entry] = 0
    this.#firstChild[entry] = -1
    this.#previous[entry] = -1
    const sibling = this.#firstChild[parent] ?? -1
    this.#next[entry] = sibling
    if (sibling >= 0) this.#previous[sibling] = entry
    this.#firstChild[parent] = entry
    if (++this.#used * 2 > this.#slots.length) this.#rehash()
    else this.#insertSlot(entry)
    return entry
  }

  #remove(entry: number): void {
    this.#removeSlot(entry)
    const next = this.nextOf(entry)
    const previous = this.#previous[entry] ?? -1
    if (previous >= 0) this.#next[previous] = next
    else this.#firstChild[this.parentOf(entry)] = next
    if (next >= 0) this.#previous[next] = previous
    this.#namesGarbage += this.#nameLength[entry] ?? 0
    this.#parent[entry] = -1
    this.#used--
    this.#freed.push(entry)
  }

  #homeSlot(entry: number): number {
    const at = this.#nameAt[entry] ?? 0
    const hash = hashOf(this.parentOf(entry), this.#names, at, at + (this.#nameLength[entry] ?? 0))
    return hash & (this.#slots.length - 1)
  }

  #insertSlot(entry: number): void {
    const mask = this.#slots.length - 1
    let slot = this.#homeSlot(entry)
    while ((this.#slots[slot] ?? -1) >= 0) slot = (slot + 1) & mask
    this.#slots[slot] = entry
  }

  /** Linear probing without tombstones: what follows the hole is moved back into it (Knuth, 6.4, algorithm R). */
  #removeSlot(entry: number): void {
    const mask = this.#slots.length - 1
    let hole = this.#homeSlot(entry)
    while (this.#slots[hole] !== entry) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const moved = this.#slots[slot] ?? -1
      if (moved < 0) break
      if (((slot - this.#homeSlot(moved)) & mask) >= ((slot - hole) & mask)) {
        this.#slots[hole] = moved
        hole = slot
      }
    }
    this.#slots[hole] = -1
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1)
    for (let entry = 1; entry < this.#count; entry++) if (this.parentOf(entry) >= 0) this.#insertSlot(entry)
  }

  #grow(): void {
    const capacity = Math.ceil(this.#capacity * 1.5)
    this.#parent = grown(this.#parent, capacity)
    this.#firstChild = grown(this.#firstChild, capacity)
    this.#next = grown(this.#next, capacity)
    this.#previous = grown(this.#previous, capacity)
    this.#nameAt = grown(this.#nameAt, capacity)
    this.#nameLength = grown(this.#nameLength, capacity)
    this.#flags = grown(this.#flags, capacity)
    this.#stamp = grown(this.#stamp, capacity)
    this.#stats = grown(this.#stats, capacity * STAT_WORDS)
    this.#capacity = capacity
  }

  #compactNames(): void {
    const names = new Uint8Array(Math.max(16 * 1024, 2 * (this.#namesEnd - this.#namesGarbage)))
    let end = 0
    for (let entry = 1; entry < this.#count; entry++) {
      if (this.parentOf(entry) < 0) continue
      const at = this.#nameAt[entry] ?? 0
      const length = this.#nameLength[entry] ?? 0
      names.set(this.#names.subarray(at, at + length), end)
      this.#nameAt[entry] = end
      end += length
    }
    this.#names = names
    this.#namesEnd = end
    this.#namesGarbage = 0
  }
}

/** The history has a version of the path. */
export const CAPTURED = 1
/** The entry's words say what was on disk when it was captured or left out. */
export const KEYED = 2
/** An equal key proves nothing: look again. */
export const RACY = 4
/** A walk found it gone; cleared when it is captured anew. */
export const GONE = 8
/** A directory that a walk under way has yet to read. */
export const PENDING = 16
/** An equal key proves nothing of what is written through a memory map: a thorough look looks again. */
export const YOUNG = 32

const SLASH = 0x2f
/** Names are moved together once this much of them, and more than half, is of entries that are no more. */
const NAMES_GARBAGE_BYTES = 1024 * 1024

function hashOf(parent: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = Math.imul(parent + 1, 0x9e3779b1)
  for (let index = start; index < end; index++) hash = Math.imul(hash ^ (bytes[index] ?? 0), 0x01000193)
  hash ^= hash >>> 15
  return Math.imul(hash, 0x85ebca6b) >>> 4
}

function grown<T extends Int32Array | Uint32Array | Uint8Array>(array: T, length: number): T {
  const larger: T = Reflect.construct(array.constructor, [length])
  larger.set(array)
  return larger
}
