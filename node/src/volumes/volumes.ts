import { equalBytes, hexOf } from '@holdfast/ports'
import type { ChunkStore, CoreKey, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { JournalSource, VolumeRegistry } from '../replication/index.ts'
import { findByName } from '../service/find-by-name.ts'
import type { Volume } from './volume.ts'

/** The volumes this node is a member of and has open. */
export class Volumes implements VolumeRegistry {
  readonly #byId = new Map<string, Volume>()
  readonly #listeners = new Set<() => void>()

  list(): readonly Volume[] {
    return [...this.#byId.values()]
  }

  get(volume: VolumeId): Volume | undefined {
    return this.#byId.get(hexOf(volume))
  }

  /** The store, asked for frames by core key, also where a log is stored under another key. */
  sourceOf(store: PackStore): ChunkStore & JournalSource {
    return {
      has: (volume, id) => store.has(volume, id),
      get: (volume, id, options) => store.get(volume, id, options),
      put: (volume, chunks) => store.put(volume, chunks),
      list: (volume) => store.list(volume),
      close: () => store.close(),
      journalFrames: (coreKey, from) => store.journalFrames(this.#storedKeyOf(coreKey), from),
    }
  }

  #storedKeyOf(coreKey: CoreKey): CoreKey {
    for (const volume of this.list()) {
      if (equalBytes(volume.coreKey, coreKey)) return volume.storedKey
      const earlier = volume.earlier.find((log) => equalBytes(log.coreKey, coreKey))
      if (earlier !== undefined) return earlier.storedKey
    }
    return coreKey
  }

  /** By name or prefix of the id. @throws HF_NOT_FOUND, HF_BAD_INPUT */
  find(text: string): Volume {
    return findByName(
      'volume',
      text,
      this.list(),
      (volume) => volume.name,
      (volume) => volume.id,
    )
  }

  add(volume: Volume): void {
    this.#byId.set(hexOf(volume.id), volume)
    this.changed()
  }

  remove(volume: VolumeId): void {
    if (this.#byId.delete(hexOf(volume))) this.changed()
  }

  /** Members, roles or names of a volume are other than before. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
