import assert from 'node:assert/strict'
import { createManualClock } from '@holdfast/doubles'
import { HEAL_IDLE_MS, waitForHealing } from '../../src/volumes/healing.ts'
import type { Volume } from '../../src/volumes/volume.ts'

class World {
  readonly clock = createManualClock()
  readonly listeners = new Set<() => void>()
  readonly completeness = { missingCount: 0 }
  readonly volume = {
    completeness: this.completeness,
    onHead: (listener: () => void) => {
      this.listeners.add(listener)
      return () => this.listeners.delete(listener)
    },
  } as unknown as Volume

  heal(signal = new AbortController().signal): Promise<number> {
    return waitForHealing([this.volume], this.clock, signal)
  }

  now(missing: number): void {
    this.completeness.missingCount = missing
    for (const listener of this.listeners) listener()
  }
}

describe('waitForHealing', () => {
  let world: World
  beforeEach(() => {
    world = new World()
    world.completeness.missingCount = 2
  })
  afterEach(() => {
    assert.equal(world.listeners.size, 0)
    assert.equal(world.clock.timerCount(), 0)
  })

  it('ends at once where nothing is missing, and as soon as nothing is', async () => {
    const healed = world.heal()
    world.now(1)
    world.now(0)
    assert.equal(await healed, 2)
    assert.equal(await world.heal(), 0)
  })

  it('goes on while chunks come, also those that a recipe brought into view', async () => {
    const healed = world.heal()
    world.now(201)
    for (let left = 200; left > 0; left -= 50) {
      await world.clock.advance(HEAL_IDLE_MS - 1)
      world.now(left)
    }
    await world.clock.advance(HEAL_IDLE_MS)
    assert.equal(await healed, 151)
    world.now(0)
  })

  it('ends when nothing has come for so long, and when it is given up', async () => {
    const idle = world.heal()
    await world.clock.advance(HEAL_IDLE_MS)
    assert.equal(await idle, 0)
    const controller = new AbortController()
    const given = world.heal(controller.signal)
    world.now(1)
    controller.abort()
    assert.equal(await given, 1)
  })
})
