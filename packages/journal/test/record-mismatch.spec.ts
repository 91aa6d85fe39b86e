/** What a writer that holds the key, but does not keep to the rules, cannot make a reader believe. */
import assert from 'node:assert/strict'
import { createKeyedHasher } from '@holdfast/hash'
import { asChunkId, asPathToken, asVolumeId, hasCode } from '@holdfast/ports'
import type { ErrorCode } from '@holdfast/ports'
import sodium from 'sodium-native'
import { writeAttributes } from '../src/attributes.ts'
import { ByteWriter } from '@holdfast/codec'
import type { FileState, PublicRecord } from '../src/index.ts'
import { createRecordCodec } from '../src/index.ts'
import { writePublicRecord } from '../src/public-record.ts'
import { refsOf } from '../src/refs.ts'
import { bytesOf, file, lengthsOf } from './rows.ts'

const key = new Uint8Array(32).fill(3)
const volume = asVolumeId(new Uint8Array(16).fill(7))
const random = { bytes: (count: number) => new Uint8Array(count), fraction: () => 0 }
const codec = createRecordCodec({ keyEpoch: 1, pathToken: key, record: () => key }, volume, random)

const good = file('f', 10)
const refs = refsOf(good.content, lengthsOf(good.content))
const other = asChunkId(new Uint8Array(32).fill(99))

/** Seals whatever it is given: `sealedRefs` is the list that the extents are numbered by. */
function forge(
  changes: Partial<PublicRecord>,
  state: FileState,
  sealedRefs = refs,
  tail: readonly number[] = [],
): Uint8Array {
  const token = asPathToken(createKeyedHasher(key)(good.path).slice(0, 16))
  const record: PublicRecord = {
    seq: 1,
    epoch: 1,
    timeMs: 1,
    kind: 'put',
    keyEpoch: 1,
    pathToken: token,
    refs,
    ...changes,
  }
  const publicPart = new ByteWriter()
  writePublicRecord(publicPart, record)
  const plain = new ByteWriter().byte(1).lengthAndBytes(state.path)
  writeAttributes(plain, state, sealedRefs)
  const message = plain.bytes(Uint8Array.from(tail)).take()
  const sealed = new Uint8Array(message.byteLength + 16)
  const associated = new ByteWriter().bytes(volume).bytes(publicPart.take()).take()
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, message, associated, null, new Uint8Array(24), key)
  return publicPart.bytes(new Uint8Array(24)).bytes(sealed).take()
}

function refuses(bytes: Uint8Array, code: ErrorCode): void {
  assert.throws(
    () => codec.open(bytes),
    (error) => hasCode(error, code),
  )
}

describe('record codec: public against sealed part', () => {
  it('takes what agrees', () => assert.deepEqual(codec.open(forge({}, good)).state, good))

  it('a public list that lacks, adds, repeats or reorders a chunk, or gives it another role', () => {
    const [ref] = refs as [(typeof refs)[number]]
    refuses(forge({ refs: [] }, good), 'HF_RECORD_MISMATCH')
    refuses(forge({ refs: [ref, { ...ref, id: other }] }, good), 'HF_RECORD_MISMATCH')
    refuses(forge({ refs: [ref, ref] }, good), 'HF_RECORD_MISMATCH')
    refuses(forge({ refs: [{ ...ref, id: other }, ref] }, good, [{ ...ref, id: other }, ref]), 'HF_RECORD_MISMATCH')
    refuses(forge({ refs: [{ ...ref, role: 'recipe' }] }, good), 'HF_RECORD_MISMATCH')
    const recipe: FileState = { ...good, content: { type: 'recipe', root: ref.id } }
    refuses(forge({ refs: [ref] }, recipe), 'HF_RECORD_MISMATCH')
    refuses(forge({ refs: [] }, recipe), 'HF_RECORD_MISMATCH')
  })

  it('the path token of another path', () => refuses(forge({}, { ...good, path: bytesOf('g') }), 'HF_RECORD_MISMATCH'))

  it('a state that breaks the rules', () => {
    for (const path of ['', '/a', 'a//b', '../a', 'a/.', 'a\0b', 'a/']) {
      refuses(forge({ pathToken: codec.pathToken(bytesOf(path)) }, { ...good, path: bytesOf(path) }), 'HF_DECODE')
    }
    refuses(forge({}, { ...good, size: 11 }), 'HF_DECODE')
    refuses(forge({}, { ...good, mode: 0o100644 }), 'HF_DECODE')
    refuses(forge({ kind: 'delete' }, good), 'HF_DECODE')
  })

  it('fields of later versions are skipped, those out of order are refused', () => {
    assert.deepEqual(codec.open(forge({}, good, refs, [200, 3, 1, 2, 3])).state, good)
    refuses(forge({}, good, refs, [200, 1, 1, 200, 1, 1]), 'HF_DECODE')
    refuses(forge({}, good, refs, [200, 9, 1]), 'HF_DECODE')
  })

  it('a kind of a later version is read by its public part', () => {
    const bytes = forge({}, good)
    const opened = codec.open(forgeKind(9))
    assert.deepEqual([opened.public.kind, opened.state], ['kind-9', undefined])
    assert.notEqual(bytes.byteLength, 0)
  })
})

/** A record of a kind that is not known yet, sealed as kinds will be. */
function forgeKind(kind: number): Uint8Array {
  const publicPart = new ByteWriter()
  writePublicRecord(publicPart, {
    seq: 1,
    epoch: 1,
    timeMs: 1,
    kind: 'put',
    keyEpoch: 1,
    pathToken: codec.pathToken(good.path),
    refs: [],
  })
  const bytes = publicPart.take()
  bytes[1] = kind
  const message = bytesOf('something new')
  const sealed = new Uint8Array(message.byteLength + 16)
  const associated = new ByteWriter().bytes(volume).bytes(bytes).take()
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, message, associated, null, new Uint8Array(24), key)
  return new ByteWriter().bytes(bytes).bytes(new Uint8Array(24)).bytes(sealed).take()
}
