import assert from 'node:assert/strict'
import { createMemoryDrive } from '@holdfast/doubles'
import { createMemoryJournalStore } from '@holdfast/journal'
import { createEpochRecord, type EpochRecord } from '@holdfast/failover'
import { HoldfastError, hexOf } from '@holdfast/ports'
import { openPackStore } from '@holdfast/store-pack'
import { claimOf, copyKey, gatherVotes, type Round } from '../../src/epochs/index.ts'
import { copyJournal } from '../../src/volumes/copying.ts'
import { block, CHARTER_HASH, Mesh, VOLUME, type Member } from './fixture.ts'

describe('the next epoch of the same writer', () => {
  let mesh: Mesh
  let [a, b, c]: Member[] = []
  let members: { a: Member; b: Member; c: Member }
  afterEach(() => mesh.close())

  /** Three members that hold `length` blocks of epoch 1, block 0 included. */
  async function withBlocks(length: number): Promise<void> {
    mesh = new Mesh('a', 'b', 'c')
    ;[a, b, c] = mesh.members
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    members = { a, b, c }
    for (const member of mesh.members) await member.open()
    await a.begin(firstRecord())
    for (let seq = 1; seq < length; seq++) await a.write(block(seq))
    for (const member of [b, c]) while (member.volume.log.head().length < length) await member.fetchFrom(a)
  }

  const firstRecord = (): EpochRecord => {
    const record = members.a.volume.records[0]
    assert.ok(record !== undefined)
    return record
  }

  const claim = async (...known: readonly number[]): Promise<Round> => {
    const { a: writer } = members
    return gatherVotes(
      writer.service,
      writer.volume,
      claimOf(writer.volume, writer.id, CHARTER_HASH, writer.records.of(VOLUME), known),
    )
  }

  /** The writer's drive and home as they were; the others keep theirs. */
  async function rollBack(length: number): Promise<void> {
    const fresh = await framesUpTo(length)
    members.a.drive = fresh.drive
    members.a.homeState = undefined
    await members.a.open()
    assert.equal(members.a.volume.log.head().length, length)
  }

  async function framesUpTo(length: number): Promise<{ drive: Member['drive'] }> {
    const { a: writer } = members
    const drive = createMemoryDrive()
    const frames = []
    for await (const frame of writer.store.journalFrames(writer.volume.storedKey, 0))
      if (frame.start < length) frames.push(frame)
    const level = await mesh.newLevel()
    const store = await openPackStore({ drive, index: level })
    for (const frame of frames) await store.commit(VOLUME, [], frame)
    await store.close()
    return { drive }
  }

  it('transcript: cut too low, fetched, certified; every voter has promised before it answered', async () => {
    await withBlocks(3)
    await rollBack(2)
    const first = await claim()
    assert.equal(first.record, undefined)
    await members.a.fetchFrom(members.b)
    assert.ok(members.a.records.inDoubt(VOLUME, 1))
    const second = await claim()
    assert.ok(second.record !== undefined)
    assert.deepEqual(mesh.transcript.toSorted(), [
      'a asks b: epoch 2 cut at 2 → cut-too-low',
      'a asks b: epoch 3 cut at 3 → vote',
      'a asks c: epoch 2 cut at 2 → cut-too-low',
      'a asks c: epoch 3 cut at 3 → vote',
    ])
    for (const { records } of mesh.members) assert.equal(records.of(VOLUME).promisedEpoch, 3)
  })

  it('a voter is missing: its blocks might be those that were lost, so there is no certificate without it', async () => {
    await withBlocks(2)
    members.c.up = false
    assert.equal((await claim()).record, undefined)
    members.c.up = true
    assert.ok((await claim()).record !== undefined)
    assert.deepEqual(mesh.transcript.toSorted(), [
      'a asks b: epoch 2 cut at 2 → vote',
      'a asks b: epoch 2 cut at 2 → vote',
      'a asks c: epoch 2 cut at 2 → silence',
      'a asks c: epoch 2 cut at 2 → vote',
    ])
  })

  it('power lost between a promise and its answer: asked again for the same claim, the voter gives the same vote', async () => {
    await withBlocks(2)
    mesh.beforeAnswer = (from) => {
      if (from === members.c) throw new HoldfastError('HF_PEER_UNREACHABLE', 'the power went')
    }
    assert.equal((await claim()).record, undefined)
    mesh.beforeAnswer = () => undefined
    for (const member of mesh.members) await member.open()
    const { record } = await claim()
    assert.equal(record?.claim.epoch, 2)
  })

  it('a voter that lacks blocks below the cut fetches them, up to the cut and no further, and then votes', async () => {
    await withBlocks(2)
    const frame = await members.a.write(block(2))
    await members.b.volume.accept(frame, [])
    assert.equal((await claim()).record, undefined)
    assert.ok(mesh.transcript.includes('a asks c: epoch 2 cut at 3 → cut-unknown'))
    await members.c.fetchFrom(members.b)
    const { record } = await claim()
    assert.ok(record !== undefined)
    const stale = await members.a.write(block(3))
    for (const member of [members.b, members.c])
      await assert.rejects(member.volume.accept(stale, []), { code: 'HF_EPOCH_STALE' })
  })

  it('voters that hold other blocks under the same numbers do not agree', async () => {
    await withBlocks(3)
    await rollBack(2)
    await members.a.write(block(9))
    const round = await claim()
    assert.equal(round.record, undefined)
    assert.deepEqual(
      round.refusals.map(({ refusal }) => refusal),
      ['cut-differs', 'cut-differs'],
    )
  })

  it('the chain of epochs follows from the packs alone, and the log before is never read beyond its cut', async () => {
    await withBlocks(2)
    const { record } = await claim()
    assert.ok(record !== undefined)
    await members.a.write(block(5))
    await members.a.begin(record)
    await members.a.write(block(6))
    await members.a.open()
    const { volume } = members.a
    assert.equal(volume.epoch, 2)
    assert.equal(volume.log.head().length, 2)
    assert.deepEqual(
      volume.earlier.map(({ epoch, length }) => [epoch, length]),
      [[1, 2]],
    )
    const key = volume.earlier[0]?.coreKey
    assert.ok(key !== undefined)
    assert.ok((await members.b.service.fetchFrame(members.a.id, VOLUME, key, 1)) !== undefined)
    assert.equal(await members.b.service.fetchFrame(members.a.id, VOLUME, key, 2), undefined)
  })

  it('a member learns the epoch from another, goes to the cut first, then to the new log', async () => {
    await withBlocks(2)
    const frame = await members.a.write(block(2))
    await members.b.volume.accept(frame, [])
    await claim()
    await members.c.fetchFrom(members.b)
    const { record } = await claim()
    assert.ok(record !== undefined)
    await members.a.begin(record)
    const learned = await members.b.service.newerEpochs(members.b.volume, members.a.id)
    assert.deepEqual(
      learned.map(({ claim: { epoch } }) => epoch),
      [2],
    )
    await members.b.open(learned)
    assert.equal(members.b.volume.epoch, 2)
    assert.equal(members.b.volume.log.head().length, 0)
    await members.b.fetchFrom(members.a)
    await members.b.open()
    assert.equal(members.b.volume.epoch, 2, 'from the packs alone')
    assert.equal(members.b.volume.log.head().length, 1)
  })

  it('a member behind the cut works on the epoch before and takes nothing beyond the cut', async () => {
    await withBlocks(3)
    const { record } = await claim()
    assert.ok(record !== undefined)
    const late = await framesUpTo(2)
    members.c.drive = late.drive
    await members.c.open([record])
    assert.equal(members.c.volume.epoch, 1)
    assert.equal(members.c.volume.cut?.length, 3)
    await members.c.fetchFrom(members.b)
    await members.c.open([record])
    assert.equal(members.c.volume.epoch, 2)
  })

  it('an epoch that too few voters certified is not learnt', async () => {
    await withBlocks(2)
    const { record } = await claim()
    assert.ok(record !== undefined)
    await members.a.begin(createEpochRecord(record.claim, record.votes.slice(0, 1)))
    await assert.rejects(members.b.service.newerEpochs(members.b.volume, members.a.id), { code: 'HF_JOURNAL_REFUSED' })
  })

  it('a writer that forgot its voters and certified itself does not cut off what they hold', async () => {
    await withBlocks(3)
    const all = mesh.entries
    await rollBack(2)
    mesh.entries = [mesh.entryOf(members.a)]
    await members.a.open()
    const { record } = await claim()
    assert.ok(record !== undefined, 'a lone voter certifies itself')
    await members.a.begin(record)
    mesh.entries = [...mesh.entries, ...all]
    for (const entry of all) members.a.volume.updateEntry(entry)
    await assert.rejects(members.b.service.newerEpochs(members.b.volume, members.a.id), { code: 'HF_JOURNAL_REFUSED' })
  })

  it("a member's blocks are copied beside the own ones, and are the log from then on", async () => {
    await withBlocks(4)
    const { coreKey } = members.a.volume
    await rollBack(2)
    await members.a.write(block(9))
    const until = members.b.volume.log.head()
    const { service, store } = members.a
    const parts = { service, store, scratch: createMemoryJournalStore(), isOpen: () => true }
    await copyJournal(parts, members.a.volume, members.b.id, until)
    await members.a.open()
    assert.equal(hexOf(members.a.volume.storedKey), hexOf(copyKey(coreKey, 1)))
    assert.deepEqual(members.a.volume.log.head(), until)
    const { record } = await claim()
    assert.ok(record !== undefined)
    await members.a.begin(record)
    assert.equal(members.a.volume.epoch, 2)
    assert.deepEqual(
      members.a.volume.earlier.map((log) => hexOf(log.storedKey)),
      [hexOf(copyKey(coreKey, 1))],
    )
    const own = members.a.store.journals().find((run) => hexOf(run.coreKey) === hexOf(coreKey))
    assert.equal(own?.length, 3, 'the own ones stay')
  })
})
