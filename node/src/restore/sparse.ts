import { writeAll } from './tree-writer.ts'

/** Holes are made of whole blocks, the size of a page: no file system in use makes smaller ones. */
const BLOCK_BYTES = 4096
const ZEROS = Buffer.alloc(BLOCK_BYTES)

/** Writes the bytes but for blocks of zeros, which stay holes in a file that is new there. @throws the system's error */
export function writeSparse(fd: number, bytes: Uint8Array, offset: number): void {
  let dataFrom = 0
  for (let at = 0; at < bytes.byteLength;) {
    const end = Math.min(bytes.byteLength, at + BLOCK_BYTES - ((offset + at) % BLOCK_BYTES))
    if (isZero(bytes, at, end)) {
      if (at > dataFrom) writeAll(fd, bytes.subarray(dataFrom, at), offset + dataFrom)
      dataFrom = end
    }
    at = end
  }
  if (dataFrom < bytes.byteLength) writeAll(fd, bytes.subarray(dataFrom), offset + dataFrom)
}

const isZero = (bytes: Uint8Array, from: number, to: number): boolean =>
  bytes[from] === 0 && Buffer.compare(bytes.subarray(from, to), ZEROS.subarray(0, to - from)) === 0
