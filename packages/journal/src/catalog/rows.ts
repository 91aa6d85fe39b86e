import { HoldfastError } from '@holdfast/ports'
import { readAttributes, writeAttributes } from '../attributes.ts'
import type { Reader } from '@holdfast/codec'
import { ByteWriter, decodeAll, readByte, readLengthAndBytes, readUint, readUint48, readVersion } from '@holdfast/codec'
import { readRefs, writeRefs } from '../public-record.ts'
import type { FileState, OpenedRecord } from '../record.ts'
import type { CatalogRow } from './types.ts'

const ROW_VERSION = 1
const KINDS: readonly CatalogRow['kind'][] = ['put', 'delete']

/** The row of a record, as opened or as about to be sealed; undefined for kinds that the catalog does not know. */
export function rowOf({ public: record, state }: RowSource): CatalogRow | undefined {
  const { seq, epoch, timeMs, kind, refs } = record
  if (kind === 'baseline') return { ...NO_STATE, seq, epoch, timeMs, kind, refs }
  if ((kind !== 'put' && kind !== 'delete') || state === undefined) return undefined
  return { ...state, seq, epoch, timeMs, kind, refs }
}

type RowFields = Pick<OpenedRecord['public'], 'seq' | 'epoch' | 'timeMs' | 'kind' | 'refs'>

interface RowSource {
  readonly public: RowFields
  readonly state?: FileState | undefined
}

/** What stands in the fields of a row that has no path. */
const NO_STATE: FileState = {
  path: new Uint8Array(0),
  type: 'directory',
  mode: 0,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  size: 0,
  torn: false,
  content: { type: 'none' },
}

/** The value of a row of `current` or `history`, a view on the writer; its path is in the key. */
export function encodeRow(writer: ByteWriter, row: CatalogRow, timeMs: number): Uint8Array {
  const start = writer.length
  writer.byte(ROW_VERSION).byte(KINDS.indexOf(row.kind)).uint(row.seq).uint(row.epoch).uint48(timeMs)
  writeRefs(writer, row.refs)
  writeAttributes(writer, row, row.refs)
  return writer.view(start, writer.length)
}

/** What the index by seq says of one record; `seq` counts from the one that its row begins with. */
export interface Indexed {
  readonly seq: number
  readonly timeMs: number
  readonly path: Uint8Array
}

export function writeIndexed(writer: ByteWriter, { seq, timeMs, path }: Indexed): void {
  writer.uint(seq).uint48(timeMs).lengthAndBytes(path)
}

/** The records of a row of the index that begins with `first`, in ascending order. @throws HF_JOURNAL_DAMAGED */
export function decodeIndexed(first: number, value: Uint8Array): Indexed[] {
  return damagedUnless(() =>
    decodeAll('a row of the index', value, (reader) => {
      const records: Indexed[] = []
      while (reader.start < reader.end) {
        const seq = first + readUint(reader)
        records.push({ seq, timeMs: readUint48(reader), path: readLengthAndBytes(reader) })
      }
      return records
    }),
  )
}

/** @throws HF_JOURNAL_DAMAGED */
export function decodeRow(path: Uint8Array, value: Uint8Array): CatalogRow {
  return damagedUnless(() =>
    decodeAll('a row of the catalog', value, (reader) => {
      const { kind, seq } = readHead(reader)
      const epoch = readUint(reader)
      const timeMs = readUint48(reader)
      const refs = readRefs(reader)
      return { path, ...readAttributes(reader, refs), seq, epoch, timeMs, kind, refs }
    }),
  )
}

/** The record that a row is of, without decoding all of it. @throws HF_JOURNAL_DAMAGED */
export function seqOfRow(value: Uint8Array): number {
  const reader: Reader = { start: 0, end: value.byteLength, buffer: value }
  return damagedUnless(() => readHead(reader).seq)
}

function readHead(reader: Reader): { kind: CatalogRow['kind']; seq: number } {
  readVersion(reader, ROW_VERSION)
  const kind = KINDS[readByte(reader)]
  if (kind === undefined) throw new RangeError('unknown kind')
  return { kind, seq: readUint(reader) }
}

/** What cannot be read is rebuilt, so there is one code for it. */
export function damagedUnless<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw catalogDamaged('holds bytes that are none of its rows', cause)
  }
}

export function catalogDamaged(how: string, cause: unknown): HoldfastError {
  const next = 'run `holdfast repair index`: it is rebuilt from the packs'
  return new HoldfastError('HF_JOURNAL_DAMAGED', `the catalog ${how}`, { cause, next })
}
