import { FINGERPRINT_BYTES } from '@holdfast/sealing'
import type { FileAttributes } from './tree-writer.ts'

/** Bytes of an opened chunk that belong into one file. */
export interface Piece {
  /** Names the file until it is whole. */
  readonly aside: number
  readonly path: Uint8Array
  readonly offset: number
  readonly length: number
  readonly fingerprint: Uint8Array
  readonly fileOffset: number
  /** Given where the piece is the whole file: it is finished at once. */
  readonly whole?: FileAttributes
  /** Blocks of zeros are left out: the file has holes. */
  readonly sparse: boolean
}

/**
 * The pieces of a chunk as one array of bytes. An object for each, cloned from thread to thread, cost more than all else that the
 * main thread does for a small file (25 µs of 40), and garbage on both sides. Little-endian, between threads of one build only:
 *
 *    0  aside, u32
 *    4  offset in the chunk, u32
 *    8  length, u32
 *   12  offset in the file, f64
 *   20  fingerprint, 16 bytes
 *   36  flags: 1 the piece is the whole file, 2 the file has holes, u8
 *   37  bytes of the path, u32
 *   41  path
 *       of a whole file: mode, uid, gid, u32 each; time, i64. Its size is the piece's length.
 */
const FIXED_BYTES = 41
const WHOLE_BYTES = 20
const WHOLE = 1
const SPARSE = 2
/** A few small files, or the segments of one large file in a chunk. */
const FIRST_BYTES = 512

/** Gathers pieces of one chunk. */
export class PieceWriter {
  #bytes = new Uint8Array(FIRST_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #end = 0

  add({ aside, path, offset, length, fingerprint, fileOffset, whole, sparse }: Piece): void {
    const at = this.#end
    this.#end += FIXED_BYTES + path.byteLength + (whole === undefined ? 0 : WHOLE_BYTES)
    if (this.#end > this.#bytes.byteLength) this.#grow()
    const view = this.#view
    view.setUint32(at, aside, true)
    view.setUint32(at + 4, offset, true)
    view.setUint32(at + 8, length, true)
    view.setFloat64(at + 12, fileOffset, true)
    this.#bytes.set(fingerprint, at + 20)
    view.setUint8(at + 36, (whole === undefined ? 0 : WHOLE) | (sparse ? SPARSE : 0))
    view.setUint32(at + 37, path.byteLength, true)
    this.#bytes.set(path, at + FIXED_BYTES)
    if (whole === undefined) return
    const after = at + FIXED_BYTES + path.byteLength
    view.setUint32(after, whole.mode, true)
    view.setUint32(after + 4, whole.uid, true)
    view.setUint32(after + 8, whole.gid, true)
    view.setBigInt64(after + 12, whole.mtimeNs, true)
  }

  /** What was added, to be given away. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#end)
  }

  #grow(): void {
    const larger = new Uint8Array(Math.ceil(1.5 * this.#end))
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}

/** The pieces again, in order; paths and fingerprints are views. */
export function* piecesOf(bytes: Uint8Array): Generator<Piece> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.byteLength;) {
    const after = at + FIXED_BYTES + view.getUint32(at + 37, true)
    const length = view.getUint32(at + 8, true)
    const flags = view.getUint8(at + 36)
    const isWhole = (flags & WHOLE) !== 0
    const piece = {
      aside: view.getUint32(at, true),
      offset: view.getUint32(at + 4, true),
      length,
      fileOffset: view.getFloat64(at + 12, true),
      fingerprint: bytes.subarray(at + 20, at + 20 + FINGERPRINT_BYTES),
      path: bytes.subarray(at + FIXED_BYTES, after),
      sparse: (flags & SPARSE) !== 0,
    }
    yield isWhole ? { ...piece, whole: wholeAt(view, after, length) } : piece
    at = isWhole ? after + WHOLE_BYTES : after
  }
}

function wholeAt(view: DataView, at: number, size: number): FileAttributes {
  return {
    mode: view.getUint32(at, true),
    uid: view.getUint32(at + 4, true),
    gid: view.getUint32(at + 8, true),
    mtimeNs: view.getBigInt64(at + 12, true),
    size,
  }
}
