import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { growthChart } from '../bench/chart.ts'
import { growthCharts, readPoints, type GrowthPoint } from '../bench/growth.ts'

const costOf = (wallSeconds: number) => ({ wallSeconds, cpuSeconds: 1, rssBytesPeak: 2 ** 28, foreignCpuSeconds: 0 })
const pointOf = (size: number): GrowthPoint => ({
  axis: 'files',
  size,
  first: costOf(size / 1000),
  unchanged: costOf(0),
  restore: costOf(size / 2000),
  storedBytes: size * 1000,
})

describe('growth curves', () => {
  it('of linear growth lie on the dashed line', () => {
    const points = [
      [10, 1],
      [1000, 100],
    ] as const
    const svg = growthChart('title <1>', 'files', 'seconds', [{ name: 'first', points }])
    const line = /polyline points="([^ ]+) ([^"]+)"/.exec(svg)
    const dashed = /path d="M([^ ]+) ([^ ]+) L([^ ]+) ([^"]+)"/.exec(svg)
    assert.deepEqual(line?.slice(1), [`${dashed?.[1]},${dashed?.[2]}`, `${dashed?.[3]},${dashed?.[4]}`])
    assert.match(svg, /title &lt;1>/)
    assert.match(svg, />1,000</)
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
  })

  it('are drawn for each axis of more than one point, zero included', () => {
    const charts = growthCharts([pointOf(10_000), pointOf(100_000), { ...pointOf(1), axis: 'GiB' }])
    assert.deepEqual([...charts.keys()], ['growth-files-seconds.svg', 'growth-files-mib.svg'])
    for (const chart of charts.values()) assert.doesNotMatch(chart, /NaN|undefined|Infinity/)
  })

  it('go on with the points that an earlier run kept, without the one that it left half written', () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-growth-'))
    try {
      const state = join(directory, 'points')
      assert.deepEqual(readPoints(state), [])
      for (const size of [1, 2]) appendFileSync(state, `${JSON.stringify(pointOf(size))}\n`)
      appendFileSync(state, '{"axis":"fil')
      assert.deepEqual(readPoints(state), [pointOf(1), pointOf(2)])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
