import assert from 'node:assert/strict'
import { createManualClock } from '@holdfast/doubles'
import type { WorkEvent, WorkStatus } from '@holdfast/node/api'
import { hasCode } from '@holdfast/ports'
import type { GlobalOptions } from '../src/io.ts'
import { barText, ERROR_LINES_MAX, followWork, progressText } from '../src/progress.ts'
import { createMemoryIo, type MemoryIo } from './memory-io.ts'

interface Done {
  readonly files: number
}
const summary = { message_type: 'summary', files: 3 } as const
const at = (bytesDone: number, more: Partial<WorkStatus> = {}): WorkStatus => ({
  message_type: 'status',
  phase: 'capturing',
  bytesDone,
  bytesTotal: 100 * 1024 ** 2,
  filesDone: 3,
  filesTotal: 1200,
  errorCount: 0,
  ...more,
})

async function* nothing(): AsyncGenerator<WorkEvent<Done>> {}

describe('progress', () => {
  const flags: GlobalOptions = { home: '/', yes: false, json: false, quiet: false, verbose: false }
  /** Follows work that takes `stepMs` between events. */
  async function follow(
    list: readonly WorkEvent<Done>[],
    stepMs: number,
    options: Partial<GlobalOptions>,
    terminal = false,
  ): Promise<MemoryIo> {
    const clock = createManualClock()
    const io = createMemoryIo({ clock, terminal, columns: 100 })
    async function* work(): AsyncGenerator<WorkEvent<Done>> {
      for (const event of list) {
        yield event
        await clock.advance(stepMs)
      }
    }
    assert.equal((await followWork({ ...flags, ...options }, io, work())).files, 3)
    assert.equal(clock.timerCount(), 0)
    return io
  }

  it('work of less than a second shows nothing', async () => {
    for (const options of [{}, { json: true }]) {
      const io = await follow([at(1), at(2), summary], 300, options, true)
      assert.equal(io.err(), '')
      assert.equal(io.out(), options.json === true ? `${JSON.stringify(summary)}\n` : '')
    }
  })

  it('on a terminal a bar moves, and is gone at the end', async () => {
    const io = await follow([at(50 * 1024 ** 2), at(75 * 1024 ** 2), summary], 2000, {}, true)
    const drawn = io.err().split('\r')
    assert.ok(drawn.some((line) => /^\[#+\.+\] capturing: 50 %/.test(line)))
    assert.ok(drawn.some((line) => line.includes('75 %')))
    assert.equal(drawn.at(-1), '\u001b[K')
    assert.equal(io.out(), '')
  })

  it('elsewhere a plain line every ten seconds', async () => {
    const io = await follow([at(10 * 1024 ** 2), at(20 * 1024 ** 2), summary], 16_000, {})
    const lines = io.err().trimEnd().split('\n')
    assert.deepEqual(lines, [
      'capturing: 10 %, 10.0 MiB of 100 MiB, 3 of 1,200 files, 1.0 MiB/s, 1 min 30 s left, 0 errors',
      'capturing: 20 %, 20.0 MiB of 100 MiB, 3 of 1,200 files, 1.0 MiB/s, 1 min 20 s left, 0 errors',
      'capturing: 20 %, 20.0 MiB of 100 MiB, 3 of 1,200 files, 683 KiB/s, 2 min left, 0 errors',
    ])
  })

  it('with --json a line per event on stdout; with -q only errors and the summary', async () => {
    const error = { message_type: 'error', hf_code: 'HF_UNREADABLE', message: 'no', path: 'x' } as const
    const io = await follow([at(1), at(2), error, summary], 1500, { json: true })
    assert.deepEqual(
      io
        .out()
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as WorkStatus).message_type),
      ['status', 'error', 'summary'],
    )
    const quiet = await follow([at(1), at(2), error, summary], 1500, { json: true, quiet: true })
    assert.deepEqual(quiet.out().trimEnd().split('\n').length, 2)
    const silent = await follow([at(1), { message_type: 'notice', message: 'n' }, summary], 15_000, { quiet: true })
    assert.equal(silent.err(), '')
  })

  it('errors and notices are lines; of very many errors the rest is a number', async () => {
    const error = {
      message_type: 'error',
      hf_code: 'HF_UNREADABLE',
      message: 'cannot be read: EACCES',
      path: 'b\nad',
    } as const
    const io = await follow([{ message_type: 'notice', message: 'earliest' }, error, summary], 1, {})
    assert.equal(io.err(), 'earliest\nb%0Aad: cannot be read: EACCES\n')
    const many = await follow([...Array.from({ length: ERROR_LINES_MAX + 5 }, () => error), summary], 1, {})
    const lines = many.err().trimEnd().split('\n')
    assert.deepEqual([lines.length, lines.at(-1)], [ERROR_LINES_MAX + 1, '5 more errors'])
  })

  it('work that ends without a summary is a defect', async () => {
    const io = createMemoryIo()
    await assert.rejects(followWork(flags, io, nothing()), (error) => hasCode(error, 'HF_INTERNAL'))
  })

  it('a bar never wraps, and totals that are not known are left out', () => {
    const { bytesTotal: _bytes, filesTotal: _files, ...unknown } = at(1024)
    for (const columns of [1, 10, 40, 79, 200]) {
      assert.ok(barText(at(5e7), 3000, columns).length < Math.max(columns, 2))
      assert.ok(barText(unknown, 3000, columns).length < Math.max(columns, 2))
    }
    assert.equal(progressText(unknown, 1000), 'capturing: 1.0 KiB, 3 files, 1.0 KiB/s, 0 errors')
    assert.match(progressText(at(0, { bytesTotal: 0, filesDone: 600 }), 1000), /50 %/)
  })
})
