import { CHUNK_PLAIN_BYTES_MAX } from './types.ts'

/** Segments of one volume that will be one chunk, in the order in which they came. Its buffer is reused after `clear`. */
export interface Bundle {
  /** What is in it: a view, valid until the next `append` or `clear`. */
  readonly plain: Uint8Array
  /** Bytes in it: the offset that `append` will return. */
  readonly length: number
  hasRoom(length: number): boolean
  /** Copies the segment in; returns its offset. */
  append(segment: Uint8Array): number
  clear(): void
}

/** The bundles that one worker has open: dense segments (compressed or encrypted data) apart from the others, so that neither spoils
 *  the compression of the other. Measured on small files: 7 % fewer bytes than one bundle for all. */
export interface Bundler {
  readonly dense: Bundle
  readonly other: Bundle
  /** The one that a segment belongs in. */
  readonly bundleFor: (segment: Uint8Array) => Bundle
}

/** Two empty bundles, 512 KiB each. */
export function createBundler(): Bundler {
  const dense = createBundle()
  const other = createBundle()
  return { dense, other, bundleFor: (segment) => (isDense(segment) ? dense : other) }
}

function createBundle(): Bundle {
  const buffer = new Uint8Array(CHUNK_PLAIN_BYTES_MAX)
  let length = 0
  return {
    get plain() {
      return buffer.subarray(0, length)
    },
    get length() {
      return length
    },
    hasRoom: (more) => length + more <= buffer.byteLength,
    append(segment) {
      const offset = length
      buffer.set(segment, offset)
      length += segment.byteLength
      return offset
    },
    clear() {
      length = 0
    },
  }
}

/** Below this a sample says too little. */
const DENSE_BYTES_MIN = 256
const SAMPLE_BYTES = 512
/** Share of the distinct byte values that as many random bytes would show. */
const DENSE_SHARE_MIN = 0.75

/** Whether the middle of a segment shows about as many distinct byte values as random bytes do. */
export function isDense(segment: Uint8Array): boolean {
  if (segment.byteLength < DENSE_BYTES_MIN) return false
  const count = Math.min(segment.byteLength, SAMPLE_BYTES)
  const start = (segment.byteLength - count) >> 1
  const seen = new Uint8Array(256)
  let distinct = 0
  for (let at = start; at < start + count; at++) {
    const value = segment[at] ?? 0
    distinct += 1 - (seen[value] ?? 0)
    seen[value] = 1
  }
  const distinctIfRandom = 256 * (1 - Math.exp(-count / 256))
  return distinct > DENSE_SHARE_MIN * distinctIfRandom
}
