import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createManualClock } from '@holdfast/doubles'
import { createKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import type { KeyRing } from '@holdfast/keys'
import type { ChunkId } from '@holdfast/ports'
import { asCoreKey, asVolumeId, equalBytes, hexOf } from '@holdfast/ports'
import type { Extent } from '@holdfast/sealing'
import { createFingerprinter, createOpener, readRecipe } from '@holdfast/sealing'
import type { PackStore } from '@holdfast/store-pack'
import { encodeJournalFrame, openFsDrive, openIndex, openPackStore } from '@holdfast/store-pack'
import type {
  Draft,
  IngestJob,
  IngestPath,
  IngestPool,
  IngestPoolOptions,
  KnownContentOptions,
  SealedGroup,
} from '../../src/ingest/index.ts'
import { createIngestPool } from '../../src/ingest/index.ts'

/** Bytes that look random and are the same in every run. */
export function noise(seed: string, length: number): Uint8Array {
  return new Uint8Array(createHash('shake256', { outputLength: length }).update(seed).digest())
}

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
export const text = (of: Uint8Array): string => Buffer.from(of).toString('latin1')

export function testRing(seed: string): KeyRing {
  return createKeyRing(asVolumeId(noise(`${seed} volume`, 16)), noise(`${seed} key`, 32))
}

/** A directory that is removed by `remove`. */
export class TestDirectory {
  readonly root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-ingest-'))

  /** Writes a file, with its parents. */
  write(name: string | Uint8Array, content: Uint8Array): void {
    const at = this.at(name)
    fs.mkdirSync(Buffer.from(at.subarray(0, at.lastIndexOf(0x2f))), { recursive: true })
    fs.writeFileSync(at, content)
  }

  at(name: string | Uint8Array): Buffer {
    return Buffer.concat([Buffer.from(`${this.root}/`), Buffer.from(name)])
  }

  remove(): void {
    fs.rmSync(this.root, { recursive: true, force: true })
  }
}

/** A pool on a drive of its own, with the store that adopts what it commits. */
export class PoolWorld {
  readonly source = new TestDirectory()
  readonly ring: KeyRing
  readonly store: PackStore
  readonly drafts = new Map<string, Draft>()
  readonly groups: SealedGroup[] = []
  readonly #home: TestDirectory
  readonly #closeIndex: () => Promise<void>
  readonly #pools: IngestPool[] = []

  constructor(home: TestDirectory, ring: KeyRing, store: PackStore, closeIndex: () => Promise<void>) {
    this.#home = home
    this.ring = ring
    this.store = store
    this.#closeIndex = closeIndex
  }

  static async open(seed = 'test'): Promise<PoolWorld> {
    const home = new TestDirectory()
    const index = await openIndex(`${home.root}/index`)
    const store = await openPackStore({ drive: openFsDrive(home.root), index })
    return new PoolWorld(home, testRing(seed), store, () => index.close())
  }

  async close(): Promise<void> {
    for (const pool of this.#pools) await pool.stop()
    await this.store.close()
    await this.#closeIndex()
    this.#home.remove()
    this.source.remove()
  }

  async pool(options: Partial<IngestPoolOptions> = {}): Promise<IngestPool> {
    const pool = createIngestPool({
      driveDirectory: this.#home.root,
      packNumbers: this.store.packNumbers,
      clock: createManualClock(),
      workers: 2,
      table: { segmentsMax: 100_000, chunksMax: 20_000 },
      ...options,
    })
    this.#pools.push(pool)
    await pool.start()
    pool.addVolume({ volume: this.ring.volume, keyRing: this.ring.encode() })
    return pool
  }

  job(paths: readonly (string | Uint8Array)[]): IngestJob {
    return { volume: this.ring.volume, root: bytes(this.source.root), paths: paths.map((name) => this.#path(name)) }
  }

  #path(name: string | Uint8Array): IngestPath {
    let sizeHint = 0
    try {
      sizeHint = fs.lstatSync(this.source.at(name)).size
    } catch {
      // Paths that cannot be looked at are among the tests.
    }
    return { path: new Uint8Array(Buffer.from(name)), sizeHint }
  }

  /** Takes a group as a careful receiver does: chunks that a draft needs must have been told of by then. */
  receiver(pool: IngestPool): (group: SealedGroup) => Promise<void> {
    const told = new Set<string>()
    return async (group) => {
      this.groups.push(group)
      for (const { id } of group.entries) told.add(hexOf(id))
      for (const draft of group.drafts) {
        for (const id of draft.needs) assert.ok(told.has(hexOf(id)) || this.store.has(this.ring.volume, id))
        this.drafts.set(text(draft.path), draft)
      }
      await pool.commit(group.worker, [])
      this.store.adopt(group.entries)
    }
  }

  async ingest(pool: IngestPool, paths: readonly (string | Uint8Array)[]): Promise<void> {
    await pool.ingest(this.job(paths), this.receiver(pool))
  }

  draft(name: string | Uint8Array): Draft {
    const draft = this.drafts.get(typeof name === 'string' ? name : text(name))
    assert.ok(draft, `no draft of ${String(name)}`)
    return draft
  }

  async extents(draft: Draft): Promise<readonly Extent[]> {
    const { recipe, extents = [] } = draft
    if (recipe === undefined) return extents
    const list: Extent[] = []
    const opener = createOpener(deriveVolumeKeys(this.ring))
    const source = { opener, size: draft.size, fetch: (id: ChunkId) => this.#stored(id) }
    for await (const extent of readRecipe(recipe.root, source)) list.push(extent)
    return list
  }

  /** The content of a file, from the packs alone; every fingerprint is checked. */
  async content(name: string | Uint8Array): Promise<Uint8Array> {
    const keys = deriveVolumeKeys(this.ring)
    const opener = createOpener(keys)
    const fingerprint = createFingerprinter(keys.fingerprint)
    const opened = new Map<string, Uint8Array>()
    const pieces: Uint8Array[] = []
    for (const extent of await this.extents(this.draft(name))) {
      const key = hexOf(extent.chunk)
      const plain = opened.get(key) ?? opener.open(await this.#stored(extent.chunk)).plain
      opened.set(key, plain)
      const piece = plain.subarray(extent.offset, extent.offset + extent.length)
      assert.ok(equalBytes(fingerprint(piece), extent.fingerprint))
      pieces.push(piece)
    }
    return new Uint8Array(Buffer.concat(pieces))
  }

  /** Plaintext bytes of all bundles that were written. */
  async bundleBytes(): Promise<number> {
    const opener = createOpener(deriveVolumeKeys(this.ring))
    let sum = 0
    for (const { entries } of this.groups) {
      for (const { id } of entries) {
        const opened = opener.open(await this.#stored(id as ChunkId))
        if (opened.kind === 'bundle') sum += opened.plain.byteLength
      }
    }
    return sum
  }

  knownContent(): KnownContentOptions {
    const keys = deriveVolumeKeys(this.ring)
    return { opener: createOpener(keys), fingerprint: keys.fingerprint, fetch: (id) => this.#stored(id) }
  }

  /** A frame as a commit writes it; its signature is not looked at here. */
  journalFrame(): Uint8Array {
    const frame = {
      coreKey: asCoreKey(noise('core', 32)),
      start: 0,
      blocks: [bytes('block')],
      signature: noise('s', 64),
    }
    return encodeJournalFrame(this.ring.volume, frame)
  }

  async #stored(id: ChunkId): Promise<Uint8Array> {
    const stored = await this.store.get(this.ring.volume, id)
    assert.ok(stored, `chunk ${hexOf(id)} is not stored`)
    return stored
  }
}
