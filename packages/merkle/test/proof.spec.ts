import assert from 'node:assert/strict'
import { asChunkId } from '@holdfast/ports'
import { checkProof, createTrie, prove } from '../src/index.ts'
import { idOf, idsOf, skewedIds } from './ids.ts'

describe('proofs', () => {
  for (const [name, ids] of [
    ['no ids', []],
    ['one leaf', idsOf(200)],
    ['many leaves', idsOf(5000)],
    ['a deep trie', skewedIds],
  ] as const) {
    it(`show what is there and what is not: ${name}`, () => {
      const trie = createTrie(ids)
      const root = trie.root()
      for (const id of ids.slice(0, 50)) assert.equal(checkProof(root, id, prove(trie, id)), true)
      for (const id of [...idsOf(50, 900_000), asChunkId(new Uint8Array(32))]) {
        assert.equal(checkProof(root, id, prove(trie, id)), false)
      }
    })
  }

  it('of another set, another id or with a byte changed are refused', () => {
    const trie = createTrie(idsOf(5000))
    const root = trie.root()
    const id = idOf(7)
    const proof = prove(trie, id)
    const refused = { code: 'HF_DECODE' }
    assert.throws(() => checkProof(createTrie(idsOf(4999)).root(), id, proof), refused)
    const elsewhere = asChunkId(id.map((byte, index) => (index === 0 ? byte ^ 0xf0 : byte)))
    assert.throws(() => checkProof(root, elsewhere, proof), refused)
    assert.throws(
      () => checkProof(root, id, { ...proof, ids: proof.ids.filter((other) => other !== id).slice(1) }),
      refused,
    )
    for (const [index, branch] of proof.branches.entries()) {
      const changed = branch.map((byte, at) => (at === 100 ? byte ^ 1 : byte))
      const branches = proof.branches.map((other, at) => (at === index ? changed : other))
      assert.throws(() => checkProof(root, id, { ...proof, branches }), refused)
    }
    assert.throws(() => checkProof(root, id, { branches: [], ids: Array.from({ length: 257 }, () => id) }), refused)
  })
})
