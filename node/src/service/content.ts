import { equalBytes, HoldfastError } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import type { CatalogRow } from '@holdfast/journal'
import { createFingerprinter, createOpener, readRecipe } from '@holdfast/sealing'
import type { Extent, OpenedChunk } from '@holdfast/sealing'
import { pathText } from '../api/path-text.ts'
import type { Volume } from '../volumes/volume.ts'
import type { ServiceParts } from './parts.ts'

/** The bytes of one version in file order: every chunk is verified by its id, opened, and each segment's fingerprint compared.
 *  Memory: one opened chunk (512 KiB). @throws HF_CHUNK_MISSING, HF_CHUNK_CORRUPT, HF_WRONG_KEY */
export async function* fileContent(
  { chunks }: Pick<ServiceParts, 'chunks'>,
  volume: Volume,
  row: CatalogRow,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { keys } = volume.reader()
  const opener = createOpener(keys)
  const fingerprint = createFingerprinter(keys.fingerprint)
  const stored = (id: ChunkId): Promise<Uint8Array> => chunks.get(volume.id, id, { signal })
  let current: { id: ChunkId; opened: OpenedChunk } | undefined
  let size = 0
  for await (const extent of extentsOf(row, opener, stored)) {
    if (current === undefined || !equalBytes(current.id, extent.chunk)) {
      current = { id: extent.chunk, opened: opener.open(await stored(extent.chunk)) }
    }
    const segment = current.opened.plain.subarray(extent.offset, extent.offset + extent.length)
    if (segment.byteLength !== extent.length || !equalBytes(fingerprint(segment), extent.fingerprint)) {
      throw new HoldfastError('HF_CHUNK_CORRUPT', `a segment of ${pathText(row.path)} does not match its fingerprint`)
    }
    size += segment.byteLength
    yield segment
  }
  if (size !== row.size) {
    throw new HoldfastError('HF_CHUNK_CORRUPT', `${pathText(row.path)} has ${size} bytes, its record says ${row.size}`)
  }
}

async function* extentsOf(
  row: CatalogRow,
  opener: ReturnType<typeof createOpener>,
  stored: (id: ChunkId) => Promise<Uint8Array>,
): AsyncGenerator<Extent> {
  const { content } = row
  if (content.type === 'inline') yield* content.extents
  else if (content.type === 'recipe') yield* readRecipe(content.root, { fetch: stored, opener, size: row.size })
}
