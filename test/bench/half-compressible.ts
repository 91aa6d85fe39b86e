/** Content without repetition of which half of every 64 KiB is random and half a line of text, a block at a time. */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { seeded } from '../src/seeded.ts'

const MIB = 1024 * 1024
const BLOCK_BYTES = 64 * 1024
const FILE_BYTES = 64 * MIB

/** Files of 64 MiB, or of `fileBytes`, in a directory that is made; `bytes` in all. */
export function makeHalfCompressible(directory: string, bytes: number, fileBytes = FILE_BYTES): void {
  mkdirSync(directory, { recursive: true })
  const random = seeded('half compressible')
  const block = Buffer.alloc(BLOCK_BYTES)
  for (let begun = 0, index = 0; begun < bytes; begun += fileBytes, index++) {
    const fd = openSync(join(directory, `${index}.bin`), 'w')
    for (let at = begun; at < Math.min(bytes, begun + fileBytes); at += BLOCK_BYTES) {
      random.bytes(BLOCK_BYTES / 2).copy(block)
      block.fill(`the block at ${at}; `, BLOCK_BYTES / 2)
      writeSync(fd, block)
    }
    closeSync(fd)
  }
}
