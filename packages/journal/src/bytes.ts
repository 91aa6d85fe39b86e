/** Reading and writing compact-encoding with bounds, on one growing buffer and with one error code. */
import { HoldfastError } from '@holdfast/ports'
import c from 'compact-encoding'

/** A cursor over bytes that are read, never written. */
export interface Reader {
  start: number
  end: number
  buffer: Uint8Array
}

/** Runs a decoder over all of `bytes`. Whatever it stumbles over, and any byte it leaves, becomes HF_DECODE. */
export function decodeAll<T>(what: string, bytes: Uint8Array, decode: (reader: Reader) => T): T {
  const reader: Reader = { start: 0, end: bytes.byteLength, buffer: plainView(bytes) }
  try {
    const value = decode(reader)
    if (reader.start !== reader.end) throw new RangeError(`${reader.end - reader.start} bytes too many`)
    return value
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    throw new HoldfastError('HF_DECODE', `bytes are not ${what}`, { cause })
  }
}

/** The same bytes as a plain Uint8Array: a Buffer's `slice` is a view, and compares as different. */
export function plainView(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes
}

/** The next `length` bytes, a view. @throws RangeError */
export function readBytes(reader: Reader, length: number): Uint8Array {
  if (reader.end - reader.start < length) throw new RangeError('too short')
  return reader.buffer.subarray(reader.start, (reader.start += length))
}

/** Bytes behind their length, a view. @throws RangeError */
export function readLengthAndBytes(reader: Reader): Uint8Array {
  return readBytes(reader, c.uint.decode(reader))
}

/** A count of things of at least `bytesEach`; refuses one that the rest cannot hold, before anything is allocated. @throws RangeError */
export function readCount(reader: Reader, bytesEach: number): number {
  const count = c.uint.decode(reader)
  if (count * bytesEach > reader.end - reader.start) throw new RangeError(`${count} things do not fit`)
  return count
}

/** @throws RangeError unless the next byte is `version` */
export function readVersion(reader: Reader, version: number): void {
  const found = c.uint8.decode(reader)
  if (found !== version) throw new RangeError(`version ${found} is unknown, this node reads version ${version}`)
}

/** Signed 64 bits, two's complement. (compact-encoding's own makes a DataView for each buffer it meets, 2 µs.) @throws RangeError */
export function readInt64(reader: Reader): bigint {
  const low = c.uint32.decode(reader)
  const high = c.uint32.decode(reader) | 0
  return (BigInt(high) << 32n) | BigInt(low)
}

/** Longest encoding of one number. */
const NUMBER_BYTES_MAX = 9

/** Writes into one buffer that grows and is used again: `clear`, write, then `take` a copy. Not re-entrant. */
export class ByteWriter {
  readonly #state = { start: 0, end: 0, buffer: new Uint8Array(1024) }

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

  /** What was written between two positions; valid until the next write. */
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
