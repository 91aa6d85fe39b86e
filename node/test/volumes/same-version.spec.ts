import assert from 'node:assert/strict'
import type { CatalogRow } from '@holdfast/journal'
import { asChunkId } from '@holdfast/ports'
import { isSameVersion } from '../../src/volumes/same-version.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.of(...values)
const chunk = (value: number) => asChunkId(new Uint8Array(32).fill(value))
const extent = (value: number, change: object = {}) => ({
  chunk: chunk(1),
  offset: 0,
  length: 10,
  fingerprint: new Uint8Array(16).fill(value),
  ...change,
})
const ROW: CatalogRow = {
  seq: 1,
  epoch: 1,
  timeMs: 1,
  kind: 'put',
  refs: [],
  path: bytes(1),
  type: 'file',
  mode: 0o644,
  uid: 1,
  gid: 2,
  mtimeNs: 3n,
  size: 10,
  torn: false,
  content: { type: 'inline', extents: [extent(1)] },
  xattrs: [{ name: bytes(1), value: bytes(2) }],
  hardLink: bytes(9),
}

describe('whether two versions of a path say the same', () => {
  it('numbers, times of records and places of chunks do not matter', () => {
    const elsewhere = { type: 'inline', extents: [extent(1, { chunk: chunk(2), offset: 5 })] } as const
    assert.ok(isSameVersion(ROW, { ...ROW, seq: 2, epoch: 3, timeMs: 4, content: elsewhere }))
  })

  const other: Record<string, Partial<CatalogRow>> = {
    path: { path: bytes(2) },
    kind: { kind: 'delete' },
    type: { type: 'directory' },
    mode: { mode: 0o600 },
    owner: { uid: 5 },
    group: { gid: 5 },
    mtime: { mtimeNs: 4n },
    size: { size: 11 },
    torn: { torn: true },
    target: { target: bytes(1) },
    'hard link': { hardLink: bytes(8) },
    'value of an attribute': { xattrs: [{ name: bytes(1), value: bytes(3) }] },
    'name of an attribute': { xattrs: [{ name: bytes(3), value: bytes(2) }] },
    'number of attributes': { xattrs: [] },
    'content of equal length in the same chunk': { content: { type: 'inline', extents: [extent(2, { offset: 10 })] } },
    'number of segments': { content: { type: 'inline', extents: [extent(1), extent(1)] } },
    'kind of content': { content: { type: 'recipe', root: chunk(1) } },
    'no content': { content: { type: 'none' } },
  }
  for (const [what, change] of Object.entries(other))
    it(`another ${what} makes another version`, () => {
      assert.equal(isSameVersion(ROW, { ...ROW, ...change }), false)
      assert.equal(isSameVersion({ ...ROW, ...change }, ROW), false)
    })

  it('recipes are compared by their roots, deletions by their path', () => {
    const recipe = (value: number): CatalogRow => ({ ...ROW, content: { type: 'recipe', root: chunk(value) } })
    assert.ok(isSameVersion(recipe(1), recipe(1)))
    assert.equal(isSameVersion(recipe(1), recipe(2)), false)
    assert.ok(isSameVersion({ ...ROW, kind: 'delete' }, { ...ROW, kind: 'delete', size: 99 }))
  })
})
