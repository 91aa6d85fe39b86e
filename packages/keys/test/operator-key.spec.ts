import assert from 'node:assert/strict'
import { asMeshId, hasCode, hexOf } from '@holdfast/ports'
import * as fc from 'fast-check'
import { formatOperatorKey, parseOperatorKey, renderRecoverySheet, signingKeyFromSeed } from '../src/index.ts'
import { bytesFrom } from './counting-random.ts'

const operatorKey = signingKeyFromSeed(bytesFrom(0, 32))
const refused = (error: unknown): boolean => hasCode(error, 'HF_OPERATOR_KEY')
const sheetFor = (meshName: string): string =>
  renderRecoverySheet({ meshId: asMeshId(bytesFrom(200, 16)), meshName, operatorKey, date: '2026-11-23T10:00:00Z' })

const GOLDEN_TEXT = 'HFOP1-000G4-0R40M-30E20-9185G-R38E1-W8124-GK2GA-HC5RR-34D1P-70X3R-FSG2N-ZFRV0'

describe('operator key text', () => {
  it('golden vector (docs/formats.md)', () => assert.equal(formatOperatorKey(operatorKey), GOLDEN_TEXT))

  it('any key survives formatting and parsing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const key = signingKeyFromSeed(seed)
        assert.equal(hexOf(parseOperatorKey(formatOperatorKey(key)).publicKey), hexOf(key.publicKey))
      }),
      { numRuns: 50 },
    )
  })

  it('case, spaces, line breaks and look-alike letters do not matter', () => {
    const text = formatOperatorKey(operatorKey)
    const typed = text
      .toLowerCase()
      .replace(/-/g, '  \n')
      .replace(/0/g, 'o')
      .replace(/(?<!hfop)1/g, 'l')
    assert.equal(hexOf(parseOperatorKey(typed).publicKey), hexOf(operatorKey.publicKey))
  })

  it('any mistyped character is found by the checksum', () => {
    const text = formatOperatorKey(operatorKey)
    for (let at = 6; at < text.length; at++) {
      if (text[at] === '-') continue
      const typed = text.slice(0, at) + (text[at] === 'Z' ? 'Y' : 'Z') + text.slice(at + 1)
      assert.throws(() => parseOperatorKey(typed), refused)
    }
  })

  it('swapped groups, a truncated key and text without a key are refused', () => {
    const groups = formatOperatorKey(operatorKey).split('-')
    const [mark = '', first = '', second = '', ...rest] = groups
    assert.throws(() => parseOperatorKey([mark, second, first, ...rest].join('-')), refused)
    for (let kept = 0; kept < groups.length; kept++) {
      assert.throws(() => parseOperatorKey(groups.slice(0, kept).join('-')), refused)
    }
    assert.throws(() => parseOperatorKey('x'.repeat(70_000)), refused)
  })
})

describe('recovery sheet', () => {
  it('names the mesh and the date, and its key is read back from it', () => {
    const sheet = sheetFor('production')
    assert.match(sheet, /production/)
    assert.match(sheet, new RegExp(hexOf(bytesFrom(200, 16))))
    assert.match(sheet, /2026-11-23T10:00:00Z/)
    assert.equal(hexOf(parseOperatorKey(sheet).publicKey), hexOf(operatorKey.publicKey))
  })

  it('stays readable when the mesh is named like a key', () => {
    assert.equal(hexOf(parseOperatorKey(sheetFor('HFOP1-AAAAA')).publicKey), hexOf(operatorKey.publicKey))
  })

  it('fits 80 columns', () => {
    for (const line of sheetFor('production').split('\n')) assert.ok(line.length <= 80, line)
  })
})
