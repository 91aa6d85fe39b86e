/** A member takes in a primary's frames while its catalog fails, and while it has little room or none. */
import assert from 'node:assert/strict'
import { createManualClock, createMemoryDrive } from '@holdfast/doubles'
import { createMemoryJournalDisk, createMemoryJournalStore } from '@holdfast/journal'
import { GIB, HoldfastError } from '@holdfast/ports'
import type { Chunk, JournalFrame } from '@holdfast/ports'
import { readEpochs } from '../../src/volumes/epoch-chain.ts'
import { writeFirstBlock } from '../../src/volumes/first-block.ts'
import { Room, ROOM_LOOK_MS } from '../../src/volumes/room.ts'
import { check, commit, ENTRY, Ledger, Levels, openWorld, SIGNING_KEY, VOLUME, type World } from './pipeline.ts'

interface Sent {
  readonly name: string
  readonly frame: JournalFrame
  readonly chunks: readonly Chunk[]
}

describe('a member that follows', () => {
  const levels = new Levels()
  const ledger = new Ledger()
  const sent: Sent[] = []
  const clock = createManualClock()
  let freeBytes = 100 * GIB
  let follower: World
  /** Block 0: the record of the epoch. */
  let first: JournalFrame | undefined

  before(async () => {
    const [drive, level, disk] = [createMemoryDrive(), await levels.open(), createMemoryJournalDisk()]
    const newborn = await openWorld(drive, level, disk, ledger)
    const { epochs } = await readEpochs({ store: newborn.store, birth: ENTRY, learned: [] })
    const epoch = epochs[0] ?? assert.fail()
    await writeFirstBlock(newborn.store, createMemoryJournalStore(), SIGNING_KEY, epoch)
    for await (const frame of newborn.store.journalFrames(epoch.storedKey, 0)) first = frame
    await newborn.store.close()
    const primary = await openWorld(drive, level, disk, ledger)
    for (const name of ['one', 'two', 'three']) {
      await commit(primary, ledger, name)
      const chunks: Chunk[] = []
      for (const id of ledger.acknowledged.at(-1)?.chunks ?? [])
        chunks.push({ id, bytes: (await primary.store.get(VOLUME, id)) ?? new Uint8Array(0) })
      const frame = [...ledger.published.values()].at(-1)?.frame
      assert.ok(frame !== undefined && chunks.length === 2)
      sent.push({ name, frame, chunks })
    }
    await primary.store.close()
  })
  after(() => levels.remove())
  beforeEach(async () => {
    freeBytes = 100 * GIB
    const room = new Room({
      places: [{ name: 'the drive', space: () => ({ freeBytes, totalBytes: 100 * GIB }) }],
      clock,
    })
    room.start()
    const told = new Ledger()
    follower = await openWorld(createMemoryDrive(), await levels.open(), createMemoryJournalDisk(), told, clock, room)
    await follower.volume.accept(first ?? assert.fail(), [])
  })
  afterEach(async () => {
    follower.room.stop()
    await follower.store.close()
  })

  async function accept(index: number, withChunks = true): Promise<void> {
    const { frame, chunks } = sent[index] ?? assert.fail()
    await follower.volume.accept(frame, withChunks ? chunks : [])
  }

  /** The next `apply` of the catalog fails. */
  function breakCatalog(): void {
    const { catalog } = follower.volume.reader()
    const apply = catalog.apply.bind(catalog)
    catalog.apply = () => {
      catalog.apply = apply
      return Promise.reject(new HoldfastError('HF_JOURNAL_DAMAGED', 'no room'))
    }
  }

  it('loses no version and claims no chunk when its catalog failed for one frame: the next brings it up', async () => {
    await accept(0)
    breakCatalog()
    await assert.rejects(accept(1, false), { code: 'HF_JOURNAL_DAMAGED' })
    assert.equal(follower.volume.completeLength(), 2)
    await accept(2)
    assert.equal(follower.volume.log.head().length, 4)
    for (const { name } of sent)
      assert.ok((await follower.volume.reader().catalog.get(Buffer.from(name))) !== undefined, `${name} is gone`)
    assert.equal(follower.volume.completeLength(), 2, 'chunks of the second frame are not held')
    assert.equal(follower.volume.missing(9, () => false).length, 2)
    await follower.store.put(VOLUME, sent[1]?.chunks ?? [])
    for (const { id } of sent[1]?.chunks ?? []) follower.volume.chunkArrived(id)
    await follower.volume.alone(() => Promise.resolve())
    assert.equal(follower.volume.completeLength(), 4)
    await check(follower, ledger)
  })

  it('misses no chunk any more that came along with a later frame', async () => {
    await accept(0, false)
    assert.equal(follower.volume.completeLength(), 1)
    const { frame, chunks } = sent[1] ?? assert.fail()
    await follower.volume.accept(frame, [...(sent[0]?.chunks ?? []), ...chunks])
    assert.equal(follower.volume.completeLength(), 3)
    assert.deepEqual(
      follower.volume.missing(9, () => false),
      [],
    )
  })

  it('is brought up by itself when no frame follows', async () => {
    breakCatalog()
    await assert.rejects(accept(0), { code: 'HF_JOURNAL_DAMAGED' })
    assert.equal(follower.volume.completeLength(), 1)
    await follower.volume.catchUp()
    assert.equal(follower.volume.completeLength(), 2)
    assert.ok((await follower.volume.reader().catalog.get(Buffer.from('one'))) !== undefined)
  })

  it('with little room takes the journal without content and says that it is not complete; goes on when there is more', async () => {
    freeBytes = 1.9 * GIB
    await clock.advance(ROOM_LOOK_MS)
    await accept(0)
    const { volume } = follower
    assert.deepEqual([volume.log.head().length, volume.completeLength()], [2, 1])
    assert.deepEqual(
      volume.missing(9, () => false),
      [],
      'what has no room is not fetched',
    )
    freeBytes = 100 * GIB
    await clock.advance(ROOM_LOOK_MS)
    assert.equal(volume.missing(9, () => false).length, 2)
  })

  it('without room refuses a frame whole, and takes it when there is room', async () => {
    freeBytes = 0.9 * GIB
    await assert.rejects(accept(0), { code: 'HF_DRIVE_FULL' })
    assert.equal(follower.volume.log.head().length, 1)
    assert.equal(follower.store.journals()[0]?.length, 1)
    freeBytes = 100 * GIB
    await clock.advance(ROOM_LOOK_MS)
    await accept(0)
    assert.equal(follower.volume.completeLength(), 2)
  })
})
