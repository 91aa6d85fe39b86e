import { SEGMENT_BYTES_AVERAGE, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from '../src/index.ts'
import { boundaryParameters } from '../src/parameters.ts'

const MASK = (1n << 64n) - 1n
const rotateLeft = (x: bigint, bits: bigint): bigint => ((x << bits) | (x >> (64n - bits))) & MASK

/** The same cuts as wasm/cutter.as.ts, one byte at a time: slow and plain. Lengths of all segments of a file. */
export function referenceSegments(key: Uint8Array, file: Uint8Array): number[] {
  const parameters = boundaryParameters(key)
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const multipliers = [32, 40, 48, 56].map((at) => new DataView(parameters.buffer).getBigUint64(at, true))

  const passes = (end: number): boolean => {
    let sum = 0
    for (let age = 0; age < 8; age++) {
      const byte = file[end - 1 - age] ?? 0
      sum += (byte ^ (parameters[byte & 15] ?? 0)) << age
    }
    return (sum & 255) === parameters[16]
  }
  const mix = (end: number): number => {
    const product = (word: number): bigint =>
      (view.getBigUint64(end - 32 + 8 * word, true) * (multipliers[word] ?? 0n)) & MASK
    const left = product(0) ^ rotateLeft(product(1), 23n)
    const right = product(2) ^ rotateLeft(product(3), 41n)
    const x = (left + right) & MASK
    return Number((((x ^ (x >> 29n)) * 0xbf58476d1ce4e5b9n) & MASK) >> 32n)
  }
  const length = (start: number): number => {
    const available = file.length - start
    if (available <= SEGMENT_BYTES_MIN) return available
    const end = Math.min(available, SEGMENT_BYTES_MAX)
    // A cut lies inside a whole block of 64 bytes, counted from the start of the segment.
    for (let size = SEGMENT_BYTES_MIN + 1; size <= end - (end % 64); size++) {
      if (passes(start + size) && mix(start + size) < (size <= SEGMENT_BYTES_AVERAGE ? 2 ** 22 : 2 ** 26)) return size
    }
    return end
  }
  const lengths: number[] = []
  for (let start = 0; start < file.length; start += lengths.at(-1) ?? 0) lengths.push(length(start))
  return lengths
}
