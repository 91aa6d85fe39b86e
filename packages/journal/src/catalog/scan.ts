/**
 * Reading the two path-ordered tables side by side. For each path it finds the version that was current at each of some
 * moments. Versions that no moment asks for are passed over by a seek, so a file with many of them costs no more than
 * what is fetched at once.
 */
import type { Database, Entry, Snapshot } from './database.ts'
import type { CatalogKeys, KeyRange, PathTable } from './keys.ts'
import { behindVersions, numberOf, pathOfPart, pathPart } from './keys.ts'
import { decodeRow, seqOfRow } from './rows.ts'
import type { CatalogRow } from './types.ts'

/** Newest of all: beyond every seq. */
export const NEWEST_SEQ = Number.MAX_SAFE_INTEGER

/** A path, and what it was at each moment asked for: a put, a deletion, or undefined where it had not been yet. */
export interface PathStates {
  readonly path: Uint8Array
  readonly rows: readonly (CatalogRow | undefined)[]
}

/** Live rows of a range of `current`, in order. */
export async function* scanCurrent(
  database: Database,
  range: KeyRange,
  snapshot: Snapshot,
): AsyncGenerator<CatalogRow> {
  const reader = database.entries(range, { snapshot })
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      yield decodeRow(pathOfPart(pathPart('current', entry[0])), entry[1])
    }
  } finally {
    await reader.close()
  }
}

/** States of the paths of a range that `accepts` takes, in order. `rangeOf` gives the same range for both tables. `seqs` are the moments. */
export async function* scanStates(
  database: Database,
  rangeOf: (table: PathTable) => KeyRange,
  seqs: readonly number[],
  snapshot: Snapshot,
  accepts: (path: Uint8Array) => boolean = () => true,
): AsyncGenerator<PathStates> {
  const currents = database.entries(rangeOf('current'), { snapshot })
  const history = database.entries(rangeOf('history'), { snapshot })
  try {
    let current = await currents.next()
    let old = await history.next()
    while (current !== undefined || old !== undefined) {
      const part = lesserPart(current, old)
      const path = pathOfPart(part)
      const rows = accepts(path) ? seqs.map((): CatalogRow | undefined => undefined) : []
      if (current !== undefined && isOf('current', current, part)) {
        fill(rows, seqs, seqOfRow(current[1]), path, current[1])
        current = await currents.next()
      }
      while (old !== undefined && isOf('history', old, part)) {
        fill(rows, seqs, numberOf('history', old[0]), path, old[1])
        old = rows.includes(undefined) ? await history.next() : await history.nextFrom(behindVersions(old[0]))
      }
      if (rows.length > 0) yield { path, rows }
    }
  } finally {
    await currents.close()
    await history.close()
  }
}

/** Versions of one path that are in the history, newest first, from `seq` down. */
export async function* scanVersions(
  database: Database,
  keys: CatalogKeys,
  path: Uint8Array,
  seq: number | undefined,
  snapshot: Snapshot,
): AsyncGenerator<CatalogRow> {
  const reader = database.entries(keys.versions(path, seq), { snapshot })
  try {
    for (let entry = await reader.next(1); entry !== undefined; entry = await reader.next()) {
      yield decodeRow(path, entry[1])
    }
  } finally {
    await reader.close()
  }
}

/** Gives a version to the moments that it is the newest for. Versions come newest first. */
function fill(
  rows: (CatalogRow | undefined)[],
  seqs: readonly number[],
  seq: number,
  path: Uint8Array,
  value: Uint8Array,
): void {
  let row: CatalogRow | undefined
  for (let place = 0; place < rows.length; place++) {
    if (rows[place] === undefined && seq <= (seqs[place] ?? 0)) rows[place] = row ??= decodeRow(path, value)
  }
}

function isOf(table: PathTable, entry: Entry, part: Uint8Array): boolean {
  return Buffer.compare(pathPart(table, entry[0]), part) === 0
}

function lesserPart(current: Entry | undefined, old: Entry | undefined): Uint8Array {
  const currentPart = current && pathPart('current', current[0])
  const oldPart = old && pathPart('history', old[0])
  if (currentPart === undefined || oldPart === undefined) return currentPart ?? oldPart ?? new Uint8Array(0)
  return Buffer.compare(currentPart, oldPart) <= 0 ? currentPart : oldPart
}
