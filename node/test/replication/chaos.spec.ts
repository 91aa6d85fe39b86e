import assert from 'node:assert/strict'
import { createSeededRandom } from '@holdfast/doubles'
import { MemoryWorld, content } from './fixture.ts'

/** Runs of faults, each by a seed that the failure names. */
const SEEDS = 12
const STEPS = 40

describe('replication under faults', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`seed ${seed}: delays, cuts, resets, crashes and restarts; level soon after it ends`, async () => {
      const world = new MemoryWorld()
      const nodes = await world.create(3)
      const random = createSeededRandom(seed)
      const pick = <T>(items: readonly T[]): T => {
        const item = items[Math.floor(random.fraction() * items.length)]
        assert.ok(item !== undefined)
        return item
      }
      const [primary] = nodes
      assert.ok(primary)
      const down = new Set(nodes.slice(0, 0))
      let written = 0
      for (let step = 0; step < STEPS; step++) {
        const [x, y] = [pick(nodes), pick(nodes)]
        switch (pick(['write', 'write', 'write', 'delay', 'cut', 'heal', 'reset', 'crash', 'start'])) {
          case 'write': {
            const size = pick([10, 5_000, 70_000, 400_000])
            const contents = Array.from({ length: pick([0, 1, 1, 3]) }, () => content(seed * 10_000 + written++, size))
            await primary.volume.commit(contents, { blocks: pick([1, 1, 4]), padding: pick([0, 300_000]) })
            break
          }
          case 'delay':
            world.network.delay(x.id, y.id, pick([0, 5, 60, 300]))
            break
          case 'cut':
            world.network.cut(x.id, y.id)
            break
          case 'heal':
            world.network.heal()
            break
          case 'reset':
            world.network.reset(x.id, y.id)
            break
          case 'crash':
            if (down.has(x)) break
            world.network.crash(x.id)
            await x.replication.stop()
            down.add(x)
            break
          case 'start':
            if (!down.delete(x)) break
            await x.start()
            break
        }
        await world.clock.advance(pick([0, 10, 500, 3_000, 15_000]))
      }
      world.network.heal()
      for (const node of down) await node.start()
      await world.until(() => nodes.every((n) => n.equals(primary)), `seed ${seed}: all are level`, 120_000)
      assert.deepEqual(
        nodes.flatMap((n) => n.replication.peers().map((p) => p.blamed)),
        [0, 0, 0, 0, 0, 0],
        'nobody is blamed for the network',
      )
      await world.end()
    })
  }
})
