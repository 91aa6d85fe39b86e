import type { CatalogRow, ChunkRef, OpenedRecord, RecordCodec } from '@holdfast/journal'
import { decodeBlock, decodePublicRecord } from '@holdfast/journal'
import { baselineRow } from './records.ts'

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
    const row = catalogRow(opened)
    if (row !== undefined) rows.push(row)
  }
  return { refs, rows }
}

/** The catalog's row for a record; undefined for kinds that this version does not know. */
function catalogRow({ public: known, state }: OpenedRecord): CatalogRow | undefined {
  const { seq, epoch, timeMs, kind, refs } = known
  if (kind === 'baseline') return baselineRow(known)
  if ((kind !== 'put' && kind !== 'delete') || state === undefined) return undefined
  return { ...state, seq, epoch, timeMs, kind, refs }
}
