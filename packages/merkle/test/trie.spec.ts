import assert from 'node:assert/strict'
import { asChunkId, type ChunkId, hexOf } from '@holdfast/ports'
import { blake3 } from '@holdfast/hash'
import fc from 'fast-check'
import { createTrie, LEAF_IDS_MAX, type Trie } from '../src/index.ts'
import { idOf, idsOf, skewedIds } from './ids.ts'

const shuffled = (ids: readonly ChunkId[], seed: number): ChunkId[] =>
  ids
    .map((id) => ({ id, key: hexOf(blake3(Buffer.concat([id, Buffer.from([seed])]))) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ id }) => id)

const sorted = (ids: Iterable<ChunkId>): string[] => [...ids].map(hexOf).sort()

describe('trie', () => {
  it('keeps the digests that were fixed for these sets', () => {
    const roots = [0, 1, LEAF_IDS_MAX, LEAF_IDS_MAX + 1, 5000].map((count) => hexOf(createTrie(idsOf(count)).root()))
    assert.deepEqual(roots, [
      '8cb3caafd044797b38adeae4df04586316669c71dbe11a7b7fa46e370c70f95c',
      'afb7dd1ae833818f9d3a5bdc3cf58eff5e3ad2328add55f7cbccf23eeb527d56',
      '8de56601fe114917b292ff620dccd2ad46730784b10ee6cce7e20f06261a7616',
      '0c534871b25d0c741075c802cbb5e220a8af2765370c9c018d0f52d598aec58c',
      'e3fe9c5b374c51cdd34d8ad3efac21cb4aad7b1e6468d1182a0348dfa1867aac',
    ])
  })

  it('has a root that depends on the set, not on the order or on what was there meanwhile', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1500 }),
        fc.integer({ min: 0, max: 600 }),
        fc.nat(255),
        (count, passing, seed) => {
          const ids = idsOf(count)
          const others = idsOf(passing, 1_000_000)
          const trie = createTrie(shuffled([...ids, ...others], seed))
          trie.root()
          for (const id of shuffled(others, seed + 1)) assert.ok(trie.delete(id))
          assert.equal(trie.size, count)
          assert.deepEqual(trie.root(), createTrie(ids).root())
        },
      ),
      { numRuns: 20 },
    )
  })

  it('answers like a set, whatever is added and deleted', () => {
    const step = fc.record({ add: fc.boolean(), id: fc.integer({ min: 0, max: 400 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1500 }), (steps) => {
        const trie = createTrie()
        const model = new Map<string, ChunkId>()
        for (const { add, id: number } of steps) {
          const id = skewedIds[number] ?? idOf(number)
          const key = hexOf(id)
          assert.equal(add ? trie.add(id) : trie.delete(id), add ? !model.has(key) : model.has(key))
          if (add) model.set(key, id)
          else model.delete(key)
        }
        assert.equal(trie.size, model.size)
        assert.deepEqual([...trie.ids()].map(hexOf), sorted(model.values()))
        assert.deepEqual(trie.root(), createTrie(model.values()).root())
      }),
      { numRuns: 30 },
    )
  })

  it('gives the ids under a prefix, and their digest as if there were no others', () => {
    const trie = createTrie(idsOf(3000))
    for (const prefix of ['', '0', 'a7', 'fff', 'c0ffee']) {
      const under = idsOf(3000).filter((id) => hexOf(id).startsWith(prefix))
      assert.deepEqual([...trie.ids(prefix)].map(hexOf), sorted(under))
      if (under.length <= LEAF_IDS_MAX && under.length > 0)
        assert.deepEqual(trie.digestAt(prefix), createTrie(under).root())
      if (under.length === 0) assert.equal(trie.digestAt(prefix), undefined)
    }
  })

  it('holds ids that share all but their last digits', () => {
    const trie = createTrie(skewedIds)
    assert.equal(trie.size, skewedIds.length)
    for (const id of skewedIds) assert.ok(trie.has(id))
    for (const id of skewedIds.slice(1)) trie.delete(id)
    assert.deepEqual(trie.root(), createTrie(skewedIds.slice(0, 1)).root())
  })

  describe('stored by its changed leaves', () => {
    const stored = new Map<string, Uint8Array>()
    function store(trie: Trie): void {
      for (const [prefix, ids] of trie.takeChangedLeaves()) {
        if (ids === undefined) stored.delete(prefix)
        else stored.set(prefix, ids)
      }
    }
    function* loaded(): Generator<ChunkId> {
      for (const ids of stored.values()) {
        for (let at = 0; at < ids.byteLength; at += 32) yield asChunkId(ids.subarray(at, at + 32))
      }
    }

    it('is the same again, after growing, shrinking and growing', () => {
      const trie = createTrie()
      const change = (from: number, count: number, isAdded: boolean): void => {
        for (const id of idsOf(count, from))
          if (isAdded) trie.add(id)
          else trie.delete(id)
        store(trie)
        assert.deepEqual(createTrie(loaded()).root(), trie.root())
      }
      change(0, 100, true)
      change(100, 2000, true)
      change(0, 2050, false)
      change(0, 0, true)
      change(0, 700, true)
      assert.equal(trie.takeChangedLeaves().size, 0)
    })
  })
})
