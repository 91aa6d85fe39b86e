import { asChunkId, asPathToken, CHUNK_ID_BYTES, PATH_TOKEN_BYTES } from '@holdfast/ports'
import type { ByteWriter, Reader } from '@holdfast/codec'
import { decodeAll, readByte, readBytes, readCount, readUint, readUint48, readVersion } from '@holdfast/codec'
import type { ChunkRef, PublicRecord, RecordKind } from './record.ts'

const RECORD_VERSION = 1
/** Codes of the kinds: the place in this list plus 1. */
const KINDS: readonly RecordKind[] = ['put', 'delete', 'baseline']
const ROLES: readonly ChunkRef['role'][] = ['content', 'recipe']
/** Smallest encoding of a ref: role, id, length. */
const REF_BYTES_MIN = 2 + CHUNK_ID_BYTES

/** Appends the public part: the beginning of a record. */
export function writePublicRecord(writer: ByteWriter, record: PublicRecord): void {
  writer
    .byte(RECORD_VERSION)
    .byte(KINDS.indexOf(record.kind) + 1)
    .uint(record.seq)
    .uint(record.epoch)
    .uint48(record.timeMs)
    .uint(record.keyEpoch)
    .bytes(record.pathToken)
  writeRefs(writer, record.refs)
}

/** Reads the public part and leaves the reader behind it; ids are copies. @throws RangeError */
export function readPublicRecord(reader: Reader): PublicRecord {
  readVersion(reader, RECORD_VERSION)
  const code = readByte(reader)
  return {
    kind: KINDS[code - 1] ?? `kind-${code}`,
    seq: readPositive(reader),
    epoch: readPositive(reader),
    timeMs: readUint48(reader),
    keyEpoch: readPositive(reader),
    pathToken: asPathToken(readBytes(reader, PATH_TOKEN_BYTES).slice()),
    refs: readRefs(reader),
  }
}

/** What a member without the key knows of a record. @throws HF_DECODE; a sealed part that was altered is not noticed */
export function decodePublicRecord(bytes: Uint8Array): PublicRecord {
  return decodeAll('a record', bytes, (reader) => {
    const record = readPublicRecord(reader)
    reader.start = reader.end
    return record
  })
}

export function writeRefs(writer: ByteWriter, refs: readonly ChunkRef[]): void {
  writer.uint(refs.length)
  for (const ref of refs) writer.byte(ROLES.indexOf(ref.role)).bytes(ref.id).uint(ref.storedBytes)
}

/** Ids are copies. @throws RangeError */
export function readRefs(reader: Reader): ChunkRef[] {
  const refs: ChunkRef[] = []
  for (let count = readCount(reader, REF_BYTES_MIN); count > 0; count--) {
    const role = ROLES[readByte(reader)]
    if (role === undefined) throw new RangeError('unknown role of a chunk')
    refs.push({ id: asChunkId(readBytes(reader, CHUNK_ID_BYTES).slice()), storedBytes: readUint(reader), role })
  }
  return refs
}

function readPositive(reader: Reader): number {
  const value = readUint(reader)
  if (value < 1) throw new RangeError('a number that counts from 1 is 0')
  return value
}
