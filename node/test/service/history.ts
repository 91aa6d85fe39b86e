import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { openCatalog, type Catalog, type CatalogRow, type ChunkRef } from '@holdfast/journal'
import { deriveVolumeKeys } from '@holdfast/keys'
import { asChunkId, bytesOfHex, CHUNK_ID_BYTES, hexOf, HoldfastError } from '@holdfast/ports'
import type { ChunkId, VolumeId } from '@holdfast/ports'
import { Level } from 'level'
import type { Volume } from '../../src/volumes/volume.ts'
import { Version } from '../restore/fixture.ts'

/** 2023-11-14T22:13:20Z; version n is of n minutes later. */
const BEGUN_MS = 1_700_000_000_000
const MINUTE_MS = 60_000
export const timeOf = (seq: number): number => BEGUN_MS + seq * MINUTE_MS

/** The history of a volume in a real catalog, its chunks in memory. Paths in latin1. */
export class History {
  readonly catalog: Catalog
  readonly id: VolumeId
  readonly chunks = new Map<string, Uint8Array>()
  /** Chunks that are needed and not held, as hex. */
  readonly missing = new Set<string>()
  readonly volume: Volume
  readonly #directory: string
  readonly #level: Level
  #seq = 0

  static async open(): Promise<History> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-history-'))
    const level = new Level(directory)
    await level.open()
    return new History(directory, level, await openCatalog({ level, volume: new Version().volume }))
  }

  private constructor(directory: string, level: Level, catalog: Catalog) {
    this.#directory = directory
    this.#level = level
    this.catalog = catalog
    const { volume, ring } = new Version()
    this.id = volume
    const reader = { catalog, ring, keys: deriveVolumeKeys(ring) }
    const missing = (): { id: ChunkId }[] => [...this.missing].map((hex) => ({ id: idOf(hex) }))
    const { missing: set } = this
    this.volume = {
      id: volume,
      name: 'data',
      epoch: 1,
      coreKey: new Uint8Array(32),
      readable: reader,
      reader: () => reader,
      log: { head: () => ({ length: this.#seq }) },
      recheck: () => Promise.resolve(),
      completeness: {
        missing,
        get missingCount() {
          return set.size
        },
      },
    } as unknown as Volume
  }

  /** A further version of a file. */
  async file(
    name: string,
    content: string | Uint8Array,
    how: { recipe?: boolean; torn?: boolean } = {},
  ): Promise<void> {
    const version = new Version().file(name, content, { segmentBytes: 500, ...how })
    const [row] = version.rows()
    const { inline, recipe } = row?.content ?? {}
    for (const [id, stored] of version.chunks) this.chunks.set(id, stored)
    const ids = recipe === undefined ? [...version.chunks.keys()] : [hexOf(recipe)]
    const role = recipe === undefined ? 'content' : 'recipe'
    const refs: ChunkRef[] = ids.map((id) => ({
      id: idOf(id),
      storedBytes: this.chunks.get(id)?.byteLength ?? 0,
      role,
    }))
    const stored = recipe === undefined ? { type: 'inline', extents: inline } : { type: 'recipe', root: recipe }
    await this.#add({ ...row, content: refs.length === 0 ? { type: 'none' } : stored, refs, torn: how.torn ?? false })
  }

  async directory(name: string): Promise<void> {
    const [row] = new Version().directory(name).rows()
    await this.#add({ ...row, content: { type: 'none' } })
  }

  async link(name: string, target: string): Promise<void> {
    const [row] = new Version().link(name, target).rows()
    await this.#add({ ...row, content: { type: 'none' } })
  }

  async remove(name: string): Promise<void> {
    const [row] = new Version().other(name).rows()
    await this.#add({ ...row, kind: 'delete', content: { type: 'none' } })
  }

  /** The first complete capture ends. */
  async baseline(): Promise<void> {
    const [row] = new Version().directory('').rows()
    await this.#add({ ...row, kind: 'baseline', content: { type: 'none' } })
  }

  /** Chunks of the file's newest version. */
  async chunksOf(name: string): Promise<string[]> {
    const row = await this.catalog.get(Buffer.from(name, 'latin1'))
    return (row?.refs ?? []).map(({ id }) => hexOf(id))
  }

  lose(...ids: string[]): void {
    for (const id of ids) {
      this.chunks.delete(id)
      this.missing.add(id)
    }
  }

  /** As the pack store and the source of chunks give one. */
  readonly held = (_volume: VolumeId, id: ChunkId): Promise<Uint8Array | undefined> =>
    Promise.resolve(this.chunks.get(hexOf(id))?.slice())
  readonly wanted = async (volume: VolumeId, id: ChunkId): Promise<Uint8Array> => {
    const stored = await this.held(volume, id)
    if (stored === undefined) throw new HoldfastError('HF_CHUNK_MISSING', 'no member has the chunk')
    return stored
  }

  async #add(fields: object): Promise<void> {
    const seq = ++this.#seq
    const row = { kind: 'put', refs: [], torn: false, ...fields, seq, epoch: 1, timeMs: timeOf(seq) }
    await this.catalog.apply([row as unknown as CatalogRow], { epoch: 1, length: seq })
  }

  async close(): Promise<void> {
    await this.catalog.close()
    await this.#level.close()
    fs.rmSync(this.#directory, { recursive: true })
  }
}

function idOf(hex: string): ChunkId {
  return asChunkId(bytesOfHex(hex, CHUNK_ID_BYTES) ?? new Uint8Array(0))
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}
