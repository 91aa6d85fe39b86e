/** Everything that a file system can hold, protected on one node and brought back by another. The judge compares bytes, modes, owners,
 *  times in nanoseconds, attributes, access lists, hard links and holes. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { setAttribute } from '../src/attributes.ts'
import { listenIn, makeEverything, WITHOUT_ROOT } from '../src/everything.ts'
import { expectExit, jsonOf, mountsImpossible, World, type TestNode } from '../src/holdfast.ts'
import { assertSameTree, manifestOf, type TreeManifest } from '../src/tree.ts'

interface DiffLine {
  readonly path: string
  readonly change: string
  readonly aspects: readonly string[]
}

describe(`a tree that holds everything${WITHOUT_ROOT}`, function () {
  this.timeout(120_000)
  const world = new World('fidelity')
  const data = world.path('data')
  let a: TestNode
  let b: TestNode
  let captured: string
  let whole: TreeManifest
  after(() => world.close())

  before(async () => {
    makeEverything(data)
    const socket = await listenIn(data)
    // A socket is left out, since it is nothing without its program.
    whole = new Map([...manifestOf(data)].filter(([path]) => path !== 'special/socket'))
    ;[a, b] = (await world.mesh('a', 'b')) as [TestNode, TestNode]
    await a.ok('protect', data, '--name', 'data')
    await a.ok('flush', 'data')
    socket.close()
    captured = new Date().toISOString()
  })

  it('comes back identical on another node', async () => {
    const to = world.path('restored')
    const { stderr } = await b.ok('restore', 'data', '--to', to, '--privileged', '--verify')
    assertSameTree(whole, manifestOf(to))
    if (WITHOUT_ROOT === '') assert.doesNotMatch(stderr, /not restored/)
    const again = await b.json<{ skipped: number; files: number; symlinks: number }>(
      'restore',
      'data',
      '--to',
      to,
      '--privileged',
      '--in-place',
      '--delete',
    )
    assert.deepEqual([again.files, again.symlinks], [0, 0])
    assertSameTree(whole, manifestOf(to))
  })

  it('without --privileged comes back without devices, setuid bits and capabilities, and says so', async () => {
    const to = world.path('plain')
    const { stderr } = await b.ok('restore', 'data', '--to', to)
    assert.match(stderr, /without device, setuid bits or capabilities; --privileged restores them/)
    assert.equal(lstatSync(`${to}/modes/4755`).mode & 0o7777, 0o755)
    const restored = manifestOf(to)
    const kinds = new Set([...restored.values()].map(({ type, content }) => (type === 'other' ? content : type)))
    assert.deepEqual([...kinds].toSorted(), ['directory', 'fifo', 'file', 'symlink'])
    assert.ok(![...restored.values()].some(({ attributes }) => attributes.includes('security.capability')))
  })

  it('one path of a group of hard links comes back as a plain file', async () => {
    const to = world.path('one')
    await b.ok('restore', 'data:links/deep/er/second', '--to', to)
    const [[name, entry] = []] = manifestOf(to)
    assert.deepEqual([name, entry?.content, entry?.linkedTo], ['second', whole.get('links/first')?.content, undefined])
  })

  it('changes of metadata alone are versions, through every name, and store no content', async () => {
    const stored = async (): Promise<number> =>
      (await a.json<{ node: { storedBytes: number } }>('status')).node.storedBytes
    const bytes = await stored()
    chmodSync(`${data}/contents/several segments`, 0o600)
    setAttribute(`${data}/contents/zeros that are there`, 'user.new', 'n')
    setAttribute(`${data}/names/empty directory`, 'user.new', 'n')
    linkSync(`${data}/contents/small`, `${data}/contents/small too`)
    if (WITHOUT_ROOT === '') chownSync(`${data}/modes/777`, 5, 6)
    await a.ok('flush', 'data')
    const changes = await a.json<DiffLine[]>('diff', 'data', captured, 'now')
    const aspects = new Map(changes.map(({ path, aspects: list }) => [path, list.join(' ')]))
    assert.deepEqual(
      ['several segments', 'zeros that are there', 'small', 'small too'].map((name) => aspects.get(`contents/${name}`)),
      ['mode', 'attributes', 'links', ''],
    )
    assert.equal(aspects.get('names/empty directory'), 'attributes')
    if (WITHOUT_ROOT === '') assert.equal(aspects.get('modes/777'), 'owner')
    // A few records: the content of these files is megabytes.
    assert.ok((await stored()) - bytes < 100_000, `${(await stored()) - bytes} bytes more`)
    const moment = new Date().toISOString()
    appendFileSync(`${data}/links/first`, 'through one name')
    unlinkSync(`${data}/a third name`)
    await a.ok('flush', 'data')
    const edits = await a.json<DiffLine[]>('diff', 'data', moment, 'now')
    assert.deepEqual(
      edits
        .filter(({ path }) => path !== 'links')
        .map(({ path, change }) => `${path} ${change}`)
        .toSorted(),
      ['a third name removed', 'links/deep/er/second modified', 'links/first modified'],
    )
    const to = world.path('changed')
    await b.ok('restore', 'data', '--to', to, '--privileged')
    assertSameTree(manifestOf(data), manifestOf(to))
    const past = world.path('past')
    await b.ok('restore', 'data', '--to', past, '--privileged', '--at', captured)
    assertSameTree(whole, manifestOf(past))
  })
})

const NOBODY = 65_534

describe(`a node that is not the superuser${mountsImpossible() === undefined ? '' : ' (skipped: only root can start one)'}`, function () {
  this.timeout(120_000)
  const world = new World('nobody')
  after(() => world.close())

  it('captures all but what it may not read, says so with exit code 3, and captures that once it may', async function () {
    if (mountsImpossible() !== undefined) this.skip()
    const data = world.path('data')
    mkdirSync(`${data}/closed`, { recursive: true })
    for (const name of ['a', 'secret', 'closed/inside', 'z']) writeFileSync(`${data}/${name}`, name)
    chmodSync(`${data}/secret`, 0o600)
    chmodSync(`${data}/closed`, 0o700)
    chmodSync(world.directory, 0o755)
    const node = world.node('nobody')
    await node.init()
    const drop = `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups`
    await node.upAfter(`chown -R ${NOBODY}:${NOBODY} '${node.home}'; set -- ${drop} "$@"`)
    await node.ok('protect', data, '--name', 'data')
    const flushed = expectExit(await node.run(['flush', 'data', '--json']), 3)
    assert.equal(jsonOf<{ volumes: { unreadableCount: number }[] }>(flushed).volumes[0]?.unreadableCount, 2)
    const listed = async (): Promise<string[]> =>
      (await node.json<{ path: string }[]>('ls', 'data', '-R')).map(({ path }) => path).toSorted()
    assert.deepEqual(await listed(), ['a', 'closed', 'z'])
    chmodSync(`${data}/secret`, 0o644)
    chmodSync(`${data}/closed`, 0o755)
    await node.ok('flush', 'data')
    assert.deepEqual(await listed(), ['a', 'closed', 'closed/inside', 'secret', 'z'])
  })
})
