import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { World, type TestNode } from '../src/holdfast.ts'
import { until, untilComplete, volumeStatus, type VolumeStatus } from '../src/status.ts'

interface Version {
  readonly kind: string
  readonly time: string
}

/** The home with its drive, or a part of it, as they are now; `bring` puts them back into the same directory, as from a snapshot of the machine. */
function keepCopy(world: World, node: TestNode, label: string, part = '.'): { bring: () => void } {
  const directory = join(node.home, part)
  const copy = world.path(`copy-${label}`)
  cpSync(directory, copy, { recursive: true, preserveTimestamps: true })
  return {
    bring: () => {
      for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true })
      cpSync(copy, directory, { recursive: true, preserveTimestamps: true })
    },
  }
}

const inEpoch = (nodes: readonly TestNode[], epoch: number): Promise<VolumeStatus[]> =>
  until(
    `epoch ${epoch} on ${nodes.map(({ name }) => name).join(', ')}`,
    () => Promise.all(nodes.map((node) => volumeStatus(node, 'data'))),
    (volumes) => volumes.every((volume) => volume.epoch === epoch),
  )

/** Contents of all versions of a file, newest first. */
async function texts(node: TestNode, name: string): Promise<string[]> {
  const versions = await node.json<Version[]>('log', `data:${name}`)
  const puts = versions.filter((version) => version.kind === 'put')
  return Promise.all(puts.map(async ({ time }) => (await node.ok('cat', `data:${name}`, '--at', time)).stdout))
}

describe('a primary whose home and drive went back in time', function () {
  this.timeout(240_000)
  const world = new World('epochs')
  const data = world.path('data')
  let [a, b, c]: TestNode[] = []
  const nodes = (): TestNode[] => [a, b, c].filter((node) => node !== undefined)
  after(() => world.close())

  before(async () => {
    mkdirSync(data)
    ;[a, b, c] = await world.mesh('a', 'b', 'c')
    writeFileSync(`${data}/first`, 'first')
    await a?.ok('protect', data)
    await a?.ok('flush')
    await untilComplete(nodes()[0] as TestNode, 'data', 3)
  })

  it('members hold more: it takes what it lacks, its voters certify the next epoch, nothing acknowledged is lost', async () => {
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    await a.down()
    const copy = keepCopy(world, a, 'older')
    await a.up()
    writeFileSync(`${data}/acknowledged`, 'written after the copy')
    await a.ok('flush')
    await untilComplete(a, 'data', 3)
    await a.crash()
    copy.bring()
    await a.up()
    writeFileSync(`${data}/later`, 'written in the next epoch')
    await a.ok('flush')
    await inEpoch([a, b, c], 2)
    await untilComplete(a, 'data', 3)
    for (const node of [a, b, c]) {
      assert.deepEqual(await texts(node, 'acknowledged'), ['written after the copy'], node.name)
      assert.deepEqual(await texts(node, 'later'), ['written in the next epoch'], node.name)
    }
  })

  it('it has written alone before it meets them: detected and reported, both versions are there', async () => {
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    await a.down()
    const copy = keepCopy(world, a, 'second')
    await a.up()
    writeFileSync(`${data}/edited`, 'as the members have it')
    await a.ok('flush')
    await untilComplete(a, 'data', 3)
    await Promise.all([a.crash(), b.down(), c.down()])
    copy.bring()
    await a.up()
    writeFileSync(`${data}/edited`, 'as it was written alone')
    writeFileSync(`${data}/alone`, 'only ever here')
    await a.ok('flush', '--level', 'local')
    writeFileSync(`${data}/edited`, 'and once more')
    rmSync(`${data}/alone`)
    await a.ok('flush', '--level', 'local')
    await Promise.all([b.up(), c.up()])
    await inEpoch([a, b, c], 3)
    await a.ok('flush')
    await untilComplete(a, 'data', 3)
    const { warnings } = await volumeStatus(a, 'data')
    assert.ok(
      warnings.some((warning) => /written twice/.test(warning)),
      JSON.stringify(warnings),
    )
    for (const node of [a, b, c]) {
      const edited = await texts(node, 'edited')
      assert.ok(edited.includes('as the members have it'), `${node.name}: ${edited.join(' | ')}`)
      assert.ok(edited.includes('as it was written alone'), `${node.name}: ${edited.join(' | ')}`)
      assert.equal(edited[0], 'and once more', `${node.name}: ${edited.join(' | ')}`)
      assert.deepEqual(await texts(node, 'alone'), ['only ever here'], node.name)
    }
  })

  it('its voters are down: changes are safe on it alone, over a kill too, and everywhere once they are back', async () => {
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    await a.down()
    const copy = keepCopy(world, a, 'third', 'drive')
    await a.up()
    writeFileSync(`${data}/edited`, 'after the copy of the drive')
    await a.ok('flush')
    await untilComplete(a, 'data', 3)
    await Promise.all([a.down(), b.down(), c.down()])
    copy.bring()
    await a.up()
    writeFileSync(`${data}/waiting`, 'while nobody could agree')
    rmSync(`${data}/first`)
    await a.ok('flush', '--level', 'local')
    await a.crash()
    rmSync(`${data}/waiting`)
    await a.up()
    writeFileSync(`${data}/waiting`, 'and after the kill')
    await a.ok('flush', '--level', 'local')
    const { pendingChanges, warnings, epoch } = await volumeStatus(a, 'data')
    assert.equal(epoch, 3)
    assert.ok(pendingChanges >= 3, `${pendingChanges} changes wait`)
    assert.ok(
      warnings.some((warning) => /wait for the next epoch/.test(warning)),
      JSON.stringify(warnings),
    )
    await Promise.all([b.up(), c.up()])
    await until(
      'a later epoch',
      () => volumeStatus(nodes()[0] as TestNode, 'data'),
      (volume) => volume.epoch > epoch,
    )
    await a.ok('flush')
    await untilComplete(a, 'data', 3)
    for (const node of [a, b, c]) {
      assert.deepEqual(await texts(node, 'waiting'), ['and after the kill', 'while nobody could agree'], node.name)
      assert.equal((await node.ok('cat', 'data:edited')).stdout, 'after the copy of the drive', node.name)
      const first = await node.json<Version[]>('log', 'data:first')
      assert.equal(first[0]?.kind, 'delete', node.name)
    }
    assert.equal((await volumeStatus(a, 'data')).pendingChanges, 0)
  })
})

describe('a node that stands alone and whose drive went back in time', function () {
  this.timeout(120_000)
  const world = new World('epochs-alone')
  after(() => world.close())

  it('says what it lost, certifies the next epoch by itself, and goes on', async () => {
    const data = world.path('data')
    mkdirSync(data)
    writeFileSync(`${data}/kept`, 'kept')
    const [lone] = await world.mesh('lone')
    assert.ok(lone !== undefined)
    await lone.ok('protect', data)
    await lone.ok('flush')
    await lone.down()
    const copy = keepCopy(world, lone, 'drive', 'drive')
    await lone.up()
    writeFileSync(`${data}/later`, 'recorded after the copy')
    await lone.ok('flush')
    await lone.down()
    copy.bring()
    await lone.up()
    await lone.ok('flush')
    const status = await volumeStatus(lone, 'data')
    assert.equal(status.epoch, 2)
    assert.ok(
      status.warnings.some((warning) => /not on its drive any more/.test(warning)),
      status.warnings.join(),
    )
    assert.deepEqual(await texts(lone, 'kept'), ['kept'])
    assert.deepEqual(await texts(lone, 'later'), ['recorded after the copy'], 'read from the directory again')
    await lone.crash()
    await lone.up()
    writeFileSync(`${data}/kept`, 'and on')
    await lone.ok('flush')
    assert.deepEqual(await texts(lone, 'kept'), ['and on', 'kept'])
    assert.equal((await volumeStatus(lone, 'data')).epoch, 2)
  })
})
