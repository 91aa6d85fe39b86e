import assert from 'node:assert/strict'
import fc from 'fast-check'
import { EventQueue } from '../src/kernel/event-queue.ts'
import { Kernel } from '../src/kernel/kernel.ts'
import { ProcessClock } from '../src/kernel/process-clock.ts'
import { diceOf } from '../src/kernel/random-streams.ts'
import { REGION_COUNT, regionName, roundTripMs } from '../src/network/regions.ts'

describe('the kernel', () => {
  it('takes events in the order of their time, then of their making, without the cancelled', () => {
    const made = fc.array(fc.record({ dueMs: fc.nat(20), cancelled: fc.boolean() }), { maxLength: 60 })
    fc.assert(
      fc.property(made, (events) => {
        const queue = new EventQueue()
        const all = events.map((event, order) => ({ ...event, order, run: () => {} }))
        for (const event of all) queue.push(event)
        const taken: number[] = []
        for (let event = queue.popUntil(20); event; event = queue.popUntil(20)) taken.push(event.order)
        const expected = all
          .filter(({ cancelled }) => !cancelled)
          .toSorted((a, b) => a.dueMs - b.dueMs || a.order - b.order)
        assert.deepEqual(
          taken,
          expected.map(({ order }) => order),
        )
      }),
    )
  })

  it('lets promises settle between two events of one moment', async () => {
    const kernel = new Kernel()
    const seen: string[] = []
    kernel.after(5, () => void Promise.resolve().then(() => Promise.resolve().then(() => seen.push('promised'))))
    kernel.after(5, () => void seen.push('second'))
    await kernel.run(5)
    assert.deepEqual(seen, ['promised', 'second'])
    assert.equal(kernel.nowMs, 5)
  })

  it('runs no timer of a process that was killed', async () => {
    const kernel = new Kernel()
    const clock = new ProcessClock(kernel, () => 0)
    let isRun = false
    clock.setTimer(10, () => (isRun = true))
    clock.kill()
    await kernel.run(100)
    assert.equal(isRun, false)
  })

  it('throws dice for one user without changing those of another', () => {
    const alone = diceOf(1, 'b').bytes(8)
    diceOf(1, 'a').bytes(100)
    assert.deepEqual(diceOf(1, 'b').bytes(8), alone)
    assert.notDeepEqual(diceOf(2, 'b').bytes(8), alone)
  })
})

describe('regions', () => {
  it('have a round trip to each, the same in both directions', () => {
    for (let a = 0; a < REGION_COUNT; a++) {
      for (let b = 0; b < REGION_COUNT; b++) assert.equal(roundTripMs(a, b), roundTripMs(b, a))
    }
    const named = (name: string): number =>
      Array.from({ length: REGION_COUNT }, (_, index) => regionName(index)).indexOf(name)
    assert.equal(roundTripMs(named('euw1'), named('euc1')), 26)
    assert.equal(roundTripMs(named('apse2'), named('afs1')), 412)
    assert.throws(() => roundTripMs(0, REGION_COUNT), TypeError)
  })
})
