import { type ChunkId, hexOf } from '@holdfast/ports'
import { BRANCH_BYTES, branchDigest, DIGEST_BYTES, leafDigest } from './digest.ts'
import { Leaf, LEAF_IDS_MAX } from './leaf.ts'
import { childOf, digitAt, FANOUT, isUnder, type Prefix } from './prefix.ts'

class Branch {
  readonly children: (TrieNode | undefined)[] = Array.from({ length: FANOUT })
  count = 0
  #digest: Uint8Array | undefined

  /** To be called after any change below. */
  changed(): void {
    this.#digest = undefined
  }

  get digest(): Uint8Array {
    return (this.#digest ??= branchDigest(this.childDigests()))
  }

  childDigests(): Uint8Array {
    const digests = new Uint8Array(BRANCH_BYTES)
    this.children.forEach((child, digit) => {
      if (child !== undefined) digests.set(child.digest, digit * DIGEST_BYTES)
    })
    return digests
  }
}

export type TrieNode = Leaf | Branch

/** What stands at a prefix: the digests of sixteen children (zeros for none), or all ids below it. */
export type NodeView =
  | { readonly type: 'branch'; readonly children: Uint8Array }
  | { readonly type: 'leaf'; readonly ids: readonly ChunkId[] }

/** A set of chunk ids with a digest that depends on the set alone, whatever the order of changes: a prefix is a leaf exactly while at
 *  most `LEAF_IDS_MAX` ids share it. About 75 bytes of memory per id. */
export interface Trie {
  readonly size: number
  has(id: ChunkId): boolean
  /** False if it was there already. */
  add(id: ChunkId): boolean
  /** False if it was not there. */
  delete(id: ChunkId): boolean
  /** Digest of the whole set, 32 bytes; hashes only what changed since it was last asked. */
  root(): Uint8Array
  /** Digest of the ids under a prefix, as if they were all there is there; undefined if there are none. */
  digestAt(prefix: Prefix): Uint8Array | undefined
  view(prefix: Prefix): NodeView
  /** Ids under a prefix, ascending. The trie must not change meanwhile. */
  ids(prefix?: Prefix): Generator<ChunkId>
  /** Leaves that changed since the last call, by prefix, for whoever stores them; undefined where there is no leaf any more.
   *  Ids are back to back, ascending, the caller's. A stored set of all leaves makes the same trie again. */
  takeChangedLeaves(): Map<Prefix, Uint8Array | undefined>
}

export function createTrie(ids: Iterable<ChunkId> = []): Trie {
  const trie = new HexTrie()
  for (const id of ids) trie.add(id)
  return trie
}

class HexTrie implements Trie {
  #top: TrieNode = new Leaf('')
  readonly #changedLeaves = new Set<Prefix>()

  get size(): number {
    return this.#top.count
  }

  has(id: ChunkId): boolean {
    let node: TrieNode | undefined = this.#top
    for (let depth = 0; node instanceof Branch; depth++) node = node.children[digitAt(id, depth)]
    return node?.has(id) ?? false
  }

  add(id: ChunkId): boolean {
    if (this.has(id)) return false
    const path: Branch[] = []
    let node = this.#top
    while (node instanceof Branch) {
      path.push(node)
      node = node.children[digitAt(id, path.length - 1)] ??= new Leaf(hexPrefix(id, path.length))
    }
    if (node.count === LEAF_IDS_MAX) this.#put(path, id, this.#split([...node, id], node.prefix))
    else {
      node.add(id)
      this.#changedLeaves.add(node.prefix)
    }
    for (const branch of path) {
      branch.count++
      branch.changed()
    }
    return true
  }

  delete(id: ChunkId): boolean {
    if (!this.has(id)) return false
    const path: Branch[] = []
    let node: TrieNode | undefined = this.#top
    while (node instanceof Branch) {
      path.push(node)
      node = node.children[digitAt(id, path.length - 1)]
    }
    if (node === undefined) return false
    node.delete(id)
    this.#changedLeaves.add(node.prefix)
    for (const branch of path) {
      branch.count--
      branch.changed()
    }
    const parent = path.at(-1)
    if (parent !== undefined && node.count === 0) parent.children[digitAt(id, path.length - 1)] = undefined
    this.#join(path, id)
    return true
  }

  root(): Uint8Array {
    return this.#top.digest.slice()
  }

  digestAt(prefix: Prefix): Uint8Array | undefined {
    const [node, depth] = this.#nodeAt(prefix)
    if (node === undefined || node.count === 0) return undefined
    if (depth === prefix.length) return node.digest.slice()
    const ids = [...idsOf(node, prefix)]
    return ids.length === 0 ? undefined : leafDigest(Buffer.concat(ids))
  }

  view(prefix: Prefix): NodeView {
    const [node] = this.#nodeAt(prefix)
    if (node instanceof Branch) return { type: 'branch', children: node.childDigests() }
    return { type: 'leaf', ids: [...this.ids(prefix)] }
  }

  *ids(prefix: Prefix = ''): Generator<ChunkId> {
    const [node] = this.#nodeAt(prefix)
    if (node !== undefined) yield* idsOf(node, prefix)
  }

  takeChangedLeaves(): Map<Prefix, Uint8Array | undefined> {
    const leaves = new Map<Prefix, Uint8Array | undefined>()
    for (const prefix of this.#changedLeaves) {
      const [node, depth] = this.#nodeAt(prefix)
      const isLeaf = node instanceof Leaf && depth === prefix.length && node.count > 0
      leaves.set(prefix, isLeaf ? node.ids.slice() : undefined)
    }
    this.#changedLeaves.clear()
    return leaves
  }

  /** The node at a prefix, or the leaf above it that holds what is under it, and its depth. */
  #nodeAt(prefix: Prefix): [TrieNode | undefined, number] {
    let node: TrieNode | undefined = this.#top
    let depth = 0
    while (node instanceof Branch && depth < prefix.length) {
      node = node.children[Number.parseInt(prefix[depth] ?? '', FANOUT)]
      depth++
    }
    return [node, depth]
  }

  #put(path: readonly Branch[], id: ChunkId, node: TrieNode): void {
    const parent = path.at(-1)
    if (parent === undefined) this.#top = node
    else parent.children[digitAt(id, path.length - 1)] = node
  }

  /** One leaf, or a branch over as many as it takes. */
  #split(ids: readonly ChunkId[], prefix: Prefix): TrieNode {
    this.#changedLeaves.add(prefix)
    if (ids.length <= LEAF_IDS_MAX) return leafOf(ids, prefix)
    const branch = new Branch()
    branch.count = ids.length
    for (let digit = 0; digit < FANOUT; digit++) {
      const under = ids.filter((id) => digitAt(id, prefix.length) === digit)
      if (under.length > 0) branch.children[digit] = this.#split(under, childOf(prefix, digit))
    }
    return branch
  }

  /** The highest branch on the path that has few enough ids becomes a leaf. */
  #join(path: readonly Branch[], id: ChunkId): void {
    const depth = path.findIndex((branch) => branch.count <= LEAF_IDS_MAX)
    const branch = path[depth]
    if (branch === undefined) return
    const prefix = hexPrefix(id, depth)
    for (const gone of leavesOf(branch)) this.#changedLeaves.add(gone.prefix)
    this.#changedLeaves.add(prefix)
    this.#put(path.slice(0, depth), id, leafOf([...idsOf(branch, prefix)], prefix))
  }
}

function hexPrefix(id: ChunkId, digits: number): Prefix {
  return hexOf(id.subarray(0, (digits + 1) >> 1)).slice(0, digits)
}

function leafOf(ids: readonly ChunkId[], prefix: Prefix): Leaf {
  const leaf = new Leaf(prefix)
  for (const id of ids) leaf.add(id)
  return leaf
}

function* leavesOf(node: TrieNode): Generator<Leaf> {
  if (node instanceof Leaf) yield node
  else for (const child of node.children) if (child !== undefined) yield* leavesOf(child)
}

function* idsOf(node: TrieNode, prefix: Prefix): Generator<ChunkId> {
  for (const leaf of leavesOf(node)) {
    if (leaf.prefix.length >= prefix.length) yield* leaf
    else for (const id of leaf) if (isUnder(id, prefix)) yield id
  }
}
