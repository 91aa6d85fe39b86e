import { ByteWriter, decodeAll, readByte, readUint, readUint48, readVersion } from '@holdfast/codec'
import { damagedUnless } from './rows.ts'
import type { CatalogApplied, CatalogCounts } from './types.ts'

/** The row of the catalog about itself; written with every batch. */
export interface Meta {
  readonly applied: CatalogApplied
  readonly counts: CatalogCounts
  /** First record with a path; 0 before it. */
  readonly first: Instant
  /** What a moment before the first complete capture means. */
  readonly earliest: Instant
  /** What `earliest` is: the baseline record; the newest record so far, since none has replaced another yet; or the last before one did. */
  readonly earliestIs: 'baseline' | 'growing' | 'fixed'
}

/** A record and its time. */
export interface Instant {
  readonly seq: number
  readonly timeMs: number
}

const META_VERSION = 1
const EARLIEST: readonly Meta['earliestIs'][] = ['growing', 'fixed', 'baseline']
const NEVER: Instant = { seq: 0, timeMs: 0 }

export const EMPTY_META: Meta = {
  applied: { epoch: 0, length: 0, seq: 0, timeMs: 0 },
  counts: { files: 0, bytes: 0, directories: 0, others: 0, versions: 0 },
  first: NEVER,
  earliest: NEVER,
  earliestIs: 'growing',
}

export function encodeMeta(meta: Meta): Uint8Array {
  const { applied, counts, first, earliest } = meta
  const writer = new ByteWriter().byte(META_VERSION).byte(EARLIEST.indexOf(meta.earliestIs))
  writer.uint(applied.epoch).uint(applied.length).uint(applied.seq).uint48(applied.timeMs)
  writer.uint(counts.files).uint(counts.bytes).uint(counts.directories).uint(counts.others).uint(counts.versions)
  return writer.uint(first.seq).uint48(first.timeMs).uint(earliest.seq).uint48(earliest.timeMs).take()
}

/** @throws HF_JOURNAL_DAMAGED, also for another version: the catalog is rebuilt, not converted */
export function decodeMeta(value: Uint8Array): Meta {
  return damagedUnless(() =>
    decodeAll('the head of the catalog', value, (reader) => {
      readVersion(reader, META_VERSION)
      const earliestIs = EARLIEST[readByte(reader)]
      if (earliestIs === undefined) throw new RangeError('unknown state')
      const uint = (): number => readUint(reader)
      const time = (): number => readUint48(reader)
      return {
        earliestIs,
        applied: { epoch: uint(), length: uint(), seq: uint(), timeMs: time() },
        counts: { files: uint(), bytes: uint(), directories: uint(), others: uint(), versions: uint() },
        first: { seq: uint(), timeMs: time() },
        earliest: { seq: uint(), timeMs: time() },
      }
    }),
  )
}
