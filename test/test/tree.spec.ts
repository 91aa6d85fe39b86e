import assert from 'node:assert/strict'
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { assertSameTree, differences, manifestOf, totalsOf } from '../src/tree.ts'
import { makeTree } from '../src/workload.ts'
import { mutate, type Mutation } from '../src/mutations.ts'
import { temporaryDirectory } from '../src/temporary.ts'

describe('the judge of trees', () => {
  const directory = temporaryDirectory('tree')
  const make = (name: string): string => {
    const root = directory.path(name)
    mkdirSync(`${root}/d`, { recursive: true })
    writeFileSync(`${root}/d/a`, 'one')
    writeFileSync(`${root}/b`, 'two')
    for (const path of ['d/a', 'b']) chmodSync(`${root}/${path}`, 0o644)
    symlinkSync('d/a', `${root}/link`)
    for (const path of ['d/a', 'b', 'd', '.']) utimesSync(`${root}/${path}`, 1, 1)
    return root
  }
  const told = (name: string, change: (root: string) => void): string[] => {
    const expected = manifestOf(make(`${name}-1`))
    const root = make(`${name}-2`)
    change(root)
    for (const path of ['d', '.']) utimesSync(`${root}/${path}`, 1, 1)
    return differences(expected, manifestOf(root), ['content', 'mode', 'links'])
  }

  it('finds equal trees equal, and counts them', () => {
    const tree = manifestOf(make('same'))
    assertSameTree(tree, manifestOf(directory.path('same')), ['content', 'mode', 'owner', 'mtime', 'links'])
    assert.deepEqual(totalsOf(tree), { files: 2, bytes: 6 })
  })

  it('names what is missing, what is too much, and what differs', () => {
    assert.deepEqual(
      told('missing', (root) => rmSync(`${root}/b`)),
      ['b: missing'],
    )
    assert.deepEqual(
      told('extra', (root) => mkdirSync(`${root}/z`)),
      ['z: not expected'],
    )
    assert.match(told('content', (root) => writeFileSync(`${root}/b`, 'TWO'))[0] ?? '', /^b: content is file 3 /)
    assert.deepEqual(
      told('mode', (root) => chmodSync(`${root}/b`, 0o600)),
      ['b: mode is 600, expected 644'],
    )
    assert.match(told('links', (root) => linkSync(`${root}/b`, `${root}/c`)).join(' '), /b: links is b, expected alone/)
  })

  it('sees one nanosecond', () => {
    const expected = manifestOf(make('time'))
    const entry = expected.get('b')
    assert.ok(entry !== undefined)
    const later = new Map(expected).set('b', { ...entry, mtimeNs: entry.mtimeNs + 1n })
    assert.throws(() => assertSameTree(expected, later), /b: mtime is 1000000001, expected 1000000000/)
  })
})

describe('the workload generator', () => {
  const directory = temporaryDirectory('workload')

  it('makes the same tree from the same seed, and another from another', () => {
    for (const profile of ['mixed', 'small', 'image'] as const) {
      const trees = ['1', '1', '2'].map((seed, index) => {
        const root = directory.path(`${profile}-${index}`)
        makeTree(root, { profile, seed, scale: 0.002 })
        return manifestOf(root)
      })
      const [first, same, other] = trees
      assert.ok(first !== undefined && same !== undefined && other !== undefined)
      assert.deepEqual(differences(first, same, ['content', 'mode', 'owner', 'mtime']), [])
      assert.notDeepEqual(differences(first, other), [])
    }
  })

  it('changes a tree in each of the ways, and by the seed alone', () => {
    for (const kind of ['edit', 'insert', 'append', 'rename', 'delete'] satisfies Mutation[]) {
      const trees = [0, 1].map((index) => {
        const root = directory.path(`${kind}-${index}`)
        makeTree(root, { profile: 'mixed', seed: kind, scale: 0.002 })
        const before = manifestOf(root)
        assert.ok(mutate(root, kind, 's') > 0)
        const after = manifestOf(root)
        assert.notDeepEqual(differences(before, after, ['content']), [], kind)
        return after
      })
      assert.deepEqual(differences(trees[0] ?? new Map(), trees[1] ?? new Map(), ['content']), [])
    }
  })
})
