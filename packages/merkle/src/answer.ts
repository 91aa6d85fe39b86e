import { type ChunkId, hexOf } from '@holdfast/ports'
import { DIGEST_BYTES } from './digest.ts'
import {
  type Answer,
  type BelowAnswer,
  type LeafQuestion,
  type NodeAnswer,
  type Question,
  SHORT_DIGEST_BYTES,
  SHORT_ID_BYTES,
} from './messages.ts'
import { childOf, FANOUT, type Prefix } from './prefix.ts'
import type { Trie } from './trie.ts'

/** What this member answers. The question was decoded, so its size is bounded, and with it the answer's. */
export function answer(trie: Trie, question: Question): Answer {
  if (question.type === 'ids') return { type: 'ids', leaves: question.leaves.map((leaf) => idsOfLeaf(trie, leaf)) }
  const levels = question.prefixes.length === 1 ? 2 : 1
  return { type: 'nodes', nodes: question.prefixes.map((prefix) => nodeAt(trie, prefix, levels)) }
}

export const shortIdOf = (id: ChunkId): Uint8Array => id.subarray(id.byteLength - SHORT_ID_BYTES)

function nodeAt(trie: Trie, prefix: Prefix, levels: 1 | 2): NodeAnswer {
  const node = trie.view(prefix)
  if (node.type === 'leaf') return { type: 'leaf', shortIds: Buffer.concat(node.ids.map(shortIdOf)) }
  if (levels === 1) return { type: 'branch', below: digestsBelow(node.children, '') }
  const below = digestsBelow(node.children, '').flatMap((child) => {
    const view = trie.view(prefix + child.digits)
    return view.type === 'leaf' ? [child] : digestsBelow(view.children, child.digits)
  })
  return { type: 'branch', below }
}

function digestsBelow(children: Uint8Array, digits: string): BelowAnswer[] {
  const below: BelowAnswer[] = []
  for (let digit = 0; digit < FANOUT; digit++) {
    const digest = children.slice(digit * DIGEST_BYTES, digit * DIGEST_BYTES + SHORT_DIGEST_BYTES)
    if (digest.some((byte) => byte !== 0)) below.push({ digits: childOf(digits, digit), digest })
  }
  return below
}

function idsOfLeaf(trie: Trie, { prefix, shortIds }: LeafQuestion): readonly ChunkId[] {
  const node = trie.view(prefix)
  if (node.type === 'branch') return []
  if (shortIds.byteLength === 0) return node.ids
  const wanted = new Set<string>()
  for (let at = 0; at < shortIds.byteLength; at += SHORT_ID_BYTES)
    wanted.add(hexOf(shortIds.subarray(at, at + SHORT_ID_BYTES)))
  return node.ids.filter((id) => wanted.has(hexOf(shortIdOf(id))))
}
