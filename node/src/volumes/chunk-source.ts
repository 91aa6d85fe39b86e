import { hasCode } from '@holdfast/ports'
import type { ChunkId, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Replication } from '../replication/index.ts'

/** Where readers take chunks from: the own packs first, then the nearest member. */
export class ChunkSource {
  readonly #store: PackStore
  readonly #replication: Pick<Replication, 'fetchChunk'>
  readonly #onLost: (volume: VolumeId, id: ChunkId) => void

  constructor(
    store: PackStore,
    replication: Pick<Replication, 'fetchChunk'>,
    onLost: (volume: VolumeId, id: ChunkId) => void,
  ) {
    this.#store = store
    this.#replication = replication
    this.#onLost = onLost
  }

  /** Stored bytes, verified against the id, the caller's. A chunk that is bad here is fetched like one that is not held.
   *  @throws HF_CHUNK_MISSING, HF_PEER_UNREACHABLE, HF_TIMEOUT, HF_ABORTED */
  async get(volume: VolumeId, id: ChunkId, options: { signal?: AbortSignal } = {}): Promise<Uint8Array> {
    try {
      const held = await this.#store.get(volume, id, options)
      if (held !== undefined) return held
    } catch (error) {
      if (!hasCode(error, 'HF_CHUNK_CORRUPT')) throw error
      this.#onLost(volume, id)
    }
    return this.#replication.fetchChunk(volume, id, options)
  }

  locate(volume: VolumeId, id: ChunkId): { readonly pack: number; readonly offset: number } | undefined {
    return this.#store.locate(volume, id)
  }
}
