import { strict as assert } from 'node:assert'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { HoldfastError } from '@holdfast/ports'
import { Bench, bytes, gate } from './support.ts'

describe('capture of a volume', () => {
  let bench: Bench

  const write = (path: string, content = 'x'): void => writeFileSync(bench.at(path), content)
  /** A change that nobody can take for one that may be followed by another with the same time. */
  const writeOld = (path: string, content = 'x'): void => {
    write(path, content)
    utimesSync(bench.at(path), 1_000_000, 1_000_000)
  }

  beforeEach(() => {
    bench = new Bench()
  })
  afterEach(() => bench.stop())

  it('captures everything at first, and says up to when it is captured', async () => {
    mkdirSync(bench.at('d/empty'), { recursive: true })
    write('d/file')
    symlinkSync('missing', bench.at('link'))
    const before = Date.now()
    await bench.start()
    const { coverageMs, unreadableCount } = await bench.capture.flush()
    assert.deepEqual(bench.history.paths(), ['d', 'd/empty', 'd/file', 'link'])
    assert.ok(coverageMs >= before && coverageMs <= Date.now())
    assert.equal(bench.capture.status().coverageMs, coverageMs)
    assert.equal(unreadableCount, 0)
    assert.equal(bench.capture.status().pendingFiles, 0)
    assert.equal(bench.history.log().length, 4)
  })

  it('makes a version of each change that a watcher sees, without a flush', async () => {
    write('file', 'one')
    await bench.start()
    await bench.until('watching', () => bench.capture.status().watches > 0 && bench.history.paths().length === 1)
    await bench.capture.flush()
    const from = bench.history.seq()
    write('file', 'two')
    await bench.until('second version', () => bench.history.log(from).includes('put file'))
    unlinkSync(bench.at('file'))
    await bench.until('deletion', () => bench.history.log(from).includes('delete file'))
    mkdirSync(bench.at('a/b/c'), { recursive: true })
    write('a/b/c/file')
    await bench.until('new tree', () => bench.history.rows.has('a/b/c/file'))
  })

  it('captures what changed before a flush, also without a watcher', async () => {
    write('file', 'one')
    await bench.start({ watch: false })
    await bench.capture.flush()
    for (let round = 0; round < 5; round++) {
      write('file', `round ${round}`)
      write(`new ${round}`)
      await bench.capture.flush()
      assert.equal(bench.history.log().filter((line) => line === 'put file').length, round + 2)
      assert.ok(bench.history.rows.has(`new ${round}`))
    }
  })

  it('makes no version where nothing changed, however often it looks', async () => {
    mkdirSync(bench.at('d'))
    write('d/file')
    await bench.start()
    await bench.capture.flush()
    const seq = bench.history.seq()
    // Opened for writing and closed, so that the watcher tells; too young for its times to prove anything.
    closeSync(openSync(bench.at('d/file'), 'a'))
    for (let round = 0; round < 3; round++) await bench.capture.flush()
    assert.deepEqual(bench.history.log(seq), [])
  })

  it('makes a version of changed metadata', async () => {
    write('file')
    mkdirSync(bench.at('d'))
    await bench.start()
    await bench.capture.flush()
    const seq = bench.history.seq()
    chmodSync(bench.at('file'), 0o600)
    chmodSync(bench.at('d'), 0o700)
    await bench.capture.flush()
    assert.deepEqual(bench.history.log(seq).toSorted(), ['put d', 'put file'])
    assert.equal(bench.history.rows.get('file')?.mode, 0o600)
  })

  it('records deletions, children before parents', async () => {
    mkdirSync(bench.at('d/sub'), { recursive: true })
    write('d/sub/file')
    await bench.start({ watch: false })
    await bench.capture.flush()
    const seq = bench.history.seq()
    rmSync(bench.at('d'), { recursive: true })
    await bench.capture.flush()
    assert.deepEqual(bench.history.log(seq), ['delete d/sub/file', 'delete d/sub', 'delete d'])
    await bench.capture.flush()
    assert.equal(bench.history.seq(), seq + 3)
  })

  it('records a moved directory as deletions and puts, and changes below its new name', async () => {
    mkdirSync(bench.at('from/sub'), { recursive: true })
    write('from/sub/file')
    await bench.start()
    await bench.capture.flush()
    await bench.until('watching', () => bench.capture.status().watches > 0)
    renameSync(bench.at('from'), bench.at('to'))
    await bench.until('moved', () => bench.history.paths().join() === 'to,to/sub,to/sub/file')
    write('to/sub/file', 'changed')
    write('to/sub/new')
    await bench.until('changed below', () => bench.history.rows.has('to/sub/new'))
  })

  it('follows a file that becomes a directory and back', async () => {
    write('thing')
    await bench.start({ watch: false })
    await bench.capture.flush()
    rmSync(bench.at('thing'))
    mkdirSync(bench.at('thing'))
    write('thing/inside')
    await bench.capture.flush()
    assert.deepEqual(bench.history.paths(), ['thing', 'thing/inside'])
    assert.equal(bench.history.rows.get('thing')?.type, 'directory')
    rmSync(bench.at('thing'), { recursive: true })
    write('thing')
    await bench.capture.flush()
    assert.deepEqual(bench.history.paths(), ['thing'])
    assert.equal(bench.history.rows.get('thing')?.type, 'file')
  })

  it('reads nothing again after a restart, finds what changed and what was deleted meanwhile', async () => {
    for (const name of ['same', 'changed', 'deleted']) writeOld(name)
    mkdirSync(bench.at('d'))
    writeOld('d/same')
    await bench.start({ watch: false })
    await bench.capture.flush()
    await bench.capture.stop()
    // As if more time had passed between the change and its reading.
    for (const [key, row] of bench.stats.map) bench.stats.map.set(key, { ...row, racy: false })
    const seq = bench.history.seq()
    bench.pool.read.length = 0
    write('changed', 'other content')
    unlinkSync(bench.at('deleted'))
    await bench.restart()
    await bench.capture.flush()
    assert.deepEqual([...new Set(bench.pool.read)], ['changed'])
    assert.deepEqual(bench.history.log(seq).toSorted(), ['delete deleted', 'put changed'])
  })

  it('rebuilds what it knows from the catalog when the stat store is behind, and makes no version twice', async () => {
    for (const name of ['a', 'b', 'c']) writeOld(name)
    await bench.start({ watch: false })
    await bench.capture.flush()
    await bench.capture.stop()
    const seq = bench.history.seq()
    // As after a power loss: the catalog has more than the stat store.
    await bench.stats.clear()
    unlinkSync(bench.at('b'))
    await bench.restart()
    await bench.capture.flush()
    assert.deepEqual(bench.history.log(seq), ['delete b'])
    assert.equal(bench.stats.map.has('b'), false)
  })

  describe('an unavailable directory', () => {
    it('loses nothing, is said once, and goes on when it is back', async () => {
      mkdirSync(bench.at('d'))
      write('d/file')
      await bench.start()
      await bench.capture.flush()
      await bench.until('watching', () => bench.capture.status().watches > 0)
      const seq = bench.history.seq()
      renameSync(bench.root, `${bench.root}-away`)
      await assert.rejects(bench.capture.flush(), { code: 'HF_SOURCE_UNAVAILABLE' })
      await assert.rejects(bench.capture.flush(), { code: 'HF_SOURCE_UNAVAILABLE' })
      assert.equal(bench.capture.status().state, 'unavailable')
      assert.equal(bench.health.filter(({ type }) => type === 'unavailable').length, 1)
      renameSync(`${bench.root}-away`, bench.root)
      await bench.capture.flush()
      assert.equal(bench.capture.status().state, 'running')
      assert.ok(bench.health.some(({ type }) => type === 'available'))
      assert.deepEqual(bench.history.log(seq), [])
      write('d/file', 'changed')
      await bench.until('watched again', () => bench.history.log(seq).includes('put d/file'))
    })

    it('that is empty and another than before loses nothing until it is accepted', async () => {
      write('file')
      await bench.start()
      await bench.capture.flush()
      const seq = bench.history.seq()
      renameSync(bench.root, `${bench.root}-away`)
      mkdirSync(bench.root)
      await assert.rejects(bench.capture.flush(), { code: 'HF_SOURCE_UNAVAILABLE' })
      bench.capture.acceptRoot()
      await bench.until('accepted', () => bench.capture.status().state === 'running')
      await bench.capture.flush()
      assert.deepEqual(bench.history.log(seq), ['delete file'])
      rmSync(`${bench.root}-away`, { recursive: true })
    })

    it('at the start is no error', async () => {
      renameSync(bench.root, `${bench.root}-away`)
      await bench.start()
      await assert.rejects(bench.capture.flush(), { code: 'HF_SOURCE_UNAVAILABLE' })
      renameSync(`${bench.root}-away`, bench.root)
      write('file')
      await bench.capture.flush()
      assert.deepEqual(bench.history.paths(), ['file'])
    })
  })

  it('reports what cannot be read, keeps its last version, and reads it when it can', async () => {
    write('file', 'one')
    write('secret', 'one')
    await bench.start({ watch: false })
    await bench.capture.flush()
    const seq = bench.history.seq()
    bench.pool.unreadable.add('secret')
    write('secret', 'two')
    for (let round = 0; round < 3; round++) {
      assert.equal((await bench.capture.flush()).unreadableCount, 1)
      assert.deepEqual(bench.capture.status().unreadable, [bytes('secret')])
    }
    assert.equal(bench.health.filter(({ type }) => type === 'unreadable').length, 1)
    assert.deepEqual(bench.history.log(seq), [])
    bench.pool.unreadable.clear()
    assert.equal((await bench.capture.flush()).unreadableCount, 0)
    assert.deepEqual(bench.history.log(seq), ['put secret'])
  })

  it('forgets that a path was unreadable when it is gone', async () => {
    write('secret')
    bench.pool.unreadable.add('secret')
    await bench.start({ watch: false })
    assert.equal((await bench.capture.flush()).unreadableCount, 1)
    unlinkSync(bench.at('secret'))
    await bench.capture.flush()
    assert.equal((await bench.capture.flush()).unreadableCount, 0)
  })

  it('looks again and again at a file that changes while it is held open', async () => {
    const fd = openSync(bench.at('database'), 'w')
    await bench.start({ watch: false })
    await bench.capture.flush()
    writeSync(fd, 'one')
    await bench.capture.flush()
    const seq = bench.history.seq()
    // No event tells of this, and no walk comes within the test's time.
    writeSync(fd, 'two')
    await bench.until('seen', () => bench.history.log(seq).includes('put database'))
    closeSync(fd)
  })

  it('merges closes that follow at once, and keeps the last content', async () => {
    write('file', 'first')
    await bench.start()
    await bench.capture.flush()
    await bench.until('watching', () => bench.capture.status().watches > 0)
    const seq = bench.history.seq()
    for (let index = 0; index < 50; index++) write('file', `content ${index}`)
    await bench.capture.flush()
    const puts = bench.history.log(seq).filter((line) => line === 'put file')
    assert.ok(puts.length >= 1 && puts.length <= 10, `${puts.length} versions`)
    const flushed = bench.history.versions.at(-1)?.content
    write('other', 'content 49')
    await bench.capture.flush()
    assert.equal(bench.history.versions.at(-1)?.content, flushed)
  })

  it('flushes what changed while an older reading of it was on its way', async () => {
    write('file', 'old')
    const { opened, open } = gate()
    bench.pool.handOver = opened
    await bench.start({ watch: false })
    const first = bench.capture.flush()
    await bench.until('read', () => bench.pool.read.length > 0)
    write('file', 'new content')
    const second = bench.capture.flush()
    open()
    await Promise.all([first, second])
    assert.equal(bench.history.log().filter((line) => line === 'put file').length, 2)
  })

  it('captures 2,000 files in few jobs, and tells how far it is', async () => {
    for (let directory = 0; directory < 20; directory++) {
      mkdirSync(bench.at(`d${directory}`))
      for (let file = 0; file < 100; file++) write(`d${directory}/f${file}`, `${file}`)
    }
    const told: number[] = []
    await bench.start({ watch: false, onProgress: ({ filesDone }) => void told.push(filesDone) })
    await bench.capture.flush()
    assert.equal(bench.history.paths().length, 2020)
    assert.equal(bench.history.seq(), 2020)
    assert.ok(bench.pool.jobs < 40, `${bench.pool.jobs} jobs`)
    assert.ok(told.some((files) => files > 0))
  })

  describe('failures', () => {
    it('of the sink that pass are tried again, and nothing is lost or doubled', async () => {
      write('file')
      bench.history.failure = new HoldfastError('HF_DRIVE_FULL', 'no room', { retryable: true })
      await bench.start({ watch: false })
      await assert.rejects(bench.capture.flush(), { code: 'HF_DRIVE_FULL' })
      assert.equal(bench.capture.status().state, 'running')
      await bench.capture.flush()
      assert.deepEqual(bench.history.log(), ['put file'])
    })

    it('of the sink leave it open what was recorded: the next start compares with the catalog', async () => {
      write('file')
      await bench.start({ watch: false })
      await bench.capture.flush()
      bench.history.failure = new HoldfastError('HF_DRIVE_FULL', 'no room', { retryable: true })
      bench.history.recordsFailed = true
      write('recorded')
      await assert.rejects(bench.capture.flush(), { code: 'HF_DRIVE_FULL' })
      unlinkSync(bench.at('recorded'))
      await bench.capture.flush()
      assert.deepEqual(bench.history.paths(), ['file', 'recorded'])
      await bench.restart()
      await bench.capture.flush()
      assert.deepEqual(bench.history.paths(), ['file'])
    })

    it('of the sink that do not pass end the capture', async () => {
      write('file')
      bench.history.failure = new HoldfastError('HF_EPOCH_STALE', 'another primary')
      await bench.start({ watch: false })
      await assert.rejects(bench.capture.flush(), { code: 'HF_EPOCH_STALE' })
      assert.equal(bench.capture.status().state, 'failed')
      assert.ok(bench.health.some(({ type }) => type === 'failed'))
      await assert.rejects(bench.capture.flush(), { code: 'HF_EPOCH_STALE' })
    })

    it('of a job leave its paths to the next walk', async () => {
      write('file')
      bench.pool.failure = new HoldfastError('HF_SOURCE_UNAVAILABLE', 'gone for a moment')
      await bench.start({ watch: false })
      await assert.rejects(bench.capture.flush(), { code: 'HF_SOURCE_UNAVAILABLE' })
      await bench.capture.flush()
      assert.deepEqual(bench.history.paths(), ['file'])
    })
  })

  describe('the end', () => {
    it('waits for commits under way, and lets no flush wait for ever', async () => {
      write('file')
      const { opened, open } = gate()
      bench.history.gate = opened
      await bench.start({ watch: false })
      const flushed = bench.capture.flush()
      await bench.until('read', () => bench.pool.read.length > 0)
      const stopped = bench.capture.stop()
      await assert.rejects(flushed, { code: 'HF_CLOSED' })
      open()
      await stopped
      await bench.capture.stop()
      assert.deepEqual(bench.history.paths(), ['file'])
      await assert.rejects(bench.capture.flush(), { code: 'HF_CLOSED' })
      assert.equal(bench.capture.status().state, 'stopped')
    })

    it('of a flush that the caller gives up changes nothing', async () => {
      write('file')
      await bench.start({ watch: false })
      const controller = new AbortController()
      const flushed = bench.capture.flush({ signal: controller.signal })
      controller.abort()
      await assert.rejects(flushed, { code: 'HF_ABORTED' })
      await bench.capture.flush()
      assert.deepEqual(bench.history.paths(), ['file'])
    })
  })

  it('leaves out excluded directories', async () => {
    mkdirSync(bench.at('home/sub'), { recursive: true })
    write('home/file')
    write('file')
    await bench.start({ exclude: [bytes('home')] })
    await bench.capture.flush()
    appendFileSync(bench.at('home/file'), 'more')
    write('file', 'more')
    await bench.capture.flush()
    assert.deepEqual(bench.history.paths(), ['file'])
  })
})
