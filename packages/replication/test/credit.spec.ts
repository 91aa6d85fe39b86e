import assert from 'node:assert/strict'
import { MIB } from '@holdfast/ports'
import { CREDIT_BYTES_MAX, CREDIT_BYTES_MIN, CREDIT_BYTES_START, Credit } from '../src/index.ts'

/** A line of this bandwidth and round trip, used with all the credit there is. */
function use(credit: Credit, bytesPerMs: number, rttMs: number, forMs: number): void {
  for (let nowMs = 0; nowMs < forMs;) {
    const bytes = credit.bytes
    nowMs += Math.max(rttMs, bytes / bytesPerMs)
    credit.settled(bytes, nowMs, false)
    credit.roundTrip(rttMs)
  }
}

describe('Credit', () => {
  it('starts at 2 MiB', () => {
    assert.equal(new Credit().bytes, CREDIT_BYTES_START)
  })

  it('stays there on a near line', () => {
    const credit = new Credit()
    use(credit, (300 * MIB) / 1000, 0.3, 10_000)
    assert.equal(credit.bytes, CREDIT_BYTES_START)
  })

  it('grows on a far and fast line to what fills it, and not beyond 16 MiB', () => {
    const credit = new Credit()
    use(credit, (40 * MIB) / 1000, 100, 20_000)
    assert.ok(credit.bytes > 4 * MIB && credit.bytes <= 6.5 * MIB, String(credit.bytes))
    use(credit, (1000 * MIB) / 1000, 100, 60_000)
    assert.equal(credit.bytes, CREDIT_BYTES_MAX)
  })

  it('shrinks while the round trip shows a queue, down to a floor, and recovers', () => {
    const credit = new Credit()
    credit.roundTrip(20)
    for (let i = 0; i < 10; i++) credit.roundTrip(400)
    assert.equal(credit.bytes, CREDIT_BYTES_MIN)
    for (let i = 0; i < 20; i++) credit.roundTrip(20)
    assert.equal(credit.bytes, CREDIT_BYTES_START)
  })
})
