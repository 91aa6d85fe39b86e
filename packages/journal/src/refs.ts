import type { ChunkId } from '@holdfast/ports'
import { equalBytes, HoldfastError, shortId } from '@holdfast/ports'
import type { ChunkLength, ChunkRef, FileContent } from './record.ts'

/** Place of a chunk in a record's list. Lists are short: a record that needs more chunks than fit inline has a recipe.
 *  @throws HF_BAD_INPUT if it is not there */
export function findRef(refs: readonly ChunkRef[], chunk: ChunkId): number {
  const index = refs.findIndex((ref) => equalBytes(ref.id, chunk))
  if (index < 0) throw new HoldfastError('HF_BAD_INPUT', `chunk ${shortId(chunk)} has no ref`)
  return index
}

/** The public list for a content: one ref per distinct chunk, in the order of first use.
 *  @throws HF_BAD_INPUT if a chunk has no length, or a length has no use */
export function refsOf(content: FileContent, lengths: readonly ChunkLength[]): ChunkRef[] {
  const refs: ChunkRef[] = []
  for (const id of chunksOf(content)) {
    if (refs.some((ref) => equalBytes(ref.id, id))) continue
    const length = lengths.find((candidate) => equalBytes(candidate.id, id))
    if (length === undefined) throw new HoldfastError('HF_BAD_INPUT', `the length of chunk ${shortId(id)} is not given`)
    refs.push({ id, storedBytes: length.storedBytes, role: content.type === 'recipe' ? 'recipe' : 'content' })
  }
  if (refs.length !== lengths.length) throw new HoldfastError('HF_BAD_INPUT', 'a ref is given twice or not used')
  return refs
}

/** Whether the public list is exactly what `refsOf` makes of the content. */
export function refsMatch(content: FileContent, refs: readonly ChunkRef[]): boolean {
  const role = content.type === 'recipe' ? 'recipe' : 'content'
  if (refs.some((ref) => ref.role !== role)) return false
  let used = 0
  for (const id of chunksOf(content)) {
    const index = refs.findIndex((ref) => equalBytes(ref.id, id))
    if (index < 0 || index > used) return false
    if (index === used) used++
  }
  return used === refs.length
}

function* chunksOf(content: FileContent): Iterable<ChunkId> {
  if (content.type === 'recipe') yield content.root
  if (content.type === 'inline') for (const extent of content.extents) yield extent.chunk
}
