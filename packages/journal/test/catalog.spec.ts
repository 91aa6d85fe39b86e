import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asVolumeId, hasCode } from '@holdfast/ports'
import type { ErrorCode, VolumeId } from '@holdfast/ports'
import { Level } from 'level'
import type { Catalog, CatalogRow } from '../src/index.ts'
import { APPLY_BACKLOG_MAX, clearCatalog, openCatalog, rowOf } from '../src/index.ts'
import { ROOT } from './catalog-model.ts'
import { baselineRow, bytesOf, deleteRow, directory, file, putRow } from './rows.ts'

const volumeOf = (byte: number): VolumeId => asVolumeId(new Uint8Array(16).fill(byte))
const code = (expected: ErrorCode) => (error: unknown) => hasCode(error, expected)

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const row of rows) collected.push(row)
  return collected
}

async function names(rows: AsyncIterable<CatalogRow>): Promise<string[]> {
  return (await all(rows)).map(
    (row) => `${Buffer.from(row.path).toString()}@${row.seq}${row.kind === 'delete' ? '-' : ''}`,
  )
}

describe('catalog', () => {
  let parent: string
  let level: Level
  let catalog: Catalog
  beforeEach(async () => {
    parent = mkdtempSync(join(tmpdir(), 'holdfast-catalog-'))
    level = new Level(parent)
    await level.open()
    catalog = await openCatalog({ level, volume: volumeOf(1) })
  })
  afterEach(async () => {
    await catalog.close()
    await level.close()
    rmSync(parent, { recursive: true })
  })

  let length = 0
  const apply = (...rows: CatalogRow[]): Promise<void> => catalog.apply(rows, { epoch: 1, length: ++length })

  describe('moments', () => {
    it('an empty catalog has none', async () => {
      assert.equal(await catalog.resolve(), undefined)
      assert.equal(await catalog.resolve({ timeMs: 5 }), undefined)
      assert.equal(await catalog.seqAt(5), undefined)
      assert.equal(await catalog.get(bytesOf('a'), { seq: 5 }), undefined)
      assert.deepEqual(await names(catalog.walk(ROOT, { timeMs: 5 })), [])
    })

    it('a time means the newest record at or before it, also of many in one ms', async () => {
      await apply(putRow(file('a'), 1, 1000), putRow(file('b'), 2, 1000))
      await apply(putRow(file('c'), 3, 1000), putRow(file('a'), 4, 2000))
      assert.deepEqual(await catalog.seqAt(999), undefined)
      assert.deepEqual(await catalog.seqAt(1000), { seq: 3, timeMs: 1000 })
      assert.deepEqual(await catalog.seqAt(1999), { seq: 3, timeMs: 1000 })
      assert.deepEqual(await catalog.seqAt(2 ** 60), { seq: 4, timeMs: 2000 })
      assert.deepEqual(await catalog.resolve({ timeMs: 1500.7 }), { seq: 3, timeMs: 1000, earliest: false })
      assert.deepEqual(await catalog.resolve({ seq: 2 }), { seq: 2, timeMs: 1000, earliest: false })
      assert.deepEqual(await catalog.resolve({ seq: 1e9 }), { seq: 4, timeMs: 2000, earliest: false })
      assert.deepEqual(await catalog.resolve(), { seq: 4, timeMs: 2000, earliest: false })
    })

    it('a seq that is no record’s means the one before', async () => {
      await apply(putRow(file('a'), 10, 1000), putRow(file('b'), 20, 2000))
      assert.deepEqual(await catalog.resolve({ seq: 15 }), { seq: 10, timeMs: 1000, earliest: false })
      assert.deepEqual(await names(catalog.walk(ROOT, { seq: 15 })), ['a@10'])
    })

    it('every record of a large commit is found by its seq, and all of them in the log', async () => {
      const rows = Array.from({ length: 600 }, (_, place) => putRow(file(`f${place}`), 2 * (place + 1), 1000 + place))
      await apply(...rows)
      for (const seq of [2, 510, 512, 514, 1023, 1024, 1025, 1026, 1200]) {
        const even = seq - (seq % 2)
        assert.deepEqual(await catalog.resolve({ seq }), { seq: even, timeMs: 999 + even / 2, earliest: false })
      }
      const expected = rows.map((row, place) => `f${place}@${row.seq}`).reverse()
      assert.deepEqual(await names(catalog.log(ROOT)), expected)
      assert.deepEqual(await names(catalog.log(ROOT, 300)), expected.slice(0, 300))
    })

    it('a time before the first capture means what was there before anything was replaced', async () => {
      await apply(
        putRow(file('a'), 1, 1000),
        putRow(file('b'), 2, 1100),
        putRow(file('a'), 3, 1200),
        putRow(file('c'), 4, 1300),
      )
      assert.deepEqual(await catalog.resolve({ timeMs: 1 }), { seq: 2, timeMs: 1100, earliest: true })
      assert.deepEqual(await catalog.resolve({ timeMs: -1e20 }), { seq: 2, timeMs: 1100, earliest: true })
      assert.deepEqual(await catalog.resolve({ seq: 0 }), { seq: 2, timeMs: 1100, earliest: true })
      assert.deepEqual(await names(catalog.walk(ROOT, { timeMs: 1 })), ['a@1', 'b@2'])
      assert.deepEqual(await names(catalog.walk(ROOT, { timeMs: 1000 })), ['a@1'])
    })

    it('with a baseline, any time before it means the baseline: never half of the first capture', async () => {
      await apply(
        putRow(file('a'), 1, 1000),
        putRow(file('a'), 2, 1100),
        putRow(file('b'), 3, 1200),
        baselineRow(4, 1300),
      )
      await apply(putRow(file('b'), 5, 1400), putRow(file('c'), 6, 1500))
      for (const timeMs of [0, 1000, 1299]) {
        assert.deepEqual(await catalog.resolve({ timeMs }), { seq: 4, timeMs: 1300, earliest: true })
        assert.deepEqual(await names(catalog.walk(ROOT, { timeMs })), ['a@2', 'b@3'])
      }
      assert.deepEqual(await catalog.resolve({ timeMs: 1300 }), { seq: 4, timeMs: 1300, earliest: false })
      assert.deepEqual(await names(catalog.walk(ROOT, { seq: 1 })), ['a@1'])
      await apply(baselineRow(7, 1600))
      assert.equal((await catalog.resolve({ timeMs: 0 }))?.seq, 4)
      assert.deepEqual(await names(catalog.log(ROOT)), ['c@6', 'b@5', 'b@3', 'a@2', 'a@1'])
    })

    it('a path that came after the first capture has its earliest version then', async () => {
      await apply(putRow(file('a'), 1, 1000), baselineRow(2, 1000))
      await apply(putRow(directory('d'), 3, 2000), putRow(file('d/x'), 4, 2000), putRow(file('d/x'), 5, 2500))
      assert.equal((await catalog.get(bytesOf('d/x'), { timeMs: 1 }))?.seq, 4)
      assert.deepEqual(await names(catalog.walk(bytesOf('d/x'), { timeMs: 1 })), ['d/x@4'])
      assert.deepEqual(await names(catalog.walk(ROOT, { timeMs: 1 })), ['a@1'])
      assert.equal(await catalog.get(bytesOf('d/x'), { timeMs: 1500 }), undefined)
      assert.equal(await catalog.get(bytesOf('never'), { timeMs: 1 }), undefined)
    })

    it('a time that goes back is raised to the one before', async () => {
      await apply(putRow(file('a'), 1, 2000), putRow(file('b'), 2, 1000))
      await apply(putRow(file('c'), 3, 500))
      assert.equal(catalog.applied.timeMs, 2000)
      assert.equal((await catalog.get(bytesOf('c')))?.timeMs, 2000)
      assert.equal(await catalog.seqAt(1999), undefined)
      assert.deepEqual(await catalog.seqAt(2000), { seq: 3, timeMs: 2000 })
    })
  })

  describe('questions', () => {
    it('names that are prefixes of others, and directories beside files of like names, stay apart', async () => {
      const paths = ['a', 'a-b', 'a.b', 'ab', 'a/b', 'a/b-c', 'a/b/c', 'a-b/c', 'a!']
      await apply(...paths.map((path, place) => putRow(file(path), place + 1, 1000)))
      assert.deepEqual(await names(catalog.list(ROOT)), ['a@1', 'a!@9', 'a-b@2', 'a.b@3', 'ab@4'])
      assert.deepEqual(await names(catalog.list(bytesOf('a'))), ['a/b@5', 'a/b-c@6'])
      assert.deepEqual(await names(catalog.walk(bytesOf('a'))), ['a@1', 'a/b@5', 'a/b-c@6', 'a/b/c@7'])
      assert.deepEqual(await names(catalog.walk(bytesOf('a-b'), { seq: 8 })), ['a-b@2', 'a-b/c@8'])
      assert.deepEqual(await names(catalog.log(bytesOf('a'))), ['a/b/c@7', 'a/b-c@6', 'a/b@5', 'a@1'])
    })

    it('a file with thousands of versions does not hide its neighbours', async () => {
      const many = Array.from({ length: 3000 }, (_, place) =>
        putRow(file('m', 1 + (place % 200)), place + 3, 2000 + place),
      )
      await apply(putRow(file('a'), 1, 1000), putRow(file('z'), 2, 1000), ...many)
      assert.deepEqual(await names(catalog.list(ROOT, { seq: 2 })), ['a@1', 'z@2'])
      assert.deepEqual(await names(catalog.list(ROOT, { seq: 1500 })), ['a@1', 'm@1500', 'z@2'])
      assert.deepEqual(await names(catalog.list(ROOT, { seq: 3001 })), ['a@1', 'm@3001', 'z@2'])
      assert.equal((await all(catalog.versions(bytesOf('m')))).length, 3000)
    })

    it('log ends at its limit, newest first, deletions included, also of what is gone', async () => {
      await apply(putRow(directory('d'), 1, 1000), putRow(file('d/x'), 2, 1000), putRow(file('e'), 3, 1000))
      await apply(deleteRow(file('d/x'), 4, 2000), deleteRow(directory('d'), 5, 2000))
      assert.deepEqual(await names(catalog.log(bytesOf('d'))), ['d@5-', 'd/x@4-', 'd/x@2', 'd@1'])
      assert.deepEqual(await names(catalog.log(ROOT, 2)), ['d@5-', 'd/x@4-'])
      assert.deepEqual(await names(catalog.log(bytesOf('d/x'), 1)), ['d/x@4-'])
      assert.deepEqual(await names(catalog.log(ROOT, 0)), [])
      assert.deepEqual(await names(catalog.log(bytesOf('absent'))), [])
    })

    it('find gives the newest version of what matches, deleted paths too', async () => {
      await apply(
        putRow(file('a.txt'), 1, 1000),
        putRow(file('d/b.txt'), 2, 1000),
        putRow(file('d/b.txt'), 3, 1000),
        putRow(file('d/c'), 4, 1000),
      )
      await apply(deleteRow(file('a.txt'), 5, 1000))
      assert.deepEqual(await names(catalog.find(bytesOf('*.txt'))), ['a.txt@5-', 'd/b.txt@3'])
      assert.deepEqual(await names(catalog.find(bytesOf('d/*'))), ['d/b.txt@3', 'd/c@4'])
      assert.throws(() => catalog.find(bytesOf('[a')), code('HF_BAD_INPUT'))
    })

    it('diff tells contents from metadata, and says nothing of what came back', async () => {
      await apply(
        ...['same', 'mode', 'content', 'gone', 'back'].map((path, place) => putRow(file(path), place + 1, 1000)),
      )
      await apply(
        putRow({ ...file('mode'), mode: 0o600 }, 6, 2000),
        putRow(file('content', 20), 7, 2000),
        deleteRow(file('gone'), 8, 2000),
        deleteRow(file('back'), 9, 2000),
        putRow(file('back'), 10, 2000),
        putRow(file('new'), 11, 2000),
      )
      const found = (await all(catalog.diff({ timeMs: 1000 }, { timeMs: 2000 }))).map(
        ({ path, change, before, after }) => `${Buffer.from(path).toString()} ${change} ${before?.seq} ${after?.seq}`,
      )
      assert.deepEqual(found, [
        'content modified 3 7',
        'gone removed 4 undefined',
        'mode metadata 2 6',
        'new added undefined 11',
      ])
      const back = await all(catalog.diff({ timeMs: 2000 }, { timeMs: 1000 }, bytesOf('gone')))
      assert.deepEqual(
        back.map((each) => each.change),
        ['added'],
      )
      assert.deepEqual(await all(catalog.diff({ seq: 7 }, { seq: 7 })), [])
    })

    it('an iteration sees the catalog as it was when it began', async () => {
      await apply(...Array.from({ length: 5 }, (_, place) => putRow(file(`f${place}`), place + 1, 1000)))
      const rows = catalog.walk(ROOT)[Symbol.asyncIterator]()
      await rows.next()
      await apply(deleteRow(file('f3'), 6, 2000), putRow(file('f9'), 7, 2000))
      const rest: string[] = []
      for (let row = await rows.next(); row.done !== true; row = await rows.next())
        rest.push(Buffer.from(row.value.path).toString())
      assert.deepEqual(rest, ['f1', 'f2', 'f3', 'f4'])
    })
  })

  describe('writing', () => {
    it('volumes in one level stay apart', async () => {
      const other = await openCatalog({ level, volume: volumeOf(2) })
      await apply(putRow(file('a'), 1, 1000))
      await other.apply([putRow(file('b'), 1, 1000)], { epoch: 1, length: 1 })
      assert.deepEqual(await names(catalog.walk(ROOT)), ['a@1'])
      assert.deepEqual(await names(other.walk(ROOT)), ['b@1'])
      await catalog.clear()
      assert.deepEqual(await names(catalog.log(ROOT)), [])
      assert.deepEqual(catalog.applied, { epoch: 0, length: 0, seq: 0, timeMs: 0 })
      assert.deepEqual(await names(other.walk(ROOT)), ['b@1'])
    })

    it('works in a sublevel', async () => {
      const inner = level.sublevel('catalog')
      const nested = await openCatalog({ level: inner, volume: volumeOf(1) })
      await nested.apply([putRow(file('a'), 1, 1000)], { epoch: 1, length: 1 })
      assert.deepEqual(await names(nested.walk(ROOT, { seq: 1 })), ['a@1'])
      assert.deepEqual(await names(catalog.walk(ROOT)), [])
    })

    it('goes on after a crash between any two batches of one call', async () => {
      const rows = Array.from({ length: 4200 }, (_, place) =>
        putRow(file(`f${place % 3000}`, 1 + (place % 100)), place + 1, place),
      )
      await apply(...rows)
      const [counts, paths] = [catalog.counts(), await names(catalog.walk(ROOT, { seq: 3500 }))]
      for (const crashAt of [0, 1, 2]) {
        const volume = volumeOf(10 + crashAt)
        const crashing = await openCatalog({ level, volume })
        const recover = crashAfter(level, crashAt)
        const failed = await crashing.apply(rows, { epoch: 1, length: 7 }).then(() => false, code('HF_JOURNAL_DAMAGED'))
        recover()
        assert.equal(failed, crashAt < 2)
        const again = await openCatalog({ level, volume })
        assert.equal(again.applied.length, failed ? 0 : 7)
        await again.apply(rows, { epoch: 1, length: 7 })
        assert.deepEqual(again.counts(), counts)
        assert.deepEqual(again.applied, { epoch: 1, length: 7, seq: 4200, timeMs: 4199 })
        assert.deepEqual(await names(again.walk(ROOT, { seq: 3500 })), paths)
      }
    })

    it('a position never goes back, and moves without rows', async () => {
      await apply(putRow(file('a'), 1, 1000))
      await catalog.apply([], { epoch: 2, length: 1 })
      await catalog.apply([putRow(file('a'), 1, 1000)], { epoch: 1, length: 9 })
      assert.deepEqual(catalog.applied, { epoch: 2, length: 1, seq: 1, timeMs: 1000 })
      assert.equal(catalog.counts().versions, 1)
    })

    it('rows out of order are a mistake', async () => {
      await assert.rejects(apply(putRow(file('a'), 2, 1000), putRow(file('b'), 1, 1000)), TypeError)
      assert.equal(catalog.applied.seq, 0)
    })

    it('refuses more calls than may wait, does those in order, and keeps what was applied over close and open', async () => {
      const calls = Array.from({ length: APPLY_BACKLOG_MAX + 1 }, (_, place) =>
        apply(putRow(file('a'), place + 1, 1000)),
      )
      const results = await Promise.allSettled(calls)
      assert.equal(results.filter((result) => result.status === 'fulfilled').length, APPLY_BACKLOG_MAX)
      assert.ok(
        results.at(-1)?.status === 'rejected' && code('HF_BUSY')((results.at(-1) as PromiseRejectedResult).reason),
      )
      assert.equal(catalog.counts().versions, APPLY_BACKLOG_MAX)
      await catalog.flush()
      await catalog.close()
      catalog = await openCatalog({ level, volume: volumeOf(1) })
      assert.equal(catalog.counts().versions, APPLY_BACKLOG_MAX)
    })

    it('closed, it refuses', async () => {
      const walking = catalog.walk(ROOT)[Symbol.asyncIterator]()
      await catalog.close()
      await assert.rejects(apply(), code('HF_CLOSED'))
      await assert.rejects(catalog.get(bytesOf('a')), code('HF_CLOSED'))
      await assert.rejects(walking.next(), code('HF_CLOSED'))
      assert.equal(catalog.applied.seq, 0)
    })

    describe('a batch that the power took, though later ones are there', () => {
      const LINK = `63${'01'.repeat(16)}6c`
      const reopen = async (): Promise<void> => {
        await catalog.close()
        catalog = await openCatalog({ level, volume: volumeOf(1) })
      }
      const linksOf = async (): Promise<string[]> => {
        const keys = await level.keys({ keyEncoding: 'hex' }).all()
        return keys.filter((key) => key.startsWith(LINK))
      }
      /** Of four batches the third is gone. */
      const lose = async (place: number): Promise<void> => {
        const key = (await linksOf())[place]
        assert.ok(key !== undefined)
        await level.del(key, { keyEncoding: 'hex' })
      }
      beforeEach(async () => {
        for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) await apply(putRow(file(name), index * 2 + 1, 1000))
      })

      it('is found at the next opening, wherever it is', async () => {
        await reopen()
        for (const place of [0, 1, 3]) {
          await lose(place)
          await catalog.close()
          await assert.rejects(openCatalog({ level, volume: volumeOf(1) }), code('HF_JOURNAL_DAMAGED'))
          await clearCatalog({ level, volume: volumeOf(1) })
          catalog = await openCatalog({ level, volume: volumeOf(1) })
          for (const [index, name] of ['a', 'b', 'c', 'd'].entries())
            await apply(putRow(file(name), index * 2 + 1, 1000))
        }
        await reopen()
        assert.equal(catalog.applied.seq, 7)
      })

      it('is not looked for up to where everything is in tables', async () => {
        await catalog.flush(5)
        assert.equal((await linksOf()).length, 1)
        await reopen()
        await catalog.flush()
        await reopen()
        await lose(0)
        await catalog.close()
        await assert.rejects(openCatalog({ level, volume: volumeOf(1) }), code('HF_JOURNAL_DAMAGED'))
      })
    })

    it('damaged rows have a code, and are cleared and applied again', async () => {
      await apply(putRow(file('a'), 1, 1000))
      for (const key of await level.keys({ keyEncoding: 'hex' }).all())
        await level.put(key, 'ff', { keyEncoding: 'hex', valueEncoding: 'hex' })
      await assert.rejects(catalog.get(bytesOf('a')), code('HF_JOURNAL_DAMAGED'))
      await assert.rejects(all(catalog.walk(ROOT)), code('HF_JOURNAL_DAMAGED'))
      await assert.rejects(all(catalog.log(ROOT)), code('HF_JOURNAL_DAMAGED'))
      await assert.rejects(openCatalog({ level, volume: volumeOf(1) }), code('HF_JOURNAL_DAMAGED'))
      await clearCatalog({ level, volume: volumeOf(1) })
      catalog = await openCatalog({ level, volume: volumeOf(1) })
      await apply(putRow(file('a'), 1, 1000))
      assert.deepEqual(await names(catalog.walk(ROOT)), ['a@1'])
    })
  })

  it('rows are made from opened records; kinds that are not known have none', () => {
    const row = putRow(file('a'), 3, 1000)
    const { seq, epoch, timeMs, kind, refs, ...state } = row
    const known = { seq, epoch, timeMs, refs, keyEpoch: 1, pathToken: new Uint8Array(16) as never }
    assert.deepEqual(rowOf({ public: { ...known, kind: 'put' }, state }), row)
    assert.equal(kind, 'put')
    assert.equal(rowOf({ public: { ...known, kind: 'kind-9' } }), undefined)
    assert.deepEqual(rowOf({ public: { ...known, refs: [], kind: 'baseline' } }), baselineRow(3, 1000))
  })
})

/** From the next call on, batches fail after the first few, until the result is called: what a crash leaves. */
function crashAfter(level: Level, batches: number): () => void {
  let left = batches
  const begin = level.batch.bind(level)
  const value = () => {
    const batch = begin()
    if (left-- > 0) return batch
    return Object.assign(batch, { write: () => Promise.reject(new Error('crashed')) })
  }
  Object.defineProperty(level, 'batch', { configurable: true, value })
  return () => void Reflect.deleteProperty(level, 'batch')
}
