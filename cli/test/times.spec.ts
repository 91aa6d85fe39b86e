import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { hasCode } from '@holdfast/ports'
import { sizeText } from '../src/text/sizes.ts'
import { parseDuration, parseMoment, spanText } from '../src/text/times.ts'

const NOW = Date.parse('2026-11-23T12:00:00.000Z')
const refused = (parse: () => unknown): void => assert.throws(parse, (error) => hasCode(error, 'HF_BAD_INPUT'))

describe('times as people give them', () => {
  it('RFC 3339, with any offset', () => {
    for (const text of [
      '2026-11-23T11:00:00Z',
      '2026-11-23T12:00:00+01:00',
      '2026-11-23 11:00:00.000z',
      '2026-11-23t11:00:00.0009Z',
    ]) {
      assert.equal(parseMoment(text, NOW), NOW - 3_600_000, text)
    }
    assert.equal(parseMoment('2024-02-29T00:00:00Z', NOW), Date.UTC(2024, 1, 29))
  })

  it('relative', () => {
    for (const [text, ago] of [
      ['now', 0],
      ['10m ago', 600_000],
      ['1h30m ago', 5_400_000],
      ['2 days ago', 172_800_000],
      ['1.5 s ago', 1500],
      ['1 Week ago', 604_800_000],
      ['  5s   ago ', 5000],
    ] as const) {
      assert.equal(parseMoment(text, NOW), NOW - ago, text)
    }
    assert.equal(parseMoment('9999999 weeks ago', NOW), 0)
  })

  it('what is neither is refused', () => {
    for (const text of [
      '',
      'ago',
      '10 ago',
      '10m',
      '10 parsecs ago',
      '-5m ago',
      'yesterday',
      '2026-11-23',
      '2026-11-23T12:00:00',
      '2026-02-30T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-11-23T25:00:00Z',
      '1e3s ago',
    ]) {
      refused(() => parseMoment(text, NOW))
    }
  })

  it('property: what is printed as RFC 3339 is read as the same moment', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), (ms) => {
        assert.equal(parseMoment(new Date(ms).toISOString(), NOW), ms)
      }),
    )
  })

  it('durations', () => {
    assert.equal(parseDuration('30m'), 1_800_000)
    assert.equal(parseDuration('1h 30m'), 5_400_000)
    assert.equal(parseDuration('250ms'), 250)
    for (const text of ['', '30', 'm', '0s', '-1s', '1y']) refused(() => parseDuration(text))
  })
})

describe('spans and sizes for people', () => {
  it('spans', () => {
    const texts = [0, 400, 4200, 10_000, 59_400, 185_000, 3_600_000, 93_600_000].map(spanText)
    assert.deepEqual(texts, ['0 s', '0.4 s', '4.2 s', '10 s', '59 s', '3 min 5 s', '1 h', '1 d 2 h'])
  })

  it('sizes are IEC', () => {
    const texts = [0, 1023, 1024, 1536, 1024 ** 2 - 1, 123_456_789, 5 * 1024 ** 4].map(sizeText)
    assert.deepEqual(texts, ['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '1.0 MiB', '118 MiB', '5.0 TiB'])
  })
})
