import { hasCode, hexOf } from '@holdfast/ports'
import type { ChunkId, ChunkStore, VolumeId } from '@holdfast/ports'
import type { ChunkRef } from '@holdfast/journal'
import { readChunkHeader } from '@holdfast/sealing'

export interface MissingRef {
  readonly id: ChunkId
  /** As the record or the recipe says. */
  readonly storedBytes: number
}

interface Missing extends MissingRef {
  readonly recipe: boolean
  /** Blocks below this one do not need the chunk. */
  readonly block: number
}

/**
 * Which chunks the journal names and this member does not hold. A member is complete up to the first block that needs a
 * missing chunk. Recipes are looked into as soon as they are held: their children are public.
 * Memory: about 250 bytes for each missing chunk; it is derived, so losing it costs a scan and nothing else.
 */
export class Completeness {
  readonly #store: ChunkStore
  readonly #volume: VolumeId
  readonly #missing = new Map<string, Missing>()
  readonly #perBlock = new Map<number, number>()
  #length = 0

  constructor(store: ChunkStore, volume: VolumeId) {
    this.#store = store
    this.#volume = volume
  }

  /** Blocks up to which every chunk is held. */
  get completeLength(): number {
    let complete = this.#length
    for (const block of this.#perBlock.keys()) if (block < complete) complete = block
    return complete
  }

  get missingCount(): number {
    return this.#missing.size
  }

  get missingBytes(): number {
    let bytes = 0
    for (const { storedBytes } of this.#missing.values()) bytes += storedBytes
    return bytes
  }

  /** Blocks below `length` are known to be complete: nothing in them needs a look. */
  startAt(length: number): void {
    this.#missing.clear()
    this.#perBlock.clear()
    this.#length = length
  }

  /** Takes in what the records of one more block name. Call in the order of the blocks. */
  async addBlock(block: number, refs: Iterable<ChunkRef>): Promise<void> {
    for (const ref of refs) await this.#need(ref.id, ref.storedBytes, ref.role === 'recipe', block)
    this.#length = block + 1
  }

  /** Takes in what this node itself recorded in the blocks from `start` to `end`: a writer's chunks are durable before its frame is
   *  published, so recipes are not looked into: for each edit of a huge file that would be all of its nodes. */
  addOwn(start: number, end: number, refs: Iterable<ChunkRef>): void {
    for (const { id, storedBytes, role } of refs) {
      if (!this.#store.has(this.#volume, id))
        this.#add(hexOf(id), { id, storedBytes, recipe: role === 'recipe', block: start })
      else this.#settle(hexOf(id))
    }
    this.#length = end
  }

  /** Takes in what blocks of earlier epochs name: without it nothing is complete. */
  async addEarlier(refs: Iterable<ChunkRef>): Promise<void> {
    for (const ref of refs) await this.#need(ref.id, ref.storedBytes, ref.role === 'recipe', 0)
  }

  /** Up to `limit` missing chunks, oldest first. */
  missing(limit: number, skip: (id: ChunkId) => boolean): MissingRef[] {
    const found: MissingRef[] = []
    for (const each of this.#missing.values()) {
      if (found.length >= limit) break
      if (!skip(each.id)) found.push(each)
    }
    return found
  }

  /** A chunk is stored now: what it was missing for is one less, and a recipe's children come into view. */
  async arrived(id: ChunkId): Promise<void> {
    const key = hexOf(id)
    const missing = this.#missing.get(key)
    if (missing === undefined) return
    if (missing.recipe) await this.#needChildren(missing, missing.block)
    // Meanwhile it may have been lost again, or an earlier block may turn out to need it.
    if (this.#store.has(this.#volume, id)) this.#settle(key)
  }

  /** A chunk that was held is bad or gone: blocks from `block` on are incomplete until it is here again. */
  lost(id: ChunkId, storedBytes: number, recipe: boolean, block: number): void {
    this.#add(hexOf(id), { id, storedBytes, recipe, block })
  }

  async #need(id: ChunkId, storedBytes: number, recipe: boolean, block: number): Promise<void> {
    if (!this.#store.has(this.#volume, id)) this.#add(hexOf(id), { id, storedBytes, recipe, block })
    else if (recipe) await this.#needChildren({ id, storedBytes }, block)
  }

  async #needChildren({ id, storedBytes }: MissingRef, block: number): Promise<void> {
    const stored = await this.#read(id)
    // Held a moment ago, and found to be bad: its children come into view when it is here again.
    if (stored === undefined) return this.#add(hexOf(id), { id, storedBytes, recipe: true, block })
    for (const child of childrenOf(stored)) await this.#need(child.id, child.storedBytes, child.recipe, block)
  }

  async #read(id: ChunkId): Promise<Uint8Array | undefined> {
    try {
      return await this.#store.get(this.#volume, id)
    } catch (error) {
      if (hasCode(error, 'HF_CHUNK_CORRUPT')) return undefined
      throw error
    }
  }

  #add(key: string, missing: Missing): void {
    const known = this.#missing.get(key)
    if (known !== undefined) {
      this.#count(known.block, -1)
      missing = {
        id: known.id,
        storedBytes: Math.max(known.storedBytes, missing.storedBytes),
        recipe: known.recipe || missing.recipe,
        block: Math.min(known.block, missing.block),
      }
    }
    this.#missing.set(key, missing)
    this.#count(missing.block, 1)
  }

  #settle(key: string): void {
    const missing = this.#missing.get(key)
    if (missing === undefined) return
    this.#missing.delete(key)
    this.#count(missing.block, -1)
  }

  #count(block: number, change: number): void {
    const count = (this.#perBlock.get(block) ?? 0) + change
    if (count === 0) this.#perBlock.delete(block)
    else this.#perBlock.set(block, count)
  }
}

/** What a recipe node names. Bytes that its writer named as one, and that are none, name nothing. */
function childrenOf(stored: Uint8Array): readonly (MissingRef & { readonly recipe: boolean })[] {
  try {
    const { recipe } = readChunkHeader(stored)
    return recipe?.children.map((child) => ({ ...child, recipe: recipe.level > 1 })) ?? []
  } catch (error) {
    if (hasCode(error, 'HF_DECODE')) return []
    throw error
  }
}
