/**
 * The commit pipeline of a primary loses power at every write boundary, with every unsynced write kept, lost or torn, with
 * the index as it was, or gone, and the log at what was flushed or as it was. What was acknowledged must be there whole, and
 * no length of the log may ever have two contents; an epoch that has begun stays, and continues the one before.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blake3 } from '@holdfast/hash'
import {
  createMemoryDrive,
  createSeededRandom,
  type Fate,
  type MemoryDrive,
  type MemoryDriveOptions,
  type UnsyncedChange,
} from '@holdfast/doubles'
import {
  createMemoryJournalDisk,
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
import { createEpochRecord, encodeEpochRecord } from '@holdfast/failover'
import { claimOf, epochOf, VoterRecords } from '../../src/epochs/index.ts'
import type { Draft, IngestPool, SealedGroup } from '../../src/ingest/index.ts'
import { readEpochs } from '../../src/volumes/epoch-chain.ts'
import { openVolume } from '../../src/volumes/open-volume.ts'
import { PendingFrames } from '../../src/volumes/pending-frames.ts'
import type { Volume } from '../../src/volumes/volume.ts'
import { VolumeWriter } from '../../src/volumes/writer.ts'
import { createManualClock } from '@holdfast/doubles'
import type { VolumeEntry } from '@holdfast/charter'

const VOLUME = asVolumeId(new Uint8Array(16).fill(7))
const SIGNING_KEY = signingKeyFromSeed(new Uint8Array(32).fill(3))
const SELF = asNodeId(SIGNING_KEY.publicKey)
const RING = createKeyRing(VOLUME, new Uint8Array(32).fill(5))
const ENTRY: VolumeEntry = {
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
const COMMITS = 6
const PACK_BYTES_MAX = 8 * 1024
const BINARY = { keyEncoding: 'view', valueEncoding: 'view' } as const
type BinaryLevel = Level<Uint8Array, Uint8Array>

/** What the outside was told; it must stay true over every crash. */
class Ledger {
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

interface World {
  readonly store: PackStore
  readonly volume: Volume
  readonly writer: VolumeWriter
  readonly pending: PendingFrames
  readonly workers: Workers
  readonly checkpoint: () => Promise<void>
}

async function openWorld(
  drive: MemoryDrive,
  level: BinaryLevel,
  disk: MemoryJournalDisk,
  ledger: Ledger,
): Promise<World> {
  const store = await openPackStore({
    drive,
    index: level.sublevel<Uint8Array, Uint8Array>('packs', BINARY),
    packBytesMax: PACK_BYTES_MAX,
  })
  const journals = createMemoryJournalStore(disk)
  const keys = deriveVolumeKeys(RING)
  const codec = createRecordCodec(keys, VOLUME, createSeededRandom(1))
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
    readable: { ring: RING, keys, codec, catalog },
    completeLength: () => Promise.resolve(0),
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
    clock: createManualClock(),
    pending,
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
  return { store, volume, writer, pending, workers, checkpoint }
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
      fingerprint: new Uint8Array(16),
    })),
    refs: parts.map(({ id, bytes }) => ({ id, storedBytes: bytes.byteLength, kind: 'bundle' as const })),
    needs: parts.map(({ id }) => id),
  }
}

/** One commit of a file whose content two workers wrote. */
async function commit({ workers, pending, writer }: World, ledger: Ledger, name: string): Promise<void> {
  const contents = [Buffer.from(`${name} left`.repeat(40)), Buffer.from(`${name} right`.repeat(40))]
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
  await writer.commit({ drafts: [draftOf(name, parts)], deletions: [], ...(group === undefined ? {} : { group }) })
  ledger.acknowledged.push({ path: name, chunks: parts.map(({ id }) => id) })
}

async function check({ store, volume }: World, ledger: Ledger): Promise<void> {
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

/** The writer leaves its epoch, certifies the next one by itself, being the only voter, and begins it. */
async function nextEpoch({ store, volume }: World, ledger: Ledger): Promise<void> {
  const home = { readState: () => undefined, writeState: () => undefined }
  const records = new VoterRecords(home, SIGNING_KEY, () => undefined)
  const claim = claimOf(volume, SELF, ENTRY.charterHash, records.of(VOLUME), [])
  const { coreKey, identity } = epochOf({ claim, votes: [] })
  const head = volume.acceptedHead()
  assert.ok(head !== undefined)
  const reply = records.consider({ claim, coreKey }, { isVoter: true, primary: SELF, knowsCharter: true, head })
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

interface Case {
  readonly boundary: number
  readonly fate: (change: UnsyncedChange, index: number) => Fate
  readonly index: 'kept' | 'lost'
  readonly log: 'kept' | 'flushed' | 'lost'
}

async function live(drive: MemoryDrive, level: BinaryLevel, disk: MemoryJournalDisk, ledger: Ledger): Promise<void> {
  let world = await openWorld(drive, level, disk, ledger)
  for (let number = 0; number < COMMITS; number++) {
    if (number === COMMITS - 2) {
      await nextEpoch(world, ledger)
      world = await openWorld(drive, level, disk, ledger)
    }
    // Two at once, so that commits overlap each other's syncs.
    await Promise.all([commit(world, ledger, `a${number}`), commit(world, ledger, `b${number}`)])
    if (number === 2) await world.checkpoint()
  }
  await world.store.close()
}

describe('the commit pipeline of a primary, power lost at every write boundary', function () {
  this.timeout(120_000)
  const directories: string[] = []
  const newLevel = async (): Promise<BinaryLevel> => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-crash-'))
    directories.push(directory)
    const level: BinaryLevel = new Level(directory, BINARY)
    await level.open()
    return level
  }
  afterEach(() => {
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
  })

  async function boundariesOfALife(): Promise<number> {
    const drive = createMemoryDrive()
    const level = await newLevel()
    await live(drive, level, createMemoryJournalDisk(), new Ledger())
    await level.close()
    return drive.boundaries()
  }

  async function survive({ boundary, fate, index, log }: Case): Promise<void> {
    const fault: NonNullable<MemoryDriveOptions['fault']> = (operation) =>
      operation.boundary === boundary ? 'power-off' : undefined
    const drive = createMemoryDrive({ fault })
    const disk = createMemoryJournalDisk()
    const ledger = new Ledger()
    let level = await newLevel()
    await live(drive, level, disk, ledger).catch(() => undefined)
    const after = drive.crash(fate)
    if (log === 'flushed') disk.losePower()
    await level.close()
    if (index === 'lost') level = await newLevel()
    else await level.open()
    const world = await openWorld(after, level, log === 'lost' ? createMemoryJournalDisk() : disk, ledger)
    await check(world, ledger)
    for (const name of ['after', 'the', 'crash'].slice(0, 1 + (boundary % 3))) await commit(world, ledger, name)
    await check(world, ledger)
    await world.store.close()
    await level.close()
    // Frames that were signed before the crash and never published lie in the packs beside those that took their place.
    const rebuilt = await newLevel()
    const again = await openWorld(after, rebuilt, createMemoryJournalDisk(), ledger)
    await check(again, ledger)
    await again.store.close()
    await rebuilt.close()
  }

  const fates: readonly (readonly [string, Case['fate']])[] = [
    ['lost', () => 'lost'],
    ['kept', () => 'kept'],
    ['torn', () => 'torn-head'],
    ['alternating', (_change, index) => (index % 2 === 0 ? 'kept' : 'lost')],
    ['torn at the end', (_change, index) => (index % 3 === 0 ? 'torn-tail' : 'kept')],
  ]
  for (const [name, fate] of fates) {
    it(`unsynced writes ${name}: what was acknowledged is whole, no length has two contents`, async () => {
      const boundaries = await boundariesOfALife()
      assert.ok(boundaries > 20)
      for (let boundary = 0; boundary < boundaries; boundary++) {
        const turn = boundary % 3
        const index = boundary % 2 === 0 ? 'kept' : 'lost'
        const log = turn === 0 ? 'kept' : turn === 1 ? 'flushed' : 'lost'
        await survive({ boundary, fate, index, log })
      }
    })
  }
})
