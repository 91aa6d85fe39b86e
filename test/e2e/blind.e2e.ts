import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { exitErrorOf, World, type TestNode } from '../src/holdfast.ts'
import { seeded } from '../src/seeded.ts'
import { until, untilComplete, volumeStatus } from '../src/status.ts'
import { assertSameTree, manifestOf } from '../src/tree.ts'

describe('a blind member', function () {
  this.timeout(120_000)
  const world = new World('blind')
  const data = world.path('data')
  const random = seeded('blind')
  let [a, blind, c]: TestNode[] = []
  after(() => world.close())

  before(async () => {
    mkdirSync(data)
    a = world.node('a')
    blind = world.node('blind')
    c = world.node('c')
    await a.init('--region', 'eu-1')
    await a.up()
    await blind.join(await a.invite('--region', 'us-1', '--role', 'blind'))
    await blind.up()
    await c.join(await a.invite('--region', 'ap-1'))
    await c.up()
    await a.ok('protect', data)
    await a.ok('flush')
    await untilComplete(a, 'data', 3)
  })

  it('reads nothing, and verifies what it holds', async () => {
    assert.ok(blind !== undefined)
    for (const command of [
      ['ls', 'data'],
      ['cat', 'data:secret'],
      ['restore', 'data', '--to', world.path('nothing')],
    ]) {
      const result = await blind.run([...command, '--json'])
      assert.equal(result.code, 12, `${command.join(' ')}: ${result.stderr}`)
      assert.equal(exitErrorOf(result).hf_code, 'HF_WRONG_KEY')
    }
    const volume = await volumeStatus(blind, 'data')
    assert.deepEqual([volume.role, volume.files], ['blind', 0])
    await blind.ok('verify', '--read-data')
  })

  it('makes a change safe, and serves it to a member that missed it while the primary is gone', async () => {
    assert.ok(a !== undefined && blind !== undefined && c !== undefined)
    await c.crash()
    for (let index = 0; index < 10; index++) writeFileSync(`${data}/secret-${index}`, random.bytes(400_000))
    await a.ok('flush', '--level', 'quorum')
    const { members } = await volumeStatus(a, 'data')
    const head = members.find((member) => member.node === 'a')?.completeLength
    await a.crash()
    await c.up()
    await until(
      'the member that was down has all of it',
      () => volumeStatus(c as TestNode, 'data'),
      (volume) => volume.members.find((member) => member.node === 'c')?.completeLength === head,
    )
    const to = world.path('restored')
    await c.ok('restore', 'data', '--to', to)
    assertSameTree(manifestOf(data), manifestOf(to))
  })
})
