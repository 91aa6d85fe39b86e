import assert from 'node:assert/strict'
import { createManualClock, createMemoryDrive } from '@holdfast/doubles'
import { createMemoryJournalDisk } from '@holdfast/journal'
import { hexOf } from '@holdfast/ports'
import type { CoreKey } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import { pino } from 'pino'
import { createPendingJournal } from '../../src/pending/pending-journal.ts'
import { PendingRecords } from '../../src/pending/pending-records.ts'
import type { Branch } from '../../src/volumes/epoch-chain.ts'
import { salvageAll } from '../../src/volumes/salvage.ts'
import { VolumeWriter } from '../../src/volumes/writer.ts'
import { Ledger, Levels, openWorld, SELF, SIGNING_KEY, storeFile, VOLUME, type World } from './pipeline.ts'

describe('versions of a journal that does not count', () => {
  const levels = new Levels()
  after(() => levels.remove())
  let world: World
  let branch: Branch
  let salvaged: string[]
  beforeEach(async () => {
    salvaged = []
    world = await openWorld(createMemoryDrive(), await levels.open(), createMemoryJournalDisk(), new Ledger())
  })
  afterEach(() => world.store.close())

  /** A journal beside the volume's own, with versions of one file: pieces of one chunk, of equal length and time. */
  async function writeBranch(...offsets: readonly number[]): Promise<void> {
    const nonce = new Uint8Array(32).fill(1)
    const opening = { volume: VOLUME, writer: SELF, epoch: 1, openedAtMs: 1, nonce }
    const { store, pending, room, volume } = world
    const journal = await createPendingJournal(store, SIGNING_KEY, opening)
    const { catalog, codec } = volume.reader()
    const writer = new VolumeWriter({
      volume: VOLUME,
      epoch: 1,
      log: journal.log,
      catalog: new PendingRecords(catalog, [journal]),
      codec,
      signingKey: SIGNING_KEY,
      clock: createManualClock(5000),
      pending,
      room,
      onCommitted: () => Promise.resolve(),
    })
    const { batch } = storeFile(world, 'file')
    const draft = batch.drafts[0] ?? assert.fail()
    const extent = draft.extents?.[0] ?? assert.fail()
    for (const offset of offsets) {
      const piece = { ...extent, offset, length: 10, fingerprint: new Uint8Array(16).fill(offset) }
      const version = { ...draft, size: 10, extents: [piece], refs: draft.refs.slice(0, 1) }
      await writer.commit({ ...batch, drafts: [version] })
    }
    const { coreKey } = journal.log
    branch = { epoch: 1, coreKey, storedKey: coreKey, length: journal.log.head().length }
  }

  async function run(store: Pick<PackStore, 'journalFrames' | 'has'> = world.store): Promise<void> {
    const index = {
      isSalvaged: (_volume: unknown, key: Uint8Array) => Promise.resolve(salvaged.includes(hexOf(key))),
      setSalvaged: (_volume: unknown, key: Uint8Array) => {
        salvaged.push(hexOf(key))
        return Promise.resolve()
      },
    }
    const parts = { index, store: store as PackStore, log: pino({ level: 'silent' }) }
    await salvageAll(parts, { volume: world.volume, branches: [branch] }, world.writer)
  }

  async function versions(): Promise<[number, number][]> {
    const found: [number, number][] = []
    for await (const row of world.volume.reader().catalog.versions(Buffer.from('file')))
      found.unshift([row.content.type === 'inline' ? (row.content.extents[0]?.offset ?? -1) : -1, row.timeMs])
    return found
  }

  it('are recorded again with their times, also those that differ in nothing but where their content is in a chunk', async () => {
    await writeBranch(0, 10, 20)
    await run()
    assert.deepEqual(await versions(), [
      [0, 5000],
      [10, 5000],
      [20, 5000],
    ])
    await run()
    assert.equal((await versions()).length, 3, 'once')
    assert.equal(salvaged.length, 1)
  })

  it('broken off before it was noted: what is there already is left out', async () => {
    await writeBranch(0, 10)
    await run()
    salvaged = []
    await run()
    assert.equal((await versions()).length, 2)
  })

  it('whose content is not held now are looked for again at the next start', async () => {
    await writeBranch(0)
    const lacking = {
      journalFrames: (key: CoreKey, from: number) => world.store.journalFrames(key, from),
      has: () => false,
    }
    await run(lacking)
    assert.deepEqual([await versions(), salvaged], [[], []])
    await run()
    assert.equal((await versions()).length, 1)
    assert.equal(salvaged.length, 1)
  })
})
