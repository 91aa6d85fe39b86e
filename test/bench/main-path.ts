/** `npm run bench -- [--scale 1] [--pairs 3] [--huge GiB] [--image GiB] [--cold] [--only mixed,small,insert,edit,memory,growth]
 *  [--growth-state FILE]`: measures the main path against the tools that are installed, and prints what docs/performance.md keeps. `--only
 *  growth` draws the growth curves into docs, `--cold` (as root) empties the page cache before each tool. Linux only. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { REPOSITORY } from '../src/holdfast.ts'
import * as cases from './cases.ts'
import { measureGrowth, writeCharts } from './growth.ts'
import { imageEditRow, measureImageEdit } from './image-edit.ts'
import { PEERS } from './peers.ts'
import * as report from './report.ts'

const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: '1' },
    pairs: { type: 'string', default: '3' },
    huge: { type: 'string', default: '0' },
    image: { type: 'string', default: '0' },
    cold: { type: 'boolean', default: false },
    only: { type: 'string', default: 'mixed,small,insert,edit,memory' },
    'growth-state': { type: 'string', default: join(tmpdir(), 'holdfast-growth.jsonl') },
  },
})
const only = new Set(values.only.split(','))
const scale = Number(values.scale)
const pairs = Number(values.pairs)
const huge = Number(values.huge)
const image = Number(values.image)
if (!(scale > 0) || !Number.isInteger(pairs) || pairs < 1 || !(huge >= 0) || !(image >= 0)) {
  console.error('--scale takes a number above 0, --pairs an integer from 1, --huge and --image a number of GiB')
  process.exit(2)
}
const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
const plan = { directory, scale, pairs, cold: values.cold, tell: (line: string) => console.error(line) }

try {
  const { rows, tables } = await measureAll()
  console.log(heading())
  console.log(report.promisesTable(rows))
  for (const [name, table] of tables) console.log(`\n${name}:\n\n${table}`)
} finally {
  rmSync(directory, { recursive: true, force: true }) // all at the end: see measureTree
}

async function measureAll(): Promise<{ rows: report.Row[]; tables: [string, string][] }> {
  const { ratioRow, wall, cpu, stored, rssFirst } = report
  const rows: report.Row[] = []
  const tables: [string, string][] = []
  if (only.has('mixed')) {
    const rounds = await cases.measureTree(plan, 'mixed')
    tables.push([`mixed, ${Math.round(1024 * scale)} MiB`, report.toolsTable(rounds)])
    rows.push(
      ratioRow('first capture, mixed, wall', rounds, 'restic auto', wall('first'), 0.4),
      ratioRow('first capture, mixed, wall', rounds, 'borg lz4', wall('first'), 0.6),
      ratioRow('first capture, mixed, CPU', rounds, 'restic auto', cpu('first'), 0.5),
      ratioRow('stored bytes, mixed', rounds, 'restic auto', stored, 1),
      ratioRow('restore, mixed', rounds, 'restic auto', wall('restore'), 0.6),
      ratioRow('restore, mixed, CPU', rounds, 'restic auto', cpu('restore')),
    )
  }
  if (only.has('small')) {
    const rounds = await cases.measureTree(plan, 'small')
    const files = Math.round(100_000 * scale)
    tables.push([`small, ${files} files`, report.toolsTable(rounds)])
    const peak = Math.max(...rounds.filter((round) => round.tool === 'holdfast').map(rssFirst))
    rows.push(
      ratioRow('first capture, small files, warm', rounds, 'restic auto', wall('first'), 0.3),
      ratioRow('unchanged re-walk, small files', rounds, 'restic auto', wall('unchanged'), 0.25),
      ratioRow('unchanged re-walk, small files', rounds, 'rsync', wall('unchanged'), 1.5),
      ratioRow('stored bytes, small files', rounds, 'restic auto', stored, 1.05),
      ratioRow('restore, small files', rounds, 'restic auto', wall('restore'), 0.5),
      ratioRow('restore, small files, CPU', rounds, 'restic auto', cpu('restore')),
      report.memoryRow(`peak of memory capturing ${files} files`, peak, 350),
    )
    if (only.has('memory')) {
      const line = `memory a minute after a restart with ${files} files`
      rows.push(report.memoryRow(line, await cases.measureMemoryAfterRestart(plan), 200))
    }
  }
  if (only.has('insert')) rows.push(report.insertRow(await cases.measureInserts(plan, 20)))
  if (only.has('edit'))
    rows.push(report.editRow(await cases.measureEdits(plan, Math.max(20, Math.round(200 * Math.min(1, scale))))))
  if (huge > 0) {
    const line = `peak of memory capturing one file of ${huge} GiB`
    rows.push(report.memoryRow(line, await cases.measureHugeFile(plan, huge), 350))
  }
  if (image > 0) rows.push(imageEditRow(image, await measureImageEdit(plan, image)))
  if (only.has('growth')) {
    const points = await measureGrowth(plan, values['growth-state'])
    const charts = writeCharts(points, join(REPOSITORY, 'docs'))
    tables.push([
      'growth',
      [report.growthTable(points), '', ...charts.map((chart) => `![${chart}](${chart})`)].join('\n'),
    ])
  }
  return { rows, tables }
}

function heading(): string {
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: REPOSITORY, encoding: 'utf8' }).stdout.trim()
  const peers = PEERS.map((peer) => peer.version() ?? `${peer.name} is not installed`)
  const gibibytes = Math.round(totalmem() / 1024 ** 3)
  return [
    `\`npm run bench -- ${process.argv.slice(2).join(' ')}\` on ${new Date().toISOString().slice(0, 10)}, commit ${commit}.`,
    `Machine: ${availableParallelism()} × ${cases.processor()}, ${gibibytes} GiB, ${process.platform} ${process.arch}; Node ${process.version}; ${peers.join('; ')}.`,
    `Medians of ${pairs} rounds in turning order, ${values.cold ? 'cold' : 'warm'} cache; ranges in brackets; ratios are medians over rounds.`,
    '',
  ].join('\n')
}
