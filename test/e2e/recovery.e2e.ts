import assert from 'node:assert/strict'
import {
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs'
import { join } from 'node:path'
import { expectExit, jsonOf, World, type TestNode } from '../src/holdfast.ts'
import { seeded } from '../src/seeded.ts'
import { untilComplete, volumeStatus } from '../src/status.ts'
import { assertSameTree, manifestOf, type TreeManifest } from '../src/tree.ts'

/** Directories of a home that are made from the packs. */
const DERIVED = ['index', 'journal']

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
}

/** Overwrites `count` bytes in the middle of a file. */
function damage(file: string, count: number): void {
  const fd = openSync(file, 'r+')
  writeSync(fd, Buffer.alloc(count, 0xa5), 0, count, Math.floor(statSync(file).size / 2))
  closeSync(fd)
}

describe('what is lost or damaged on disk', function () {
  this.timeout(180_000)
  const world = new World('recovery')
  const data = world.path('data')
  const random = seeded('recovery')
  let a: TestNode
  let b: TestNode
  /** The tree before and after the one edit, and a moment between. */
  let [first, now]: TreeManifest[] = []
  let between: string
  let restores = 0
  after(() => world.close())

  before(async () => {
    mkdirSync(`${data}/sub`, { recursive: true })
    for (let index = 0; index < 30; index++)
      writeFileSync(`${data}/sub/f${index}`, random.bytes(random.spread(100, 300_000)))
    writeFileSync(`${data}/large`, random.bytes(6_000_000))
    ;[a, b] = (await world.mesh('a', 'b')) as [TestNode, TestNode]
    await a.ok('protect', data)
    await a.ok('flush')
    first = manifestOf(data)
    between = new Date().toISOString()
    writeFileSync(`${data}/large`, random.bytes(3_000_000))
    rmSync(`${data}/sub/f3`)
    await a.ok('flush')
    now = manifestOf(data)
    await untilComplete(a, 'data', 2)
  })

  /** Both moments come back whole from this node. */
  const judge = async (node: TestNode): Promise<void> => {
    assert.ok(first !== undefined && now !== undefined)
    for (const [tree, at] of [[first, ['--at', between]] as const, [now, []] as const]) {
      restores += 1
      const to = world.path(`restored-${restores}`)
      await node.ok('restore', 'data', '--to', to, ...at)
      assertSameTree(tree, manifestOf(to))
    }
    const versions = await node.json<{ kind: string }[]>('log', 'data:large')
    assert.equal(versions.length, 2)
  }
  const derivedOf = (node: TestNode): string[] => DERIVED.map((name) => join(node.home, name))

  for (const name of ['a', 'b'] as const) {
    const role = name === 'a' ? 'the primary' : 'a follower'
    const pick = (): TestNode => (name === 'a' ? a : b)

    it(`index, journal and catalog deleted on ${role}: made anew from the packs at the next start`, async () => {
      await pick().crash()
      for (const directory of derivedOf(pick())) rmSync(directory, { recursive: true })
      await pick().up()
      await judge(pick())
      await untilComplete(a, 'data', 2)
    })

    it(`every file of index, journal and catalog damaged on ${role}: made anew from the packs at the next start`, async () => {
      await pick().crash()
      for (const file of derivedOf(pick()).flatMap(filesUnder)) if (statSync(file).size > 64) damage(file, 32)
      await pick().up()
      await judge(pick())
      await untilComplete(a, 'data', 2)
    })

    it(`repair index on ${role} rebuilds them while the node runs`, async () => {
      const summary = await pick().json<{ chunks: number; badFrames: number; versions: number }>('repair', 'index')
      assert.equal(summary.badFrames, 0)
      assert.ok(summary.chunks > 0 && summary.versions > 30, JSON.stringify(summary))
      await judge(pick())
    })
  }

  it('the packs alone, on both at once, bring everything back', async () => {
    await Promise.all([a.crash(), b.crash()])
    for (const directory of [...derivedOf(a), ...derivedOf(b)]) rmSync(directory, { recursive: true })
    await b.up()
    await judge(b)
    await a.up()
    await judge(a)
    writeFileSync(`${data}/after`, 'and it goes on')
    await a.ok('flush')
    assert.equal((await b.ok('cat', 'data:after')).stdout, 'and it goes on')
    rmSync(`${data}/after`)
    await a.ok('flush')
    await untilComplete(a, 'data', 2)
  })

  it('a damaged pack: found by verify, healed from the other member, no wrong byte ever given out', async () => {
    await b.crash()
    const largest = filesUnder(join(b.home, 'drive')).toSorted((x, y) => statSync(y).size - statSync(x).size)[0] ?? ''
    damage(largest, 1)
    await b.up()
    const found = expectExit(await b.run(['verify', '--read-data', '--json']), 21)
    const { nodes } = jsonOf<{ nodes: { corruptCount: number; healedCount: number }[] }>(found)
    assert.deepEqual(
      nodes.map(({ corruptCount, healedCount }) => [corruptCount, healedCount]),
      [[1, 1]],
    )
    await b.ok('verify', '--read-data')
    await judge(b)
  })

  it('a damaged pack on a node that stands alone: said so with exit 22, and what is whole stays readable', async () => {
    const lone = world.node('lone')
    const own = world.path('own')
    mkdirSync(own)
    const whole = random.bytes(200_000)
    await lone.init()
    await lone.up()
    await lone.ok('protect', own)
    writeFileSync(`${own}/damaged`, random.bytes(3_000_000))
    await lone.ok('flush')
    writeFileSync(`${own}/whole`, whole)
    await lone.ok('flush')
    await lone.down()
    damage(filesUnder(join(lone.home, 'drive')).toSorted((x, y) => statSync(y).size - statSync(x).size)[0] ?? '', 1)
    await lone.up()
    expectExit(await lone.run(['verify', '--read-data', '--json']), 22)
    const to = world.path('lone-restored')
    await lone.ok('restore', 'own:whole', '--to', to)
    assert.ok(readFileSync(`${to}/whole`).equals(whole))
    const spoilt = await lone.run(['restore', 'own:damaged', '--to', world.path('lone-spoilt'), '--json'])
    assert.notEqual(spoilt.code, 0)
    await lone.down()
  })

  it('a primary whose home went back in time: what others have of it is fetched, one history goes on', async () => {
    await a.down()
    const old = world.path('old-home')
    cpSync(a.home, old, { recursive: true, preserveTimestamps: true })
    await a.up()
    writeFileSync(`${data}/newer`, 'written after the copy was made')
    await a.ok('flush')
    await untilComplete(a, 'data', 2)
    await a.crash()
    for (const name of readdirSync(a.home)) rmSync(join(a.home, name), { recursive: true })
    cpSync(old, a.home, { recursive: true, preserveTimestamps: true })
    rmSync(`${data}/newer`)
    await a.up()
    writeFileSync(`${data}/newest`, 'and on')
    await a.ok('flush')
    const [atA, atB] = [await untilComplete(a, 'data', 2), await volumeStatus(b, 'data')]
    assert.equal(atA.versions, atB.versions)
    for (const node of [a, b]) {
      const versions = await node.json<{ kind: string; time: string }[]>('log', 'data:newer')
      assert.deepEqual(
        versions.map((version) => version.kind),
        ['delete', 'put'],
        `as ${node.name} has it`,
      )
      const text = await node.ok('cat', 'data:newer', '--at', versions[1]?.time ?? '')
      assert.equal(text.stdout, 'written after the copy was made')
    }
  })
})
