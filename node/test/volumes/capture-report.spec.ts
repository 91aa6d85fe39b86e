import { strict as assert } from 'node:assert'
import type { CaptureHealth } from '../../src/capture/index.ts'
import { reportCapture } from '../../src/volumes/capture-report.ts'

const EMPTY = new Uint8Array(0)
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined }

describe('health of capture in status', () => {
  const gap: CaptureHealth = { type: 'gap', reason: 'the queue of the watcher overflowed', path: EMPTY }
  const cases: [string, CaptureHealth, CaptureHealth, RegExp][] = [
    ['lost events', gap, { type: 'covered' }, /missed: the queue of the watcher overflowed; .*coverage stands still/],
    [
      'what is not watched',
      { type: 'unwatched', path: EMPTY, reason: 'no more' },
      { type: 'watched' },
      /no more; .*walks/,
    ],
    [
      'a missing directory',
      { type: 'unavailable', message: '/srv is missing' },
      { type: 'available' },
      /srv is missing/,
    ],
  ]
  for (const [what, begin, end, sentence] of cases)
    it(`shows ${what} once, until it is over, and leaves the rest alone`, () => {
      const report = { log: SILENT, volume: 'data', warnings: ['of another kind'] }
      reportCapture(begin, report)
      reportCapture(begin, report)
      assert.equal(report.warnings.length, 2)
      assert.match(report.warnings[1] ?? '', sentence)
      for (const [, , other] of cases) if (other !== end) reportCapture(other, report)
      assert.equal(report.warnings.length, 2)
      reportCapture(end, report)
      assert.deepEqual(report.warnings, ['of another kind'])
    })
})
