import assert from 'node:assert/strict'
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
})
