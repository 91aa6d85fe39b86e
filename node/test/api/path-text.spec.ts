import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { bytesOfField, isoTime, isoTimeNs, pathField, pathOfText, pathText } from '../../src/api/index.ts'

const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

describe('paths as text', () => {
  it('UTF-8 stays as it is, percent signs of other programs included', () => {
    for (const text of ['report.txt', 'déjà/vu – 文.txt', 'a%20b', '100%', '%zz', 'tab\u00a0']) {
      assert.equal(pathText(utf8(text)), text)
      assert.deepEqual(pathField(utf8(text)), { path: text })
      assert.deepEqual(pathOfText(text), utf8(text))
    }
  })

  it('bytes that are not UTF-8, control characters and what reads like an escape are written as %XX', () => {
    assert.equal(pathText(new Uint8Array([0x61, 0xff, 0x62])), 'a%FFb')
    assert.equal(pathText(new Uint8Array([0xc3])), '%C3')
    assert.equal(pathText(utf8('line\nbreak\u001b[2J')), 'line%0Abreak%1B[2J')
    assert.equal(pathText(utf8('c1\u0085')), 'c1%C2%85')
    assert.equal(pathText(utf8('%FF')), '%25FF')
    assert.equal(pathText(utf8('%25')), '%2525')
    assert.deepEqual(pathField(new Uint8Array([0xff])), { path: '%FF', pathBytes: '/w==' })
    assert.deepEqual(pathField(utf8('%FF\n')), { path: '%FF\n' })
  })

  it('property: text leads back to the bytes, is one line, and fields lead back too', () => {
    const names = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ unit: 'grapheme', maxLength: 20 }).map(utf8),
      fc
        .array(fc.constantFrom('%', '2', '5', 'F', 'f', '8', '0', '\n', 'é', 'x'), { maxLength: 20 })
        .map((parts) => utf8(parts.join(''))),
      fc
        .array(fc.constantFrom(0x25, 0x32, 0x35, 0x38, 0x66, 0x80, 0xff, 0xc3, 0xa9, 0x0a), { maxLength: 12 })
        .map((bytes) => Uint8Array.from(bytes)),
    )
    fc.assert(
      fc.property(names, (bytes) => {
        const text = pathText(bytes)
        assert.deepEqual(pathOfText(text), Uint8Array.from(bytes))
        assert.doesNotMatch(text, /[\p{Cc}\u2028\u2029]/u)
        assert.deepEqual(bytesOfField(pathField(bytes)), Uint8Array.from(bytes))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('times as text', () => {
  it('milliseconds and nanoseconds, before 1970 too', () => {
    assert.equal(isoTime(0), '1970-01-01T00:00:00.000Z')
    assert.equal(isoTimeNs(1_234_567_890_123_456_789n), '2009-02-13T23:31:30.123456789Z')
    assert.equal(isoTimeNs(-1n), '1969-12-31T23:59:59.999999999Z')
    assert.equal(isoTimeNs(10n ** 25n), '@10000000000000000000000000')
  })
})
