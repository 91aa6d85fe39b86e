import type { ChunkId, ChunkStore, VolumeId } from '@holdfast/ports'
import { chunkStoreCorruptionContract } from './corruption.contract.ts'
import { chunkStoreLifeContract } from './life.contract.ts'
import { chunkStoreReadWriteContract } from './read-write.contract.ts'

/** How the suite gets an empty store, and gives it back (closed or not). */
export interface ChunkStoreFixture<Store extends ChunkStore = ChunkStore> {
  create(): Store | Promise<Store>
  destroy(store: Store): void | Promise<void>
  /** Present if what is stored outlives the object: the same chunks in a new store. The old one has been closed. */
  readonly reopen?: (store: Store) => Store | Promise<Store>
  /** Present if stored bytes can rot: changes a byte of the chunk behind the store's back. */
  readonly rot?: (store: Store, volume: VolumeId, id: ChunkId) => void | Promise<void>
}

/** What every implementation of the chunk-store port does. Call it inside `describe`. */
export function chunkStoreContract<Store extends ChunkStore>(fixture: ChunkStoreFixture<Store>): void {
  chunkStoreReadWriteContract(fixture)
  chunkStoreCorruptionContract(fixture)
  chunkStoreLifeContract(fixture)
}
