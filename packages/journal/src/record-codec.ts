/**
 * Records, each sealed by itself so that it can be opened from its own bytes and copied, byte for byte, into the log of a
 * later epoch. Layout: public part ‖ nonce (24) ‖ XChaCha20-Poly1305(sealed part). Associated data is the volume and the
 * public part (which holds seq), so neither can be exchanged under a sealed part. The nonce is random: 192 bits do not repeat.
 */
import { createKeyedHasher } from '@holdfast/hash'
import type { PathToken, Random, VolumeId } from '@holdfast/ports'
import { asPathToken, equalBytes, HoldfastError, PATH_TOKEN_BYTES, VOLUME_ID_BYTES } from '@holdfast/ports'
import sodium from 'sodium-native'
import { readAttributes, writeAttributes } from './attributes.ts'
import { ByteWriter, decodeAll, readBytes, readLengthAndBytes, readVersion } from '@holdfast/codec'
import { readPublicRecord, writePublicRecord } from './public-record.ts'
import type {
  ChunkLength,
  FileState,
  OpenedRecord,
  PublicRecord,
  RecordCodec,
  RecordFields,
  RecordKeys,
} from './record.ts'
import { refsMatch, refsOf } from './refs.ts'
import { fieldsFault, stateFault } from './state-rules.ts'

/** One record, at most: room for a page of extents and the 64 KiB of extended attributes that Linux allows a file, with headroom. */
export const RECORD_BYTES_MAX = 256 * 1024

const STATE_VERSION = 1
const NONCE_BYTES = sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
const TAG_BYTES = sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES
const NO_TOKEN = asPathToken(new Uint8Array(PATH_TOKEN_BYTES))

/** Nonces drawn at once: a call for each costs more than the encryption. */
const NONCES_AT_ONCE = 128

/** Seals under the newest key of `keys`, opens with all of them. */
export function createRecordCodec(keys: RecordKeys, volume: VolumeId, random: Random): RecordCodec {
  const tokenHash = createKeyedHasher(keys.pathToken)
  const pathToken = (path: Uint8Array): PathToken =>
    asPathToken(new Uint8Array(tokenHash(path).subarray(0, PATH_TOKEN_BYTES)))
  const drawNonce = nonceSource(random)
  const writer = new ByteWriter()

  /** One buffer: volume ‖ public part ‖ nonce ‖ sealed part. The first two are the associated data, all but the first the record. */
  function seal(fields: RecordFields, state?: FileState, refs: readonly ChunkLength[] = []): Uint8Array {
    const fault = fieldsFault(fields) ?? stateFault(fields.kind, state)
    if (fault !== undefined) throw new HoldfastError('HF_BAD_INPUT', `a record cannot be made: ${fault}`)
    const record: PublicRecord = {
      ...fields,
      keyEpoch: keys.keyEpoch,
      pathToken: state === undefined ? NO_TOKEN : pathToken(state.path),
      refs: refsOf(state?.content ?? { type: 'none' }, refs),
    }
    writePublicRecord(writer.clear().bytes(volume), record)
    const nonceAt = writer.length
    writer.bytes(drawNonce())
    if (state !== undefined) writeState(writer, state, record)
    const end = writer.length
    if (end + TAG_BYTES > RECORD_BYTES_MAX) throw new HoldfastError('HF_BAD_INPUT', 'a record is too large')
    writer.skip(TAG_BYTES)
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
      writer.view(nonceAt + NONCE_BYTES, end + TAG_BYTES),
      writer.view(nonceAt + NONCE_BYTES, end),
      writer.view(0, nonceAt),
      null,
      writer.view(nonceAt, nonceAt + NONCE_BYTES),
      keys.record(record.keyEpoch),
    )
    return writer.take(VOLUME_ID_BYTES)
  }

  function open(bytes: Uint8Array): OpenedRecord {
    const { record, publicPart, nonce, sealed } = splitRecord(bytes)
    const plain = new Uint8Array(sealed.byteLength - TAG_BYTES)
    const associated = writer
      .clear()
      .bytes(volume)
      .bytes(publicPart)
      .view(0, VOLUME_ID_BYTES + publicPart.byteLength)
    const key = keys.record(record.keyEpoch)
    try {
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plain, null, sealed, associated, nonce, key)
    } catch (cause) {
      const message = `record ${record.seq} does not open: it was altered, or sealed with another key`
      throw new HoldfastError('HF_WRONG_KEY', message, { cause })
    }
    if (record.kind !== 'put' && record.kind !== 'delete') return { public: record }
    const state = decodeState(plain, record)
    if (!equalBytes(record.pathToken, pathToken(state.path))) throw mismatch(record, 'path')
    if (!refsMatch(state.content, record.refs)) throw mismatch(record, 'list of chunks')
    const fault = stateFault(record.kind, state)
    if (fault !== undefined) throw new HoldfastError('HF_DECODE', `record ${record.seq} is malformed: ${fault}`)
    return { public: record, state }
  }

  return { seal, open, pathToken }
}

function nonceSource(random: Random): () => Uint8Array {
  let drawn: Uint8Array = new Uint8Array(0)
  let next = 0
  return () => {
    if (next === drawn.byteLength) {
      drawn = random.bytes(NONCES_AT_ONCE * NONCE_BYTES)
      next = 0
    }
    return drawn.subarray(next, (next += NONCE_BYTES))
  }
}

function writeState(writer: ByteWriter, state: FileState, record: PublicRecord): void {
  writeAttributes(writer.byte(STATE_VERSION).lengthAndBytes(state.path), state, record.refs)
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
