import type { CatalogRow, ChunkRef, RecordCodec } from '@holdfast/journal'
import { decodeBlock, decodePublicRecord, rowOf } from '@holdfast/journal'

/** What a member takes from one journal block. */
export interface ReadBlock {
  /** Every chunk that its records name. */
  readonly refs: readonly ChunkRef[]
  /** Empty without a codec, and for epoch records. */
  readonly rows: readonly CatalogRow[]
}

/** Reads a block with the volume's codec, or without the key only what is public.
 *  @throws HF_DECODE, HF_WRONG_KEY, HF_RECORD_MISMATCH */
export function readBlock(block: Uint8Array, codec: RecordCodec | undefined): ReadBlock {
  const decoded = decodeBlock(block)
  if (decoded.type !== 'records') return { refs: [], rows: [] }
  const refs: ChunkRef[] = []
  const rows: CatalogRow[] = []
  for (const bytes of decoded.records) {
    if (codec === undefined) {
      refs.push(...decodePublicRecord(bytes).refs)
      continue
    }
    const opened = codec.open(bytes)
    refs.push(...opened.public.refs)
    const row = rowOf(opened)
    if (row !== undefined) rows.push(row)
  }
  return { refs, rows }
}
