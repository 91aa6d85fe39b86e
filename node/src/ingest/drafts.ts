import type { ChunkId } from '@holdfast/ports'
import { equalBytes, hexOf, HoldfastError } from '@holdfast/ports'
import type { ChunkName, Extent, StoredExtent } from '@holdfast/sealing'
import { buildRecipe } from '@holdfast/sealing'
import type { ChunkWriter } from './chunk-writer.ts'
import type { ChunkTicket, ExtentList } from './extent-list.ts'
import type { Found } from './read-path.ts'
import type { Draft, DraftRef } from './types.ts'
import { INLINE_EXTENTS_MAX } from './types.ts'

/** `waiting`: another worker has not sealed a chunk yet, or this one an open bundle. `lost`: a chunk will never have a name. */
export type ChunksState = 'named' | 'waiting' | 'lost'

/** Whether the chunks of a file can be named. */
export function chunksState(extents: ExtentList, chunks: ChunkWriter): ChunksState {
  let state: ChunksState = 'named'
  for (const ticket of extents.tickets) {
    if (chunks.isLost(ticket)) return 'lost'
    if (chunks.nameOf(ticket) === undefined) state = 'waiting'
  }
  return state
}

/** A file that was read, with its content: extents, or for a larger file a recipe, whose nodes are sealed here. All chunks are named. */
export function completeDraft(found: Found, extents: ExtentList, chunks: ChunkWriter): Draft {
  const needs = new Needs(chunks)
  for (const ticket of extents.tickets) needs.add(ticket, nameOf(ticket, chunks).id)
  if (extents.length > INLINE_EXTENTS_MAX) {
    const root = sealRecipe(extents, chunks, needs)
    return { ...found, recipe: { root: root.id }, refs: [{ ...root, kind: 'recipe' }], needs: needs.list }
  }
  const refs: DraftRef[] = []
  const inline: Extent[] = []
  for (const { ticket, offset, length, fingerprint } of extents) {
    const { id, storedBytes } = nameOf(ticket, chunks)
    // Not by ticket: a chunk that was learnt twice has two. There are at most as many as inline extents.
    let ref = refs.find((each) => each.id === id || equalBytes(each.id, id))
    if (ref === undefined) refs.push((ref = { id, storedBytes, kind: 'bundle' }))
    inline.push({ chunk: ref.id, offset, length, fingerprint })
  }
  return { ...found, extents: inline, refs, needs: needs.list }
}

function sealRecipe(extents: ExtentList, chunks: ChunkWriter, needs: Needs): ChunkName {
  const { root } = buildRecipe(storedExtents(extents, chunks), (node) => {
    const { ticket, name } = chunks.addNode(node)
    needs.add(ticket, name.id)
    return name
  })
  return root
}

function* storedExtents(extents: ExtentList, chunks: ChunkWriter): Generator<StoredExtent> {
  for (const { ticket, ...extent } of extents) {
    const { id, storedBytes } = nameOf(ticket, chunks)
    yield { ...extent, chunk: id, storedBytes }
  }
}

function nameOf(ticket: ChunkTicket, chunks: ChunkWriter): ChunkName {
  const name = chunks.nameOf(ticket)
  if (name === undefined) throw new HoldfastError('HF_INTERNAL', 'a draft names a chunk that is not sealed')
  return name
}

/** Distinct chunks that are not known to be durable. */
class Needs {
  readonly list: ChunkId[] = []
  readonly #chunks: ChunkWriter
  /** Made when there are several: most files have one. */
  #seen: Set<string> | undefined

  constructor(chunks: ChunkWriter) {
    this.#chunks = chunks
  }

  add(ticket: ChunkTicket, id: ChunkId): void {
    if (this.#chunks.isDurable(ticket)) return
    if (this.list.length > 0) {
      this.#seen ??= new Set(this.list.map(hexOf))
      const key = hexOf(id)
      if (this.#seen.has(key)) return
      this.#seen.add(key)
    }
    this.list.push(id)
  }
}
