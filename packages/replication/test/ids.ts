import { asChunkId, asCoreKey, asNodeId, asVolumeId } from '@holdfast/ports'
import type { ChunkId, CoreKey, NodeId, VolumeId } from '@holdfast/ports'

/** Ids that are easy to tell apart: all bytes are `n`. */
export const node = (n: number): NodeId => asNodeId(new Uint8Array(32).fill(n))
export const volumeId = (n: number): VolumeId => asVolumeId(new Uint8Array(16).fill(n))
export const core = (n: number): CoreKey => asCoreKey(new Uint8Array(32).fill(n))
export const chunk = (n: number): ChunkId => {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, n)
  return asChunkId(bytes)
}
export const hash = (n: number): Uint8Array => new Uint8Array(32).fill(n)
