import assert from 'node:assert/strict'
import { World } from '../src/holdfast.ts'
import { soak } from '../soak/kill-soak.ts'

describe('three nodes under writes, killed at random for 20 seconds', function () {
  this.timeout(240_000)
  const world = new World('soak')
  after(() => world.close())

  it('lose nothing that was acknowledged', async () => {
    const lines: string[] = []
    const options = { directory: world.path('soak'), seconds: 20, seed: String(Date.now()) }
    try {
      const result = await soak({ ...options, tell: (line) => lines.push(line) })
      assert.deepEqual(result.losses, [])
      assert.deepEqual(result.distrust, [])
      assert.ok(result.kills > 0 && result.acknowledged > 0, 'something was killed and something was acknowledged')
    } catch (error) {
      console.log(lines.join('\n'))
      throw error
    }
  })
})
