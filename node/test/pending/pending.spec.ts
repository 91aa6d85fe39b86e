/**
 * A primary in doubt records on its own drive, the next epoch is certified, what waited is recorded there: with the power
 * going at every write boundary. Each acknowledged change must be in the pending journal or in the history at any time, and
 * in the history once, in its order, in the end.
 */
import assert from 'node:assert/strict'
import { createManualClock, createMemoryDrive, type Fate, type MemoryDrive } from '@holdfast/doubles'
import { createMemoryJournalDisk, type CatalogRow } from '@holdfast/journal'
import { hexOf } from '@holdfast/ports'
import type { ChunkId, CoreKey } from '@holdfast/ports'
import {
  createPendingJournal,
  endPendingJournal,
  findPendingJournals,
  PENDING_SEQ_BASE,
  pendingRows,
} from '../../src/pending/pending-journal.ts'
import { PendingRecords } from '../../src/pending/pending-records.ts'
import { repeatPending } from '../../src/pending/repeating.ts'
import { readEpochs } from '../../src/volumes/epoch-chain.ts'
import { VolumeWriter } from '../../src/volumes/writer.ts'
import {
  ENTRY,
  Ledger as Published,
  Levels,
  nextEpoch,
  openWorld,
  SELF,
  SIGNING_KEY,
  storeFile,
  VOLUME,
  type World,
} from '../volumes/pipeline.ts'

interface Change {
  readonly path: string
  /** Absent: a deletion. */
  readonly chunks?: readonly ChunkId[]
}

const describeChange = ({ chunks }: Change): string => chunks?.map((id) => hexOf(id).slice(0, 8)).join('+') ?? 'deleted'
const changeOf = (row: CatalogRow): Change =>
  row.kind === 'delete' ? { path: '' } : { path: '', chunks: row.refs.map(({ id }) => id) }

/** Oldest first. */
async function versionsOf({ volume }: World, path: string): Promise<string[]> {
  const versions: string[] = []
  for await (const row of volume.reader().catalog.versions(Buffer.from(path)))
    versions.unshift(describeChange(changeOf(row)))
  return versions
}

/** What was acknowledged while the node was in doubt. */
class Ledger {
  readonly base: string[] = []
  readonly changes: Change[] = []
  /** The change that was under way when the power went: it may be there or not. */
  begun: Change | undefined

  of(path: string): string[] {
    return this.changes.filter((change) => change.path === path).map(describeChange)
  }

  get paths(): readonly string[] {
    return [...new Set(this.changes.map(({ path }) => path))]
  }
}

/** The writer of a world in doubt. */
async function openPending(world: World, nonce = 1) {
  const [known] = await findPendingJournals(world.store, VOLUME, SELF)
  const journal =
    known ??
    (await createPendingJournal(world.store, SIGNING_KEY, {
      volume: VOLUME,
      writer: SELF,
      epoch: world.volume.newestEpoch,
      openedAtMs: 5,
      nonce: new Uint8Array(32).fill(nonce),
    }))
  const { catalog, codec } = world.volume.reader()
  const records = new PendingRecords(catalog, [journal])
  const writer = new VolumeWriter({
    volume: VOLUME,
    epoch: journal.opening.epoch,
    log: journal.log,
    catalog: records,
    codec,
    signingKey: SIGNING_KEY,
    clock: createManualClock(),
    pending: world.pending,
    room: world.room,
    onCommitted: () => Promise.resolve(),
  })
  const put = async (ledger: Ledger, path: string, content: string): Promise<void> => {
    const { batch, chunks } = storeFile(world, path, content)
    ledger.begun = { path, chunks }
    const { lastSeq } = await writer.commit(batch)
    ledger.changes.push({ path, chunks })
    ledger.begun = undefined
    assert.equal(lastSeq, records.stateSeq())
  }
  const remove = async (ledger: Ledger, path: string): Promise<void> => {
    ledger.begun = { path }
    await writer.commit({ drafts: [], deletions: [Buffer.from(path)] })
    ledger.changes.push({ path })
    ledger.begun = undefined
  }
  return { journal, records, writer, put, remove }
}

/** Records what waits in the epoch of the world. */
async function repeatAll(world: World, trustsMembers = true) {
  const { store, volume, writer } = world
  const counts: { recorded: number; lost: number; awaited: number }[] = []
  for (const journal of await findPendingJournals(store, VOLUME, SELF)) {
    const done = await repeatPending({ volume, writer, store, trustsMembers, recordsPerCommit: 2 }, journal)
    counts.push(done)
    if (done.lost + done.awaited === 0) await endPendingJournal(store, SIGNING_KEY, journal)
  }
  return counts
}

describe('a pending journal', function () {
  this.timeout(120_000)
  let levels: Levels
  beforeEach(() => {
    levels = new Levels()
  })
  afterEach(() => levels.remove())
  const open = async (drive: MemoryDrive): Promise<World> =>
    openWorld(drive, await levels.open(), createMemoryJournalDisk(), new Published())
  const reopen = async (world: World, drive: MemoryDrive): Promise<World> => {
    await world.store.close()
    return open(drive)
  }

  /** Epoch 1 with two files, then doubt, edits, epoch 2 with what waited, and on. */
  async function live(drive: MemoryDrive, ledger: Ledger): Promise<World> {
    const first = await open(drive)
    for (const name of ['base', 'same']) {
      await first.writer.commit(storeFile(first, name).batch)
      ledger.base.push(name)
    }
    const pending = await openPending(first)
    // As capture finds it again when it does not know what was captured: there is nothing to record.
    await pending.put(new Ledger(), 'same', 'same')
    await pending.put(ledger, 'x', 'A')
    await pending.put(ledger, 'x', 'B')
    await pending.remove(ledger, 'base')
    await pending.put(ledger, 'x', 'A')
    await pending.put(ledger, 'y', 'y')
    await nextEpoch(first, new Published())
    const second = await open(drive)
    await repeatAll(second)
    await second.writer.commit(storeFile(second, 'later').batch)
    return second
  }

  /** Each change is in the journal or the history; both at most. */
  async function assertNothingLost(world: World, ledger: Ledger): Promise<void> {
    const waiting = new Map<string, string[]>()
    for (const journal of await findPendingJournals(world.store, VOLUME, SELF))
      for await (const rows of pendingRows(world.store, journal, world.volume.reader().codec))
        for (const row of rows) {
          const path = Buffer.from(row.path).toString()
          waiting.set(path, [...(waiting.get(path) ?? []), describeChange(changeOf(row))])
        }
    for (const path of ledger.paths) {
      const known = [...(waiting.get(path) ?? []), ...(await versionsOf(world, path))]
      for (const change of ledger.of(path)) assert.ok(known.includes(change), `${path}: ${change} is gone`)
    }
    for (const name of ledger.base) assert.ok((await versionsOf(world, name)).length > 0, `${name} is gone`)
  }

  /** Each change is in the history once, in its order. */
  async function assertRecorded(world: World, ledger: Ledger): Promise<void> {
    for (const path of ledger.paths) {
      const own = (await versionsOf(world, path)).slice(ledger.base.includes(path) ? 1 : 0)
      const begun = ledger.begun?.path === path ? describeChange(ledger.begun) : undefined
      const whole = own.length === ledger.of(path).length + 1 && begun !== undefined ? [begun] : []
      assert.deepEqual(own, [...ledger.of(path), ...whole], path)
    }
    assert.equal((await versionsOf(world, 'same')).length <= 1, true, 'what was there already is not recorded again')
    for (const { chunks = [] } of ledger.changes)
      for (const id of chunks) assert.ok((await world.store.get(VOLUME, id)) !== undefined)
  }

  it('its changes are in the history of the next epoch, in order, once, and the journal is over', async () => {
    const drive = createMemoryDrive()
    const ledger = new Ledger()
    const world = await live(drive, ledger)
    await assertRecorded(world, ledger)
    assert.deepEqual(await versionsOf(world, 'x'), ledger.of('x'))
    assert.equal((await versionsOf(world, 'x')).length, 3)
    assert.equal((await versionsOf(world, 'base')).at(-1), 'deleted')
    assert.deepEqual(await findPendingJournals(world.store, VOLUME, SELF), [])
    const again = await reopen(world, drive)
    assert.deepEqual(await findPendingJournals(again.store, VOLUME, SELF), [])
    await assertRecorded(again, ledger)
    await again.store.close()
  })

  it('keeps what it says and counts over a restart, and is continued', async () => {
    const drive = createMemoryDrive()
    const ledger = new Ledger()
    const world = await open(drive)
    const before = await openPending(world)
    assert.equal(before.records.stateSeq(), 0, 'without a change the state is that of the catalog')
    await before.put(ledger, 'x', 'A')
    await before.put(ledger, 'x', 'B')
    const after = await openPending(await reopen(world, drive), 2)
    assert.deepEqual(after.records.changes, { count: 2, sinceMs: before.records.changes.sinceMs })
    assert.equal(hexOf(after.journal.log.coreKey), hexOf(before.journal.log.coreKey))
    assert.equal(after.records.stateSeq(), PENDING_SEQ_BASE + 2)
    await after.put(ledger, 'x', 'C')
    assert.equal(after.records.changes.count, 3)
  })

  it('is no epoch, and nobody else’s: neither the chain of epochs nor another writer finds it', async () => {
    const drive = createMemoryDrive()
    const world = await open(drive)
    const { put } = await openPending(world)
    await put(new Ledger(), 'x', 'A')
    const { epochs, branches } = await readEpochs({ store: world.store, birth: ENTRY, learned: [] })
    assert.equal(epochs.length, 1)
    assert.deepEqual(branches, [])
    assert.deepEqual(await findPendingJournals(world.store, VOLUME, ENTRY.author.slice().fill(9) as typeof SELF), [])
    assert.equal(world.volume.reader().catalog.applied.seq, 0, 'the catalog is not touched')
  })

  it('content that is not here yet, of a version that members have: the journal stays, and is settled at a later start', async () => {
    const drive = createMemoryDrive()
    const ledger = new Ledger()
    const first = await open(drive)
    const { put } = await openPending(first)
    await put(ledger, 'x', 'A')
    const { batch } = storeFile(first, 'x', 'A')
    await nextEpoch(first, new Published())
    const second = await open(drive)
    // What members have sent already: the record, but not its content.
    await second.writer.commit({ drafts: batch.drafts.map((draft) => ({ ...draft, needs: [] })), deletions: [] })
    const { store, volume, writer } = second
    const lacking = {
      journals: () => store.journals(),
      journalFrames: (key: CoreKey, from: number) => store.journalFrames(key, from),
      has: () => false,
    }
    const [journal] = await findPendingJournals(store, VOLUME, SELF)
    assert.ok(journal !== undefined)
    const parts = { volume, writer }
    const trusting = await repeatPending({ ...parts, store: lacking, trustsMembers: true }, journal)
    assert.deepEqual(trusting, { recorded: 0, lost: 0, awaited: 1 })
    const strict = await repeatPending({ ...parts, store: lacking, trustsMembers: false }, journal)
    assert.deepEqual(strict, { recorded: 0, lost: 1, awaited: 0 }, 'without the content nothing is recorded')
    const whole = await repeatPending({ ...parts, store, trustsMembers: false }, journal)
    assert.deepEqual(whole, { recorded: 0, lost: 0, awaited: 0 })
  })

  const FATES: readonly ((index: number) => Fate)[] = [
    () => 'lost',
    () => 'kept',
    (index) => (index % 2 === 0 ? 'torn-head' : 'lost'),
    (index) => (index % 2 === 0 ? 'kept' : 'torn-tail'),
  ]
  it('power lost at every boundary: nothing acknowledged is lost, nothing is recorded twice', async () => {
    const whole = createMemoryDrive()
    await (await live(whole, new Ledger())).store.close()
    for (let boundary = 0; boundary < whole.boundaries(); boundary++) {
      const drive = createMemoryDrive({
        fault: (operation) => (operation.boundary === boundary ? 'power-off' : undefined),
      })
      const ledger = new Ledger()
      await live(drive, ledger).catch(() => undefined)
      const fate = FATES[boundary % FATES.length]
      const after = drive.crash((_change, index) => fate?.(index) ?? 'lost')
      let world = await open(after)
      await assertNothingLost(world, ledger)
      if (world.volume.epoch === 1) {
        const { put } = await openPending(world, 2)
        const { begun } = ledger
        await put(ledger, 'z', 'after the crash')
        ledger.begun = begun
        await nextEpoch(world, new Published())
        world = await open(after)
      }
      await repeatAll(world)
      await assertRecorded(world, ledger)
      assert.deepEqual(await findPendingJournals(world.store, VOLUME, SELF), [])
      await world.store.close()
    }
  })
})
