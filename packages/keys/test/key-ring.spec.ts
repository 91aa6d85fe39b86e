import assert from 'node:assert/strict'
import { asVolumeId, hasCode, hexOf } from '@holdfast/ports'
import * as fc from 'fast-check'
import { addKeyEpoch, createKeyRing, decodeKeyRing, deriveVolumeKeys, KEY_EPOCHS_MAX } from '../src/index.ts'
import { bytesFrom } from './counting-random.ts'

const isDecode = (error: unknown): boolean => hasCode(error, 'HF_DECODE')
const volume = asVolumeId(bytesFrom(100, 16))
const ring = createKeyRing(volume, bytesFrom(0, 32))

const GOLDEN_SUBKEYS = [
  '2cbcb5d58201c3dfff321bcc595cde5c1f5b16b78b036b81df3bd073ab9ec756',
  'db36f674f807d4f02550ed9bb4ccd8aa6d3b705843d824b733a237492c4b672a',
  'efb7c3600421f5341c0a775499844bab70228a8d9a0c1fa6101c85ddf414511f',
  '321f1ff0899ba6b9aac690da7ae0a71d47625c41d32f6200f15f740ed83f0e3d',
  'e2e169183d333baf447eaee98a34f190c43da148658c3cca120cf402e1c2096c',
  '922333998c12d58b0b4c1af3e2500bbfd3f55abd14bba83816b8798312ade1f6',
]

describe('key ring', () => {
  it('golden vector: one epoch and two (docs/formats.md)', () => {
    const one = '01' + hexOf(volume) + '0100' + hexOf(bytesFrom(0, 32))
    assert.equal(hexOf(ring.encode()), one)
    const two = addKeyEpoch(ring, bytesFrom(32, 32))
    assert.equal(hexOf(two.encode()), '01' + hexOf(volume) + '0200' + hexOf(bytesFrom(0, 64)))
  })

  it('decode after encode gives the same ring', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 5 }), (keys) => {
        const [first = new Uint8Array(32), ...rest] = keys
        const made = rest.reduce(addKeyEpoch, createKeyRing(volume, first))
        const decoded = decodeKeyRing(made.encode())
        assert.equal(decoded.newestEpoch, keys.length)
        assert.deepEqual(decoded.encode(), made.encode())
        keys.forEach((key, index) => assert.equal(hexOf(decoded.key(index + 1)), hexOf(key)))
      }),
      { numRuns: 30 },
    )
  })

  it('truncated, extended and foreign bytes are HF_DECODE', () => {
    const bytes = addKeyEpoch(ring, bytesFrom(32, 32)).encode()
    for (let length = 0; length < bytes.length; length++)
      assert.throws(() => decodeKeyRing(bytes.subarray(0, length)), isDecode)
    assert.throws(() => decodeKeyRing(Buffer.concat([bytes, bytes])), isDecode)
    assert.throws(() => decodeKeyRing(Buffer.concat([Buffer.from([2]), bytes.subarray(1)])), isDecode)
  })

  it('an epoch it lacks is HF_WRONG_KEY; adding one leaves the given ring alone', () => {
    for (const epoch of [0, 2, 1.5, -1])
      assert.throws(
        () => ring.key(epoch),
        (error) => hasCode(error, 'HF_WRONG_KEY'),
      )
    assert.equal(addKeyEpoch(ring, bytesFrom(9, 32)).newestEpoch, 2)
    assert.equal(ring.newestEpoch, 1)
  })

  it('refuses an epoch beyond KEY_EPOCHS_MAX', () => {
    const full = { ...ring, newestEpoch: KEY_EPOCHS_MAX }
    assert.throws(
      () => addKeyEpoch(full, bytesFrom(0, 32)),
      (error) => hasCode(error, 'HF_BUSY'),
    )
  })

  it('refuses keys that are not 32 bytes', () => {
    assert.throws(() => createKeyRing(volume, bytesFrom(0, 31)), TypeError)
  })
})

describe('volume keys', () => {
  it('golden vector: all subkeys of one ring (docs/formats.md)', () => {
    const keys = deriveVolumeKeys(ring)
    assert.deepEqual(
      [keys.fingerprint, keys.chunker, keys.pathToken, keys.content(1).hash, keys.content(1).key, keys.record(1)].map(
        hexOf,
      ),
      GOLDEN_SUBKEYS,
    )
  })

  it('a new key epoch changes content and record keys only, and the old ones stay', () => {
    const before = deriveVolumeKeys(ring)
    const after = deriveVolumeKeys(addKeyEpoch(ring, bytesFrom(32, 32)))
    assert.equal(after.keyEpoch, 2)
    assert.deepEqual(
      [after.fingerprint, after.chunker, after.pathToken],
      [before.fingerprint, before.chunker, before.pathToken],
    )
    assert.deepEqual(after.content(1), before.content(1))
    assert.deepEqual(after.record(1), before.record(1))
    assert.notDeepEqual(after.content(2).key, before.content(1).key)
    assert.notDeepEqual(after.content(2).hash, before.content(1).hash)
    assert.notDeepEqual(after.record(2), before.record(1))
    assert.throws(
      () => before.content(2),
      (error) => hasCode(error, 'HF_WRONG_KEY'),
    )
    assert.throws(
      () => before.record(2),
      (error) => hasCode(error, 'HF_WRONG_KEY'),
    )
  })
})
