/**
 * The commit pipeline of a primary loses power at every write boundary, with every unsynced write kept, lost or torn, with
 * the index as it was, or gone, and the log at what was flushed or as it was. What was acknowledged must be there whole, and
 * no length of the log may ever have two contents; an epoch that has begun stays, and continues the one before.
 */
import assert from 'node:assert/strict'
import {
  createMemoryDrive,
  type Fate,
  type MemoryDrive,
  type MemoryDriveOptions,
  type UnsyncedChange,
} from '@holdfast/doubles'
import { createMemoryJournalDisk, type MemoryJournalDisk } from '@holdfast/journal'
import { check, commit, crashIndex, Ledger, Levels, nextEpoch, openWorld, type BinaryLevel } from './pipeline.ts'

const COMMITS = 6

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
  let levels: Levels
  beforeEach(() => {
    levels = new Levels()
  })
  afterEach(() => levels.remove())

  async function boundariesOfALife(): Promise<number> {
    const drive = createMemoryDrive()
    const level = await levels.open()
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
    let level = await levels.open()
    await live(drive, level, disk, ledger).catch(() => undefined)
    const after = drive.crash(fate)
    if (log === 'flushed') disk.losePower()
    await level.close()
    if (index === 'lost') level = await levels.open()
    else {
      await level.open()
      // Now and then a third of its rows are gone, since nothing orders them.
      let row = 0
      crashIndex(level, () => boundary % 4 === 0 || row++ % 3 > 0)
    }
    const world = await openWorld(after, level, log === 'lost' ? createMemoryJournalDisk() : disk, ledger)
    await check(world, ledger)
    for (const name of ['after', 'the', 'crash'].slice(0, 1 + (boundary % 3))) await commit(world, ledger, name)
    await check(world, ledger)
    await world.store.close()
    await level.close()
    // Frames that were signed before the crash and never published lie in the packs beside those that took their place.
    const rebuilt = await levels.open()
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
