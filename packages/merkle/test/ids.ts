import { blake3 } from '@holdfast/hash'
import { asChunkId, type ChunkId } from '@holdfast/ports'

/** A chunk id that looks like any other, by number. */
export function idOf(number: number): ChunkId {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(number))
  return asChunkId(blake3(bytes))
}

export const idsOf = (count: number, from = 0): ChunkId[] =>
  Array.from({ length: count }, (_, index) => idOf(from + index))

/** More ids than fit a leaf that share all but their last four digits. */
export const skewedIds: readonly ChunkId[] = Array.from({ length: 400 }, (_, index) => {
  const bytes = Buffer.alloc(32, 0xab)
  bytes.writeUInt16BE(index * 7, 30)
  return asChunkId(new Uint8Array(bytes))
})
