/**
 * Records, each sealed by itself so that it can be opened from its own bytes and copied, byte for byte, into the log of a
 * later epoch. Layout: public part ‖ nonce (24) ‖ XChaCha20-Poly1305(sealed part). Associated data is the volume and the
 * public part (which holds seq), so neither can be exchanged under a sealed part. The nonce is random: 192 bits do not repeat.
 */
import { createKeyedHasher } from '@holdfast/hash'
import type { ChunkId, PathToken, Random, VolumeId } from '@holdfast/ports'
import { asPathToken, equalBytes, HoldfastError, PATH_TOKEN_BYTES } from '@holdfast/ports'
import sodium from 'sodium-native'
import { readAttributes, writeAttributes } from './attributes.ts'
import { ByteWriter, decodeAll, readBytes, readLengthAndBytes, readVersion } from './bytes.ts'
import { readPublicRecord, writePublicRecord } from './public-record.ts'
import type { FileState, OpenedRecord, PublicRecord, RecordCodec, RecordFields, RecordKeys } from './record.ts'
import { refsMatch, refsOf } from './refs.ts'
import { fieldsFault, stateFault } from './state-rules.ts'

/** One record, at most: room for a page of extents and the 64 KiB of extended attributes that Linux allows a file, with headroom. */
export const RECORD_BYTES_MAX = 256 * 1024

const STATE_VERSION = 1
const NONCE_BYTES = sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
const TAG_BYTES = sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES
const NO_TOKEN = asPathToken(new Uint8Array(PATH_TOKEN_BYTES))

/** Seals under the newest key of `keys`, opens with all of them. */
export function createRecordCodec(keys: RecordKeys, volume: VolumeId, random: Random): RecordCodec {
  const tokenHash = createKeyedHasher(keys.pathToken)
  const pathToken = (path: Uint8Array): PathToken =>
    asPathToken(new Uint8Array(tokenHash(path).subarray(0, PATH_TOKEN_BYTES)))
  const writer = new ByteWriter()
  const associate = (publicPart: Uint8Array): Uint8Array => writer.bytes(volume).bytes(publicPart).take()

  function seal(
    fields: RecordFields,
    state?: FileState,
    refs: readonly { id: ChunkId; storedBytes: number }[] = [],
  ): Uint8Array {
    const fault = fieldsFault(fields) ?? stateFault(fields.kind, state)
    if (fault !== undefined) throw new HoldfastError('HF_BAD_INPUT', `a record cannot be made: ${fault}`)
    const record: PublicRecord = {
      ...fields,
      keyEpoch: keys.keyEpoch,
      pathToken: state === undefined ? NO_TOKEN : pathToken(state.path),
      refs: refsOf(state?.content ?? { type: 'none' }, refs),
    }
    writePublicRecord(writer, record)
    const publicPart = writer.take()
    const plain = state === undefined ? new Uint8Array(0) : encodeState(writer, state, record)
    const nonce = random.bytes(NONCE_BYTES)
    const sealed = new Uint8Array(plain.byteLength + TAG_BYTES)
    const key = keys.record(keys.keyEpoch)
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, plain, associate(publicPart), null, nonce, key)
    const bytes = writer.bytes(publicPart).bytes(nonce).bytes(sealed).take()
    if (bytes.byteLength > RECORD_BYTES_MAX) throw new HoldfastError('HF_BAD_INPUT', 'a record is too large')
    return bytes
  }

  function open(bytes: Uint8Array): OpenedRecord {
    const { record, nonce, sealed, publicPart } = splitRecord(bytes)
    const plain = new Uint8Array(sealed.byteLength - TAG_BYTES)
    const key = keys.record(record.keyEpoch)
    try {
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plain, null, sealed, associate(publicPart), nonce, key)
    } catch (cause) {
      const message = `record ${record.seq} does not open: it was altered, or sealed with another key`
      throw new HoldfastError('HF_WRONG_KEY', message, { cause })
    }
    if (record.kind !== 'put' && record.kind !== 'delete') return { public: record }
    const state = decodeState(plain, record)
    if (!equalBytes(record.pathToken, pathToken(state.path))) throw mismatch(record, 'path')
    if (!refsMatch(state.content, record.refs)) throw mismatch(record, 'chunks')
    const fault = stateFault(record.kind, state)
    if (fault !== undefined) throw new HoldfastError('HF_DECODE', `record ${record.seq} is malformed: ${fault}`)
    return { public: record, state }
  }

  return { seal, open, pathToken }
}

function encodeState(writer: ByteWriter, state: FileState, record: PublicRecord): Uint8Array {
  writer.byte(STATE_VERSION).lengthAndBytes(state.path)
  writeAttributes(writer, state, record.refs)
  return writer.take()
}

function decodeState(plain: Uint8Array, record: PublicRecord): FileState {
  return decodeAll('the sealed part of a record', plain, (reader) => {
    readVersion(reader, STATE_VERSION)
    return { path: readLengthAndBytes(reader), ...readAttributes(reader, record.refs) }
  })
}

function splitRecord(bytes: Uint8Array): {
  record: PublicRecord
  publicPart: Uint8Array
  nonce: Uint8Array
  sealed: Uint8Array
} {
  return decodeAll('a record', bytes, (reader) => {
    const record = readPublicRecord(reader)
    const publicPart = bytes.subarray(0, reader.start)
    const nonce = readBytes(reader, NONCE_BYTES)
    const sealed = readBytes(reader, reader.end - reader.start)
    if (sealed.byteLength < TAG_BYTES) throw new RangeError('too short')
    return { record, publicPart, nonce, sealed }
  })
}

function mismatch(record: PublicRecord, what: string): HoldfastError {
  return new HoldfastError('HF_RECORD_MISMATCH', `record ${record.seq} shows another ${what} than it holds`)
}
