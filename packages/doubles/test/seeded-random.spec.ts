import assert from 'node:assert/strict'
import { randomContract } from '@holdfast/contracts'
import { createSeededRandom } from '../src/index.ts'

describe('SeededRandom', () => {
  randomContract({ create: () => createSeededRandom(1) })

  it('repeats itself for the same seed only', () => {
    assert.deepEqual(createSeededRandom(7).bytes(64), createSeededRandom(7).bytes(64))
    assert.notDeepEqual(createSeededRandom(7).bytes(64), createSeededRandom(8).bytes(64))
  })
})
