import { strict as assert } from 'node:assert'
import { chmodSync, lstatSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { encodeStat, STAT_WORDS, statOfBig } from '@holdfast/capture'
import type { StatRow } from '../../src/capture/index.ts'
import type { Draft } from '../../src/ingest/types.ts'
import { Bench, bytes } from './support.ts'

let bench: Bench

beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.stop())

describe('very many changes', function () {
  this.timeout(60_000)

  it('made while the node was not running, 50,000 of them, are all found by its first walk', async () => {
    // The history and the stat store of the run before: of what is there now one half as it was then, with other words.
    const names = Array.from({ length: 100 }, (_, index) => `d${index}`)
    const changed: string[] = []
    const added: string[] = []
    for (const name of names) {
      mkdirSync(bench.at(name))
      for (let file = 0; file < 20; file++) {
        const path = `${name}/f${file}`
        writeFileSync(bench.at(path), path)
        ;(file % 2 === 0 ? changed : added).push(path)
      }
    }
    const deleted = Array.from({ length: 48_000 }, (_, index) => `d${index % 100}/gone-${index}`)
    const words = new Uint32Array(STAT_WORDS)
    encodeStat({ ...statOfBig(lstatSync(bench.at('d0/f0'), { bigint: true })), mtimeNs: 1n, ctimeNs: 1n }, words)
    const known = [...changed, ...deleted]
    await bench.history.commit({ drafts: known.map(oldDraft), deletions: [] })
    const rows = known.map((path): StatRow => {
      return { path: bytes(path), words, keyed: true, racy: false, young: false, content: new Uint8Array(16) }
    })
    await bench.stats.apply(rows, [], bench.history.seq())
    const from = bench.history.seq()

    await bench.start({ watch: false })
    await bench.capture.flush()
    const log = bench.history.log(from)
    const said = new Set(log)
    assert.equal(log.length, 50_000 + names.length)
    assert.equal(said.size, log.length, 'nothing twice')
    for (const path of deleted) assert.ok(said.has(`delete ${path}`), path)
    for (const path of [...changed, ...added, ...names]) assert.ok(said.has(`put ${path}`), path)
    assert.deepEqual(bench.history.paths(), [...names, ...changed, ...added].toSorted())
  })

  it('made while the main thread is busy are all captured without a flush, and what was missed is made good', async () => {
    const paths: string[] = []
    for (let directory = 0; directory < 20; directory++) {
      mkdirSync(bench.at(`d${directory}`))
      for (let file = 0; file < 100; file++) paths.push(`d${directory}/f${file}`)
    }
    for (const path of paths) writeFileSync(bench.at(path), 'x')
    await bench.start()
    await bench.until('watching', () => bench.capture.status().watches > 20)
    await bench.capture.flush()

    // 40,000 changes, and directories that come, go and move between them, in one turn of the event loop.
    for (let round = 0; round < 20; round++) {
      for (const path of paths) chmodSync(bench.at(path), 0o600 + (round % 8))
      mkdirSync(bench.at(`new${round}/a/b/c`), { recursive: true })
      writeFileSync(bench.at(`new${round}/a/b/c/file`), 'x')
      if (round > 0) renameSync(bench.at(`new${round - 1}/a`), bench.at(`new${round}/moved`))
    }
    const mode = lstatSync(bench.at('d0/f0')).mode & 0o7777
    const modeOf = (path: string): number | undefined => bench.history.rows.get(path)?.mode
    await bench.until('every file', () => paths.every((path) => modeOf(path) === mode))
    await bench.until('every tree', () => {
      const { rows } = bench.history
      const moved = (round: number): boolean =>
        rows.has(`new${round}/moved/b/c/file`) && !rows.has(`new${round - 1}/a/b`)
      return Array.from({ length: 19 }, (_, index) => index + 1).every(moved) && rows.has('new19/a/b/c/file')
    })
    const gaps = bench.health.findLastIndex(({ type }) => type === 'gap')
    await bench.until('no gap', () => gaps < 0 || bench.health.findLastIndex(({ type }) => type === 'covered') > gaps)
  })
})

const oldDraft = (path: string): Draft => ({
  path: bytes(path),
  type: 'file',
  mode: 0o600,
  uid: 0,
  gid: 0,
  mtimeNs: 1n,
  size: 0,
  torn: false,
  refs: [],
  needs: [],
})
