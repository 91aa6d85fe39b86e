/**
 * Power loss at every write boundary of a workload: commits of chunks with a journal frame, alone and side by side, by the store
 * and by a writer beside it, packs that fill and are sealed, a checkpoint, a clean stop. At each, every choice of which unsynced
 * changes reached the drive while the choices are few, the telling and random ones beyond; the index forgets as it likes.
 */
import assert from 'node:assert/strict'
import { createMemoryDrive, createSeededRandom, fateCombinations, MemoryIndex } from '@holdfast/doubles'
import type { MemoryDrive } from '@holdfast/doubles'
import { hasCode } from '@holdfast/ports'
import { check, commit, commitByWorker, heldBy, openWorld, workerOf } from './world.ts'
import type { World } from './world.ts'

/** Choices tried at each boundary; up to three unsynced changes (4³) are tried in full. */
const FATES_PER_BOUNDARY = 64

async function workload(world: World): Promise<void> {
  await commit(world, [300, 900])
  await Promise.all([commit(world, [500]), commit(world, [1200, 10], 2)])
  const worker = workerOf(world)
  await commitByWorker(world, worker, [700, 700])
  await commit(world, [2500])
  await world.store.checkpoint(async () => {})
  await Promise.all([commit(world, [100], 3), commitByWorker(world, worker, [1900])])
  await commitByWorker(world, worker, [50])
  await commit(world, [])
  await worker.close()
  await world.store.close()
}

/** Runs until the power goes off at that boundary. */
async function runUntil(boundary: number): Promise<World> {
  const drive = createMemoryDrive({
    fault: (operation) => (operation.boundary === boundary ? 'power-off' : undefined),
  })
  const index = new MemoryIndex()
  let world: World | undefined
  try {
    world = await openWorld(drive, index)
    await workload(world)
  } catch (error) {
    assert.ok(hasCode(error, 'HF_DRIVE_FAILED'), String(error))
  }
  return world ?? { drive, index, ...(await emptyWorld()) }
}

async function emptyWorld(): Promise<Pick<World, 'store' | 'model' | 'problems'>> {
  const { store, model, problems } = await openWorld()
  return { store, model, problems }
}

/** Starts again on what is left, twice: the first start must have made durable what it serves. */
async function restartAndCheck(world: World, drive: MemoryDrive, index: MemoryIndex): Promise<World> {
  const first = await openWorld(drive, index, world.model)
  await check(first)
  const served = await heldBy(first.store)
  const second = await openWorld(
    drive.crash(() => 'lost'),
    index.crash(() => false),
    world.model,
  )
  assert.deepEqual(await heldBy(second.store), served)
  for (const problem of [...first.problems, ...second.problems]) assert.equal(problem.type, 'index-rebuilt')
  return second
}

describe('PackStore: power loss', () => {
  it('at every write boundary, with every fate of what was not synced: what was acknowledged is whole, nothing is invented', async () => {
    const whole = await openWorld()
    await workload(whole)
    const boundaries = whole.drive.boundaries()
    assert.ok(boundaries > 50, `${boundaries} boundaries`)

    const random = createSeededRandom(1)
    for (let boundary = 0; boundary < boundaries; boundary++) {
      const world = await runUntil(boundary)
      const count = world.drive.unsynced().length
      let choice = 0
      for (const fates of fateCombinations(count, FATES_PER_BOUNDARY, () => random.fraction())) {
        const drive = world.drive.crash((_, change) => fates[change] ?? 'lost')
        const indexFates = [() => true, () => false, () => random.fraction() < 0.5]
        const index = world.index.crash(indexFates[choice++ % indexFates.length] ?? (() => true))
        try {
          await restartAndCheck(world, drive, index)
        } catch (error) {
          throw new Error(`power off at boundary ${boundary}, fates ${fates.join(' ')}`, { cause: error })
        }
      }
    }
  }).timeout(60_000)
})
