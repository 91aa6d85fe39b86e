import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import {
  bool,
  bytes,
  decodeVersioned,
  encodeVersioned,
  fixed,
  list,
  optional,
  plain,
  struct,
  text,
  uint,
  union,
  view,
  word,
} from '../src/index.ts'
import { hasCode } from '@holdfast/ports'

const isDecode = (error: unknown): boolean => hasCode(error, 'HF_DECODE')
const round = <T>(codec: Parameters<typeof encodeVersioned<T>>[1], value: T): T =>
  decodeVersioned(1, codec, encodeVersioned(1, codec, value), 'test')
const refuses = <T>(codec: Parameters<typeof encodeVersioned<T>>[1], encoded: readonly number[]): void =>
  assert.throws(() => decodeVersioned(1, codec, Uint8Array.from(encoded), 'test'), isDecode)

describe('codec', () => {
  it('gives back what went in', () => {
    const codec = struct<{ a: number; b?: string; c: readonly boolean[] }>({
      a: uint,
      b: optional(text(10)),
      c: list(bool, 3),
    })
    for (const value of [
      { a: 1, c: [] },
      { a: 2 ** 40, b: 'ü', c: [true, false, true] },
    ])
      assert.deepEqual(round(codec, value), value)
    const either = union<{ type: 'x'; n: number } | { type: 'y'; s: string }>({
      x: struct({ n: uint }),
      y: struct({ s: text(5) }),
    })
    for (const value of [{ type: 'x', n: 3 } as const, { type: 'y', s: 'z' } as const])
      assert.deepEqual(round(either, value), value)
  })

  it('refuses another version, too little, too much, and a second form of the same value', () => {
    refuses(uint, [2, 5])
    refuses(uint, [])
    refuses(uint, [1])
    refuses(uint, [1, 5, 5])
    refuses(uint, [1, 0xfd, 5, 0])
    refuses(bool, [1, 2])
    refuses(text(10), [1, 1, 0xff])
  })

  it('refuses what is longer than its bound before it is taken', () => {
    refuses(bytes(2), [1, 3, 0, 0, 0])
    refuses(text(2), [1, 3, 65, 65, 65])
    refuses(list(uint, 1), [1, 2, 0, 0])
    refuses(bytes(2), [1, 0xfe, 0xff, 0xff, 0xff, 0xff])
    refuses(word(['a', 'b']), [1, 2])
    refuses(fixed(4, plain), [1, 0, 0])
  })

  it('copies bytes, so that the message may be reused', () => {
    const encoded = encodeVersioned(1, bytes(4), Uint8Array.of(1, 2))
    const decoded = decodeVersioned(1, bytes(4), encoded, 'test')
    encoded.fill(0)
    assert.deepEqual([...decoded], [1, 2])
  })

  it('gives a view where one is asked for', () => {
    const encoded = encodeVersioned(1, view(4), Uint8Array.of(1, 2))
    const decoded = decodeVersioned(1, view(4), encoded, 'test')
    encoded.fill(7)
    assert.deepEqual([...decoded], [7, 7])
  })

  it('says what a peer sent under the code of peers', () => {
    const decode = (): unknown => decodeVersioned(1, uint, Uint8Array.of(1), 'test', 'HF_PEER_PROTOCOL')
    assert.throws(decode, (error: unknown) => hasCode(error, 'HF_PEER_PROTOCOL'))
  })

  it('keeps a byte order mark: text is what was written', () => {
    assert.equal(round(text(8), '\uFEFFa'), '\uFEFFa')
  })

  it('whatever decodes encodes to the same bytes', () => {
    const codec = struct<{ a: number; b?: string; c: readonly boolean[]; d: 'x' | 'y'; e: Uint8Array }>({
      a: uint,
      b: optional(text(6)),
      c: list(bool, 3),
      d: word(['x', 'y']),
      e: bytes(8),
    })
    const values = fc.record({
      a: fc.constantFrom(0, 252, 253, 65_535, 65_536, 2 ** 32, Number.MAX_SAFE_INTEGER),
      b: fc.constantFrom('', 'a', 'é', '\u20ac'),
      c: fc.array(fc.boolean(), { maxLength: 3 }),
      d: fc.constantFrom('x' as const, 'y' as const),
      e: fc.uint8Array({ maxLength: 8 }),
    })
    // Where forms and bounds change.
    const edge = fc.constantFrom(0, 1, 2, 3, 8, 0x80, 0xbf, 0xc0, 0xed, 0xef, 0xfc, 0xfd, 0xfe, 0xff)
    const change = fc.record({ at: fc.nat(40), drop: fc.nat(2), put: fc.array(edge, { maxLength: 3 }) })
    let decodedCount = 0
    fc.assert(
      fc.property(values, change, (value, { at, drop, put }) => {
        const whole = [...encodeVersioned(1, codec, value)]
        whole.splice(1 + (at % whole.length), drop, ...put)
        const encoded = Uint8Array.from(whole)
        let decoded
        try {
          decoded = decodeVersioned(1, codec, encoded, 'test')
        } catch (error) {
          assert.ok(isDecode(error))
          return
        }
        decodedCount += 1
        assert.deepEqual([...encodeVersioned(1, codec, decoded)], [...encoded])
      }),
      { numRuns: 1000, seed: 1 },
    )
    assert.ok(decodedCount > 100, `only ${decodedCount} of the inputs decoded`)
  })
})
