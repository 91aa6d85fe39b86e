/** The commit pipeline of a primary on a memory drive: two workers with a pack each, log, catalog and index, and what it has promised. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blake3 } from '@holdfast/hash'
import {
  createManualClock,
  createSeededRandom,
  MemoryIndex,
  type ManualClock,
  type MemoryDrive,
} from '@holdfast/doubles'
import { createEpochRecord, encodeEpochRecord } from '@holdfast/failover'
import {
  createMemoryJournalStore,
  createRecordCodec,
  encodeEpochBlock,
  openCatalog,
  type MemoryJournalDisk,
} from '@holdfast/journal'
import { createKeyRing, deriveVolumeKeys, signingKeyFromSeed, signRaw } from '@holdfast/keys'
import { asChunkId, asNodeId, asVolumeId, equalBytes, hexOf } from '@holdfast/ports'
import type { ChunkId, CoreKey, JournalFrame } from '@holdfast/ports'
import {
  createPackWriter,
  encodeChunkFrameHeader,
  FRAME_HEADER_BYTES,
  openPackStore,
  type PackStore,
  type PackWriter,
} from '@holdfast/store-pack'
import { Level } from 'level'
import type { CaptureBatch } from '../../src/capture/index.ts'
import { claimOf, epochOf, VoterRecords } from '../../src/epochs/index.ts'
import type { Draft, IngestPool, SealedGroup } from '../../src/ingest/index.ts'
import { readEpochs } from '../../src/volumes/epoch-chain.ts'
import { openVolume } from '../../src/volumes/open-volume.ts'
import { PendingFrames } from '../../src/volumes/pending-frames.ts'
import { Room } from '../../src/volumes/room.ts'
import type { Volume } from '../../src/volumes/volume.ts'
import { VolumeWriter } from '../../src/volumes/writer.ts'
import type { VolumeEntry } from '@holdfast/charter'

export const VOLUME = asVolumeId(new Uint8Array(16).fill(7))
export const SIGNING_KEY = signingKeyFromSeed(new Uint8Array(32).fill(3))
export const SELF = asNodeId(SIGNING_KEY.publicKey)
const RING = createKeyRing(VOLUME, new Uint8Array(32).fill(5))
const KEYS = deriveVolumeKeys(RING)
export const ENTRY: VolumeEntry = {
  author: SELF,
  counter: 1,
  volume: VOLUME,
  name: 'data',
  copies: 1,
  public: false,
  protected: true,
  primary: SELF,
  members: [{ node: SELF, role: 'full', voter: true }],
  keyEpoch: 1,
  sealedKeys: [],
  createdAtMs: 0,
  charterHash: new Uint8Array(32),
}
const PACK_BYTES_MAX = 8 * 1024
const BINARY = { keyEncoding: 'view', valueEncoding: 'view' } as const
export type BinaryLevel = Level<Uint8Array, Uint8Array>

/** What the outside was told; it must stay true over every crash. */
export class Ledger {
  readonly acknowledged: { path: string; chunks: readonly ChunkId[] }[] = []
  /** By core and index. */
  readonly published = new Map<string, { frame: JournalFrame; index: number; block: Uint8Array }>()
  /** The newest epoch whose first block was durable. */
  epoch = 1

  publish(frame: JournalFrame): void {
    for (const [offset, block] of frame.blocks.entries()) {
      const index = frame.start + offset
      const place = `${hexOf(frame.coreKey)} ${index}`
      const known = this.published.get(place)?.block
      assert.ok(known === undefined || Buffer.compare(known, block) === 0, `two contents of block ${place}`)
      this.published.set(place, { frame, index, block })
    }
  }
}

/** Two workers with a pack each, as ingest threads are: chunks go to the page cache, commits sync. */
class Workers {
  readonly #writers: PackWriter[]
  readonly #groups = [0, 0]

  constructor(drive: MemoryDrive, store: PackStore) {
    const options = { drive, claimPackNumber: () => store.claimPackNumber(), packBytesMax: PACK_BYTES_MAX }
    this.#writers = [createPackWriter(options), createPackWriter(options)]
  }

  store(worker: number, bytes: Uint8Array): { id: ChunkId; group: SealedGroup } {
    const id = asChunkId(blake3(bytes))
    const frame = new Uint8Array(FRAME_HEADER_BYTES + bytes.byteLength)
    encodeChunkFrameHeader(frame, 0, VOLUME, id, bytes.byteLength)
    frame.set(bytes, FRAME_HEADER_BYTES)
    const entries = this.#writer(worker).write(frame)
    const group = this.#groups[worker] ?? 0
    this.#groups[worker] = group + 1
    return { id, group: { worker, group, drafts: [], entries } }
  }

  pool(): Pick<IngestPool, 'commit'> {
    return {
      commit: async (worker, frames) => {
        const writer = this.#writer(worker)
        const entries = frames.length === 0 ? [] : writer.write(Buffer.concat(frames))
        await writer.sync()
        return entries
      },
    }
  }

  #writer(worker: number): PackWriter {
    const writer = this.#writers[worker]
    assert.ok(writer !== undefined)
    return writer
  }
}

export interface World {
  readonly store: PackStore
  readonly volume: Volume
  readonly writer: VolumeWriter
  readonly pending: PendingFrames
  readonly workers: Workers
  readonly checkpoint: () => Promise<void>
  readonly room: Room
  readonly clock: ManualClock
}

export async function openWorld(
  drive: MemoryDrive,
  level: BinaryLevel,
  disk: MemoryJournalDisk,
  ledger: Ledger,
  clock = createManualClock(),
  room = new Room({ places: [], clock }),
): Promise<World> {
  const store = await openPackStore({
    drive,
    index: packsOf(level),
    packBytesMax: PACK_BYTES_MAX,
  })
  const journals = createMemoryJournalStore(disk)
  const codec = createRecordCodec(KEYS, VOLUME, createSeededRandom(1))
  const catalog = await openCatalog({
    level: level.sublevel<Uint8Array, Uint8Array>('catalog', BINARY),
    volume: VOLUME,
  })
  const { epochs } = await readEpochs({ store, birth: ENTRY, learned: [] })
  const { volume } = await openVolume({
    entry: ENTRY,
    epochs,
    role: 'primary',
    store,
    journals,
    readable: { ring: RING, keys: KEYS, codec, catalog },
    completeLength: () => Promise.resolve(0),
    room,
  })
  const workers = new Workers(drive, store)
  const pending = new PendingFrames(workers.pool(), store)
  const writer = new VolumeWriter({
    volume: VOLUME,
    epoch: volume.epoch,
    log: volume.log,
    catalog,
    codec,
    signingKey: SIGNING_KEY,
    clock,
    pending,
    room,
    onCommitted: async (frame, head, rows) => {
      ledger.publish(frame)
      await volume.committed(frame, head, rows)
    },
  })
  const checkpoint = () =>
    store.checkpoint(async () => {
      await journals.flush()
      await catalog.flush()
    })
  return { store, volume, writer, pending, workers, checkpoint, room, clock }
}

function draftOf(path: string, parts: readonly { id: ChunkId; bytes: Uint8Array }[]): Draft {
  return {
    path: Buffer.from(path),
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeNs: 1n,
    size: parts.reduce((sum, { bytes }) => sum + bytes.byteLength, 0),
    torn: false,
    extents: parts.map(({ id, bytes }) => ({
      chunk: id,
      offset: 0,
      length: bytes.byteLength,
      fingerprint: blake3(bytes).subarray(0, 16),
    })),
    refs: parts.map(({ id, bytes }) => ({ id, storedBytes: bytes.byteLength, kind: 'bundle' as const })),
    needs: parts.map(({ id }) => id),
  }
}

/** A file whose content two workers wrote, not durable yet, as capture hands it over. */
export function storeFile(
  { workers, pending }: Pick<World, 'workers' | 'pending'>,
  name: string,
  content = name,
): { batch: CaptureBatch; chunks: readonly ChunkId[] } {
  const contents = [Buffer.from(`${content} left`.repeat(40)), Buffer.from(`${content} right`.repeat(40))]
  const parts: { id: ChunkId; bytes: Uint8Array }[] = []
  const groups: SealedGroup[] = []
  for (const [worker, bytes] of contents.entries()) {
    const { id, group } = workers.store(worker, bytes)
    parts.push({ id, bytes })
    groups.push(group)
    pending.add(worker, group.entries)
  }
  // The frames of two commits at once go to two packs: the later one may survive where the earlier does not.
  const group = groups[name.startsWith('b') ? 1 : 0]
  const batch = { drafts: [draftOf(name, parts)], deletions: [], ...(group === undefined ? {} : { group }) }
  return { batch, chunks: parts.map(({ id }) => id) }
}

export async function commit(world: World, ledger: Ledger, name: string): Promise<void> {
  const { batch, chunks } = storeFile(world, name)
  await world.writer.commit(batch)
  ledger.acknowledged.push({ path: name, chunks })
}

/** The writer leaves its epoch, certifies the next one by itself, being the only voter, and begins it. */
export async function nextEpoch({ store, volume }: World, ledger: Ledger): Promise<void> {
  const home = { readState: () => undefined, writeState: () => undefined }
  const records = new VoterRecords(home, SIGNING_KEY, () => undefined)
  const claim = claimOf(volume, SELF, ENTRY.charterHash, records.of(VOLUME), [])
  const { coreKey, identity } = epochOf({ claim, votes: [] })
  const head = volume.acceptedHead()
  const context = { isVoter: true, primary: SELF, knowsCharter: true, ...(head === undefined ? {} : { head }) }
  const reply = records.consider({ claim, coreKey }, context)
  assert.ok(reply.type === 'vote')
  const record = createEpochRecord(claim, [{ node: SELF, signature: reply.signature }])
  const log = await createMemoryJournalStore().open(identity)
  const blocks = [encodeEpochBlock(encodeEpochRecord(record))]
  const frame = { coreKey, start: 0, blocks, signature: signRaw(SIGNING_KEY, log.propose(blocks).signable) }
  await store.commit(VOLUME, [], frame)
  ledger.publish(frame)
  ledger.epoch = claim.epoch
  await store.close()
}

export async function check({ store, volume }: World, ledger: Ledger): Promise<void> {
  for (const { path, chunks } of ledger.acknowledged) {
    const row = await volume.reader().catalog.get(Buffer.from(path))
    assert.ok(row !== undefined, `${path} was acknowledged and is gone`)
    for (const id of chunks) {
      assert.ok(store.has(VOLUME, id), `a chunk of ${path} was acknowledged and is gone`)
      assert.ok((await store.get(VOLUME, id)) !== undefined)
    }
  }
  for (const [place, { frame, index, block }] of ledger.published) {
    const held = await blockOf({ store, volume }, frame.coreKey, index)
    assert.deepEqual(Buffer.from(held ?? []), Buffer.from(block), `block ${place} was told and is another`)
  }
  assert.ok(volume.epoch >= ledger.epoch, 'an epoch that had begun is gone')
}

async function blockOf(
  { store, volume }: Pick<World, 'store' | 'volume'>,
  coreKey: CoreKey,
  index: number,
): Promise<Uint8Array | undefined> {
  if (equalBytes(coreKey, volume.coreKey)) return volume.log.get(index)
  const earlier = volume.earlier.find((log) => equalBytes(log.coreKey, coreKey))
  if (earlier === undefined || index >= earlier.length) return undefined
  for await (const frame of store.journalFrames(earlier.storedKey, index)) return frame.blocks[index - frame.start]
  return undefined
}

const indexes = new WeakMap<BinaryLevel, MemoryIndex>()

/** The index of packs that lives and dies with a level: in memory, since the one on level is tested beside it. */
function packsOf(level: BinaryLevel): MemoryIndex {
  const index = indexes.get(level) ?? new MemoryIndex()
  indexes.set(level, index)
  return index
}

/** What the power left of it: every batch that was synced, and of the others those that `isKept` says. */
export function crashIndex(level: BinaryLevel, isKept: () => boolean): void {
  indexes.set(level, packsOf(level).crash(isKept))
}

/** Forgets what is derived. */
export async function clearIndexes(level: BinaryLevel): Promise<void> {
  indexes.delete(level)
  await level.clear()
}

/** Levels in directories of their own, in memory where the system has a place for that: their syncs are not what is tested here. */
export class Levels {
  readonly #root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'holdfast-levels-'))
  #count = 0

  async open(): Promise<BinaryLevel> {
    const level: BinaryLevel = new Level(join(this.#root, String(this.#count++)), BINARY)
    await level.open()
    return level
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true })
  }
}
