import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { clearCatalog, openCatalog, type Catalog } from '@holdfast/journal'
import { hasCode, hexOf } from '@holdfast/ports'
import type { VolumeId } from '@holdfast/ports'
import { openIndex, type OwnedIndex } from '@holdfast/store-pack'
import { Level } from 'level'
import { createStatStore, type StatStore } from '../capture/index.ts'

/** Everything in here is derived and may be deleted: it is made anew from packs, charter and directories. */
export type IndexLevel = Level<Uint8Array, Uint8Array>

const COPIES_KEY = Buffer.from('copies')
const salvagedKey = (storedKey: Uint8Array): Uint8Array => Buffer.from(`salvaged ${hexOf(storedKey)}`)
/** First byte of the keys of stat stores. Catalogs have `c`, sublevels `!`. */
const STATS = Buffer.from('s')
const BEHIND_ALL = Uint8Array.of(0xff)
const BINARY = { keyEncoding: 'view', valueEncoding: 'view' } as const

/** The levels of a node: one of the packs, one with catalogs and states of captured paths. */
export class IndexStore {
  /** Index of the packs. Many small rows for each commit, so it has a level of its own: in a sublevel each costs half as much again. */
  readonly packs: OwnedIndex
  readonly #level: IndexLevel

  private constructor(packs: OwnedIndex, level: IndexLevel) {
    this.packs = packs
    this.#level = level
  }

  /** Opens the levels; a damaged one is deleted, which its users notice and answer. */
  static async open(directory: string, onDamage: (error: unknown) => void): Promise<IndexStore> {
    const packs = await openIndex(join(directory, 'packs'))
    try {
      return new IndexStore(packs, await openLevel(join(directory, 'volumes'), onDamage))
    } catch (error) {
      await packs.close()
      throw error
    }
  }

  /** Opens a catalog; a damaged one is cleared, to be made anew from the journal. It is in the level itself, since its keys say whose
   *  they are, and a sublevel costs every row twice as much. */
  async openCatalog(volume: VolumeId, onDamage: (error: unknown) => void): Promise<Catalog> {
    const options = { level: this.#level, volume }
    try {
      return await openCatalog(options)
    } catch (error) {
      if (!hasCode(error, 'HF_JOURNAL_DAMAGED')) throw error
      onDamage(error)
      await clearCatalog(options)
      return openCatalog(options)
    }
  }

  /** Resolves when everything put so far is in tables. LevelDB writes its memory to a table before it compacts any range; this one is
   *  behind all keys, so nothing else is done. */
  async settle(): Promise<void> {
    if (!isCompacting(this.#level)) throw new TypeError('a level that cannot write its memory to a table')
    await this.#level.compactRange(BEHIND_ALL, BEHIND_ALL)
  }

  statStore(volume: VolumeId): StatStore {
    return createStatStore(this.#level, Buffer.concat([STATS, volume]))
  }

  /** Blocks that were complete here when the log was last flushed; 0 if that is not known. */
  async completeLength(volume: VolumeId, epoch: number): Promise<number> {
    const value = await this.#volumeLevel(volume).get(Buffer.from(`complete ${epoch}`))
    return value?.byteLength === 8 ? Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true)) : 0
  }

  async setCompleteLength(volume: VolumeId, epoch: number, length: number): Promise<void> {
    const value = new Uint8Array(8)
    new DataView(value.buffer).setBigUint64(0, BigInt(length), true)
    await this.#volumeLevel(volume).put(Buffer.from(`complete ${epoch}`), value)
  }

  /** Of which copies of its logs the catalog of a volume is made (`copiesOf`). */
  async copies(volume: VolumeId): Promise<string> {
    return Buffer.from((await this.#volumeLevel(volume).get(COPIES_KEY)) ?? []).toString()
  }

  /** The catalog was cleared: what was captured is compared with the new one, and the copies it will be of are noted, durably. */
  async noteCopies(volume: VolumeId, copies: string): Promise<void> {
    await this.statStore(volume).clear()
    const level = this.#volumeLevel(volume)
    await level.clear()
    const operation = { type: 'put', sublevel: level, key: COPIES_KEY, value: Buffer.from(copies) } as const
    await this.#level.batch([operation], { sync: true })
  }

  /** Whether the versions of a journal that does not count were recorded again. */
  async isSalvaged(volume: VolumeId, storedKey: Uint8Array): Promise<boolean> {
    return (await this.#volumeLevel(volume).get(salvagedKey(storedKey))) !== undefined
  }

  async setSalvaged(volume: VolumeId, storedKey: Uint8Array): Promise<void> {
    await this.#volumeLevel(volume).put(salvagedKey(storedKey), new Uint8Array(0))
  }

  /** Forgets what is derived of one volume. */
  async clear(volume: VolumeId): Promise<void> {
    await clearCatalog({ level: this.#level, volume })
    await this.#volumeLevel(volume).clear()
    await this.statStore(volume).clear()
  }

  async close(): Promise<void> {
    await this.packs.close()
    await this.#level.close()
  }

  #volumeLevel(volume: VolumeId) {
    return this.#level.sublevel<Uint8Array, Uint8Array>(['volume', hexOf(volume)], BINARY)
  }
}

async function openLevel(directory: string, onDamage: (error: unknown) => void): Promise<IndexLevel> {
  const open = async (): Promise<IndexLevel> => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const level = new Level<Uint8Array, Uint8Array>(directory, BINARY)
    await level.open()
    return level
  }
  try {
    return await open()
  } catch (error) {
    // The home's lock is held, so a locked level is a defect, not damage.
    if (
      error instanceof Error &&
      'cause' in error &&
      (error.cause as { code?: unknown } | undefined)?.code === 'LEVEL_LOCKED'
    )
      throw error
    onDamage(error)
    rmSync(directory, { recursive: true, force: true })
    return open()
  }
}

/** classic-level's, which the types of `level` do not name. */
function isCompacting(level: object): level is { compactRange(start: Uint8Array, end: Uint8Array): Promise<void> } {
  return 'compactRange' in level
}
