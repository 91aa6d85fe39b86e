import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { jsonOf, World, type RunResult, type TestNode } from '../src/holdfast.ts'
import { CountingProxy } from '../src/proxy.ts'
import { seeded } from '../src/seeded.ts'
import { untilComplete, volumeStatus } from '../src/status.ts'
import { assertSameTree, manifestOf } from '../src/tree.ts'

const MIB = 1024 * 1024
const FILES_COUNT = 48

/** Where a new node listens, whatever it announces. */
function portOf(made: RunResult): number {
  const [address = ''] = jsonOf<{ listen: string[] }>(made).listen
  return Number(address.slice(address.lastIndexOf(':') + 1))
}

describe('nodes that are killed', function () {
  this.timeout(180_000)
  const world = new World('restart')
  const random = seeded('restart')
  const data = world.path('data')
  const write = (name: string, bytes: number): void => writeFileSync(`${data}/${name}`, random.bytes(bytes))
  let proxyOfA: CountingProxy
  let proxyOfB: CountingProxy
  let a: TestNode
  let b: TestNode
  const wire = (): number => proxyOfA.bytes + proxyOfB.bytes
  after(async () => {
    await world.close()
    await proxyOfA.close()
    await proxyOfB.close()
  })

  before(async () => {
    mkdirSync(data)
    proxyOfA = await CountingProxy.open()
    proxyOfB = await CountingProxy.open()
    a = world.node('a')
    b = world.node('b')
    proxyOfA.forwardTo(portOf(await a.init('--announce', proxyOfA.address, '--json')))
    await a.up()
    proxyOfB.forwardTo(portOf(await b.join(await a.invite(), '--announce', proxyOfB.address, '--json')))
    await b.up()
  })

  it('a follower killed half-way through the first copy goes on; what had arrived is not sent again', async () => {
    for (let index = 0; index < FILES_COUNT; index++) write(`file-${index}`, MIB)
    const before = wire()
    await a.ok('protect', data)
    await Promise.race([proxyOfA.passed(FILES_COUNT * MIB * 0.4), proxyOfB.passed(FILES_COUNT * MIB * 0.4)])
    await b.crash()
    await b.up()
    await a.ok('flush')
    await untilComplete(a, 'data', 2)
    const sent = wire() - before
    assert.ok(sent >= FILES_COUNT * MIB, `all of it went over the wire (${sent} bytes)`)
    assert.ok(sent < (FILES_COUNT * 1.05 + 8) * MIB, `little of it went twice (${sent} bytes)`)
  })

  it('nothing is sent again when nothing is new, whoever was killed', async () => {
    const before = wire()
    for (const node of [b, a]) {
      await node.crash()
      await node.up()
      await untilComplete(a, 'data', 2)
    }
    assert.ok(wire() - before < MIB, `${wire() - before} bytes went over the wire`)
  })

  it('a primary killed right after a flush has lost nothing, and takes up what changed meanwhile', async () => {
    write('acknowledged', 200_000)
    await a.ok('flush', '--level', 'local')
    await a.crash()
    write('while-it-was-down', 1000)
    const acknowledged = readFileSync(`${data}/acknowledged`)
    writeFileSync(`${data}/acknowledged`, 'overwritten while nobody looked')
    await a.up()
    await a.ok('flush')
    await untilComplete(a, 'data', 2)
    const versions = await b.json<{ size: number; time: string }[]>('log', 'data:acknowledged')
    assert.deepEqual(
      versions.map((version) => version.size),
      [31, 200_000],
    )
    const to = world.path('acknowledged')
    await b.ok('restore', 'data:acknowledged', '--to', to, '--at', versions[1]?.time ?? '')
    assert.ok(readFileSync(`${to}/acknowledged`).equals(acknowledged))
  })

  it('a follower that was down while the primary wrote catches up by itself', async () => {
    await b.crash()
    for (let index = 0; index < 20; index++) write(`missed-${index}`, 30_000)
    await a.ok('flush', '--level', 'local')
    await b.up()
    await untilComplete(a, 'data', 2)
    const to = world.path('caught-up')
    await b.ok('restore', 'data', '--to', to)
    assertSameTree(manifestOf(data), manifestOf(to))
  })

  it('both killed at once come back with all that was acknowledged, and with one history', async () => {
    write('last', 100_000)
    await a.ok('flush')
    await Promise.all([a.crash(), b.crash()])
    await b.up()
    const last = await b.ok('restore', 'data:last', '--to', world.path('from-b'))
    assert.equal(last.code, 0)
    assert.ok(readFileSync(world.path('from-b', 'last')).equals(readFileSync(`${data}/last`)))
    await a.up()
    await a.ok('flush')
    const [atA, atB] = [await untilComplete(a, 'data', 2), await volumeStatus(b, 'data')]
    assert.equal(atA.versions, atB.versions)
    assert.equal(atA.epoch, atB.epoch)
  })

  it('a clean stop answers 0 on SIGTERM and on SIGINT', async () => {
    assert.equal(await b.down('SIGTERM'), 0)
    assert.equal(await a.down('SIGINT'), 0)
  })
})
