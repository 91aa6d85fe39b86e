import type { ChunkName } from '@holdfast/sealing'
import { FINGERPRINT_BYTES } from '@holdfast/sealing'
import { EXTENT_LIST_CAPACITY } from './limits.ts'

/** A chunk that extents point into, before and after it has a name. */
export interface ChunkTicket {
  /** In the segment table; undefined if the table had no room, when only this worker knows the chunk. */
  readonly number: number | undefined
  /** Set once this worker has sealed it, or has looked it up. */
  name: ChunkName | undefined
  /** Its frame could not be written. */
  lost: boolean
}

/** Where the segments of one file are, in file order: 28 bytes each, so that a file of 20 GiB costs 8 MiB, not an object a segment. */
export class ExtentList {
  readonly #tickets: ChunkTicket[] = []
  /** Place of each ticket, once there are several: most files have one. */
  #places: Map<ChunkTicket, number> | undefined
  /** Place in `#tickets`, offset, length. */
  #words = new Uint32Array(3 * EXTENT_LIST_CAPACITY)
  #fingerprints = new Uint8Array(FINGERPRINT_BYTES * EXTENT_LIST_CAPACITY)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Distinct chunks in order of first use. */
  get tickets(): readonly ChunkTicket[] {
    return this.#tickets
  }

  /** Copies the fingerprint. */
  add(ticket: ChunkTicket, offset: number, length: number, fingerprint: Uint8Array): void {
    if (this.#length * 3 === this.#words.length) this.#grow()
    this.#words[this.#length * 3] = this.#placeOf(ticket)
    this.#words[this.#length * 3 + 1] = offset
    this.#words[this.#length * 3 + 2] = length
    this.#fingerprints.set(fingerprint, this.#length * FINGERPRINT_BYTES)
    this.#length++
  }

  /** For a second reading of the file. */
  clear(): void {
    this.#tickets.length = 0
    this.#places = undefined
    this.#length = 0
  }

  *[Symbol.iterator](): Generator<{ ticket: ChunkTicket; offset: number; length: number; fingerprint: Uint8Array }> {
    for (let index = 0; index < this.#length; index++) {
      const ticket = this.#tickets[this.#words[index * 3] ?? 0]
      if (ticket === undefined) throw new RangeError('an extent without a chunk')
      yield {
        ticket,
        offset: this.#words[index * 3 + 1] ?? 0,
        length: this.#words[index * 3 + 2] ?? 0,
        fingerprint: this.#fingerprints.slice(index * FINGERPRINT_BYTES, (index + 1) * FINGERPRINT_BYTES),
      }
    }
  }

  #placeOf(ticket: ChunkTicket): number {
    const last = this.#tickets.length - 1
    if (this.#tickets[last] === ticket) return last
    this.#places ??= new Map(this.#tickets.map((each, place) => [each, place]))
    const known = this.#places.get(ticket)
    if (known !== undefined) return known
    this.#places.set(ticket, last + 1)
    this.#tickets.push(ticket)
    return last + 1
  }

  #grow(): void {
    const words = new Uint32Array(this.#words.length * 2)
    words.set(this.#words)
    this.#words = words
    const fingerprints = new Uint8Array(this.#fingerprints.length * 2)
    fingerprints.set(this.#fingerprints)
    this.#fingerprints = fingerprints
  }
}
