import * as c from 'compact-encoding'

/** Longest encoding of one number. */
const NUMBER_BYTES_MAX = 9

/** Writes into one buffer that grows and is used again: `clear`, write, then `take` a copy. Not re-entrant. */
export class ByteWriter {
  readonly #state

  /** `bytes` are expected; more are taken as they come. */
  constructor(bytes = 1024) {
    this.#state = { start: 0, end: 0, buffer: new Uint8Array(bytes) }
  }

  /** Bytes written since `clear`. */
  get length(): number {
    return this.#state.start
  }

  clear(): this {
    this.#state.start = 0
    return this
  }

  byte(value: number): this {
    this.#room(1)
    this.#state.buffer[this.#state.start++] = value
    return this
  }

  uint(value: number): this {
    this.#room(NUMBER_BYTES_MAX)
    c.uint.encode(this.#state, value)
    return this
  }

  /** Six bytes: a time in ms. */
  uint48(value: number): this {
    this.#room(NUMBER_BYTES_MAX)
    c.uint48.encode(this.#state, value)
    return this
  }

  int64(value: bigint): this {
    this.#room(NUMBER_BYTES_MAX)
    c.uint32.encode(this.#state, Number(BigInt.asUintN(32, value)))
    c.uint32.encode(this.#state, Number(BigInt.asUintN(32, value >> 32n)))
    return this
  }

  bytes(value: Uint8Array): this {
    this.#room(value.byteLength)
    this.#state.buffer.set(value, this.#state.start)
    this.#state.start += value.byteLength
    return this
  }

  lengthAndBytes(value: Uint8Array): this {
    return this.uint(value.byteLength).bytes(value)
  }

  /** `count` bytes of whatever was there before, to be written through `view`. */
  skip(count: number): this {
    this.#room(count)
    this.#state.start += count
    return this
  }

  /** What was written between two positions. Later writes leave it as it is; after `clear` they do not. */
  view(from: number, to: number): Uint8Array {
    return this.#state.buffer.subarray(from, to)
  }

  /** A copy of what was written, from a position on. */
  take(from = 0): Uint8Array {
    return this.#state.buffer.slice(from, this.#state.start)
  }

  #room(bytes: number): void {
    const state = this.#state
    if (state.start + bytes <= state.buffer.byteLength) return
    const grown = new Uint8Array(Math.max(state.start + bytes, 2 * state.buffer.byteLength))
    grown.set(state.buffer.subarray(0, state.start))
    state.buffer = grown
  }
}
