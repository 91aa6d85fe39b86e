/** The questions that are answered with many rows. Each generator reads one snapshot. */
import { equalBytes } from '@holdfast/ports'
import { differenceOf } from './difference.ts'
import type { KeyRange, PathTable } from './keys.ts'
import { numberOf } from './keys.ts'
import type { View } from './moments.ts'
import { currentVersion, seqFor, versionAt } from './moments.ts'
import { catalogDamaged, decodeIndexed, decodeRow, seqOfRow } from './rows.ts'
import type { PathStates } from './scan.ts'
import { NEWEST_SEQ, scanCurrent, scanStates, scanVersions } from './scan.ts'
import type { CatalogDifference, CatalogRow, Moment } from './types.ts'

/** Records of the log that are looked up together. */
const LOG_ROWS_AT_ONCE = 256
const SLASH = 0x2f

export async function* versionsOf(view: View, path: Uint8Array): AsyncGenerator<CatalogRow> {
  const current = await currentVersion(view, path)
  if (current !== undefined) yield current
  yield* scanVersions(view.database, view.keys, path, undefined, view.snapshot)
}

export async function* childrenOf(
  view: View,
  directory: Uint8Array,
  at: Moment | undefined,
): AsyncGenerator<CatalogRow> {
  yield* rowsOf(view, [(table) => view.keys.children(table, directory)], directory, at)
}

export async function* subtreeOf(view: View, path: Uint8Array, at: Moment | undefined): AsyncGenerator<CatalogRow> {
  if (path.byteLength > 0) {
    const own =
      at === undefined ? await currentVersion(view, path) : await versionAt(view, path, await seqFor(view, path, at))
    if (own !== undefined) yield own
  }
  yield* rowsOf(view, rangesBelow(view, path), path, at)
}

/** Rows of some ranges below `path` that exist at a moment. */
async function* rowsOf(
  view: View,
  ranges: readonly ((table: PathTable) => KeyRange)[],
  path: Uint8Array,
  at: Moment | undefined,
): AsyncGenerator<CatalogRow> {
  if (at === undefined) {
    for (const rangeOf of ranges) yield* scanCurrent(view.database, rangeOf('current'), view.snapshot)
    return
  }
  const seqs = [await seqFor(view, path, at)]
  for (const rangeOf of ranges) {
    for await (const { rows } of scanStates(view.database, rangeOf, seqs, view.snapshot)) {
      if (rows[0]?.kind === 'put') yield rows[0]
    }
  }
}

export async function* newestOf(view: View, accepts: (path: Uint8Array) => boolean): AsyncGenerator<CatalogRow> {
  for (const rangeOf of rangesBelow(view, new Uint8Array(0))) {
    for await (const { rows } of scanStates(view.database, rangeOf, [NEWEST_SEQ], view.snapshot, accepts)) {
      if (rows[0] !== undefined) yield rows[0]
    }
  }
}

export async function* differencesOf(
  view: View,
  before: Moment,
  after: Moment,
  path: Uint8Array,
): AsyncGenerator<CatalogDifference> {
  const seqs = [await seqFor(view, path, before), await seqFor(view, path, after)]
  for await (const states of statesFrom(view, path, seqs)) {
    const [old, fresh] = states.rows.map((row) => (row?.kind === 'put' ? row : undefined))
    const difference = differenceOf(states.path, old, fresh)
    if (difference !== undefined) yield difference
  }
}

async function* statesFrom(view: View, path: Uint8Array, seqs: readonly number[]): AsyncGenerator<PathStates> {
  if (path.byteLength > 0) {
    yield { path, rows: await Promise.all(seqs.map((seq) => versionAt(view, path, seq))) }
  }
  for (const rangeOf of rangesBelow(view, path)) yield* scanStates(view.database, rangeOf, seqs, view.snapshot)
}

/** Versions of the path and of all below it, newest first. A path with nothing below it costs its own versions only. */
export async function* logOf(view: View, path: Uint8Array): AsyncGenerator<CatalogRow> {
  if (path.byteLength > 0 && !(await hadAnythingBelow(view, path))) {
    yield* versionsOf(view, path)
    return
  }
  const { database, keys, snapshot } = view
  const reader = database.entries(keys.seqsUpTo(NEWEST_SEQ), { reverse: true, snapshot })
  try {
    let found: { seq: number; path: Uint8Array }[] = []
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      const records = decodeIndexed(numberOf('seq', entry[0]), entry[1]).toReversed()
      found.push(...records.filter((record) => isAtOrBelow(record.path, path)))
      if (found.length < LOG_ROWS_AT_ONCE) continue
      yield* await lookUp(view, found)
      found = []
    }
    yield* await lookUp(view, found)
  } finally {
    await reader.close()
  }
}

/** The rows of records: those that are current, and those that were. */
async function lookUp(
  { database, keys, snapshot }: View,
  records: readonly { seq: number; path: Uint8Array }[],
): Promise<CatalogRow[]> {
  const current = await database.getMany(
    records.map((record) => keys.current(record.path)),
    snapshot,
  )
  const values = records.map(({ seq }, place) => {
    const value = current[place]
    return value !== undefined && seqOfRow(value) === seq ? value : undefined
  })
  const replaced = records.filter((_, place) => values[place] === undefined)
  const old = await database.getMany(
    replaced.map((record) => keys.history(record.path, record.seq)),
    snapshot,
  )
  let next = 0
  return records.map(({ seq, path }, place) => {
    const value = values[place] ?? old[next++]
    if (value === undefined) throw catalogDamaged(`lacks the row of record ${seq}`, undefined)
    return decodeRow(path, value)
  })
}

async function hadAnythingBelow(view: View, path: Uint8Array): Promise<boolean> {
  for (const table of ['current', 'history'] as const) {
    for (const range of view.keys.below(table, path)) {
      if ((await view.database.last(range, view.snapshot)) !== undefined) return true
    }
  }
  return false
}

function isAtOrBelow(path: Uint8Array, top: Uint8Array): boolean {
  const { byteLength } = top
  if (byteLength === 0) return true
  if (!equalBytes(path.subarray(0, byteLength), top)) return false
  return path.byteLength === byteLength || path[byteLength] === SLASH
}

/** The ranges below a directory, each for either table. */
function rangesBelow(view: View, directory: Uint8Array): ((table: PathTable) => KeyRange)[] {
  const current = view.keys.below('current', directory)
  const history = view.keys.below('history', directory)
  return current.map((range, place) => (table) => (table === 'current' ? range : (history[place] ?? range)))
}
