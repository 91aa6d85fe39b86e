import { strict as assert } from 'node:assert'
import { closeSync, openSync, unlinkSync, writeFileSync, writeSync } from 'node:fs'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '@holdfast/ports'
import { YOUNG_MS } from '../../src/capture/limits.ts'
import { Bench, gate } from './support.ts'

let bench: Bench
const write = (path: string, content = path): void => writeFileSync(bench.at(path), content)
const versions = (path: string): number => bench.history.log().filter((line) => line === `put ${path}`).length

beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.stop())

/** A page of a mapped file that was changed once can be changed again without a new time, until it was written to disk. */
describe('what is written through a memory map', () => {
  beforeEach(() => {
    // Old enough for its times to prove something, but for this.
    bench.ahead.wallMs = YOUNG_MS / 4
  })

  it('is captured when the file is closed, though its status is as before', async () => {
    write('mapped', 'first')
    await bench.start()
    await bench.capture.flush()
    await bench.until('watching', () => bench.capture.status().watches > 0)
    await bench.capture.flush()
    assert.equal(versions('mapped'), 1)
    bench.pool.mapped.set('mapped', 'later')
    // As when the map is taken away: the last reference to what was opened for writing.
    closeSync(openSync(bench.at('mapped'), 'r+'))
    await bench.until('second version', () => versions('mapped') === 2)
  })

  it('is captured by a later walk, also after a restart, and read no more once its pages were written', async () => {
    write('mapped', 'first')
    await bench.start({ watch: false })
    await bench.capture.flush()
    bench.pool.mapped.set('mapped', 'later')
    await bench.capture.flush()
    assert.equal(versions('mapped'), 1, 'not each flush reads all that is young')
    bench.ahead.monotonicMs += YOUNG_MS
    await bench.capture.flush()
    assert.equal(versions('mapped'), 2)

    bench.pool.mapped.set('mapped', 'latest')
    await bench.restart()
    await bench.capture.flush()
    assert.equal(versions('mapped'), 3)

    bench.ahead.wallMs += YOUNG_MS
    bench.ahead.monotonicMs += YOUNG_MS
    await bench.capture.flush()
    bench.pool.read.length = 0
    bench.ahead.monotonicMs += YOUNG_MS
    await bench.capture.flush()
    assert.deepEqual(bench.pool.read, [])
  })

  it('is captured by a flush when the file was found to be held open', async () => {
    const fd = openSync(bench.at('mapped'), 'w')
    await bench.start({ watch: false })
    await bench.capture.flush()
    writeSync(fd, 'first')
    await bench.capture.flush()
    const before = versions('mapped')
    bench.pool.mapped.set('mapped', 'later')
    await bench.capture.flush()
    assert.equal(versions('mapped'), before + 1)
    closeSync(fd)
  })
})

describe('capture while the clock is set', () => {
  const steps = [MINUTE_MS, HOUR_MS, 365 * DAY_MS].flatMap((ms) => [ms, -ms, -ms, ms])

  it('loses nothing, makes no version twice, and tells an age of its coverage that is true', async () => {
    write('edited', 'start')
    write('untouched')
    await bench.start()
    await bench.until('watching', () => bench.capture.status().watches > 0)
    await bench.capture.flush()
    for (const [index, step] of steps.entries()) {
      bench.ahead.wallMs += step
      const nowMs = (): number => Date.now() + bench.ahead.wallMs
      const { coverageMs = 0 } = bench.capture.status()
      assert.ok(
        coverageMs <= nowMs() && coverageMs > nowMs() - 20 * SECOND_MS,
        `coverage is ${nowMs() - coverageMs} ms old`,
      )
      write('edited', `edit ${index}`)
      write(`new ${index}`)
      if (index > 0) unlinkSync(bench.at(`new ${index - 1}`))
      // The watcher tells of the one half, a flush finds the other.
      if (index % 2 === 0) await bench.until('captured', () => bench.history.rows.has(`new ${index}`))
      await bench.capture.flush()
      assert.deepEqual(bench.history.paths(), ['edited', `new ${index}`, 'untouched'].toSorted())
      assert.equal(versions('edited'), index + 2)
    }
    assert.equal(versions('untouched'), 1)
  })

  it('back while a file is read: what changes then at once is not taken for captured', async () => {
    write('file', 'first')
    await bench.start({ watch: false })
    bench.ahead.wallMs = 365 * DAY_MS
    const { opened, open } = gate()
    bench.pool.handOver = opened
    const flushed = bench.capture.flush()
    await bench.until('read', () => bench.pool.read.length > 0)
    bench.ahead.wallMs = 0
    open()
    await flushed
    // Within the same tick of the clock: no trace.
    bench.pool.mapped.set('file', 'other')
    await bench.capture.flush()
    assert.equal(versions('file'), 2)
  })
})
