import assert from 'node:assert/strict'
import type { Clock } from '@holdfast/ports'

export interface ClockContract {
  create: () => Clock
  /** Lets `ms` pass on that clock: moves a manual one, waits for a real one. */
  pass: (clock: Clock, ms: number) => Promise<void>
}

/** What every clock owes its users. Passes at most 100 ms. */
export function clockContract({ create, pass }: ClockContract): void {
  it('tells both times in milliseconds, and the monotonic one never goes back', async () => {
    const clock = create()
    assert.ok(clock.nowMs() > 1_000_000_000_000, 'milliseconds since 1970')
    let before = clock.monotonicMs()
    for (let i = 0; i < 5; i++) {
      await pass(clock, 2)
      const now = clock.monotonicMs()
      assert.ok(now >= before + 1)
      before = now
    }
  })

  it('runs a timer once, not before its delay and never in the same turn', async () => {
    const clock = create()
    const startMs = clock.monotonicMs()
    const ranAt: number[] = []
    clock.setTimer(10, () => ranAt.push(clock.monotonicMs()))
    clock.setTimer(0, () => ranAt.push(-1))
    assert.deepEqual(ranAt, [])
    await pass(clock, 40)
    assert.equal(ranAt.length, 2)
    assert.equal(ranAt[0], -1)
    assert.ok((ranAt[1] ?? 0) >= startMs + 9, 'not before its delay')
  })

  it('runs timers in the order of their times', async () => {
    const clock = create()
    const order: string[] = []
    clock.setTimer(30, () => order.push('late'))
    clock.setTimer(5, () => order.push('early'))
    await pass(clock, 60)
    assert.deepEqual(order, ['early', 'late'])
  })

  it('does not run a cancelled timer, and cancels twice without complaint', async () => {
    const clock = create()
    let ran = false
    const timer = clock.setTimer(5, () => (ran = true))
    timer.cancel()
    timer.cancel()
    await pass(clock, 20)
    assert.equal(ran, false)
  })

  it('lets a timer set the next one', async () => {
    const clock = create()
    let count = 0
    const again = (): void => {
      if (++count < 3) clock.setTimer(5, again)
    }
    clock.setTimer(5, again)
    await pass(clock, 80)
    assert.equal(count, 3)
  })
}
