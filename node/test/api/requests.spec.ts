import assert from 'node:assert/strict'
import * as charter from '@holdfast/charter'
import { requestSchemas } from '../../src/api/requests.ts'
import { COPIES_MAX } from '../../src/api/vocabulary.ts'

const refusals = (schema: { safeParse(value: unknown): { success: boolean } }, values: readonly unknown[]): void => {
  for (const value of values) assert.equal(schema.safeParse(value).success, false, JSON.stringify(value))
}

const decodedPath = (text: string): string =>
  Buffer.from(requestSchemas.cat.parse({ volume: 'data', path: text }).path).toString('latin1')

describe('requests', () => {
  it('paths become bytes: slashes at the ends are dropped, %XX is decoded', () => {
    assert.equal(decodedPath(''), '')
    assert.equal(decodedPath('/'), '')
    assert.equal(decodedPath('/a/b/'), 'a/b')
    assert.equal(decodedPath('a%FFb'), 'a\u00ffb')
  })

  it('paths that leave the volume, or are none, are refused', () => {
    const paths = ['..', 'a/../b', '.', 'a//b', './a', 'a/.', 'a%00b', 'x'.repeat(4097), '%FF'.repeat(4097)]
    refusals(
      requestSchemas.cat,
      paths.map((path) => ({ volume: 'data', path })),
    )
  })

  it('moments are RFC 3339 and become milliseconds', () => {
    const { at } = requestSchemas.cat.parse({ volume: 'data', path: 'x', at: '1970-01-01T00:00:01.500Z' })
    assert.deepEqual(at, { timeMs: 1500 })
    refusals(requestSchemas.cat, [
      { volume: 'data', path: 'x', at: '10m ago' },
      { volume: 'data', path: 'x', at: 3 },
    ])
  })

  it('as many copies as the charter allows, and every region that a node can have', () => {
    assert.equal(COPIES_MAX, charter.COPIES_MAX)
    requestSchemas.protect.parse({ directory: '/a', copies: COPIES_MAX })
    for (const region of ['eu-1', 'EU West', 'Zürich', 'x'.repeat(charter.NAME_BYTES_MAX)]) {
      assert.ok(charter.isName(region, charter.NAME_BYTES_MAX))
      requestSchemas.invite.parse({ ttlMs: 60_000, role: 'full', region })
    }
  })

  it('what is not known, missing, of another type or out of bounds is refused', () => {
    refusals(requestSchemas.protect, [
      {},
      { directory: 'relative' },
      { directory: '/a\0b' },
      { directory: '/a', copies: 0 },
      { directory: '/a', copies: COPIES_MAX + 1 },
      { directory: '/a', copies: 2.5 },
      { directory: '/a', name: '' },
      { directory: '/a', naem: 'x' },
      { directory: '/a', name: undefined },
      null,
      [],
      'text',
    ])
    refusals(requestSchemas.flush, [
      { level: 'geo', timeoutMs: 1 },
      { level: 'local', timeoutMs: 0 },
      { level: 'local', timeoutMs: Infinity },
    ])
    refusals(requestSchemas.invite, [
      { ttlMs: 1, role: 'full' },
      { ttlMs: 60_000, role: 'king' },
      { ttlMs: 60_000, role: 'full', region: 'no:region' },
      { ttlMs: 1e12, role: 'full' },
    ])
    refusals(requestSchemas.restore, [
      {
        volume: 'v',
        path: '',
        to: '/t',
        inPlace: false,
        delete: true,
        verify: false,
        dryRun: false,
        privileged: false,
      },
    ])
  })
})
