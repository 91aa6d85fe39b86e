import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asVolumeId } from '@holdfast/ports'
import * as fc from 'fast-check'
import { Level } from 'level'
import type { Catalog, CatalogRow, FileState } from '../src/index.ts'
import { openCatalog } from '../src/index.ts'
import { CatalogModel, ROOT } from './catalog-model.ts'
import { bytesOf, deleteRow, path, putRow, putState } from './rows.ts'

type Change =
  | { readonly type: 'put'; readonly state: FileState }
  /** Of paths that exist, by number. */
  | { readonly type: 'change' | 'delete' | 'recreate'; readonly which: number; readonly state: FileState }
  | { readonly type: 'rename'; readonly which: number; readonly to: Uint8Array }

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('put' as const), state: putState }) },
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constantFrom('change', 'delete', 'recreate'), which: fc.nat(), state: putState }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('rename' as const), which: fc.nat(), to: path }) },
)

/** Commits of changes, each with the ms that pass before it. */
const history = fc.array(
  fc.record({ pauseMs: fc.integer({ min: -2, max: 5 }), changes: fc.array(change, { maxLength: 12 }) }),
  { maxLength: 8 },
)

/** Rows of the changes as a writer would make them, which knows what exists. */
function rowsOf(changes: readonly Change[], model: CatalogModel, timeMs: number): CatalogRow[] {
  const rows: CatalogRow[] = []
  const add = (make: (seq: number) => CatalogRow): void => {
    const row = make(model.newestSeq + 1)
    rows.push(row)
    model.add([row])
  }
  for (const each of changes) {
    const known = model.paths()
    const chosen = each.type === 'put' ? undefined : known[each.which % Math.max(known.length, 1)]
    if (each.type === 'put') add((seq) => putRow(each.state, seq, timeMs))
    else if (chosen === undefined) continue
    else if (each.type === 'delete') add((seq) => deleteRow({ ...each.state, path: chosen }, seq, timeMs))
    else if (each.type === 'rename') {
      const below = model.walk(chosen, model.newestSeq)
      for (const row of below) {
        const moved = new Uint8Array(Buffer.concat([each.to, row.path.subarray(chosen.byteLength)]))
        add((seq) => putRow({ ...stateOf(row), path: moved }, seq, timeMs))
        add((seq) => deleteRow(row, seq, timeMs))
      }
    } else add((seq) => putRow({ ...each.state, path: chosen }, seq, timeMs))
  }
  return rows
}

function stateOf({
  seq: _seq,
  epoch: _epoch,
  timeMs: _time,
  kind: _kind,
  refs: _refs,
  ...state
}: CatalogRow): FileState {
  return state
}

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const row of rows) collected.push(row)
  return collected
}

const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const brief = (rows: readonly CatalogRow[]): string[] => rows.map((row) => `${row.seq} ${utf8(row.path)}`)

async function compareAll(catalog: Catalog, model: CatalogModel, seqs: readonly number[]): Promise<void> {
  assert.deepEqual(catalog.counts(), model.counts())
  const tops = [ROOT, ...model.paths(), bytesOf('absent'), bytesOf('a')]
  for (const top of tops) {
    const now = model.newestSeq
    assert.deepEqual(await all(catalog.versions(top)), model.versions(top))
    assert.deepEqual(await catalog.get(top), model.at(top, now))
    assert.deepEqual(await all(catalog.list(top)), model.list(top, now))
    assert.deepEqual(await all(catalog.walk(top)), model.walk(top, now))
    assert.deepEqual(brief(await all(catalog.log(top))), brief(model.log(top)))
    for (const seq of seqs) {
      assert.deepEqual(await catalog.get(top, { seq }), model.at(top, seq))
      assert.deepEqual(brief(await all(catalog.list(top, { seq }))), brief(model.list(top, seq)))
      assert.deepEqual(brief(await all(catalog.walk(top, { seq }))), brief(model.walk(top, seq)))
    }
  }
  const newest = model.paths().map((top) => model.versions(top)[0] as CatalogRow)
  assert.deepEqual(
    await all(catalog.find(bytesOf('**'))),
    newest.filter((row) => row !== undefined),
  )
  for (const seq of seqs) await compareDiff(catalog, model, seq, model.newestSeq)
}

async function compareDiff(catalog: Catalog, model: CatalogModel, from: number, to: number): Promise<void> {
  const found = new Map((await all(catalog.diff({ seq: from }, { seq: to }))).map((each) => [utf8(each.path), each]))
  for (const top of model.paths()) {
    const [before, after] = [model.at(top, from), model.at(top, to)]
    const difference = found.get(utf8(top))
    if (before?.seq === after?.seq) assert.equal(difference, undefined)
    else if (before === undefined || after === undefined) {
      assert.deepEqual(
        difference,
        before ? { path: top, change: 'removed', before } : { path: top, change: 'added', after },
      )
    } else if (difference !== undefined) assert.deepEqual([difference.before, difference.after], [before, after])
  }
}

describe('catalog against a model without indexes', () => {
  let parent: string
  let level: Level
  let round = 0
  before(async () => {
    parent = mkdtempSync(join(tmpdir(), 'holdfast-catalog-'))
    level = new Level(parent)
    await level.open()
  })
  after(async () => {
    await level.close()
    rmSync(parent, { recursive: true })
  })

  const freshVolume = () => {
    const volume = new Uint8Array(16)
    new DataView(volume.buffer).setUint32(12, ++round)
    return asVolumeId(volume)
  }

  it('answers every question alike, for any history, at any moment, in any division into commits', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (commits) => {
        const model = new CatalogModel()
        const catalog = await openCatalog({ level, volume: freshVolume() })
        let timeMs = 1000
        let length = 0
        for (const { pauseMs, changes } of commits) {
          timeMs = Math.max(timeMs, timeMs + pauseMs)
          const rows = rowsOf(changes, model, timeMs)
          await catalog.apply(rows, { epoch: 1, length: ++length })
        }
        assert.deepEqual(catalog.applied, {
          epoch: commits.length > 0 ? 1 : 0,
          length,
          seq: model.newestSeq,
          timeMs: model.rows.at(-1)?.timeMs ?? 0,
        })
        const seqs = [1, Math.ceil(model.newestSeq / 3), Math.ceil(model.newestSeq / 2), model.newestSeq].filter(
          (seq) => seq > 0,
        )
        await compareAll(catalog, model, seqs)
        await catalog.close()
      }),
      { numRuns: 40 },
    )
  })

  it('is the same after any replay that begins at or before what it holds', async () => {
    const replays = fc.array(fc.record({ back: fc.nat({ max: 5 }), forward: fc.nat({ max: 7 }) }), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(history, replays, async (commits, legs) => {
        const model = new CatalogModel()
        const volume = freshVolume()
        const blocks = commits.map(({ changes }) => rowsOf(changes, model, 1000))
        let catalog = await openCatalog({ level, volume })
        for (const { back, forward } of [...legs, { back: 3, forward: blocks.length + 3 }]) {
          const held = catalog.applied.length
          const start = Math.max(0, held - back)
          for (const [place, rows] of blocks.slice(start, start + forward).entries()) {
            await catalog.apply(rows, { epoch: 1, length: start + place + 1 })
          }
          const { applied } = catalog
          assert.equal(applied.length, Math.max(held, Math.min(blocks.length, start + forward)))
          await catalog.close()
          catalog = await openCatalog({ level, volume })
          assert.deepEqual(catalog.applied, applied)
        }
        await compareAll(
          catalog,
          model,
          [model.newestSeq].filter((seq) => seq > 0),
        )
        await catalog.close()
      }),
      { numRuns: 25 },
    )
  })
})
