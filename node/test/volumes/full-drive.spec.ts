/**
 * The drive of a primary becomes full at every write boundary, and has room again later: commits wait and go on by themselves,
 * nothing that was acknowledged is lost, nothing is signed twice, and a start on the full drive finds all of it.
 */
import assert from 'node:assert/strict'
import { createMemoryDrive, type DriveOperation, type MemoryDrive } from '@holdfast/doubles'
import { createMemoryJournalDisk } from '@holdfast/journal'
import { hasCode } from '@holdfast/ports'
import { ROOM_RETRY_MS } from '../../src/volumes/room.ts'
import { check, clearIndexes, commit, Ledger, Levels, openWorld, type BinaryLevel, type World } from './pipeline.ts'

const ROUNDS = 4

/** A drive that has no room from one boundary on, until the test makes some. */
class Tight {
  readonly drive: MemoryDrive
  #from: number
  isFull = false
  refused = 0

  constructor(boundary: number) {
    this.#from = boundary
    this.drive = createMemoryDrive({ fault: (operation) => this.fault(operation) })
  }

  fault({ boundary, type }: DriveOperation): 'full' | undefined {
    if (boundary === this.#from) this.isFull = true
    if (!this.isFull || (type !== 'write' && type !== 'create')) return undefined
    this.refused += 1
    return 'full'
  }

  makeRoom(): void {
    this.isFull = false
    this.#from = Number.POSITIVE_INFINITY
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** As capture does it: what is refused while it is read is read again later. */
async function capture(world: World, ledger: Ledger, name: string): Promise<void> {
  for (;;) {
    try {
      return await commit(world, ledger, name)
    } catch (error) {
      if (!hasCode(error, 'HF_DRIVE_FULL')) throw error
      await turn()
    }
  }
}

async function live(world: World, ledger: Ledger): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all([capture(world, ledger, `a${round}`), capture(world, ledger, `b${round}`)])
    if (round === 1) await world.checkpoint()
  }
}

describe('the commit pipeline of a primary, drive full at every write boundary', function () {
  this.timeout(60_000)
  let levels: Levels
  let level: BinaryLevel
  beforeEach(async () => {
    levels = new Levels()
    level = await levels.open()
  })
  afterEach(async () => {
    await level.close()
    levels.remove()
  })

  /** How often the drive refused, and how many commits were through before there was room again. */
  async function survive(boundary: number): Promise<{ refused: number; boundaries: number }> {
    await clearIndexes(level)
    const tight = new Tight(boundary)
    const ledger = new Ledger()
    const world = await openWorld(tight.drive, level, createMemoryJournalDisk(), ledger)
    world.room.start()
    const lived = live(world, ledger)
    let isDone = false
    lived.then(
      () => (isDone = true),
      () => (isDone = true),
    )
    while (!isDone) {
      for (let turns = 0; turns < 4; turns++) await turn()
      if (!tight.isFull || tight.refused === 0) continue
      await check(world, ledger)
      tight.makeRoom()
      await world.clock.advance(ROOM_RETRY_MS)
    }
    await lived
    world.room.stop()
    // Footers may find no room: such packs are read frame by frame.
    await world.store.close()
    assert.deepEqual(
      ledger.acknowledged.map(({ path }) => path).toSorted(),
      Array.from({ length: ROUNDS }, (_, round) => [`a${round}`, `b${round}`])
        .flat()
        .toSorted(),
    )
    await restartOnFullDrive(tight, ledger)
    return { refused: tight.refused, boundaries: tight.drive.boundaries() }
  }

  async function restartOnFullDrive(tight: Tight, ledger: Ledger): Promise<void> {
    const drive = tight.drive.crash(() => 'lost')
    drive.setFault(({ type }) => (type === 'write' || type === 'create' ? 'full' : undefined))
    await clearIndexes(level)
    const world = await openWorld(drive, level, createMemoryJournalDisk(), ledger)
    await check(world, ledger)
    assert.equal(world.volume.log.head().length, ledger.published.size, 'frames of nobody are in the journal')
    drive.setFault(undefined)
    await commit(world, ledger, 'after')
    await check(world, ledger)
    await world.store.close()
  }

  it('what was acknowledged is whole, every commit goes on when there is room, no length has two contents', async () => {
    const { boundaries } = await survive(Number.POSITIVE_INFINITY)
    assert.ok(boundaries > 20, `${boundaries} boundaries`)
    let refusedAt = 0
    for (let boundary = 0; boundary < boundaries; boundary++) {
      try {
        const { refused } = await survive(boundary)
        if (refused > 0) refusedAt += 1
      } catch (cause) {
        throw new Error(`full at boundary ${boundary}`, { cause })
      }
    }
    assert.ok(refusedAt > boundaries / 2, `refused at ${refusedAt} of ${boundaries}`)
  })

  it('a commit that waits for room ends when the volume is closed, unacknowledged', async () => {
    const ledger = new Ledger()
    const drive = createMemoryDrive()
    const world = await openWorld(drive, level, createMemoryJournalDisk(), ledger)
    await commit(world, ledger, 'first')
    const waiting = assert.rejects(commit(world, ledger, 'second'), { code: 'HF_ABORTED' })
    // Its chunks are written by now, its frame is not.
    drive.setFault(({ type }) => (type === 'write' ? 'full' : undefined))
    while (world.room.state !== 'none') await turn()
    assert.match(world.room.problem?.message ?? '', /no room/)
    world.writer.giveUpWaiting()
    await waiting
    await world.writer.settled()
    assert.deepEqual(
      ledger.acknowledged.map(({ path }) => path),
      ['first'],
    )
    drive.setFault(undefined)
    await world.store.close()
  })
})
