/**
 * Plaintext of a recipe node. Chunk ids stand in the chunk's header, where everybody sees them; the entries name them by their place
 * there. Written with compact-encoding: `uint` takes 1, 3, 5 or 9 bytes.
 *
 *   version, 1 (one byte); number of entries, uint; then for each entry
 *   at level 1        child, uint; offset, uint; length, uint; fingerprint, 16 bytes
 *   at higher levels  child, uint; bytes of content below it, uint
 */
import { deriveKey } from '@holdfast/hash'
import { HoldfastError } from '@holdfast/ports'
import { state, uint } from 'compact-encoding'
import type { Fingerprinter } from './fingerprint.ts'
import { createFingerprinter } from './fingerprint.ts'
import type { ChunkName, Extent, OpenedChunk, RecipeHeader } from './types.ts'
import { CHUNK_PLAIN_BYTES_MAX, FINGERPRINT_BYTES, RECIPE_CHILDREN_MAX } from './types.ts'

const VERSION = 1

/** An extent with the stored length of its chunk. */
export interface StoredExtent extends Extent {
  readonly storedBytes: number
}

/** A finished node of the level below, with the content under it. */
export interface RecipeChild extends ChunkName {
  readonly contentBytes: number
}

/** A node ready to be sealed. */
export interface RecipeNode {
  readonly header: RecipeHeader
  readonly plain: Uint8Array
  readonly contentBytes: number
}

/** What an opened node says. */
export type RecipeEntries =
  | { readonly level: 1; readonly extents: readonly StoredExtent[] }
  | { readonly level: number; readonly children: readonly RecipeChild[] }

/** Node of level 1 over at most `RECIPE_CHILDREN_MAX` extents. */
export function encodeLeaf(extents: readonly StoredExtent[]): RecipeNode {
  const children = new ChildList()
  const plain = encodeEntries(extents, (write, { chunk, storedBytes, offset, length, fingerprint }) => {
    write.uint(children.indexOf({ id: chunk, storedBytes }))
    write.uint(offset)
    write.uint(length)
    write.bytes(fingerprint)
  })
  const contentBytes = extents.reduce((sum, { length }) => sum + length, 0)
  return { header: { level: 1, children: children.list }, plain, contentBytes }
}

/** Node of `level` ≥ 2 over at most `RECIPE_CHILDREN_MAX` nodes of the level below. */
export function encodeBranch(level: number, nodes: readonly RecipeChild[]): RecipeNode {
  const children = new ChildList()
  const plain = encodeEntries(nodes, (write, { id, storedBytes, contentBytes }) => {
    write.uint(children.indexOf({ id, storedBytes }))
    write.uint(contentBytes)
  })
  const contentBytes = nodes.reduce((sum, node) => sum + node.contentBytes, 0)
  return { header: { level, children: children.list }, plain, contentBytes }
}

/** @throws HF_DECODE */
export function decodeRecipeNode(opened: OpenedChunk): RecipeEntries {
  if (opened.recipe === undefined) throw malformed('a bundle in its place')
  const { level, children } = opened.recipe
  const read = new Reader(opened.plain)
  const version = read.byte()
  if (version !== VERSION) throw malformed(`version ${version}`)
  const count = read.uint()
  if (count < 1 || count > RECIPE_CHILDREN_MAX) throw malformed(`${count} entries`)
  const child = (): ChunkName => children[read.uint()] ?? read.fail('a child that its header does not have')
  const entries =
    level === 1
      ? { level, extents: Array.from({ length: count }, () => extent(read, child())) }
      : { level, children: Array.from({ length: count }, () => ({ ...child(), contentBytes: read.uint() })) }
  if (!read.atEnd) throw malformed('bytes after its entries')
  return entries as RecipeEntries
}

function extent(read: Reader, { id, storedBytes }: ChunkName): StoredExtent {
  const place = { chunk: id, storedBytes, offset: read.uint(), length: read.uint() }
  const entry = { ...place, fingerprint: read.bytes(FINGERPRINT_BYTES) }
  if (entry.length < 1 || entry.offset + entry.length > CHUNK_PLAIN_BYTES_MAX) read.fail('an extent outside its chunk')
  return entry
}

/** Fingerprints of recipe nodes, by which an equal node is found before it is sealed: a domain of their own, so that a file with the
 *  bytes of a node is never taken for it. `key` is the volume's fingerprint key. */
export function createNodeFingerprinter(key: Uint8Array): (node: Pick<RecipeNode, 'header' | 'plain'>) => Uint8Array {
  const fingerprint: Fingerprinter = createFingerprinter(deriveKey('holdfast 1 recipe node fingerprint', key))
  return ({ header, plain }) => fingerprint(Uint8Array.of(header.level), ...header.children.map(({ id }) => id), plain)
}

/** Distinct chunks in order of first use. */
class ChildList {
  readonly list: ChunkName[] = []
  readonly #places = new Map<string, number>()

  indexOf(child: ChunkName): number {
    const key = Buffer.from(child.id).toString('latin1')
    const known = this.#places.get(key)
    if (known !== undefined) return known
    this.#places.set(key, this.list.length)
    return this.list.push(child) - 1
  }
}

interface Writer {
  uint(value: number): void
  bytes(value: Uint8Array): void
}

/** Most bytes of one entry: three numbers of up to 9 bytes and a fingerprint. */
const ENTRY_BYTES_MAX = 3 * 9 + FINGERPRINT_BYTES

function encodeEntries<Entry>(entries: readonly Entry[], encode: (write: Writer, entry: Entry) => void): Uint8Array {
  if (entries.length < 1 || entries.length > RECIPE_CHILDREN_MAX)
    throw new TypeError(`a node of ${entries.length} entries`)
  const buffer = new Uint8Array(1 + 9 + entries.length * ENTRY_BYTES_MAX)
  const at = state(0, buffer.byteLength, buffer)
  const write: Writer = {
    uint: (value) => uint.encode(at, value),
    bytes(value) {
      buffer.set(value, at.start)
      at.start += value.byteLength
    },
  }
  write.bytes(Uint8Array.of(VERSION))
  write.uint(entries.length)
  for (const entry of entries) encode(write, entry)
  return buffer.slice(0, at.start)
}

class Reader {
  readonly #state
  readonly #plain: Uint8Array

  constructor(plain: Uint8Array) {
    this.#plain = plain
    this.#state = state(0, plain.byteLength, plain)
  }

  get atEnd(): boolean {
    return this.#state.start === this.#plain.byteLength
  }

  byte(): number {
    return this.bytes(1)[0] ?? 0
  }

  bytes(count: number): Uint8Array {
    const start = this.#state.start
    if (start + count > this.#plain.byteLength) this.fail('too few bytes')
    this.#state.start += count
    return new Uint8Array(this.#plain.subarray(start, start + count))
  }

  uint(): number {
    try {
      return uint.decode(this.#state)
    } catch (cause) {
      throw malformed('too few bytes', cause)
    }
  }

  fail(what: string): never {
    throw malformed(what)
  }
}

export function malformed(what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('HF_DECODE', `a recipe node has ${what}`, { cause })
}
