/**
 * Whether a catalog holds all it says. LevelDB syncs the log that it writes at present: rows in the log before, which it has
 * not yet written to a table, may be lost when the power goes, though later ones are kept; and a log that met a full file system is
 * read up to the damage and then, without a word, behind it. So each batch names the one before, and opening follows these links back
 * to the record up to which everything is known to be in tables.
 */
import { ByteWriter, decodeAll, readUint } from '@holdfast/codec'
import type { Database } from './database.ts'
import { numberOf } from './keys.ts'
import type { CatalogKeys } from './keys.ts'
import { catalogDamaged, damagedUnless } from './rows.ts'

export const encodeSeq = (seq: number): Uint8Array => new ByteWriter().uint(seq).take()

export const decodeSeq = (value: Uint8Array): number => damagedUnless(() => decodeAll('a seq', value, readUint))

/** @throws HF_JOURNAL_DAMAGED if a batch is missing */
export async function assertLinked(database: Database, keys: CatalogKeys, appliedSeq: number): Promise<void> {
  const settled = await database.get(keys.settled)
  let reached = settled === undefined ? 0 : decodeSeq(settled)
  const links = database.entries(keys.linksAfter(reached))
  try {
    for (let link = await links.next(); link !== undefined; link = await links.next()) {
      if (decodeSeq(link[1]) !== reached) break
      reached = numberOf('link', link[0])
    }
  } finally {
    await links.close()
  }
  if (reached !== appliedSeq) throw catalogDamaged(`lacks records between ${reached} and ${appliedSeq}`, undefined)
}
