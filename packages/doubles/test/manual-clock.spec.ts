import assert from 'node:assert/strict'
import { clockContract } from '@holdfast/contracts'
import { createManualClock, type ManualClock } from '../src/index.ts'

describe('ManualClock', () => {
  clockContract({ create: () => createManualClock(), pass: (clock, ms) => (clock as ManualClock).advance(ms) })

  it('moves the wall clock alone, in both directions', async () => {
    const clock = createManualClock(5_000)
    clock.stepWall(-3_000)
    assert.equal(clock.nowMs(), 2_000)
    assert.equal(clock.monotonicMs(), 0)
    await clock.advance(10)
    assert.equal(clock.nowMs(), 2_010)
  })

  it('counts the timers that are left', async () => {
    const clock = createManualClock()
    const timer = clock.setTimer(10, () => {})
    clock.setTimer(5, () => {})
    await clock.advance(5)
    assert.equal(clock.timerCount(), 1)
    timer.cancel()
    assert.equal(clock.timerCount(), 0)
  })

  it('runs timers of one moment in the order they were set, and shows each its own time', async () => {
    const clock = createManualClock()
    const seen: [string, number][] = []
    clock.setTimer(7, () => seen.push(['a', clock.monotonicMs()]))
    clock.setTimer(7, () => seen.push(['b', clock.monotonicMs()]))
    clock.setTimer(3, () => seen.push(['c', clock.monotonicMs()]))
    await clock.advance(100)
    assert.deepEqual(seen, [
      ['c', 3],
      ['a', 7],
      ['b', 7],
    ])
  })
})
