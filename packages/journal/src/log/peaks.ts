/**
 * Merkle peaks: the roots of the full subtrees over a log's blocks, at most one per power of two. They are all that is
 * needed to append and to compute the tree hash, so a writer can sign a head before anything is stored. Node numbers are
 * those of flat in-order trees (https://datprotocol.github.io/book/ch01-02-merkle-tree.html); hashes are hypercore's.
 */
import flat from 'flat-tree'
import type { TreeNode } from 'hypercore'
import hypercoreCrypto from 'hypercore-crypto'

export interface Peaks {
  /** Blocks under the peaks. */
  readonly length: number
  /** From left to right. */
  readonly roots: readonly TreeNode[]
}

export const NO_PEAKS: Peaks = { length: 0, roots: [] }

/** Peaks after appending blocks; `onNode` is told of every node that comes into being. */
export function appendToPeaks(peaks: Peaks, blocks: readonly Uint8Array[], onNode?: (node: TreeNode) => void): Peaks {
  const roots = [...peaks.roots]
  let { length } = peaks
  for (const block of blocks) {
    let node: TreeNode = { index: 2 * length++, size: block.byteLength, hash: hypercoreCrypto.data(block) }
    onNode?.(node)
    for (let left = roots.at(-1); left?.index === flat.sibling(node.index); left = roots.at(-1)) {
      roots.pop()
      node = { index: flat.parent(node.index), size: left.size + node.size, hash: hypercoreCrypto.parent(left, node) }
      onNode?.(node)
    }
    roots.push(node)
  }
  return { length, roots }
}

/** 32 bytes, the caller's. */
export function treeHashOf(peaks: Peaks): Uint8Array {
  return new Uint8Array(hypercoreCrypto.tree(peaks.roots))
}

/** Numbers of the peaks of a log of `length` blocks. */
export const peakIndexes = (length: number): number[] => flat.fullRoots(2 * length)
