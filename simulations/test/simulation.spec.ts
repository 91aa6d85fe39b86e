import assert from 'node:assert/strict'
import { SCENARIOS, type ScenarioOptions } from '../src/scenario/options.ts'
import { type RunResult, runScenario } from '../src/scenario/run.ts'

/** Kept short: long runs are for `npm run simulate`. */
const KEPT_SEEDS: readonly (readonly [scenario: string, seed: number])[] = [
  ['processes', 1],
  ['network', 2],
  ['corruption', 1],
  ['clocks', 2],
  ['chaos', 1],
]

function optionsOf(name: string): ScenarioOptions {
  const options = SCENARIOS[name]
  assert.ok(options)
  return { ...options, minutes: 1 }
}

describe('simulated worlds', () => {
  const results = new Map<string, RunResult>()

  for (const [name, seed] of KEPT_SEEDS) {
    it(`${name}, seed ${seed}: nothing acknowledged is lost, one history, all level in the end`, async () => {
      const result = await runScenario(optionsOf(name), seed)
      results.set(name, result)
      assert.equal(result.broken, undefined)
      assert.ok(result.publishedBlocks > 10)
      assert.equal(result.quorumBlocks, result.publishedBlocks)
    })
  }

  it('the same seed gives the same run, another another', async () => {
    const first = results.get('network')
    const again = await runScenario(optionsOf('network'), 2)
    assert.deepEqual(again, first)
    const other = await runScenario(optionsOf('network'), 3)
    assert.notEqual(other.traceHash, again.traceHash)
  })

  it('a run in which a fault never happened is a failure', async () => {
    const calm = optionsOf('calm')
    const { broken } = await runScenario({ ...calm, minutes: 0.1, faults: { ...calm.faults, rot: 0.001 } }, 1)
    assert.equal(broken, 'the fault rot never happened')
  })

  it('flipped bits are noticed, and without them nobody is blamed', () => {
    assert.ok((results.get('corruption')?.blamed ?? 0) > 0)
    assert.equal(results.get('network')?.blamed, 0)
  })
})
