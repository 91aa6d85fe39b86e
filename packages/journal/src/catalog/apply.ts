/**
 * Rows into one batch: pure, given what the touched paths hold now. What a row replaces moves from `current` to `history`,
 * so each version is stored once, and a directory as it is now is one scan.
 */
import { ByteWriter } from '@holdfast/codec'
import type { Batch } from './database.ts'
import type { CatalogKeys } from './keys.ts'
import type { Instant, Meta } from './meta.ts'
import { decodeRow, encodeRow, writeIndexed } from './rows.ts'
import type { AppliedPosition, CatalogCounts, CatalogRow } from './types.ts'

/** Of most rows, bytes: buffers begin so large. */
const ROW_BYTES_EXPECTED = 160
const INDEXED_BYTES_EXPECTED = 64
const NUMBER_BYTES = 9

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

/** What `current` holds at a row's path before the batch. */
export interface Place {
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

/** Records of one row of the index by seq: a reader of one reads few others. */
const INDEXED_TOGETHER_MAX = 256

/** Puts what fresh rows change into the batch and returns the head that goes with it. `places` are those of the rows. */
export function applyRows(
  batch: Pick<Batch, 'put' | 'del'>,
  keys: CatalogKeys,
  before: Meta,
  rows: readonly CatalogRow[],
  places: readonly Place[],
  position: AppliedPosition,
): Meta {
  const currents = new Map<string, Current>()
  const newestAt = new Map<number, number>()
  // Values lie in it one behind the other until the batch is written.
  const writer = new ByteWriter(rows.length * ROW_BYTES_EXPECTED)
  const index = new SeqIndex(batch, keys)
  const counts = { ...before.counts }
  let { timeMs, seq } = before.applied
  let { first, earliest, earliestIs } = before

  for (const [number, row] of rows.entries()) {
    seq = row.seq
    timeMs = Math.max(timeMs, row.timeMs)
    newestAt.set(timeMs, seq)
    const instant: Instant = { seq, timeMs }
    if (row.kind === 'baseline') {
      if (earliestIs !== 'baseline') [earliest, earliestIs] = [instant, 'baseline']
      continue
    }
    const current = currentOf(currents, row.path, places[number])
    const value = encodeRow(writer, row, timeMs)
    index.add(seq, timeMs, row.path)
    if (first.seq === 0) first = instant
    if (current.row !== undefined || row.kind === 'delete') {
      if (earliestIs === 'growing' && earliest.seq > 0) earliestIs = 'fixed'
    }
    if (earliestIs === 'growing') earliest = instant
    if (current.row !== undefined && current.value !== undefined) {
      batch.put(keys.history(row.path, current.row.seq), current.value)
      count(counts, current.row, -1)
    }
    counts.versions++
    if (row.kind === 'delete') {
      batch.put(keys.history(row.path, seq), value)
      current.row = current.value = undefined
    } else {
      count(counts, row, 1)
      current.row = row
      current.value = value
    }
  }

  index.end()
  for (const { key, value, wasPresent } of currents.values()) {
    if (value !== undefined) batch.put(key, value)
    else if (wasPresent) batch.del(key)
  }
  for (const [time, newest] of newestAt) batch.put(keys.time(time), new ByteWriter(NUMBER_BYTES).uint(newest).take())
  const applied = { ...later(before.applied, position), seq, timeMs }
  return { applied, counts, first, earliest, earliestIs }
}

/** Rows of the index by seq. */
class SeqIndex {
  readonly #batch: Pick<Batch, 'put'>
  readonly #keys: CatalogKeys
  readonly #writer = new ByteWriter(INDEXED_TOGETHER_MAX * INDEXED_BYTES_EXPECTED)
  #first = 0
  #count = 0

  constructor(batch: Pick<Batch, 'put'>, keys: CatalogKeys) {
    this.#batch = batch
    this.#keys = keys
  }

  add(seq: number, timeMs: number, path: Uint8Array): void {
    if (this.#count === 0) this.#first = seq
    writeIndexed(this.#writer, { seq: seq - this.#first, timeMs, path })
    if (++this.#count === INDEXED_TOGETHER_MAX) this.end()
  }

  end(): void {
    if (this.#count === 0) return
    this.#batch.put(this.#keys.seq(this.#first), this.#writer.take())
    this.#writer.clear()
    this.#count = 0
  }
}

function currentOf(currents: Map<string, Current>, path: Uint8Array, place: Place | undefined): Current {
  if (place === undefined) throw new TypeError('a row without its place')
  const name = Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1')
  const known = currents.get(name)
  if (known !== undefined) return known
  const { key, value } = place
  const current = { key, wasPresent: value !== undefined, row: value && decodeRow(path, value), value }
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
