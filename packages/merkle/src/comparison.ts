import { type ChunkId, equalBytes, hexOf, HoldfastError } from '@holdfast/ports'
import { shortIdOf } from './answer.ts'
import {
  type Answer,
  COMPARISON_ROUNDS_MAX,
  DIFFERENCE_IDS_MAX,
  type LeafQuestion,
  type NodeAnswer,
  type Question,
  QUESTION_PREFIXES_MAX,
  SHORT_DIGEST_BYTES,
  SHORT_ID_BYTES,
} from './messages.ts'
import { childOf, FANOUT, isUnder, type Prefix, PREFIX_DIGITS_MAX } from './prefix.ts'
import type { Trie } from './trie.ts'

/** What two members' sets do not share. Not `complete`: there is more than one comparison lists, or more than it may ask. */
export interface Difference {
  /** Ids that the peer says it has and we lack. */
  readonly missing: readonly ChunkId[]
  /** Ids that we have and the peer lacks. */
  readonly extra: readonly ChunkId[]
  readonly complete: boolean
}

/** One walk down two tries, asked of one peer, question by question. Sets that change meanwhile give a difference that is as old as the
 *  answers: it is derived anew each time, never kept. */
export interface Comparison {
  /** The next question, undefined at the end. Each has to be answered before the next is asked. */
  next(): Question | undefined
  /** @throws HoldfastError HF_PEER_PROTOCOL if this answers another question */
  receive(answer: Answer): void
  difference(): Difference
}

/** Begins at the roots, which the caller found to differ. */
export function createComparison(trie: Trie): Comparison {
  return new Walk(trie)
}

class Walk implements Comparison {
  readonly #trie: Trie
  readonly #missing: ChunkId[] = []
  readonly #extra: ChunkId[] = []
  #prefixes: Prefix[] = ['']
  #leaves: LeafQuestion[] = []
  #asked: Question | undefined
  #rounds = 0
  #isComplete = true

  constructor(trie: Trie) {
    this.#trie = trie
  }

  next(): Question | undefined {
    if (this.#prefixes.length + this.#leaves.length === 0) return undefined
    if (!this.#isComplete || ++this.#rounds > COMPARISON_ROUNDS_MAX) {
      this.#isComplete = false
      return undefined
    }
    // Deepest first, and ids as soon as they fill a question: so a peer that invents nodes cannot make this list grow.
    this.#asked =
      this.#prefixes.length === 0 || this.#leaves.length >= QUESTION_PREFIXES_MAX
        ? { type: 'ids', leaves: this.#leaves.splice(-QUESTION_PREFIXES_MAX) }
        : { type: 'nodes', prefixes: this.#prefixes.splice(-QUESTION_PREFIXES_MAX) }
    return this.#asked
  }

  receive(answer: Answer): void {
    const asked = this.#asked
    this.#asked = undefined
    if (asked?.type === 'nodes' && answer.type === 'nodes' && answer.nodes.length === asked.prefixes.length) {
      asked.prefixes.forEach((prefix, index) => this.#takeNode(prefix, answer.nodes[index]))
    } else if (asked?.type === 'ids' && answer.type === 'ids' && answer.leaves.length === asked.leaves.length) {
      asked.leaves.forEach((leaf, index) => this.#takeIds(leaf, answer.leaves[index] ?? []))
    } else throw foreignAnswer()
  }

  difference(): Difference {
    return { missing: this.#missing, extra: this.#extra, complete: this.#isComplete }
  }

  #takeNode(prefix: Prefix, node: NodeAnswer | undefined): void {
    if (node === undefined) throw foreignAnswer()
    if (node.type === 'leaf') {
      this.#takeLeaf(prefix, node.shortIds)
      return
    }
    if (prefix.length + 2 > PREFIX_DIGITS_MAX) throw foreignAnswer()
    const theirs = new Map(node.below.map(({ digits, digest }) => [digits, digest]))
    for (let digit = 0; digit < FANOUT; digit++) {
      const child = childOf('', digit)
      const grandchildren = [...theirs.keys()].filter((digits) => digits.length === 2 && digits.startsWith(child))
      if (grandchildren.length === 0) this.#takeDigest(prefix + child, theirs.get(child))
      else {
        for (let below = 0; below < FANOUT; below++) {
          const grandchild = childOf(child, below)
          this.#takeDigest(prefix + grandchild, theirs.get(grandchild))
        }
      }
    }
  }

  #takeDigest(prefix: Prefix, digest: Uint8Array | undefined): void {
    if (digest === undefined) {
      for (const id of this.#trie.ids(prefix)) if (!this.#list(this.#extra, id)) return
      return
    }
    const own = this.#trie.digestAt(prefix)
    if (own === undefined || !equalBytes(own.subarray(0, SHORT_DIGEST_BYTES), digest)) this.#prefixes.push(prefix)
  }

  #takeLeaf(prefix: Prefix, shortIds: Uint8Array): void {
    const theirs = new Set<string>()
    for (let at = 0; at < shortIds.byteLength; at += SHORT_ID_BYTES)
      theirs.add(hexOf(shortIds.subarray(at, at + SHORT_ID_BYTES)))
    const count = theirs.size
    let isSame = true
    for (const id of this.#trie.ids(prefix)) {
      if (theirs.delete(hexOf(shortIdOf(id)))) continue
      isSame = false
      if (!this.#list(this.#extra, id)) return
    }
    // All of them in short, and yet another digest: two ids share their short form, and only whole ones tell them apart.
    if (isSame && theirs.size === 0 && count > 0) this.#leaves.push({ prefix, shortIds: new Uint8Array(0) })
    else if (theirs.size > 0) this.#leaves.push({ prefix, shortIds: Buffer.from([...theirs].join(''), 'hex') })
  }

  #takeIds({ prefix, shortIds }: LeafQuestion, ids: readonly ChunkId[]): void {
    if (ids.some((id) => !isUnder(id, prefix))) throw foreignAnswer()
    for (const id of ids) if (!this.#trie.has(id) && !this.#list(this.#missing, id)) return
    if (shortIds.byteLength > 0) return
    const theirs = new Set(ids.map(hexOf))
    for (const id of this.#trie.ids(prefix)) if (!theirs.has(hexOf(id)) && !this.#list(this.#extra, id)) return
  }

  /** False if the list is full: the rest is for another comparison. */
  #list(ids: ChunkId[], id: ChunkId): boolean {
    if (ids.length === DIFFERENCE_IDS_MAX) this.#isComplete = false
    else ids.push(id)
    return this.#isComplete
  }
}

function foreignAnswer(): HoldfastError {
  return new HoldfastError('HF_PEER_PROTOCOL', 'a peer answered another question about its trie than was asked')
}
