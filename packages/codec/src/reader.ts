/** Reading with bounds: nothing is allocated before it is known to fit, and a number has one form. */
import { HoldfastError } from '@holdfast/ports'
import * as c from 'compact-encoding'

/** A cursor over bytes that are read, never written. */
export interface Reader {
  start: number
  end: number
  buffer: Uint8Array
}

/** Runs a decoder over all of `bytes`. Whatever it stumbles over, and any byte it leaves, becomes `code`. */
export function decodeAll<T>(
  what: string,
  bytes: Uint8Array,
  decode: (reader: Reader) => T,
  code: 'HF_DECODE' | 'HF_PEER_PROTOCOL' = 'HF_DECODE',
): T {
  const reader: Reader = { start: 0, end: bytes.byteLength, buffer: plainView(bytes) }
  try {
    const value = decode(reader)
    if (reader.start !== reader.end) throw new RangeError(`${reader.end - reader.start} bytes too many`)
    return value
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    throw new HoldfastError(code, `bytes are not ${what}`, { cause })
  }
}

/** The same bytes as a plain Uint8Array: a Buffer's `slice` is a view, and compares as different. */
export function plainView(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes
}

/** The next byte. @throws RangeError */
export function readByte(reader: Reader): number {
  const value = reader.start < reader.end ? reader.buffer[reader.start++] : undefined
  if (value === undefined) throw new RangeError('too short')
  return value
}

/** 0 to 2^53 − 1 in its shortest form; another form is refused, so that equal values have equal bytes. @throws RangeError */
export function readUint(reader: Reader): number {
  const { start } = reader
  const value = c.uint.decode(reader)
  const bytes = reader.start - start
  if (bytes > 1 && value <= (bytes === 3 ? 0xfc : bytes === 5 ? 0xffff : 0xffffffff)) {
    throw new RangeError(`the number ${value} in ${bytes} bytes`)
  }
  return value
}

/** Six bytes: a time in ms. @throws RangeError */
export function readUint48(reader: Reader): number {
  return c.uint48.decode(reader)
}

/** Signed 64 bits, two's complement. (compact-encoding's own makes a DataView for each buffer it meets, 2 µs.) @throws RangeError */
export function readInt64(reader: Reader): bigint {
  const low = c.uint32.decode(reader)
  const high = c.uint32.decode(reader) | 0
  return (BigInt(high) << 32n) | BigInt(low)
}

/** The next `length` bytes, a view. @throws RangeError */
export function readBytes(reader: Reader, length: number): Uint8Array {
  if (reader.end - reader.start < length) throw new RangeError('too short')
  return reader.buffer.subarray(reader.start, (reader.start += length))
}

/** Bytes behind their length, a view. @throws RangeError, also for more than `max` */
export function readLengthAndBytes(reader: Reader, max = Number.POSITIVE_INFINITY): Uint8Array {
  const length = readUint(reader)
  if (length > max) throw new RangeError(`${length} bytes where at most ${max} are allowed`)
  return readBytes(reader, length)
}

/** A count of things of at least `bytesEach`; refuses one that the rest cannot hold, before anything is allocated. @throws RangeError */
export function readCount(reader: Reader, bytesEach: number): number {
  const count = readUint(reader)
  if (count * bytesEach > reader.end - reader.start) throw new RangeError(`${count} things do not fit`)
  return count
}

/** @throws RangeError unless the next byte is `version` */
export function readVersion(reader: Reader, version: number): void {
  const found = readByte(reader)
  if (found !== version) throw new RangeError(`version ${found} is unknown, this node reads version ${version}`)
}
