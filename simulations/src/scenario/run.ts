import { check, InvariantBroken } from './invariants.ts'
import { FAULT_ACTIONS } from './faults.ts'
import { FAULTS, type FaultName, type ScenarioOptions } from './options.ts'
import { World } from './world.ts'

export interface RunResult {
  /** Equal for equal seeds and options, else something outside of the world was looked at. */
  readonly traceHash: string
  readonly events: number
  readonly publishedBlocks: number
  readonly quorumBlocks: number
  /** Virtual ms from the moment when all was mended until all members were level. */
  readonly levelAfterMs: number
  readonly faults: Readonly<Record<FaultName, number>>
  readonly flippedMessages: number
  /** Times that a node blamed another, as told by the processes that ran at the end. */
  readonly blamed: number
  /** What was not so, if anything. */
  readonly broken: string | undefined
}

const MINUTE_MS = 60_000
/** How long members may take to be level once everything is mended, virtual ms. */
const LEVEL_MS_MAX = 10 * MINUTE_MS
/** How often everything is looked at, virtual ms. */
const STEP_MS = 250

/** One run of a scenario; everything in it follows from the seed. */
export async function runScenario(options: ScenarioOptions, seed: number): Promise<RunResult> {
  const world = new World(seed, options)
  const counts = Object.fromEntries(FAULTS.map((name) => [name, 0])) as Record<FaultName, number>
  let levelAfterMs = 0
  let broken: string | undefined
  try {
    for (const node of world.nodes) void node.start()
    await advance(world, 1000)
    schedule(world, options, counts)
    await advance(world, options.minutes * MINUTE_MS)
    await mend(world)
    while (!world.invariants.isLevel(world.nodes)) {
      check(levelAfterMs < LEVEL_MS_MAX, `not all members are level ${LEVEL_MS_MAX} ms after everything was mended`)
      await advance(world, STEP_MS)
      levelAfterMs += STEP_MS
    }
    world.invariants.checkNothingLost(world.nodes)
    for (const name of FAULTS) check(options.faults[name] === 0 || counts[name] > 0, `the fault ${name} never happened`)
  } catch (error) {
    if (!(error instanceof InvariantBroken)) throw error
    broken = error.message
  }
  const blamed = world.nodes.flatMap(({ running }) => running?.replication.peers().map((peer) => peer.blamed) ?? [])
  for (const node of world.nodes) node.kill(undefined)
  return {
    traceHash: world.kernel.traceHash(),
    events: world.kernel.eventCount,
    publishedBlocks: world.invariants.publishedLength,
    quorumBlocks: world.invariants.quorumLength,
    levelAfterMs,
    faults: counts,
    flippedMessages: world.links.flipCount,
    blamed: blamed.reduce((sum, count) => sum + count, 0),
    broken,
  }
}

async function advance(world: World, durationMs: number): Promise<void> {
  for (let leftMs = durationMs; leftMs > 0; leftMs -= STEP_MS) {
    await world.kernel.run(Math.min(STEP_MS, leftMs))
    world.checkAll()
  }
}

/** Writes and faults, each at moments of its own. */
function schedule(world: World, options: ScenarioOptions, counts: Record<FaultName, number>): void {
  const durationMs = options.minutes * MINUTE_MS
  for (let write = 0; write < options.minutes * options.commitsPerMinute; write++) {
    world.kernel.after(world.dice.between(0, durationMs), () => world.write())
  }
  for (const name of FAULTS) {
    for (let index = 0; index < Math.round(options.faults[name] * options.minutes); index++) {
      world.kernel.after(world.dice.between(0, durationMs), () => {
        const done = FAULT_ACTIONS[name](world)
        if (done === undefined) return
        counts[name]++
        world.kernel.note(`${name} ${done}`)
      })
    }
  }
}

/** Faults that last end within a minute by themselves; then whoever is down is started, and one more write tells everyone. */
async function mend(world: World): Promise<void> {
  await advance(world, MINUTE_MS)
  world.network.wake()
  world.write()
  await advance(world, 5000)
}
