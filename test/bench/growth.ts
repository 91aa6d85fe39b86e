/** How time, bytes and memory of one node grow with the number of files and with their bytes. Each point takes minutes to an hour: it is
 *  kept in a file as soon as it is measured, and a run that is started again goes on with the next one. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTree } from '../src/workload.ts'
import type { Plan } from './cases.ts'
import { growthChart, type Curve } from './chart.ts'
import { makeHalfCompressible } from './half-compressible.ts'
import { holdfastTool } from './holdfast-tool.ts'
import type { Cost } from './measure.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
/** Files of the trees, and GiB of content in files of 64 MiB, at scale 1. */
const FILES = [10_000, 30_000, 100_000, 300_000, 1_000_000]
const GIBIBYTES = [1, 3, 10, 30]

export interface GrowthPoint {
  readonly axis: 'files' | 'GiB'
  readonly size: number
  readonly first: Cost
  readonly unchanged: Cost
  readonly restore: Cost
  readonly storedBytes: number
}

/** The points that are in `state` and those that are not, up to `scale` times the largest. Everything of a point is removed before the next;
 *  the trees of the next point come from other directories, but the disk may still be slower for a while. */
export async function measureGrowth(plan: Plan, state: string): Promise<GrowthPoint[]> {
  const points = readPoints(state)
  for (const [axis, sizes] of [
    ['files', FILES],
    ['GiB', GIBIBYTES],
  ] as const) {
    for (const size of sizes.map((full) => full * plan.scale)) {
      if (points.some((point) => point.axis === axis && point.size === size)) continue
      plan.tell(`growth: ${size} ${axis}`)
      const directory = join(plan.directory, `growth-${axis}-${size}`)
      const point = await measurePoint(directory, axis, size)
      // A killed run may have left half a line.
      appendFileSync(state, `\n${JSON.stringify(point)}\n`)
      points.push(point)
      rmSync(directory, { recursive: true })
    }
  }
  return points
}

/** Points kept by earlier runs; a line that a killed run left half written is left out. */
export function readPoints(state: string): GrowthPoint[] {
  if (!existsSync(state)) return []
  return readFileSync(state, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as GrowthPoint]
      } catch {
        return []
      }
    })
}

async function measurePoint(directory: string, axis: GrowthPoint['axis'], size: number): Promise<GrowthPoint> {
  const source = join(directory, 'source')
  if (axis === 'files') makeTree(source, { profile: 'small', seed: 'growth', scale: size / 100_000 })
  else makeHalfCompressible(source, size * GIB)
  const tool = await holdfastTool.open(join(directory, 'node'), source)
  try {
    const first = await tool.capture('first')
    const unchanged = await tool.capture('unchanged')
    const storedBytes = await tool.storedBytes()
    const to = join(directory, 'restored')
    mkdirSync(to)
    return { axis, size, first, unchanged, storedBytes, restore: await tool.restore(to, 'unchanged') }
  } finally {
    await tool.close()
  }
}

/** One chart an axis and kind of figure, by file name; axes of which there is a single point are left out. */
export function growthCharts(points: readonly GrowthPoint[]): Map<string, string> {
  const charts = new Map<string, string>()
  for (const axis of ['files', 'GiB'] as const) {
    const own = points.filter((point) => point.axis === axis).toSorted((a, b) => a.size - b.size)
    if (own.length < 2) continue
    const curve = (name: string, value: (point: GrowthPoint) => number): Curve => ({
      name,
      points: own.map((point) => [point.size, Math.max(value(point), 0.001)] as const),
    })
    const seconds = (['first', 'unchanged', 'restore'] as const).map((part) =>
      curve(part, (point) => point[part].wallSeconds),
    )
    const mebibytes = [
      curve('stored', (point) => point.storedBytes / MIB),
      ...(['first', 'restore'] as const).map((part) =>
        curve(`memory, ${part}`, (point) => point[part].rssBytesPeak / MIB),
      ),
    ]
    charts.set(`growth-${axis.toLowerCase()}-seconds.svg`, growthChart(`time by ${axis}`, axis, 'seconds', seconds))
    charts.set(`growth-${axis.toLowerCase()}-mib.svg`, growthChart(`bytes by ${axis}`, axis, 'MiB', mebibytes))
  }
  return charts
}

/** Writes the charts into `directory`; their names. */
export function writeCharts(points: readonly GrowthPoint[], directory: string): string[] {
  const charts = growthCharts(points)
  for (const [name, chart] of charts) writeFileSync(join(directory, name), chart)
  return [...charts.keys()]
}
