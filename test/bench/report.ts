/** Measurements as markdown: one table of the promised lines, one of everything that was measured. */
import type { Round } from './cases.ts'
import type { GrowthPoint } from './growth.ts'
import { median, quantile, type Cost } from './measure.ts'

const MIB = 1024 * 1024

export interface Row {
  readonly line: string
  readonly measured: string
  /** What it is held against. */
  readonly against: string
  readonly wanted: string
}

type Value = (round: Round) => number

/** Median, over the rounds, of ours divided by the peer's in the same round; undefined if the peer was not measured. */
export function ratio(rounds: readonly Round[], peer: string, value: Value): number | undefined {
  const of = (tool: string): number[] => rounds.filter((round) => round.tool === tool).map(value)
  const [ours, theirs] = [of('holdfast'), of(peer)]
  return theirs.length === 0 ? undefined : median(ours.map((number, index) => number / (theirs[index] ?? NaN)))
}

/** A ratio, promised to be at most `most` times the peer. */
export function ratioRow(line: string, rounds: readonly Round[], peer: string, value: Value, most?: number): Row {
  const found = ratio(rounds, peer, value)
  const measured = found === undefined ? `not measured: ${peer} is not installed` : `${found.toFixed(2)} ×`
  return { line, measured, against: peer, wanted: most === undefined ? '' : `≤ ${most} ×` }
}

export const wall =
  (part: 'first' | 'unchanged' | 'restore'): Value =>
  (round) =>
    round[part].wallSeconds
export const cpu =
  (part: 'first' | 'unchanged' | 'restore'): Value =>
  (round) =>
    round[part].cpuSeconds
export const stored: Value = (round) => round.storedBytes
export const rssFirst: Value = (round) => round.first.rssBytesPeak

export function insertRow(growths: readonly number[]): Row {
  const [middle, worst] = [median(growths) / MIB, Math.max(...growths) / MIB]
  const line = `insert of 5 kB into 64 MiB of random data, growth of the packs (median of ${growths.length} offsets)`
  return { line, measured: `${middle.toFixed(3)} MiB (worst ${worst.toFixed(3)})`, against: '', wanted: '≤ 0.12 MiB' }
}

export function editRow(latencies: readonly number[]): Row {
  const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)]
  const line = `edit of a 4 KiB file → durable on both other members and known (${latencies.length} edits, loopback)`
  return {
    line,
    measured: `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`,
    against: '',
    wanted: 'p50 50 ms, p99 250 ms',
  }
}

export function memoryRow(line: string, bytes: number, mostMebibytes: number): Row {
  return { line, measured: `${(bytes / MIB).toFixed(0)} MiB`, against: '', wanted: `≤ ${mostMebibytes} MiB` }
}

export function promisesTable(rows: readonly Row[]): string {
  return table(
    ['line', 'measured', 'against', 'wanted'],
    rows.map((row) => [row.line, row.measured, row.against, row.wanted]),
  )
}

/** One line a measured size. */
export function growthTable(points: readonly GrowthPoint[]): string {
  const mebibytes = (bytes: number): string => (bytes / MIB).toFixed(0)
  const header = ['size', 'first s', 'CPU s', 'RSS MiB', 'unchanged s', 'restore s', 'CPU s', 'RSS MiB', 'stored MiB']
  const rows = points.map(({ axis, size, first, unchanged, restore, storedBytes }) => [
    `${size.toLocaleString('en')} ${axis}`,
    first.wallSeconds.toFixed(2),
    first.cpuSeconds.toFixed(2),
    mebibytes(first.rssBytesPeak),
    unchanged.wallSeconds.toFixed(2),
    restore.wallSeconds.toFixed(2),
    restore.cpuSeconds.toFixed(2),
    mebibytes(restore.rssBytesPeak),
    mebibytes(storedBytes),
  ])
  return table(header, rows)
}

/** Every tool's medians over one tree. */
export function toolsTable(rounds: readonly Round[]): string {
  const header = [
    'tool',
    'first s',
    'CPU s',
    'RSS MiB',
    'unchanged s',
    'restore s',
    'CPU s',
    'RSS MiB',
    'stored MiB',
    'foreign CPU s',
  ]
  const tools = [...new Set(rounds.map((round) => round.tool))]
  const rows = tools.map((tool) => {
    const own = rounds.filter((round) => round.tool === tool)
    const spread = (value: Value): string => {
      const numbers = own.map(value)
      return `${median(numbers).toFixed(2)} (${Math.min(...numbers).toFixed(2)}–${Math.max(...numbers).toFixed(2)})`
    }
    const mebibytes = (value: Value): string => (median(own.map(value)) / MIB).toFixed(0)
    const foreignOf = (cost: Cost): number => cost.foreignCpuSeconds
    const noise = Math.max(...own.flatMap((round) => [round.first, round.unchanged, round.restore].map(foreignOf)))
    return [
      tool,
      spread(wall('first')),
      spread(cpu('first')),
      mebibytes(rssFirst),
      spread(wall('unchanged')),
      spread(wall('restore')),
      spread(cpu('restore')),
      mebibytes((round) => round.restore.rssBytesPeak),
      (median(own.map(stored)) / MIB).toFixed(1),
      noise.toFixed(2),
    ]
  })
  return table(header, rows)
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}
