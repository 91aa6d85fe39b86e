import { sameShown } from '@holdfast/capture'
import { equalBytes } from '@holdfast/ports'
import { contentKeyOf, wordsOfHistory } from './content-key.ts'
import { STAT_ROWS_MAX } from './limits.ts'
import type { CaptureHistory, HistoryRow, StatRow, StatStore } from './types.ts'
import type { VolumeLink } from './volume-link.ts'

/** Tells the walker what is captured. Where the stat store does not describe the catalog's newest state (a crash between the two, a
 *  promotion, a repair), it is made anew from the catalog; rows that still say the same keep their status, the others are looked at. */
export async function loadTree(from: { stats: StatStore; history: CaptureHistory }, link: VolumeLink): Promise<void> {
  const { stats, history } = from
  const seq = history.seq()
  const stored = await stats.seq()
  if (stored !== seq && (stored !== undefined || seq > 0)) await stats.replace(rebuilt(stats, history), seq)
  for await (const rows of stats.load()) link.note(rows.map((row) => ({ ...row, ignored: false })))
}

async function* rebuilt(stats: StatStore, history: CaptureHistory): AsyncGenerator<StatRow[]> {
  let batch: HistoryRow[] = []
  for await (const row of history.current()) {
    batch.push(row)
    if (batch.length < STAT_ROWS_MAX) continue
    yield await mergedWith(stats, batch)
    batch = []
  }
  yield await mergedWith(stats, batch)
}

async function mergedWith(stats: StatStore, rows: readonly HistoryRow[]): Promise<StatRow[]> {
  const before = await stats.rows(rows.map(({ path }) => path))
  return rows.map((row, index): StatRow => {
    const words = wordsOfHistory(row)
    const content = contentKeyOf(row)
    const known = before[index]
    if (known !== undefined && sameShown(known.words, words) && equalBytes(known.content, content)) return known
    return { path: row.path, words, keyed: false, racy: false, young: false, content }
  })
}
