/**
 * Rows into one batch: pure, given what the touched paths hold now. What a row replaces moves from `current` to `history`,
 * so each version is stored once, and a directory as it is now is one scan.
 */
import { ByteWriter } from '@holdfast/codec'
import type { Operation } from './database.ts'
import type { CatalogKeys } from './keys.ts'
import type { Instant, Meta } from './meta.ts'
import { decodeRow, encodeRow } from './rows.ts'
import type { AppliedPosition, CatalogCounts, CatalogRow } from './types.ts'

/** A path's current row before and within the batch. */
interface Current {
  readonly key: Uint8Array
  readonly wasPresent: boolean
  row: CatalogRow | undefined
  value: Uint8Array | undefined
}

/** Rows (in ascending seq) that are newer than what is applied. */
export function freshRows(rows: readonly CatalogRow[], appliedSeq: number): CatalogRow[] {
  let newest = appliedSeq
  const fresh: CatalogRow[] = []
  let before = 0
  for (const row of rows) {
    if (row.seq < before) throw new TypeError(`row ${row.seq} comes after row ${before}`)
    before = row.seq
    if (row.seq <= newest) continue
    newest = row.seq
    fresh.push(row)
  }
  return fresh
}

/** Operations and head that apply fresh rows, to be written together. `stored` holds the value in `current` for each row, by its place. */
export function applyRows(
  keys: CatalogKeys,
  before: Meta,
  rows: readonly CatalogRow[],
  stored: readonly (Uint8Array | undefined)[],
  position: AppliedPosition,
): { operations: Operation[]; meta: Meta } {
  const operations: Operation[] = []
  const put = (key: Uint8Array, value: Uint8Array): void => void operations.push({ type: 'put', key, value })
  const currents = new Map<string, Current>()
  const newestAt = new Map<number, number>()
  const writer = new ByteWriter()
  const counts = { ...before.counts }
  let { timeMs, seq } = before.applied
  let { first, earliest, earliestIs } = before

  for (const [place, row] of rows.entries()) {
    seq = row.seq
    timeMs = Math.max(timeMs, row.timeMs)
    newestAt.set(timeMs, seq)
    const instant: Instant = { seq, timeMs }
    if (row.kind === 'baseline') {
      if (earliestIs !== 'baseline') [earliest, earliestIs] = [instant, 'baseline']
      continue
    }
    const current = currentOf(currents, keys, row.path, stored[place])
    const value = encodeRow(writer, row, timeMs)
    put(keys.seq(seq), indexValue(writer, timeMs, row.path))
    if (first.seq === 0) first = instant
    if (current.row !== undefined || row.kind === 'delete') {
      if (earliestIs === 'growing' && earliest.seq > 0) earliestIs = 'fixed'
    }
    if (earliestIs === 'growing') earliest = instant
    if (current.row !== undefined && current.value !== undefined) {
      put(keys.history(row.path, current.row.seq), current.value)
      count(counts, current.row, -1)
    }
    counts.versions++
    if (row.kind === 'delete') {
      put(keys.history(row.path, seq), value)
      current.row = current.value = undefined
    } else {
      count(counts, row, 1)
      current.row = row
      current.value = value
    }
  }

  for (const { key, value, wasPresent } of currents.values()) {
    if (value !== undefined) put(key, value)
    else if (wasPresent) operations.push({ type: 'del', key })
  }
  for (const [time, newest] of newestAt) put(keys.time(time), writer.clear().uint(newest).take())
  const applied = { ...later(before.applied, position), seq, timeMs }
  const meta: Meta = { applied, counts, first, earliest, earliestIs }
  return { operations, meta }
}

/** Value of the index by seq: time (6 bytes) ‖ path. */
function indexValue(writer: ByteWriter, timeMs: number, path: Uint8Array): Uint8Array {
  return writer.clear().uint48(timeMs).bytes(path).take()
}

function currentOf(
  currents: Map<string, Current>,
  keys: CatalogKeys,
  path: Uint8Array,
  stored: Uint8Array | undefined,
): Current {
  const name = Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1')
  const known = currents.get(name)
  if (known !== undefined) return known
  const row = stored && decodeRow(path, stored)
  const current = { key: keys.current(path), wasPresent: stored !== undefined, row, value: stored }
  currents.set(name, current)
  return current
}

function count(counts: { -readonly [Name in keyof CatalogCounts]: number }, row: CatalogRow, sign: 1 | -1): void {
  if (row.type === 'file') {
    counts.files += sign
    counts.bytes += sign * row.size
  } else if (row.type === 'directory') counts.directories += sign
  else counts.others += sign
}

/** A position never goes back: blocks that are read again are known. */
export function later(a: AppliedPosition, b: AppliedPosition): AppliedPosition {
  const isLater = b.epoch > a.epoch || (b.epoch === a.epoch && b.length > a.length)
  const { epoch, length } = isLater ? b : a
  return { epoch, length }
}
