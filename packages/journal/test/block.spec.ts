import assert from 'node:assert/strict'
import { hasCode, hexOf, JOURNAL_BLOCK_BYTES_MAX } from '@holdfast/ports'
import * as fc from 'fast-check'
import {
  BLOCK_RECORDS_MAX,
  decodeBlock,
  encodeBlock,
  encodeBlocks,
  encodeEpochBlock,
  encodePendingBlock,
  encodePendingEnd,
  RECORD_BYTES_MAX,
} from '../src/index.ts'

const record = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => new Uint8Array(bytes))
const records = fc.array(record, { minLength: 1, maxLength: 20 })

const isDecode = (error: unknown): boolean => hasCode(error, 'HF_DECODE')
const bad = (error: unknown): boolean => hasCode(error, 'HF_BAD_INPUT')

describe('journal block', () => {
  it('gives back the records that it holds', () => {
    fc.assert(
      fc.property(records, (given) =>
        assert.deepEqual(decodeBlock(encodeBlock(given)), { type: 'records', records: given }),
      ),
    )
  })

  it('gives back the epoch record', () => {
    fc.assert(
      fc.property(record, (given) =>
        assert.deepEqual(decodeBlock(encodeEpochBlock(given)), { type: 'epoch', record: given }),
      ),
    )
  })

  it('truncated or prolonged it is refused with a code, and whatever else is refused has it too', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.uint8Array({ maxLength: 60 }), (given, cut, any) => {
        const block = encodeBlock(given)
        assert.throws(() => decodeBlock(block.subarray(0, cut % block.length)), isDecode)
        assert.throws(() => decodeBlock(new Uint8Array([...block, 0])), isDecode)
        const flipped = block.slice()
        flipped[cut % block.length] = (flipped[cut % block.length] ?? 0) ^ (1 << (cut % 8))
        for (const bytes of [any, flipped]) {
          try {
            decodeBlock(bytes)
          } catch (error) {
            assert.ok(isDecode(error))
          }
        }
      }),
    )
  })

  it('records are divided into as few blocks as hold them, in order', () => {
    const many = Array.from({ length: 2 * BLOCK_RECORDS_MAX + 1 }, (_, index) => Uint8Array.of(index, index >> 8))
    const blocks = encodeBlocks(many)
    assert.equal(blocks.length, 3)
    assert.deepEqual(blocks.flatMap(recordsOf), many)
    const large = Array.from({ length: 40 }, (_, index) => new Uint8Array(RECORD_BYTES_MAX).fill(index))
    const largeBlocks = encodeBlocks(large)
    assert.equal(largeBlocks.length, 3)
    assert.ok(largeBlocks.every((block) => block.byteLength <= JOURNAL_BLOCK_BYTES_MAX))
    assert.deepEqual(largeBlocks.flatMap(recordsOf), large)
    assert.deepEqual(encodeBlocks([]), [])
  })

  it('what is too much for a block is refused', () => {
    assert.throws(() => encodeBlock([]), bad)
    assert.throws(() => encodeBlock(Array(BLOCK_RECORDS_MAX + 1).fill(Uint8Array.of(1))), bad)
    assert.throws(() => encodeBlock([new Uint8Array(JOURNAL_BLOCK_BYTES_MAX)]), bad)
    assert.throws(() => encodeEpochBlock(new Uint8Array(JOURNAL_BLOCK_BYTES_MAX)), bad)
  })

  it('golden blocks', () => {
    assert.equal(hexOf(encodeBlock([Uint8Array.of(1, 2), Uint8Array.of(3)])), '0101020201020103')
    assert.equal(hexOf(encodeEpochBlock(Uint8Array.of(1, 2))), '0100020102')
    assert.equal(hexOf(encodePendingBlock(Uint8Array.of(1, 2))), '0102020102')
    assert.equal(hexOf(encodePendingEnd()), '0103')
    assert.equal(hexOf(encodeBlock([new Uint8Array(300)])).slice(0, 12), '010101fd2c01')
  })
})

function recordsOf(block: Uint8Array): Uint8Array[] {
  const decoded = decodeBlock(block)
  assert.equal(decoded.type, 'records')
  return decoded.type === 'records' ? [...decoded.records] : []
}
