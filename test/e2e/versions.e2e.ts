import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { World, type TestNode } from '../src/holdfast.ts'
import { assertSameTree, manifestOf, type TreeManifest } from '../src/tree.ts'

interface Version {
  readonly seq: number
  readonly epoch: number
  readonly time: string
  readonly kind: 'put' | 'delete'
  readonly path: string
  readonly size: number
  readonly type: string
}

describe('versions of files, looked at on another node', function () {
  this.timeout(120_000)
  const world = new World('versions')
  let a: TestNode
  let b: TestNode
  const data = world.path('data')
  /** The tree as it was, and a moment at which it was so. */
  const kept: { readonly at: string; readonly tree: TreeManifest }[] = []
  const keep = async (): Promise<void> => {
    await a.ok('flush', 'data')
    kept.push({ at: new Date().toISOString(), tree: manifestOf(data) })
  }
  const moment = (index: number): string => kept[index]?.at ?? ''
  after(() => world.close())

  before(async () => {
    mkdirSync(`${data}/docs/deep`, { recursive: true })
    writeFileSync(`${data}/report.txt`, 'one\n')
    writeFileSync(`${data}/docs/kept`, 'kept\n')
    writeFileSync(`${data}/docs/deep/gone`, 'gone later\n')
    symlinkSync('report.txt', `${data}/link`)
    utimesSync(`${data}/docs/kept`, 1_234_567_890.123, 1_234_567_890.123)
    ;[a, b] = (await world.mesh('a', 'b')) as [TestNode, TestNode]
    await a.ok('protect', data, '--name', 'data')
    await keep()
    writeFileSync(`${data}/report.txt`, 'two, longer\n')
    rmSync(`${data}/docs/deep/gone`)
    writeFileSync(`${data}/new`, Buffer.alloc(300_000, 'x'))
    await keep()
    renameSync(`${data}/docs`, `${data}/papers`)
    writeFileSync(`${data}/report.txt`, 'three\n')
    rmSync(`${data}/link`)
    await keep()
  })

  it('log lists the versions of a file, newest first', async () => {
    const versions = await b.json<Version[]>('log', 'data:report.txt')
    assert.deepEqual(
      versions.map(({ kind, path, size, type }) => ({ kind, path, size, type })),
      [6, 12, 4].map((size) => ({ kind: 'put', path: 'report.txt', size, type: 'file' })),
    )
    assert.deepEqual(
      versions,
      versions.toSorted((x, y) => y.seq - x.seq),
    )
    const [, deleted] = await b.json<Version[]>('log', 'data:docs/deep/gone')
    assert.ok(deleted !== undefined)
  })

  it('cat shows each version at its time', async () => {
    const texts = ['one\n', 'two, longer\n', 'three\n']
    for (const [index, text] of texts.entries()) {
      assert.equal((await b.ok('cat', 'data:report.txt', '--at', moment(index))).stdout, text)
    }
    assert.equal((await b.run(['cat', 'data:docs/deep/gone', '--at', moment(1), '--json'])).code, 1)
    assert.equal((await b.ok('cat', 'data:docs/deep/gone', '--at', moment(0))).stdout, 'gone later\n')
  })

  it('ls, find and diff look at any moment', async () => {
    const names = async (...args: readonly string[]): Promise<string[]> =>
      (await b.json<{ path: string }[]>('ls', ...args)).map((entry) => entry.path)
    assert.deepEqual(await names('data', '--at', moment(0)), ['docs', 'link', 'report.txt'])
    assert.deepEqual(await names('data'), ['new', 'papers', 'report.txt'])
    assert.ok((await names('data', '-R', '--at', moment(0))).includes('docs/deep/gone'))
    const found = await b.json<{ path: string }[]>('find', 'data', 'kept')
    assert.deepEqual(found.map((entry) => entry.path).toSorted(), ['docs/kept', 'papers/kept'])
    const changes = await b.json<{ path: string; change: string }[]>('diff', 'data', moment(0), moment(1))
    const byPath = new Map(changes.map(({ path, change }) => [path, change]))
    assert.equal(byPath.get('report.txt'), 'modified')
    assert.equal(byPath.get('new'), 'added')
    assert.equal(byPath.get('docs/deep/gone'), 'removed')
    assert.equal(byPath.has('docs/kept'), false)
  })

  it('restores exactly the tree of a past moment, each of them, on the other node', async () => {
    for (const [index, { at, tree }] of kept.entries()) {
      const to = world.path(`restored-${index}`)
      await b.ok('restore', 'data', '--to', to, '--at', at, '--verify')
      assertSameTree(tree, manifestOf(to))
    }
  })

  it('restores in place: what is identical stays, what is more is deleted only when asked', async () => {
    const to = world.path('in-place')
    await b.ok('restore', 'data', '--to', to, '--at', moment(0))
    writeFileSync(`${to}/mine`, 'mine')
    await b.ok('restore', 'data', '--to', to, '--in-place')
    assert.equal(readFileSync(`${to}/mine`, 'utf8'), 'mine')
    assert.equal(readFileSync(`${to}/report.txt`, 'utf8'), 'three\n')
    await b.ok('restore', 'data', '--to', to, '--in-place', '--delete')
    assertSameTree(manifestOf(data), manifestOf(to))
  })

  it('a dry run writes nothing and says what would be written', async () => {
    const to = world.path('dry')
    const summary = await b.json<{ dryRun: boolean; files: number }>('restore', 'data', '--to', to, '--dry-run')
    assert.equal(summary.dryRun, true)
    assert.equal(summary.files, [...manifestOf(data).values()].filter((entry) => entry.type === 'file').length)
    assert.throws(() => manifestOf(to), /ENOENT/)
  })

  it('unprotected, its history stays; protected again, the volume goes on with what changed meanwhile', async () => {
    await a.ok('unprotect', 'data')
    writeFileSync(`${data}/report.txt`, 'while nobody looked\n')
    await a.ok('flush')
    assert.equal((await b.ok('cat', 'data:report.txt')).stdout, 'three\n')
    await a.ok('protect', data, '--name', 'data')
    await a.ok('flush')
    writeFileSync(`${data}/report.txt`, 'captured as before\n')
    await a.ok('flush')
    const sizes = (await b.json<Version[]>('log', 'data:report.txt')).map(({ size }) => size)
    assert.deepEqual(sizes, [19, 20, 6, 12, 4])
  })
})
