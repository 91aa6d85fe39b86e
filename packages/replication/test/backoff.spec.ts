import assert from 'node:assert/strict'
import { RETRY_BACKOFF, backoffMs } from '../src/index.ts'

describe('backoffMs', () => {
  it('doubles from a second to half a minute, the upper half of it by chance', () => {
    const longest = [1, 2, 3, 4, 5, 6, 7, 1000].map((n) => backoffMs(RETRY_BACKOFF, n, 1))
    assert.deepEqual(longest, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
    assert.equal(backoffMs(RETRY_BACKOFF, 3, 0), 2_000)
    assert.equal(backoffMs(RETRY_BACKOFF, 3, 0.5), 3_000)
  })
})
