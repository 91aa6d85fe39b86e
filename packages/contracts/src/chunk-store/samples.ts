import { blake3 } from '@holdfast/hash'
import { asChunkId, asVolumeId } from '@holdfast/ports'
import type { Chunk, ChunkId, ChunkStore, VolumeId } from '@holdfast/ports'

export const volumeOf = (number: number): VolumeId => asVolumeId(new Uint8Array(16).fill(number))

/** A chunk whose bytes follow from `seed`, with its id. */
export function chunkOf(seed: number, byteLength = 100): Chunk {
  const bytes = new Uint8Array(byteLength)
  let state = (seed + 1) * 2_654_435_761
  for (let at = 0; at < byteLength; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return { id: asChunkId(blake3(bytes)), bytes }
}

export async function listOf(store: ChunkStore, volume: VolumeId): Promise<ChunkId[]> {
  const ids: ChunkId[] = []
  for await (const id of store.list(volume)) ids.push(id)
  return ids
}

export const sortedIds = (chunks: readonly Chunk[]): ChunkId[] =>
  chunks.map((chunk) => chunk.id).toSorted((a, b) => Buffer.compare(a, b))
