import assert from 'node:assert/strict'
import {
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY, World, type TestNode } from '../src/holdfast.ts'
import { mutate } from '../src/mutations.ts'
import { untilComplete } from '../src/status.ts'
import { assertSameTree, manifestOf, totalsOf } from '../src/tree.ts'

/** Entries taken of the real tree: enough for several commits and for packs of many small files, few enough for a short test. */
const ENTRIES_MAX = 6000
const BYTES_MAX = 256 * 1024 * 1024

/** A tree that people made, not we: documentation of the system, or the packages that this project is built from. */
function realTree(): string {
  const documentation = '/usr/share/doc'
  const many = existsSync(documentation) && readdirSync(documentation, { recursive: true }).length > 2000
  return many ? documentation : join(REPOSITORY, 'node_modules')
}

describe('a real tree of thousands of files', function () {
  this.timeout(240_000)
  const world = new World('big-tree')
  after(() => world.close())

  it('is protected, edited, restored on another node, and equal in every byte', async () => {
    const data = world.path('data')
    copyTree(realTree(), data)
    const [a, b] = (await world.mesh('a', 'b')) as [TestNode, TestNode]
    await a.ok('protect', data)
    await a.ok('flush')
    const before = manifestOf(data)
    const at = new Date().toISOString()
    assert.ok(totalsOf(before).files > 1000, 'the tree is big enough to mean something')

    for (const kind of ['edit', 'insert', 'append', 'rename', 'delete'] as const) mutate(data, kind, 'big-tree')
    await a.ok('flush')
    await untilComplete(a, 'data', 2)
    const now = world.path('now')
    await b.ok('restore', 'data', '--to', now)
    assertSameTree(manifestOf(data), manifestOf(now))
    const past = world.path('past')
    await b.ok('restore', 'data', '--to', past, '--at', at)
    assertSameTree(before, manifestOf(past))
    await b.ok('verify', '--read-data')
  })
})

/** Copies up to the limits, with modes and times; what cannot be read or is neither file, directory nor symlink is left out. */
function copyTree(from: string, to: string): void {
  let entries = 0
  let bytes = 0
  const copy = (source: string, target: string): void => {
    const stat = lstatSync(source)
    if (entries >= ENTRIES_MAX || bytes + stat.size > BYTES_MAX) return
    entries += 1
    if (stat.isSymbolicLink()) symlinkSync(readlinkSync(source), target)
    else if (stat.isDirectory()) {
      mkdirSync(target, { recursive: true })
      for (const name of readdirSync(source)) copy(join(source, name), join(target, name))
    } else if (stat.isFile()) {
      copyFileSync(source, target)
      bytes += stat.size
    } else return
    if (process.getuid?.() === 0 && !stat.isSymbolicLink()) chownSync(target, stat.uid, stat.gid)
    lutimesSync(target, stat.atime, stat.mtime)
  }
  copy(from, to)
}
