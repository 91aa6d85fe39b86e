import { asChunkId, CHUNK_ID_BYTES, type Chunk } from '@holdfast/ports'
import type { MissingChunk } from '@holdfast/node/replication'

const ENTRY_BYTES = CHUNK_ID_BYTES + 4

/** A journal block of a simulated volume: a commit's number, then the ids and stored lengths of the chunks it names. */
export function encodeBlock(commit: number, chunks: readonly Chunk[]): Uint8Array {
  const block = Buffer.alloc(4 + chunks.length * ENTRY_BYTES)
  block.writeUInt32LE(commit)
  for (const [index, { id, bytes }] of chunks.entries()) {
    block.set(id, 4 + index * ENTRY_BYTES)
    block.writeUInt32LE(bytes.byteLength, 4 + index * ENTRY_BYTES + CHUNK_ID_BYTES)
  }
  return block
}

export function chunksOfBlock(block: Uint8Array): MissingChunk[] {
  const bytes = Buffer.from(block)
  return Array.from({ length: (bytes.byteLength - 4) / ENTRY_BYTES }, (_, index) => {
    const at = 4 + index * ENTRY_BYTES
    return {
      id: asChunkId(Uint8Array.from(bytes.subarray(at, at + CHUNK_ID_BYTES))),
      storedBytes: bytes.readUInt32LE(at + CHUNK_ID_BYTES),
    }
  })
}
