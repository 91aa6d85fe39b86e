/** A member whose journal index is damaged, and what a member notes of its completeness: real packs and logs, nobody else there. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createManualClock, createSeededRandom } from '@holdfast/doubles'
import { createMemoryJournalStore } from '@holdfast/journal'
import { createKeyRing } from '@holdfast/keys'
import { asChunkId, HoldfastError } from '@holdfast/ports'
import type { JournalLog, JournalStore } from '@holdfast/ports'
import { pino } from 'pino'
import { claimOf, gatherVotes } from '../../src/epochs/index.ts'
import { IndexStore } from '../../src/volumes/index-store.ts'
import { Room } from '../../src/volumes/room.ts'
import { MENDS_MAX, VolumeManager, type VolumeManagerParts } from '../../src/volumes/volume-manager.ts'
import type { Volume } from '../../src/volumes/volume.ts'
import { Volumes } from '../../src/volumes/volumes.ts'
import { block, CHARTER_HASH, Mesh, VOLUME, type Member } from '../epochs/fixture.ts'

const DAMAGED = new HoldfastError('HF_JOURNAL_DAMAGED', 'it has holes')

/** What fails in the next stores that are opened, or in the one that is open. */
interface Faults {
  opens: number
  appends: number
}

function faulty(store: JournalStore, faults: Faults): JournalStore {
  const faultyLog = (log: JournalLog): JournalLog => ({
    ...log,
    coreKey: log.coreKey,
    identity: log.identity,
    head: () => log.head(),
    propose: (blocks, after) => log.propose(blocks, after),
    verify: (frame, after) => log.verify(frame, after),
    append: (frame) => (faults.appends-- > 0 ? Promise.reject(DAMAGED) : log.append(frame)),
    get: (index) => log.get(index),
    read: (from, to) => log.read(from, to),
    treeHashAt: (length) => log.treeHashAt(length),
    close: () => log.close(),
  })
  return {
    open: async (identity) => {
      if (faults.opens-- > 0) throw DAMAGED
      return faultyLog(await store.open(identity))
    },
    flush: () => store.flush(),
    close: () => store.close(),
  }
}

describe('the volumes of a member', () => {
  let directory: string
  let mesh: Mesh
  let [a, b]: Member[] = []
  let index: IndexStore
  let faults: Faults
  let stores: number
  let volumes: Volumes
  let manager: VolumeManager
  const clock = createManualClock()

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-manager-'))
    mesh = new Mesh('a', 'b')
    ;[a, b] = mesh.members
    for (const member of mesh.members) await member.open()
    await writer().begin(writer().volume.records[0] ?? assert.fail())
    for (const seq of [1, 2]) await writer().write(block(seq))
    while (own().volume.log.head().length < 3) await own().fetchFrom(writer())
    index = await IndexStore.open(join(directory, 'index'), () => assert.fail())
    faults = { opens: 0, appends: 0 }
    stores = 0
    volumes = new Volumes()
    manager = newManager()
  })
  afterEach(async () => {
    await manager.stop()
    await manager.close()
    await index.close()
    await mesh.close()
    rmSync(directory, { recursive: true })
  })

  const writer = (): Member => a ?? assert.fail()
  const own = (): Member => b ?? assert.fail()
  const volume = (): Volume => volumes.get(VOLUME) ?? assert.fail('the volume is not open')

  const newManager = (): VolumeManager =>
    new VolumeManager({
      home: { journalDirectory: join(directory, 'journal'), signingKey: own().key },
      self: own().id,
      authority: {
        keeper: { onChange: () => undefined },
        volumes: () => mesh.entries.slice(-1),
        place: () => undefined,
        state: { volumeBirth: () => mesh.entries[0] },
        keyRing: () => createKeyRing(VOLUME, new Uint8Array(32).fill(5)).encode(),
        nameOf: () => 'a member',
      },
      volumes,
      store: own().store,
      openJournals: () => {
        stores += 1
        return Promise.resolve(faulty(createMemoryJournalStore(), faults))
      },
      index,
      replication: { onHead: () => undefined, heads: () => [], peers: () => [] },
      epochs: own().service,
      records: own().records,
      pool: {},
      capture: {},
      pending: {},
      room: new Room({ places: [], clock }),
      clock,
      random: createSeededRandom(1),
      log: pino({ level: 'silent' }),
    } as unknown as VolumeManagerParts)

  /** Resolves when the volume is open as another object than this one. */
  const openedAnew = (before: Volume): Promise<void> =>
    new Promise((resolve) => {
      const off = volumes.onChange(() => {
        if ((volumes.get(VOLUME) ?? before) === before) return
        off()
        resolve()
      })
    })

  it('one log is damaged at the start: the logs are made anew from the packs, and the node starts', async () => {
    faults.opens = 1
    await manager.start()
    assert.equal(volume().log.head().length, 3)
    assert.equal(volume().reader().catalog.applied.seq, 2)
    assert.equal(stores, 2)
  })

  it('a log is damaged while the node runs: the volume is opened anew, with what was durable already', async () => {
    await manager.start()
    const before = volume()
    const opened = openedAnew(before)
    const frame = await writer().write(block(3))
    faults.appends = 1
    await assert.rejects(before.accept(frame, []), { code: 'HF_JOURNAL_DAMAGED' })
    await opened
    assert.equal(volume().log.head().length, 4)
    assert.equal(volume().reader().catalog.applied.seq, 3)
    await volume().accept(await writer().write(block(4)), [])
    assert.equal(volume().log.head().length, 5)
  })

  it('logs that are damaged again and again are given up, and the packs stay as they are', async () => {
    faults.opens = 100
    await assert.rejects(manager.start(), { code: 'HF_JOURNAL_DAMAGED', message: /again and again/ })
    assert.equal(stores, 1 + MENDS_MAX)
    assert.equal(own().store.journals()[0]?.length, 3)
  })

  it('a chunk is lost, of any epoch: no epoch passes for complete at the next start', async () => {
    const { service, volume: log, id, records } = writer()
    const round = await gatherVotes(service, log, claimOf(log, id, CHARTER_HASH, records.of(VOLUME), []))
    await writer().begin(round.record ?? assert.fail())
    await own().open(await own().service.newerEpochs(own().volume, id))
    await own().fetchFrom(writer())
    manager = newManager()
    await manager.start()
    assert.equal(volume().epoch, 2)
    await manager.flush()
    assert.deepEqual([await index.completeLength(VOLUME, 1), await index.completeLength(VOLUME, 2)], [3, 1])
    volume().chunkLost(asChunkId(new Uint8Array(32).fill(1)))
    await manager.flush()
    assert.deepEqual([await index.completeLength(VOLUME, 1), await index.completeLength(VOLUME, 2)], [0, 0])
  })
})
