import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { World, type TestNode } from '../src/holdfast.ts'
import { until, untilComplete, volumeStatus, type VolumeStatus } from '../src/status.ts'

interface Version {
  readonly kind: string
  readonly time: string
}

/** The home and its drive as they are now; `bring` puts them back into the same directory, as from a snapshot of the machine. */
function keepCopy(world: World, node: TestNode, label: string): { bring: () => void } {
  const copy = world.path(`copy-${label}`)
  cpSync(node.home, copy, { recursive: true, preserveTimestamps: true })
  return {
    bring: () => {
      for (const name of readdirSync(node.home)) rmSync(join(node.home, name), { recursive: true })
      cpSync(copy, node.home, { recursive: true, preserveTimestamps: true })
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
    const { warnings } = (await volumeStatus(a, 'data')) as VolumeStatus & { warnings: readonly string[] }
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
    const drive = join(lone.home, 'drive')
    const copy = world.path('drive')
    cpSync(drive, copy, { recursive: true, preserveTimestamps: true })
    await lone.up()
    writeFileSync(`${data}/later`, 'recorded after the copy')
    await lone.ok('flush')
    await lone.down()
    for (const name of readdirSync(drive)) rmSync(join(drive, name), { recursive: true })
    cpSync(copy, drive, { recursive: true, preserveTimestamps: true })
    await lone.up()
    await lone.ok('flush')
    const status = (await volumeStatus(lone, 'data')) as VolumeStatus & { warnings: readonly string[] }
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
