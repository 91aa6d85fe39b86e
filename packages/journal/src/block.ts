/** Blocks of journals: the record that opens an epoch or a pending journal, the records of one commit (or of a part of it), or the
 *  end of a pending journal. */
import { HoldfastError, JOURNAL_BLOCK_BYTES_MAX } from '@holdfast/ports'
import { ByteWriter, decodeAll, readByte, readCount, readLengthAndBytes, readVersion } from '@holdfast/codec'
import { RECORD_BYTES_MAX } from './record-codec.ts'

/** Records that `encodeBlocks` puts into one block, at most: 64 KiB of typical ones, so that a reader of one record reads little else. */
export const BLOCK_RECORDS_MAX = 256

const BLOCK_VERSION = 1
const TYPE_EPOCH = 0
const TYPE_RECORDS = 1
const TYPE_PENDING = 2
const TYPE_PENDING_END = 3
/** Version, type, count. */
const BLOCK_HEADER_BYTES = 4
/** Length before each record: one byte and four. */
const RECORD_LENGTH_BYTES = 5

export type Block =
  | { readonly type: 'records'; readonly records: readonly Uint8Array[] }
  /** Block 0 of a log: the claim and the votes that opened the epoch, as `failover` encodes them. */
  | { readonly type: 'epoch'; readonly record: Uint8Array }
  /** Block 0 of a pending journal: what opened it, as its writer encodes it. */
  | { readonly type: 'pending'; readonly opening: Uint8Array }
  /** Last block of a pending journal: all of it is recorded in an epoch. */
  | { readonly type: 'pending-end' }

/** One block of 1 to `BLOCK_RECORDS_MAX` records. @throws HF_BAD_INPUT if they are too many, or too large for a block */
export function encodeBlock(records: readonly Uint8Array[]): Uint8Array {
  if (records.length < 1 || records.length > BLOCK_RECORDS_MAX) {
    throw new HoldfastError('HF_BAD_INPUT', `a block holds 1 to ${BLOCK_RECORDS_MAX} records, not ${records.length}`)
  }
  const writer = new ByteWriter().byte(BLOCK_VERSION).byte(TYPE_RECORDS).uint(records.length)
  for (const record of records) writer.lengthAndBytes(record)
  return bounded(writer.take())
}

/** As few blocks as hold the records, in order. @throws HF_BAD_INPUT */
export function encodeBlocks(records: readonly Uint8Array[]): Uint8Array[] {
  const blocks: Uint8Array[] = []
  let start = 0
  let bytes = BLOCK_HEADER_BYTES
  for (const [index, record] of records.entries()) {
    const grown = bytes + RECORD_LENGTH_BYTES + record.byteLength
    if (index - start === BLOCK_RECORDS_MAX || (grown > JOURNAL_BLOCK_BYTES_MAX && index > start)) {
      blocks.push(encodeBlock(records.slice(start, index)))
      start = index
      bytes = BLOCK_HEADER_BYTES
    }
    bytes += RECORD_LENGTH_BYTES + record.byteLength
  }
  if (start < records.length) blocks.push(encodeBlock(records.slice(start)))
  return blocks
}

/** Block 0 of a log. @throws HF_BAD_INPUT */
export function encodeEpochBlock(record: Uint8Array): Uint8Array {
  return bounded(new ByteWriter().byte(BLOCK_VERSION).byte(TYPE_EPOCH).lengthAndBytes(record).take())
}

/** Block 0 of a pending journal. @throws HF_BAD_INPUT */
export function encodePendingBlock(opening: Uint8Array): Uint8Array {
  return bounded(new ByteWriter().byte(BLOCK_VERSION).byte(TYPE_PENDING).lengthAndBytes(opening).take())
}

/** Last block of a pending journal. */
export function encodePendingEnd(): Uint8Array {
  return new ByteWriter().byte(BLOCK_VERSION).byte(TYPE_PENDING_END).take()
}

/** Byte arrays of the result are views on `bytes`. @throws HF_DECODE */
export function decodeBlock(bytes: Uint8Array): Block {
  return decodeAll('a journal block', bytes, (reader) => {
    readVersion(reader, BLOCK_VERSION)
    const type = readByte(reader)
    if (type === TYPE_EPOCH) return { type: 'epoch', record: readLengthAndBytes(reader) }
    if (type === TYPE_PENDING) return { type: 'pending', opening: readLengthAndBytes(reader) }
    if (type === TYPE_PENDING_END) return { type: 'pending-end' }
    if (type !== TYPE_RECORDS) throw new RangeError(`blocks of type ${type} are unknown`)
    const count = readCount(reader, 1)
    if (count < 1 || count > BLOCK_RECORDS_MAX) throw new RangeError(`${count} records`)
    const records: Uint8Array[] = []
    while (records.length < count) {
      const record = readLengthAndBytes(reader)
      if (record.byteLength > RECORD_BYTES_MAX) throw new RangeError('a record is too large')
      records.push(record)
    }
    return { type: 'records', records }
  })
}

function bounded(block: Uint8Array): Uint8Array {
  if (block.byteLength <= JOURNAL_BLOCK_BYTES_MAX) return block
  throw new HoldfastError('HF_BAD_INPUT', `a block of ${block.byteLength} bytes is too large`)
}
