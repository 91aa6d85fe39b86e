import { type ChunkId, HoldfastError } from '@holdfast/ports'
import { BRANCH_BYTES, branchDigest, DIGEST_BYTES, leafDigest, NO_CHILD } from './digest.ts'
import { LEAF_IDS_MAX } from './leaf.ts'
import { digitAt, PREFIX_DIGITS_MAX } from './prefix.ts'
import type { Trie } from './trie.ts'

/** Shows whether an id is in the set with a known root: the branches from the root down, then the ids of the leaf at their end
 *  (none if the last branch has no child there). At most 64 × 512 + 8,192 bytes; about 10 kB for a million ids. */
export interface Proof {
  /** Digests of the sixteen children of each branch on the way, 512 bytes each, the root's first. */
  readonly branches: readonly Uint8Array[]
  readonly ids: readonly ChunkId[]
}

export function prove(trie: Trie, id: ChunkId): Proof {
  const branches: Uint8Array[] = []
  let prefix = ''
  for (;;) {
    const node = trie.view(prefix)
    if (node.type === 'leaf') return { branches, ids: node.ids }
    branches.push(node.children)
    prefix += digitAt(id, prefix.length).toString(16)
  }
}

/** Whether the set with this root has the id.
 *  @throws HoldfastError HF_DECODE if the proof does not show it */
export function checkProof(root: Uint8Array, id: ChunkId, proof: Proof): boolean {
  const { branches, ids } = proof
  if (branches.length > PREFIX_DIGITS_MAX || ids.length > LEAF_IDS_MAX) throw refused('longer than any proof')
  let expected = root
  for (const [depth, children] of branches.entries()) {
    if (children.byteLength !== BRANCH_BYTES || !equal(branchDigest(children), expected))
      throw refused('a branch of another trie')
    const at = digitAt(id, depth) * DIGEST_BYTES
    expected = children.subarray(at, at + DIGEST_BYTES)
  }
  if (branches.length > 0 && equal(expected, NO_CHILD)) {
    if (ids.length > 0) throw refused('ids where there is no leaf')
    return false
  }
  if (!equal(leafDigest(Buffer.concat(ids)), expected)) throw refused('a leaf of another trie')
  return ids.some((other) => equal(other, id))
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

function refused(what: string): HoldfastError {
  return new HoldfastError('HF_DECODE', `a proof with ${what}: nothing is known about the chunk; ask another member`)
}
