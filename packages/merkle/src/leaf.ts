import { CHUNK_ID_BYTES, type ChunkId } from '@holdfast/ports'
import { leafDigest } from './digest.ts'
import type { Prefix } from './prefix.ts'

/** Ids that may share a leaf: one more, and it splits. Fixes the shape of the trie, and with it every digest. */
export const LEAF_IDS_MAX = 256
const LEAF_IDS_FIRST = 8

/** Up to `LEAF_IDS_MAX` ids, sorted, back to back. */
export class Leaf {
  readonly prefix: Prefix
  #bytes = new Uint8Array(LEAF_IDS_FIRST * CHUNK_ID_BYTES)
  #count = 0
  #digest: Uint8Array | undefined

  constructor(prefix: Prefix) {
    this.prefix = prefix
  }

  get count(): number {
    return this.#count
  }

  /** A view, valid until the next change. */
  get ids(): Uint8Array {
    return this.#bytes.subarray(0, this.#count * CHUNK_ID_BYTES)
  }

  get digest(): Uint8Array {
    return (this.#digest ??= leafDigest(this.ids))
  }

  /** Index of the first id that is not below the given one. */
  lowerBound(id: Uint8Array): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#compare(middle, id) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  has(id: Uint8Array): boolean {
    return this.#isAt(this.lowerBound(id), id)
  }

  /** False if it was there, or if the leaf is full, which the caller sees in `count`. */
  add(id: Uint8Array): boolean {
    const index = this.lowerBound(id)
    if (this.#isAt(index, id) || this.#count === LEAF_IDS_MAX) return false
    if (this.#count * CHUNK_ID_BYTES === this.#bytes.byteLength) this.#grow()
    const at = index * CHUNK_ID_BYTES
    this.#bytes.copyWithin(at + CHUNK_ID_BYTES, at, this.#count * CHUNK_ID_BYTES)
    this.#bytes.set(id, at)
    this.#count++
    this.#digest = undefined
    return true
  }

  delete(id: Uint8Array): boolean {
    const index = this.lowerBound(id)
    if (!this.#isAt(index, id)) return false
    const at = index * CHUNK_ID_BYTES
    this.#bytes.copyWithin(at, at + CHUNK_ID_BYTES, this.#count * CHUNK_ID_BYTES)
    this.#count--
    this.#digest = undefined
    return true
  }

  *[Symbol.iterator](): Generator<ChunkId> {
    for (let index = 0; index < this.#count; index++) {
      yield this.#bytes.slice(index * CHUNK_ID_BYTES, (index + 1) * CHUNK_ID_BYTES) as ChunkId
    }
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.byteLength * 2)
    larger.set(this.#bytes)
    this.#bytes = larger
  }

  #isAt(index: number, id: Uint8Array): boolean {
    return index < this.#count && this.#compare(index, id) === 0
  }

  #compare(index: number, id: Uint8Array): number {
    const at = index * CHUNK_ID_BYTES
    for (let offset = 0; offset < CHUNK_ID_BYTES; offset++) {
      const difference = (this.#bytes[at + offset] ?? 0) - (id[offset] ?? 0)
      if (difference !== 0) return difference
    }
    return 0
  }
}
