import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { asChunkId, asVolumeId } from '@holdfast/ports'
import type { GroupContent } from '../../src/ingest/group-codec.ts'
import { decodeGroup, encodeGroup } from '../../src/ingest/group-codec.ts'
import type { Draft } from '../../src/ingest/types.ts'

/** Records with the prototype of literals, as they are compared. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true })

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const size = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const chunkId = exactly(32).map(asChunkId)
const name = fc.uint8Array({ maxLength: 40 })
const owner = { mode: u32, uid: u32, gid: u32, mtimeNs: time, size }

const ref = record({ id: chunkId, storedBytes: u32, kind: fc.constantFrom('bundle', 'recipe') })
const stat = record({
  type: fc.constantFrom('file', 'directory', 'symlink', 'other'),
  dev: u64,
  ino: u64,
  ctimeNs: time,
  linked: fc.boolean(),
  ...owner,
})
const error = record({
  code: fc.constantFrom('HF_UNREADABLE', 'HF_INTERNAL'),
  message: fc.string({ unit: 'grapheme' }),
})
const extent = record({ offset: u32, length: u32, fingerprint: exactly(16), place: fc.nat() })

const draft: fc.Arbitrary<Draft> = fc
  .record(
    {
      ...owner,
      path: name,
      type: fc.constantFrom('file', 'directory', 'symlink', 'absent', 'unreadable', 'other'),
      torn: fc.boolean(),
      refs: fc.uniqueArray(ref, { maxLength: 5, selector: ({ id }) => String(id) }),
      needs: fc.array(chunkId, { maxLength: 5 }),
      stat,
      target: name,
      error,
      extents: fc.array(extent, { maxLength: 40 }),
      hasRecipe: fc.boolean(),
      xattrs: fc.array(record({ name, value: name }), { minLength: 1, maxLength: 3 }),
      hardLink: exactly(16),
      sparse: fc.constant(true as const),
      special: record({ kind: fc.constantFrom('fifo', 'character', 'block'), major: u32, minor: u32 }),
    },
    {
      noNullPrototype: true,
      requiredKeys: ['path', 'type', 'mode', 'uid', 'gid', 'mtimeNs', 'size', 'torn', 'refs', 'needs', 'hasRecipe'],
    },
  )
  .map(({ extents, hasRecipe, ...rest }): Draft => {
    const { refs } = rest
    const [root] = refs
    if (root === undefined) return rest
    const recipe = hasRecipe ? { recipe: { root: root.id } } : {}
    if (extents === undefined) return { ...rest, ...recipe }
    const named = extents.map(({ place, ...it }) => ({ ...it, chunk: refs[place % refs.length]?.id ?? root.id }))
    return { ...rest, ...recipe, extents: named }
  })

const frame = record({
  entry: record({
    kind: fc.constant('chunk' as const),
    volume: exactly(16).map(asVolumeId),
    id: exactly(32),
    start: fc.constant(0),
    blockCount: fc.constant(0),
    pack: u32,
    offset: size,
    bodyBytes: u32,
  }),
  number: fc.option(fc.integer({ min: 0, max: 2 ** 30 }), { nil: undefined }),
})

describe('group codec', () => {
  it('gives back any group', () => {
    const group: fc.Arbitrary<GroupContent> = record({
      group: u32,
      drafts: fc.array(draft, { maxLength: 8 }),
      frames: fc.array(frame, { maxLength: 8 }),
    })
    fc.assert(fc.property(group, (content) => assert.deepEqual(decodeGroup(encodeGroup(content)), content)))
  })

  it('grows beyond its first buffer', () => {
    const long: Draft = {
      path: new Uint8Array(200_000).fill(7),
      type: 'absent',
      mode: 0,
      uid: 0,
      gid: 0,
      mtimeNs: 0n,
      size: 0,
      torn: false,
      refs: [],
      needs: [],
    }
    const content = { group: 3, drafts: [long, long], frames: [] }
    assert.deepEqual(decodeGroup(encodeGroup(content)), content)
  })
})
