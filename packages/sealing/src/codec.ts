import zlib from 'node:zlib'
import { KIB } from '@holdfast/ports'
import { Decompress } from 'fzstd'

/** How the text of a chunk is compressed. Every node reads all of them. */
export type Codec = 'raw' | 'zstd' | 'brotli'

/** A codec that this runtime can write. */
export interface Compressor {
  readonly codec: Exclude<Codec, 'raw'>
  /** All of `plain`, compressed; the result is the caller's. */
  readonly compress: (plain: Uint8Array) => Uint8Array
}

/** zstd window that is opened, at most: a chunk needs no more than its plaintext, and writers round up to a power of two. */
const ZSTD_WINDOW_BYTES_MAX = 8 * 1024 * KIB

/** Least `chunkSize` that zlib takes. */
const ZLIB_CHUNK_BYTES_MIN = 64

type ZlibCall = (bytes: Uint8Array, options: object) => Uint8Array
/** Functions of newer runtimes, which the types of this one do not know. */
const zlibCall = (name: string): ZlibCall | undefined => (zlib as unknown as Record<string, ZlibCall | undefined>)[name]
const zstdCompress = zlibCall('zstdCompressSync')
const zstdDecompress = zlibCall('zstdDecompressSync')

const { BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = zlib.constants
/** `ZSTD_c_compressionLevel` of zstd.h. */
const ZSTD_LEVEL_PARAMETER = 100

const brotli: Compressor = {
  codec: 'brotli',
  compress: (plain) =>
    zlib.brotliCompressSync(plain, {
      // One buffer for the whole result; in steps of 16 KiB the copying costs more than the compressing.
      chunkSize: plain.byteLength + KIB,
      params: {
        // Quality 0: 390 MiB/s on source code, ratio 0.21; quality 1 gives 0.19 at 280 MiB/s.
        [BROTLI_PARAM_QUALITY]: 0,
        // The window covers a whole bundle: 4 % fewer bytes than half of it, in the same time.
        [BROTLI_PARAM_LGWIN]: 19,
        [BROTLI_PARAM_SIZE_HINT]: plain.byteLength,
      },
    }),
}

/** zstd level 1 where the runtime has it (Node 22.15), else brotli quality 0: 2 % more bytes. */
export const defaultCompressor: Compressor =
  zstdCompress === undefined
    ? brotli
    : {
        codec: 'zstd',
        compress: (plain) =>
          zstdCompress(plain, { chunkSize: plain.byteLength + KIB, params: { [ZSTD_LEVEL_PARAMETER]: 1 } }),
      }

const SAMPLE_PIECES = 8
const SAMPLE_PIECE_BYTES = KIB
/** Below this, compressing all of it costs little more than the sample. */
const SAMPLED_BYTES_MIN = 32 * KIB
/** A sample that shrinks by less than this says that compression does not pay. */
const SAMPLE_RATIO_MAX = 0.97

/** Whether a sample of eight pieces spread over `plain` shrinks: one piece from the middle misjudged bundles of many small files. */
export function compressionPays(plain: Uint8Array, compressor: Compressor): boolean {
  if (plain.byteLength < SAMPLED_BYTES_MIN) return true
  const sample = new Uint8Array(SAMPLE_PIECES * SAMPLE_PIECE_BYTES)
  const step = Math.floor((plain.byteLength - SAMPLE_PIECE_BYTES) / (SAMPLE_PIECES - 1))
  for (let piece = 0; piece < SAMPLE_PIECES; piece++) {
    sample.set(plain.subarray(piece * step, piece * step + SAMPLE_PIECE_BYTES), piece * SAMPLE_PIECE_BYTES)
  }
  return compressor.compress(sample).byteLength < SAMPLE_RATIO_MAX * sample.byteLength
}

/** The plaintext, exactly `plainBytes` long and never more in memory; undefined if the text does not say that. */
export function decompress(codec: Codec, text: Uint8Array, plainBytes: number): Uint8Array | undefined {
  if (codec === 'raw') return text.byteLength === plainBytes ? text : undefined
  try {
    const plain = codec === 'brotli' ? expandBrotli(text, plainBytes) : expandZstd(text, plainBytes)
    return plain.byteLength === plainBytes ? plain : undefined
  } catch {
    // The libraries do not tell malformed text from text that is too long, and the caller's answer is the same.
    return undefined
  }
}

const expandBounds = (plainBytes: number): { chunkSize: number; maxOutputLength: number } => ({
  chunkSize: Math.max(plainBytes, ZLIB_CHUNK_BYTES_MIN),
  maxOutputLength: plainBytes,
})

function expandBrotli(text: Uint8Array, plainBytes: number): Uint8Array {
  return zlib.brotliDecompressSync(text, expandBounds(plainBytes))
}

function expandZstd(text: Uint8Array, plainBytes: number): Uint8Array {
  return zstdDecompress === undefined
    ? expandZstdInJavaScript(text, plainBytes)
    : zstdDecompress(text, expandBounds(plainBytes))
}

/** For runtimes without zstd. Memory is bounded by the window and by `plainBytes`. @throws Error if the text is malformed or longer than that */
export function expandZstdInJavaScript(text: Uint8Array, plainBytes: number): Uint8Array {
  const windowBytes = zstdWindowBytes(text)
  if (windowBytes > ZSTD_WINDOW_BYTES_MAX) throw new RangeError(`a window of ${windowBytes} bytes`)
  const plain = new Uint8Array(plainBytes)
  let length = 0
  const stream = new Decompress((piece) => {
    // `set` throws where the piece would not fit.
    plain.set(piece, length)
    length += piece.byteLength
  })
  stream.push(text, true)
  return plain.subarray(0, length)
}

/** Bytes of window that the first frame asks for. Source: RFC 8878, section 3.1.1.1. */
function zstdWindowBytes(text: Uint8Array): number {
  const descriptor = text[4] ?? 0
  const isSingleSegment = (descriptor & 0x20) !== 0
  if (!isSingleSegment) {
    const window = text[5] ?? 0
    const base = 2 ** (10 + (window >> 3))
    return base + (base / 8) * (window & 7)
  }
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const sizeBytes = [1, 2, 4, 8][descriptor >> 6] ?? 0
  let size = sizeBytes === 2 ? 256 : 0
  for (let byte = 0; byte < sizeBytes; byte++) size += (text[5 + dictionaryIdBytes + byte] ?? 0) * 256 ** byte
  return size
}
