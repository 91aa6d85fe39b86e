import assert from 'node:assert/strict'
import { asChunkId, asVolumeId, hasCode, hexOf } from '@holdfast/ports'
import type { ChunkId, ErrorCode, Random } from '@holdfast/ports'
import type { Extent } from '@holdfast/sealing'
import * as fc from 'fast-check'
import type { FileState, RecordFields, RecordKeys } from '../src/index.ts'
import {
  createRecordCodec,
  decodePublicRecord,
  HARD_LINK_BYTES_MAX,
  RECORD_EXTENTS_MAX,
  STATE_XATTRS_BYTES_MAX,
} from '../src/index.ts'
import { readAttributes, writeAttributes } from '../src/attributes.ts'
import { ByteWriter, decodeAll } from '@holdfast/codec'
import { refsOf } from '../src/refs.ts'
import { bytesOf, directory, file, lengthsOf, putState } from './rows.ts'

const KEYS_KNOWN = 3
const keys: RecordKeys = {
  keyEpoch: KEYS_KNOWN,
  pathToken: new Uint8Array(32).fill(1),
  record: (epoch) => new Uint8Array(32).fill(16 + epoch),
}
const volume = asVolumeId(new Uint8Array(16).fill(7))

/** Not random at all, so that the golden record stays as it is. */
function countingRandom(): Random {
  let next = 0
  return { bytes: (count) => new Uint8Array(count).map(() => next++), fraction: () => 0 }
}

const codec = createRecordCodec(keys, volume, countingRandom())
const code = (expected: ErrorCode) => (error: unknown) => hasCode(error, expected)
const put = (seq = 5): RecordFields => ({ seq, epoch: 2, timeMs: 1_700_000_000_123, kind: 'put' })

const fields: fc.Arbitrary<Omit<RecordFields, 'kind'>> = fc.record({
  seq: fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
  epoch: fc.integer({ min: 1, max: 5000 }),
  timeMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
})

const extent = (chunk: ChunkId, offset: number): Extent => ({
  chunk,
  offset,
  length: 5,
  fingerprint: new Uint8Array(16),
})

describe('record codec', () => {
  it('opens what it sealed, from the bytes alone, for any state', () => {
    fc.assert(
      fc.property(fields, putState, (given, state) => {
        const bytes = codec.seal({ ...given, kind: 'put' }, state, lengthsOf(state.content).toReversed())
        const opened = codec.open(bytes)
        assert.deepEqual(opened.state, state)
        assert.deepEqual(opened.public, decodePublicRecord(bytes))
        const { seq, epoch, timeMs, kind, keyEpoch, pathToken, refs } = opened.public
        assert.deepEqual({ seq, epoch, timeMs, kind }, { ...given, kind: 'put' })
        assert.equal(keyEpoch, KEYS_KNOWN)
        assert.deepEqual(pathToken, codec.pathToken(state.path))
        assert.equal(refs.length, lengthsOf(state.content).length)
        assert.ok(refs.every((ref) => ref.role === (state.content.type === 'recipe' ? 'recipe' : 'content')))
      }),
    )
  })

  it('any flipped bit, truncation or appended byte is refused with a code', () => {
    fc.assert(
      fc.property(fields, putState, fc.nat(), fc.nat(), (given, state, at, cut) => {
        const bytes = codec.seal({ ...given, kind: 'put' }, state, lengthsOf(state.content))
        const flipped = bytes.slice()
        flipped[at % bytes.length] = (flipped[at % bytes.length] ?? 0) ^ (1 << (at % 8))
        for (const altered of [flipped, bytes.subarray(0, cut % bytes.length), new Uint8Array([...bytes, 0])]) {
          assert.throws(
            () => codec.open(altered),
            (error) => hasCode(error, 'HF_DECODE') || hasCode(error, 'HF_WRONG_KEY'),
          )
        }
      }),
    )
  })

  it('any bytes at all are refused with a code, public part and all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, likely) => {
        if (likely) bytes.set([1, 1].slice(0, bytes.length))
        assert.throws(
          () => codec.open(bytes),
          (error) => hasCode(error, 'HF_DECODE') || hasCode(error, 'HF_WRONG_KEY'),
        )
        try {
          decodePublicRecord(bytes)
        } catch (error) {
          assert.ok(hasCode(error, 'HF_DECODE'))
        }
      }),
    )
  })

  it('a record of another volume or key does not open; a key epoch that is not in the ring is the ring’s to refuse', () => {
    const bytes = codec.seal(put(), file('a'), lengthsOf(file('a').content))
    const elsewhere = createRecordCodec(keys, asVolumeId(new Uint8Array(16)), countingRandom())
    assert.throws(() => elsewhere.open(bytes), code('HF_WRONG_KEY'))
    const stranger = createRecordCodec({ ...keys, record: () => new Uint8Array(32) }, volume, countingRandom())
    assert.throws(() => stranger.open(bytes), code('HF_WRONG_KEY'))
    const rotated = createRecordCodec({ ...keys, keyEpoch: 4 }, volume, countingRandom())
    assert.deepEqual(rotated.open(bytes), codec.open(bytes))
    assert.equal(rotated.open(rotated.seal(put(), directory('d'))).public.keyEpoch, 4)
  })

  it('deletions say what was deleted, a baseline says nothing', () => {
    const { content: _content, ...gone } = file('a')
    const state: FileState = { ...gone, content: { type: 'none' } }
    assert.deepEqual(codec.open(codec.seal({ ...put(), kind: 'delete' }, state)).state, state)
    const baseline = codec.open(codec.seal({ ...put(9), kind: 'baseline' }))
    assert.equal(baseline.state, undefined)
    assert.deepEqual(
      { ...baseline.public, pathToken: hexOf(baseline.public.pathToken) },
      {
        seq: 9,
        epoch: 2,
        timeMs: 1_700_000_000_123,
        kind: 'baseline',
        keyEpoch: 3,
        refs: [],
        pathToken: '0'.repeat(32),
      },
    )
  })

  it('versions of one path have one token, other paths and keys another', () => {
    assert.deepEqual(codec.pathToken(bytesOf('a/b')), codec.pathToken(bytesOf('a/b')))
    assert.notDeepEqual(codec.pathToken(bytesOf('a/b')), codec.pathToken(bytesOf('a/c')))
    const other = createRecordCodec({ ...keys, pathToken: new Uint8Array(32) }, volume, countingRandom())
    assert.notDeepEqual(other.pathToken(bytesOf('a/b')), codec.pathToken(bytesOf('a/b')))
  })

  it('refs come in the order of first use, once each', () => {
    const a = asChunkId(new Uint8Array(32).fill(1))
    const b = asChunkId(new Uint8Array(32).fill(2))
    const state: FileState = {
      ...file('f', 15),
      content: { type: 'inline', extents: [extent(b, 0), extent(a, 0), extent(b, 9)] },
    }
    const lengths = [
      { id: a, storedBytes: 70 },
      { id: b, storedBytes: 80 },
    ]
    const { refs } = decodePublicRecord(codec.seal(put(), state, lengths))
    assert.deepEqual(refs, [
      { id: b, storedBytes: 80, role: 'content' },
      { id: a, storedBytes: 70, role: 'content' },
    ])
  })

  it('the writer cannot make what a reader would refuse', () => {
    const a = asChunkId(new Uint8Array(32))
    const good = file('f', 10)
    const refs = lengthsOf(good.content)
    const bad = (state: Partial<FileState>, lengths = refs, given: Partial<RecordFields> = {}): void => {
      assert.throws(
        () => codec.seal({ ...put(), ...given }, { ...good, ...state }, lengths),
        code('HF_BAD_INPUT'),
        JSON.stringify([Object.keys(state), given]),
      )
    }
    bad({ path: bytesOf('/etc') })
    bad({ path: bytesOf('a/../b') })
    bad({ mode: 0o100644 })
    bad({ uid: -1 })
    bad({ gid: 2 ** 32 })
    bad({ mtimeNs: 2n ** 63n })
    bad({ size: 11 })
    bad({ size: -1 })
    bad({ content: { type: 'none' } }, [])
    bad({ type: 'directory' })
    bad({ type: 'symlink', size: 0, content: { type: 'none' } }, [])
    bad({ target: bytesOf('t') })
    bad({ hardLink: new Uint8Array(0) })
    bad({ hardLink: new Uint8Array(HARD_LINK_BYTES_MAX + 1) })
    bad(
      {
        size: 5 * (RECORD_EXTENTS_MAX + 1),
        content: { type: 'inline', extents: Array(RECORD_EXTENTS_MAX + 1).fill(extent(a, 0)) },
      },
      [{ id: a, storedBytes: 9 }],
    )
    const xattr = (name: string, length = 1) => ({ name: bytesOf(name), value: new Uint8Array(length) })
    bad({ xattrs: [xattr('user.big', STATE_XATTRS_BYTES_MAX)] })
    bad({ xattrs: [xattr('user.b'), xattr('user.a')] })
    bad({ xattrs: [xattr('user.a'), xattr('user.a')] })
    bad({ xattrs: [xattr('')] })
    bad({ xattrs: [xattr('a\0b')] })
    bad({ xattrs: [xattr('x'.repeat(256))] })
    const other = { type: 'other', size: 0, content: { type: 'none' } } as const
    bad({ ...other, sparse: true }, [])
    bad({ special: { kind: 'fifo', major: 0, minor: 0 } })
    bad({ ...other, special: { kind: 'fifo', major: 1, minor: 0 } }, [])
    bad({ ...other, special: { kind: 'block', major: 2 ** 32, minor: 0 } }, [])
    bad({ ...other, type: 'directory', hardLink: Uint8Array.of(1) }, [])
    bad({}, [])
    bad({}, [...refs, ...refs])
    bad({}, refs, { seq: 0 })
    bad({}, refs, { epoch: 0 })
    bad({}, refs, { timeMs: 1.5 })
    bad({}, refs, { kind: 'delete' })
    bad({}, refs, { kind: 'baseline' })
    assert.throws(() => codec.seal(put()), code('HF_BAD_INPUT'))
  })

  it('a small file’s record is about 200 bytes', () => {
    const state = file('src/components/header/index.test.ts', 4096)
    assert.ok(codec.seal(put(1_000_000), state, lengthsOf(state.content)).byteLength <= 200)
  })

  it('the golden record opens for ever', () => {
    const state: FileState = {
      ...file('docs/ä.md', 10),
      mtimeNs: -1n,
      torn: true,
      hardLink: Uint8Array.of(1, 2),
      xattrs: [{ name: bytesOf('user.a'), value: bytesOf('v') }],
    }
    const bytes = createRecordCodec(keys, volume, countingRandom()).seal(put(300), state, lengthsOf(state.content))
    assert.equal(hexOf(bytes), GOLDEN_RECORD)
    assert.deepEqual(codec.open(Buffer.from(GOLDEN_RECORD, 'hex')).state, state)
  })

  it('the golden records of a sparse file and of a device open for ever', () => {
    const bare = { uid: 0, gid: 0, mtimeNs: 1n, size: 0, torn: false, content: { type: 'none' } } as const
    const states: readonly [string, FileState, string][] = [
      ['a sparse file', { ...file('disk.img', 10), sparse: true }, GOLDEN_SPARSE],
      [
        'a device with two names',
        {
          ...bare,
          path: bytesOf('dev/sda1'),
          type: 'other',
          mode: 0o660,
          hardLink: Uint8Array.of(7),
          special: { kind: 'block', major: 8, minor: 1 },
        },
        GOLDEN_DEVICE,
      ],
    ]
    for (const [what, state, golden] of states) {
      const bytes = createRecordCodec(keys, volume, countingRandom()).seal(put(301), state, lengthsOf(state.content))
      assert.equal(hexOf(bytes), golden, what)
      assert.deepEqual(codec.open(Buffer.from(golden, 'hex')).state, state, what)
    }
  })

  it('fields of later versions are skipped', () => {
    const state = file('docs/ä.md', 10)
    const attributes = new ByteWriter()
    writeAttributes(attributes, state, refsOf(state.content, lengthsOf(state.content)))
    const later = attributes.uint(200).lengthAndBytes(bytesOf('news')).take()
    const read = decodeAll('attributes', later, (reader) =>
      readAttributes(reader, refsOf(state.content, lengthsOf(state.content))),
    )
    assert.deepEqual({ path: state.path, ...read }, state)
  })
})

const GOLDEN_SPARSE = [
  '0101fd2d01027b68e5cf8b0103b2e493b18c7bafc8129321fc97f78e4101000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a',
  '0a0a0a0a0a0a0a0a0a0a0a0a0a0a0afdf82a000102030405060708090a0b0c0d0e0f1011121314151617cc5f42aea774',
  '6f76f1bb23758eebebad1086ae2f94fb28a30a8cb48201b9412d6cc1d74f06a8286fd948ef8dc1912a6612090505313f',
  '28468e50e516a45469ad',
].join('')
const GOLDEN_DEVICE = [
  '0101fd2d01027b68e5cf8b0103fd8e35ec5f97d7e0d7404e4e467585d400000102030405060708090a0b0c0d0e0f1011',
  '121314151617cc5f42a2a230327bfded20778effebac1182ae2f94fb28a30a86b68306b648256eca29d2c781802a3b6e',
  '6c1137a0be666b52',
].join('')

const GOLDEN_RECORD = [
  '0101fd2c01027b68e5cf8b0103fca346a876f967dd6ca90cea971c92fe01000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a',
  '0a0a0a0a0a0a0a0a0a0a0a0a0a0a0afdf82a000102030405060708090a0b0c0d0e0f1011121314151617cc5d42a8b76c',
  '6edc38f24e13734c17081082afd06b04d75cf5794a8800b34b2d6cc1d74f06a8286fd948ef8dc191246c50a8dbfed1a5',
  'b025feed4c4e95e934fee7d605571c84874383a9731cd3a825c6',
].join('')
