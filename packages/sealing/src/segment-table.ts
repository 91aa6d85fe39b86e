/**
 * Which segments are stored, in memory that all threads share.
 *
 * Three arrays. *Slots* find a fingerprint by open addressing: one 32-bit word each, 24 bits of segment number and 8 of tag, written by a
 * single compare-and-swap after the segment is complete, so that no thread ever waits for another and a thread that dies leaves nothing
 * half done. *Segments* hold the whole fingerprint and where the plaintext is: chunk number, offset, length. *Chunks* turn a number
 * into an id once the chunk is sealed, and say how safe it is; so a segment can be found before the bundle it lies in has a name.
 *
 * Slots come in generations, each twice as large as the one before. A key looks at `PROBES` slots of each in turn and takes the first
 * that is empty. Nothing is ever removed, so the first empty slot also ends a search; and memory is touched only as the table fills.
 */
import type { ChunkId } from '@holdfast/ports'
import { asChunkId, CHUNK_ID_BYTES } from '@holdfast/ports'
import type { ChunkName } from './types.ts'

export interface SegmentTableOptions {
  /** Segments it holds, at most 2^24 − 1; what comes later is not found and stored again. 41 bytes each, used only as it fills.
   *  @default SEGMENTS_MAX */
  readonly segmentsMax?: number
  /** Chunks it holds. 48 bytes each. @default CHUNKS_MAX */
  readonly chunksMax?: number
}

/** 4 Mi segments are some 300 GiB of distinct content; 164 MiB of memory when full. */
export const SEGMENTS_MAX = 4 * 1024 * 1024
/** A chunk holds seven segments in the mean, an edit of a small file makes one of its own; 48 MiB of memory when full. */
export const CHUNKS_MAX = 1024 * 1024

/** How safe a chunk is: not sealed yet; named and in the page cache; durable; gone with its writer or a failed write. */
export type ChunkState = 'open' | 'sealed' | 'durable' | 'lost'
const STATES: readonly ChunkState[] = ['open', 'sealed', 'durable', 'lost']
const OPEN = 0
const SEALED = 1
const DURABLE = 2
const LOST = 3

/** Memory of one table, to be handed to other threads. */
export interface SegmentTableMemory {
  readonly slots: SharedArrayBuffer
  readonly segments: SharedArrayBuffer
  readonly chunkIds: SharedArrayBuffer
  readonly chunks: SharedArrayBuffer
  readonly counters: SharedArrayBuffer
}

/** Where a known segment is. */
export interface SegmentPlace {
  readonly chunk: number
  readonly offset: number
  readonly length: number
}

/** One thread's view of the table. */
export interface SharedSegmentTable {
  readonly memory: SegmentTableMemory
  /** The place of an equal segment, unless its chunk is lost. Equal: all 16 bytes of fingerprint and the length. */
  find(fingerprint: Uint8Array, length: number): SegmentPlace | undefined
  /** Offers a place for a segment. Returns the place that counts: this one, or that of a thread that was first; and this one too if the
   *  table is full, when nobody else will find it. */
  publish(fingerprint: Uint8Array, place: SegmentPlace): SegmentPlace
  /** Number for a chunk that `owner` will seal; undefined if the table is full. */
  openChunk(owner: number): number | undefined
  /** Names a chunk; from then on `chunkName` knows it. */
  setChunk(chunk: number, name: ChunkName): void
  chunkState(chunk: number): ChunkState
  /** Undefined until it is sealed, and once it is lost. */
  chunkName(chunk: number): ChunkName | undefined
  /** No effect on a lost chunk. */
  markDurable(chunk: number): void
  markLost(chunk: number): void
  /** Marks what an owner that died leaves behind: all its chunks that are not durable. */
  markOwnerLost(owner: number): void
  /** Numbers in use, for `status`. */
  counts(): { readonly segments: number; readonly chunks: number }
}

/** Slots of the first generation; 256 KiB. */
const FIRST_GENERATION_SLOTS = 1 << 16
/** One cache line. */
const PROBES = 16
const NUMBER_MASK = 0xff_ffff
const TAG_SHIFT = 24

const SEGMENT_WORDS = 8
const CHUNK_WORDS = 4
const WORD_BYTES = 4
// Words of a segment: fingerprint 0 to 3, then these.
const SEGMENT_CHUNK = 4
const SEGMENT_OFFSET = 5
const SEGMENT_LENGTH = 6
// Words of a chunk.
const CHUNK_STATE = 0
const CHUNK_STORED_BYTES = 1
const CHUNK_OWNER = 2
// Counters.
const SEGMENT_COUNT = 0
const CHUNK_COUNT = 1

/** Memory of an empty table. Reserved at once, used as it fills. */
export function createSegmentTableMemory(options: SegmentTableOptions = {}): SegmentTableMemory {
  const { segmentsMax = SEGMENTS_MAX, chunksMax = CHUNKS_MAX } = options
  if (segmentsMax < 1 || segmentsMax > NUMBER_MASK) throw new TypeError(`a table of ${segmentsMax} segments`)
  if (chunksMax < 1 || chunksMax > 2 ** 30) throw new TypeError(`a table of ${chunksMax} chunks`)
  return {
    slots: new SharedArrayBuffer(slotCount(segmentsMax) * WORD_BYTES),
    segments: new SharedArrayBuffer(segmentsMax * SEGMENT_WORDS * WORD_BYTES),
    chunkIds: new SharedArrayBuffer(chunksMax * CHUNK_ID_BYTES),
    chunks: new SharedArrayBuffer(chunksMax * CHUNK_WORDS * WORD_BYTES),
    counters: new SharedArrayBuffer(2 * WORD_BYTES),
  }
}

/** Generations until they have a slot for every segment with some to spare. */
function slotCount(segmentsMax: number): number {
  let slots = FIRST_GENERATION_SLOTS
  for (let generation = 2 * slots; slots < segmentsMax * 1.2; generation *= 2) slots += generation
  return slots
}

/** Another thread's table, or one's own, over the same memory. */
export function openSegmentTable(memory: SegmentTableMemory): SharedSegmentTable {
  return new AtomicSegmentTable(memory)
}

class AtomicSegmentTable implements SharedSegmentTable {
  readonly memory: SegmentTableMemory
  readonly #slots: Int32Array
  readonly #segments: Int32Array
  readonly #chunkIds: Uint8Array
  readonly #chunks: Int32Array
  readonly #counters: Int32Array
  readonly #segmentsMax: number
  readonly #chunksMax: number
  /** A segment number whose publication came second: used for the next. */
  #spare: number | undefined

  constructor(memory: SegmentTableMemory) {
    this.memory = memory
    this.#slots = new Int32Array(memory.slots)
    this.#segments = new Int32Array(memory.segments)
    this.#chunkIds = new Uint8Array(memory.chunkIds)
    this.#chunks = new Int32Array(memory.chunks)
    this.#counters = new Int32Array(memory.counters)
    this.#segmentsMax = this.#segments.length / SEGMENT_WORDS
    this.#chunksMax = this.#chunks.length / CHUNK_WORDS
  }

  find(fingerprint: Uint8Array, length: number): SegmentPlace | undefined {
    const words = wordsOf(fingerprint)
    const { segment } = this.#search(words, length)
    if (segment === undefined || this.#isLost(segment)) return undefined
    return this.#placeOf(segment)
  }

  publish(fingerprint: Uint8Array, place: SegmentPlace): SegmentPlace {
    const words = wordsOf(fingerprint)
    const number = this.#spare ?? this.#claim(SEGMENT_COUNT, this.#segmentsMax)
    if (number === undefined) return place
    this.#spare = number
    const at = number * SEGMENT_WORDS
    this.#segments.set(words, at)
    this.#segments[at + SEGMENT_CHUNK] = place.chunk
    this.#segments[at + SEGMENT_OFFSET] = place.offset
    this.#segments[at + SEGMENT_LENGTH] = place.length
    const mine = ((number + 1) & NUMBER_MASK) | (tagOf(words) << TAG_SHIFT)
    for (;;) {
      const { slot, value, segment } = this.#search(words, place.length)
      if (slot === undefined) return place
      if (segment !== undefined && !this.#isLost(segment)) return this.#placeOf(segment)
      if (Atomics.compareExchange(this.#slots, slot, value, mine) === value) {
        this.#spare = undefined
        return place
      }
      // Another thread took the slot since it was looked at; each turn of the loop means that one made progress.
    }
  }

  openChunk(owner: number): number | undefined {
    const chunk = this.#claim(CHUNK_COUNT, this.#chunksMax)
    if (chunk !== undefined) Atomics.store(this.#chunks, chunk * CHUNK_WORDS + CHUNK_OWNER, owner)
    return chunk
  }

  setChunk(chunk: number, name: ChunkName): void {
    this.#chunkIds.set(name.id, chunk * CHUNK_ID_BYTES)
    Atomics.store(this.#chunks, chunk * CHUNK_WORDS + CHUNK_STORED_BYTES, name.storedBytes)
    this.#turn(chunk, OPEN, SEALED)
  }

  chunkState(chunk: number): ChunkState {
    return STATES[this.#state(chunk)] ?? 'lost'
  }

  chunkName(chunk: number): ChunkName | undefined {
    const state = this.#state(chunk)
    if (state !== SEALED && state !== DURABLE) return undefined
    const storedBytes = Atomics.load(this.#chunks, chunk * CHUNK_WORDS + CHUNK_STORED_BYTES)
    const id: ChunkId = asChunkId(this.#chunkIds.slice(chunk * CHUNK_ID_BYTES, (chunk + 1) * CHUNK_ID_BYTES))
    return { id, storedBytes }
  }

  markDurable(chunk: number): void {
    this.#turn(chunk, SEALED, DURABLE)
  }

  markLost(chunk: number): void {
    this.#turn(chunk, OPEN, LOST)
    this.#turn(chunk, SEALED, LOST)
  }

  markOwnerLost(owner: number): void {
    const count = this.counts().chunks
    for (let chunk = 0; chunk < count; chunk++) {
      if (Atomics.load(this.#chunks, chunk * CHUNK_WORDS + CHUNK_OWNER) === owner) this.markLost(chunk)
    }
  }

  counts(): { readonly segments: number; readonly chunks: number } {
    return {
      segments: Math.min(Atomics.load(this.#counters, SEGMENT_COUNT), this.#segmentsMax),
      chunks: Math.min(Atomics.load(this.#counters, CHUNK_COUNT), this.#chunksMax),
    }
  }

  /** The slot that holds an equal segment, with it; or the empty slot where it belongs; or neither if all its slots are taken. */
  #search(words: Int32Array, length: number): { slot: number | undefined; value: number; segment: number | undefined } {
    const hash = words[0] ?? 0
    const tag = tagOf(words)
    let base = 0
    for (let size = FIRST_GENERATION_SLOTS; base + size <= this.#slots.length; size *= 2) {
      for (let probe = 0; probe < PROBES; probe++) {
        const slot = base + ((hash + probe) & (size - 1))
        const value = Atomics.load(this.#slots, slot)
        if (value === 0) return { slot, value, segment: undefined }
        if (value >>> TAG_SHIFT !== tag) continue
        const segment = (value & NUMBER_MASK) - 1
        if (this.#equals(segment, words, length)) return { slot, value, segment }
      }
      base += size
    }
    return { slot: undefined, value: 0, segment: undefined }
  }

  #equals(segment: number, words: Int32Array, length: number): boolean {
    const at = segment * SEGMENT_WORDS
    const segments = this.#segments
    return (
      segments[at] === words[0] &&
      segments[at + 1] === words[1] &&
      segments[at + 2] === words[2] &&
      segments[at + 3] === words[3] &&
      segments[at + SEGMENT_LENGTH] === length
    )
  }

  #placeOf(segment: number): SegmentPlace {
    const at = segment * SEGMENT_WORDS
    return {
      chunk: this.#segments[at + SEGMENT_CHUNK] ?? 0,
      offset: this.#segments[at + SEGMENT_OFFSET] ?? 0,
      length: this.#segments[at + SEGMENT_LENGTH] ?? 0,
    }
  }

  #isLost(segment: number): boolean {
    return this.#state(this.#segments[segment * SEGMENT_WORDS + SEGMENT_CHUNK] ?? 0) === LOST
  }

  #state(chunk: number): number {
    return Atomics.load(this.#chunks, chunk * CHUNK_WORDS + CHUNK_STATE)
  }

  #turn(chunk: number, from: number, to: number): void {
    Atomics.compareExchange(this.#chunks, chunk * CHUNK_WORDS + CHUNK_STATE, from, to)
  }

  #claim(counter: number, max: number): number | undefined {
    // Looked at first, so that the counter of a full table stays near its end.
    if (Atomics.load(this.#counters, counter) >= max) return undefined
    const number = Atomics.add(this.#counters, counter, 1)
    return number < max ? number : undefined
  }
}

/** 32-bit words of a fingerprint: uniform, since it is a keyed hash. */
function wordsOf(fingerprint: Uint8Array): Int32Array {
  const view = new DataView(fingerprint.buffer, fingerprint.byteOffset, fingerprint.byteLength)
  return Int32Array.of(view.getInt32(0, true), view.getInt32(4, true), view.getInt32(8, true), view.getInt32(12, true))
}

const tagOf = (words: Int32Array): number => (words[1] ?? 0) >>> TAG_SHIFT
