import { hexOf } from '@holdfast/ports'
import type { SharedSegmentTable } from '@holdfast/sealing'
import { LEARNED_CHUNKS_MAX } from './limits.ts'
import type { KnownSegment } from './types.ts'

/** Owner of chunks that no worker of this run has written. */
const NO_OWNER = -1

/** Enters segments that earlier runs stored into the table. Chunks are numbered as they come: one that returns after many others gets
 *  a second number, which costs its place in the table and nothing else. */
export class LearnedChunks {
  readonly #table: SharedSegmentTable
  readonly #numbers = new Map<string, number>()

  constructor(table: SharedSegmentTable) {
    this.#table = table
  }

  add({ chunk, storedBytes, offset, length, fingerprint }: KnownSegment): void {
    if (this.#table.find(fingerprint, length) !== undefined) return
    const number = this.#numberOf({ id: chunk, storedBytes })
    if (number !== undefined) this.#table.publish(fingerprint, { chunk: number, offset, length })
  }

  #numberOf(name: { readonly id: KnownSegment['chunk']; readonly storedBytes: number }): number | undefined {
    const key = hexOf(name.id)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#table.openChunk(NO_OWNER)
    if (number === undefined) return undefined
    this.#table.setChunk(number, name)
    this.#table.markDurable(number)
    const [oldest] = this.#numbers.keys()
    if (this.#numbers.size >= LEARNED_CHUNKS_MAX && oldest !== undefined) this.#numbers.delete(oldest)
    this.#numbers.set(key, number)
    return number
  }
}
