import type { CatalogRow } from '@holdfast/journal'
import { hasCode, hexOf } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import { readChunkHeader } from '@holdfast/sealing'
import type { PackStore } from '@holdfast/store-pack'
import type { StatStore } from '../capture/index.ts'
import type { Volume } from './volume.ts'

/** Equal to no content: fingerprints are hashes. */
const OTHER_CONTENT = new Uint8Array(16).fill(0xff)
const STAT_ROWS_AT_ONCE = 1024

/**
 * Files whose content is lost here and with every member are read from the source again: what is known of their state is
 * forgotten, so that the next walk takes them for changed and stores them anew. Only what exists now can come back so.
 * @returns the paths that will be read again, as bytes in latin1
 */
export async function forgetLostContent(
  volume: Volume,
  store: PackStore,
  stats: StatStore,
): Promise<ReadonlySet<string>> {
  if (volume.completeness.missingCount === 0) return new Set()
  const missing = new Set(volume.completeness.missing(Number.POSITIVE_INFINITY, () => false).map(({ id }) => hexOf(id)))
  const lost: Uint8Array[] = []
  for await (const row of volume.reader().catalog.walk(new Uint8Array(0))) {
    if (await needsAny(row, missing, volume, store)) lost.push(row.path)
  }
  // The rows stay, so that a deletion meanwhile is seen too; they only stop to match what is there.
  for (let start = 0; start < lost.length; start += STAT_ROWS_AT_ONCE) {
    const rows = await stats.rows(lost.slice(start, start + STAT_ROWS_AT_ONCE))
    const changed = rows.flatMap((row) => (row === undefined ? [] : [{ ...row, keyed: false, content: OTHER_CONTENT }]))
    await stats.apply(changed, [])
  }
  return new Set(lost.map((path) => Buffer.from(path).toString('latin1')))
}

/** Whether a version needs one of these chunks (hex), recipes looked into. A recipe that cannot be read counts as lost too. */
export async function needsAny(
  row: CatalogRow,
  missing: ReadonlySet<string>,
  volume: Volume,
  store: PackStore,
): Promise<boolean> {
  for (const { id, role } of row.refs) {
    if (missing.has(hexOf(id))) return true
    if (role === 'recipe' && (await recipeNames(id, missing, volume, store))) return true
  }
  return false
}

async function recipeNames(
  id: ChunkId,
  missing: ReadonlySet<string>,
  volume: Volume,
  store: PackStore,
): Promise<boolean> {
  const stored = await heldOrBad(volume, id, store)
  if (stored === 'bad') return true
  const recipe = stored === undefined ? undefined : readChunkHeader(stored).recipe
  if (recipe === undefined) return false
  for (const child of recipe.children) {
    if (missing.has(hexOf(child.id))) return true
    if (recipe.level > 1 && (await recipeNames(child.id, missing, volume, store))) return true
  }
  return false
}

/** A recipe may turn out to be damaged only now that it is read. */
async function heldOrBad(volume: Volume, id: ChunkId, store: PackStore): Promise<Uint8Array | 'bad' | undefined> {
  try {
    return await store.get(volume.id, id)
  } catch (error) {
    if (!hasCode(error, 'HF_CHUNK_CORRUPT')) throw error
    return 'bad'
  }
}
