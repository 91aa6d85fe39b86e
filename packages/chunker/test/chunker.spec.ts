import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { KIB, MIB } from '@holdfast/ports'
import type { Arena } from '../src/index.ts'
import { ARENA_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, createArena } from '../src/index.ts'
import { referenceSegments } from './reference.ts'

/** Lengths under `KEY` for the bytes that `noise('golden', 600 KiB)` gives. */
const GOLDEN = [87340, 84318, 78020, 92416, 17037, 71615, 68626, 74434, 40594]
const KEY = new Uint8Array(32).fill(7)

/** Bytes that look random and are the same in every run. */
function noise(seed: string, length: number): Uint8Array {
  return new Uint8Array(createHash('shake256', { outputLength: length }).update(seed).digest())
}

/** Sentences over a small vocabulary: what a prefilter finds hard. */
function prose(seed: string, length: number): Uint8Array {
  const words = 'drive mesh node pack seal the a of region chunk epoch writes reads is not 17 {"id":1} \n'.split(' ')
  const text: string[] = []
  let bytes = 0
  for (const die of noise(seed, length)) {
    const word = words[die % words.length] ?? ''
    text.push(word)
    bytes += word.length + 1
    if (bytes >= length) break
  }
  return new Uint8Array(Buffer.from(text.join(' ')).subarray(0, length))
}

function segments(arena: Arena, file: Uint8Array, key = KEY): number[] {
  const cutter = arena.cutter(key)
  arena.bytes.set(file)
  const lengths: number[] = []
  for (let start = 0; start < file.length; start += lengths.at(-1) ?? 0) {
    lengths.push(cutter.cut(start, file.length - start))
  }
  return lengths
}

const ends = (lengths: readonly number[]): number[] => {
  let end = 0
  return lengths.map((length) => (end += length))
}

describe('chunker', () => {
  const arena = createArena()

  it('cuts where the scalar reference cuts, for any key, content and length', () => {
    const content = fc.record({
      seed: fc.string({ maxLength: 8 }),
      length: fc.integer({ min: 0, max: 600 * KIB }),
      make: fc.constantFrom(noise, prose),
      key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    })
    fc.assert(
      fc.property(content, ({ seed, length, make, key }) => {
        const file = make(seed, length)
        assert.deepEqual(segments(arena, file, key), referenceSegments(key, file))
      }),
      { numRuns: 40 },
    )
  })

  it('keeps every segment between minimum and maximum, the last one excepted', () => {
    for (const file of [noise('sizes', 4 * MIB), prose('sizes', 4 * MIB), new Uint8Array(2 * MIB)]) {
      const lengths = segments(arena, file)
      assert.equal(ends(lengths).at(-1), file.length)
      assert.ok(lengths.slice(0, -1).every((length) => length > SEGMENT_BYTES_MIN && length <= SEGMENT_BYTES_MAX))
    }
  })

  it('has a mean near 64 KiB, whatever the key, on noise and on text', () => {
    for (const make of [noise, prose]) {
      const file = make('mean', 8 * MIB)
      for (let key = 0; key < 8; key++) {
        const mean = file.length / segments(arena, file, new Uint8Array(32).fill(key)).length
        assert.ok(mean > 48 * KIB && mean < 112 * KIB, `${make.name}, key ${key}: ${mean}`)
      }
    }
  })

  it('finds the old cuts again after an insert', () => {
    const before = noise('edit', 4 * MIB)
    const after = new Uint8Array(before.length + 5000)
    after.set(before.subarray(0, MIB))
    after.set(noise('inserted', 5000), MIB)
    after.set(before.subarray(MIB), MIB + 5000)
    const kept = new Set(ends(segments(arena, before)).map((end) => (end > MIB ? end + 5000 : end)))
    const fresh = ends(segments(arena, after)).filter((end) => !kept.has(end))
    assert.ok(fresh.length <= 8, `${fresh.length} new cuts`)
  })

  it('cuts a stream alike, however it is split into reads of the largest segment or more', () => {
    const file = noise('stream', 6 * MIB)
    const whole = segments(arena, file)
    const cutter = arena.cutter(KEY)
    const lengths: number[] = []
    for (let start = 0; start < file.length; start += lengths.at(-1) ?? 0) {
      const piece = file.subarray(start, start + SEGMENT_BYTES_MAX + (lengths.length % 3) * 1000)
      arena.bytes.set(piece, 64 * lengths.length)
      lengths.push(cutter.cut(64 * lengths.length, piece.length))
    }
    assert.deepEqual(lengths, whole)
  })

  it('cuts differently under different keys, and cutters of one arena do not disturb each other', () => {
    const file = noise('keys', 2 * MIB)
    const other = new Uint8Array(32).fill(8)
    assert.notDeepEqual(segments(arena, file), segments(arena, file, other))
    const [a, b] = [arena.cutter(KEY), arena.cutter(other)]
    const first = a.cut(0, file.length)
    b.cut(0, file.length)
    assert.equal(a.cut(0, file.length), first)
  })

  it('cuts as fixed by the golden vector', () => {
    assert.deepEqual(segments(arena, noise('golden', 600 * KIB)), GOLDEN)
  })

  it('refuses a range outside the arena', () => {
    assert.equal(arena.bytes.length, ARENA_BYTES)
    assert.throws(() => arena.cutter(KEY).cut(ARENA_BYTES - 1, 2), RangeError)
    assert.throws(() => arena.cutter(KEY).cut(-1, 2), RangeError)
  })
})
