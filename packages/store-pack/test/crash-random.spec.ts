/**
 * Many lives of one store, drawn from a seed: commits in bursts that overlap each other's syncs, workers beside it, drives that are
 * full for a while, checkpoints, rebuilds and scrubs, and power loss anywhere, recovery included. The model lives through all.
 */
import assert from 'node:assert/strict'
import { createMemoryDrive, createSeededRandom, MemoryIndex } from '@holdfast/doubles'
import type { DriveFault, DriveOperation, Fate, MemoryDrive } from '@holdfast/doubles'
import { hasCode } from '@holdfast/ports'
import { VOLUME } from './fixture.ts'
import { check, commit, commitByWorker, heldBy, Model, openWorld, workerOf } from './world.ts'
import type { World } from './world.ts'

const SEEDS = 100
const LIVES = 5
const ACTS = 12

class Dice {
  readonly #random: { fraction(): number }

  constructor(seed: number) {
    this.#random = createSeededRandom(seed)
  }

  chance(probability: number): boolean {
    return this.#random.fraction() < probability
  }

  below(limit: number): number {
    return Math.floor(this.#random.fraction() * limit)
  }

  pick<T>(...choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0]
  }

  sizes(): number[] {
    return Array.from({ length: this.below(4) }, () => this.pick(0, 10, 300, 900, 2500))
  }

  fate = (): Fate => this.pick('kept', 'kept', 'lost', 'lost', 'torn-head', 'torn-tail')
}

/** The power goes off at a boundary; until then writes may find no room. */
function faults(
  dice: Dice,
  powerOffAt: number,
  isTight: boolean,
): (operation: DriveOperation) => DriveFault | undefined {
  return (operation) => {
    if (operation.boundary === powerOffAt) return 'power-off'
    return isTight && operation.type === 'write' && dice.chance(0.15) ? 'full' : undefined
  }
}

/** Calls that a full drive may refuse. */
async function orFull(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!hasCode(error, 'HF_DRIVE_FULL')) throw error
  }
}

async function burst(world: World, dice: Dice): Promise<void> {
  const commits: Promise<void>[] = []
  for (let left = dice.below(6); left >= 0; left--) {
    commits.push(commit(world, dice.sizes(), 1 + dice.below(3)))
    for (let turns = dice.below(12); turns > 0; turns--) await Promise.resolve()
  }
  const failed = (await Promise.allSettled(commits)).find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function rebuild(world: World, dice: Dice, isTight: boolean): Promise<void> {
  const meanwhile = isTight || dice.chance(0.3) ? Promise.resolve() : burst(world, dice)
  const [rebuilt, burnt] = await Promise.allSettled([orFull(world.store.rebuildIndex()), meanwhile])
  if (rebuilt.status === 'rejected') throw rebuilt.reason
  if (burnt.status === 'rejected') throw burnt.reason
}

async function live(world: World, dice: Dice, isTight: boolean): Promise<void> {
  const worker = workerOf(world)
  const sequence = dice.pick(1, ACTS)
  for (let act = 0; act < sequence; act++) {
    const what = dice.below(12)
    if (what < 4) await orFull(isTight ? commit(world, dice.sizes()) : burst(world, dice))
    else if (what < 7) await orFull(commitByWorker(world, worker, dice.sizes()))
    else if (what < 8) await orFull(world.store.checkpoint(async () => {}))
    else if (what < 9) await rebuild(world, dice, isTight)
    else if (what < 10) assert.equal((await world.store.verify({ readData: true })).badFrames, 0)
    else if (what < 11) await check(world)
    else await orFull(world.store.put(VOLUME, [...world.model.chunks.values()].slice(0, 3)))
  }
  if (dice.chance(0.5)) await orFull(worker.close())
  if (dice.chance(0.5)) await orFull(world.store.close())
}

async function lives(seed: number): Promise<void> {
  const dice = new Dice(seed)
  const model = new Model()
  let drive: MemoryDrive = createMemoryDrive()
  let index = new MemoryIndex()
  for (let life = 0; life < LIVES; life++) {
    const isTight = dice.chance(0.3)
    const powerOffAt = dice.chance(0.2) ? Number.POSITIVE_INFINITY : dice.below(dice.pick(8, 60, 150))
    drive.setFault(faults(dice, powerOffAt, isTight))
    try {
      const world = await openWorld(drive, index, model)
      for (const problem of world.problems) assert.equal(problem.type, 'index-rebuilt', JSON.stringify(problem))
      await check(world)
      await live(world, dice, isTight)
      for (const problem of world.problems) assert.equal(problem.type, 'index-rebuilt', JSON.stringify(problem))
    } catch (error) {
      if (!hasCode(error, 'HF_DRIVE_FAILED')) throw error
    }
    // Now and then only the process dies: what it wrote is in the page cache, and may be lost later.
    const isAlive = powerOffAt === Number.POSITIVE_INFINITY && !isTight && dice.chance(0.7)
    if (isAlive) continue
    drive = drive.crash(dice.fate)
    index = dice.pick(
      () => index.crash(() => true),
      () => index.crash(() => dice.chance(0.5)),
      () => index.crash(() => false),
      () => new MemoryIndex(),
    )()
  }
  const first = await openWorld(drive, index, model)
  await check(first)
  const served = await heldBy(first.store)
  const second = await openWorld(
    drive.crash(() => 'lost'),
    new MemoryIndex(),
    model,
  )
  await check(second)
  assert.deepEqual(await heldBy(second.store), served)
}

describe('PackStore: many lives', () => {
  it('through bursts, workers, full drives, rebuilds and power loss: what was acknowledged is whole, nothing is invented', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        await lives(seed)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
  }).timeout(60_000)
})
