/** Merkle trie over chunk ids: a digest of what a member holds that depends on the set alone, proofs that an id is or is not in it, and a
 *  comparison of two members' sets that walks down only where they differ. A pure core. */
export { answer } from './answer.ts'
export { createComparison } from './comparison.ts'
export type { Difference } from './comparison.ts'
export { LEAF_IDS_MAX } from './leaf.ts'
export {
  COMPARISON_ROUNDS_MAX,
  DIFFERENCE_IDS_MAX,
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
} from './messages.ts'
export type { Answer, Question } from './messages.ts'
export { checkProof, prove } from './proof.ts'
export { createTrie } from './trie.ts'
export type { Trie } from './trie.ts'
