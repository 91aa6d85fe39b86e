import type { ChunkId, VolumeId } from './ids.ts'

/** Bytes with the id that names them. */
export interface Chunk {
  readonly id: ChunkId
  readonly bytes: Uint8Array
}

/** Chunks of volumes, each named by the BLAKE3-256 of its bytes. Chunks are never rewritten. */
export interface ChunkStore {
  /** Whether the chunk is held and not known to be bad. Synchronous: an index look-up. */
  has(volume: VolumeId, id: ChunkId): boolean
  /** The bytes, verified against the id, the caller's to keep; undefined if not held. @throws HF_CHUNK_CORRUPT after marking it bad, HF_ABORTED */
  get(volume: VolumeId, id: ChunkId, options?: { signal?: AbortSignal }): Promise<Uint8Array | undefined>
  /** Verifies every chunk first, then stores those not held; all are durable once it resolves. A chunk known to be bad is stored anew.
   *  @throws HF_CHUNK_CORRUPT (nothing of the call is stored), HF_DRIVE_FULL, HF_DRIVE_FAILED */
  put(volume: VolumeId, chunks: readonly Chunk[]): Promise<void>
  /** Ids held and not known to be bad, in ascending order. */
  list(volume: VolumeId): AsyncIterable<ChunkId>
  /** Waits for work in flight; idempotent. Later calls throw HF_CLOSED. */
  close(): Promise<void>
}
