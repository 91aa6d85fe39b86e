/** Which record a moment means, and which version of a path is current then. */
import type { Database, Snapshot } from './database.ts'
import type { CatalogKeys } from './keys.ts'
import { numberOf } from './keys.ts'
import { decodeSeq } from './links.ts'
import type { Instant, Meta } from './meta.ts'
import { decodeIndexed, decodeRow } from './rows.ts'
import { scanVersions } from './scan.ts'
import type { CatalogRow, Moment, ResolvedMoment } from './types.ts'

/** The catalog as one reader sees it. `meta` is not newer than what the snapshot shows. */
export interface View {
  readonly database: Database
  readonly keys: CatalogKeys
  readonly meta: Meta
  readonly snapshot: Snapshot
}

/** Undefined while the catalog is empty. */
export async function resolveMoment(view: View, at: Moment | undefined): Promise<ResolvedMoment | undefined> {
  const { applied, first, earliest, earliestIs } = view.meta
  if (applied.seq === 0) return undefined
  if (at === undefined) return { seq: applied.seq, timeMs: applied.timeMs, earliest: false }
  const found = 'seq' in at ? await recordUpTo(view, at.seq) : await newestAt(view, at.timeMs)
  const begin = earliestIs === 'baseline' ? earliest : first
  const isEarly = found === undefined || ('timeMs' in at && at.timeMs < begin.timeMs)
  return isEarly ? { ...earliest, earliest: true } : { ...found, earliest: false }
}

/** Newest record at or before a time. */
export async function newestAt({ database, keys, snapshot, meta }: View, timeMs: number): Promise<Instant | undefined> {
  const time = Math.min(Math.floor(timeMs), meta.applied.timeMs)
  if (!(time >= 0)) return undefined
  const entry = await database.last(keys.timesUpTo(time), snapshot)
  if (entry === undefined) return undefined
  const seq = decodeSeq(entry[1])
  return { seq, timeMs: numberOf('time', entry[0]) }
}

async function recordUpTo({ database, keys, snapshot, meta }: View, seq: number): Promise<Instant | undefined> {
  const limit = Math.min(Math.floor(seq), meta.applied.seq)
  if (!(limit >= 1)) return undefined
  const entry = await database.last(keys.seqsUpTo(limit), snapshot)
  if (entry === undefined) return undefined
  const found = decodeIndexed(numberOf('seq', entry[0]), entry[1]).findLast((record) => record.seq <= limit)
  return found && { seq: found.seq, timeMs: found.timeMs }
}

/** The seq up to which a subtree is to be shown. A path that came after the first capture is shown as it came, when a moment before that capture is asked for. */
export async function seqFor(view: View, path: Uint8Array, at: Moment): Promise<number> {
  const moment = await resolveMoment(view, at)
  if (moment === undefined) return 0
  if (!moment.earliest || path.byteLength === 0) return moment.seq
  if ((await versionAt(view, path, moment.seq)) !== undefined) return moment.seq
  const came = await firstVersion(view, path)
  return Math.max(moment.seq, came?.seq ?? 0)
}

/** What a path was when `seq` was the newest record; undefined if it did not exist. */
export async function versionAt(view: View, path: Uint8Array, seq: number): Promise<CatalogRow | undefined> {
  const row = await currentVersion(view, path)
  if (row !== undefined && row.seq <= seq) return row
  for await (const old of scanVersions(view.database, view.keys, path, seq, view.snapshot)) {
    return old.kind === 'put' ? old : undefined
  }
  return undefined
}

export async function currentVersion(view: View, path: Uint8Array): Promise<CatalogRow | undefined> {
  const value = await view.database.get(view.keys.current(path), view.snapshot)
  return value && decodeRow(path, value)
}

async function firstVersion(view: View, path: Uint8Array): Promise<CatalogRow | undefined> {
  const { database, keys, snapshot } = view
  const reader = database.entries(keys.versions(path), { reverse: true, snapshot })
  try {
    for (let entry = await reader.next(1); entry !== undefined; entry = await reader.next()) {
      const row = decodeRow(path, entry[1])
      if (row.kind === 'put') return row
    }
  } finally {
    await reader.close()
  }
  return currentVersion(view, path)
}
