import assert from 'node:assert/strict'
import { SET_ASIDE, Standing, VIOLATIONS_FORGOTTEN_MS, VIOLATIONS_MAX } from '../src/index.ts'

describe('Standing', () => {
  const violate = (standing: Standing, nowMs: number): (number | undefined)[] =>
    Array.from({ length: VIOLATIONS_MAX }, () => standing.blame('protocol', nowMs).setAsideMs)

  it('sets aside for violations of the protocol, twice as long each time', () => {
    const standing = new Standing()
    assert.deepEqual(violate(standing, 0), [undefined, undefined, SET_ASIDE.firstMs])
    assert.deepEqual(violate(standing, 1), [undefined, undefined, 2 * SET_ASIDE.firstMs])
    for (let i = 0; i < 20; i++) violate(standing, 2)
    assert.equal(violate(standing, 3).at(-1), SET_ASIDE.maxMs)
  })

  it('forgets after a while', () => {
    const standing = new Standing()
    violate(standing, 0)
    assert.equal(standing.violations(VIOLATIONS_FORGOTTEN_MS - 1), 1)
    assert.equal(standing.violations(VIOLATIONS_FORGOTTEN_MS), 0)
    assert.deepEqual(violate(standing, VIOLATIONS_FORGOTTEN_MS), [undefined, undefined, SET_ASIDE.firstMs])
  })

  it('counts all else by reason and sets nobody aside for it', () => {
    const standing = new Standing()
    for (let i = 0; i < 100; i++) {
      for (const reason of ['journal', 'chunk', 'charter', 'stall'] as const) {
        assert.equal(standing.blame(reason, 0).setAsideMs, undefined)
      }
    }
    assert.equal(standing.blamed, 400)
    assert.deepEqual(standing.reasons(), { journal: 100, chunk: 100, charter: 100, stall: 100 })
  })

  it('tells the log ever more seldom', () => {
    const standing = new Standing()
    let told = 0
    for (let i = 0; i < 10_000; i++) if (standing.blame('charter', 0).tell) told++
    assert.equal(told, 14)
  })
})
