import assert from 'node:assert/strict'
import { hexOf } from '@holdfast/ports'
import * as fc from 'fast-check'
import {
  createSigningKey,
  openSealed,
  sealTo,
  seedOf,
  sign,
  signingKeyFromSeed,
  signRaw,
  verify,
  verifyRaw,
} from '../src/index.ts'
import { bytesFrom, countingRandom } from './counting-random.ts'

const key = signingKeyFromSeed(bytesFrom(0, 32))
const other = signingKeyFromSeed(bytesFrom(1, 32))
const message = new TextEncoder().encode('message')

const GOLDEN_SIGNATURE =
  '4019745d7e308164b7df0a39ffb0d6dc438441352a0b6d9331421e60bc1e58e2a72fc0d9420a427eb775a310b4081fb89943a5a4cdd3d2280982d0c467bbb204'

describe('signing', () => {
  it('golden vector: key of a seed, labelled signature (docs/formats.md)', () => {
    assert.equal(hexOf(key.publicKey), '03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8')
    assert.equal(hexOf(sign(key, 'holdfast test', message)), GOLDEN_SIGNATURE)
  })

  it('a key is made from the random port and its seed gives it again', () => {
    const made = createSigningKey(countingRandom())
    assert.deepEqual(made.publicKey, key.publicKey)
    assert.deepEqual(Buffer.from(seedOf(made)), Buffer.from(bytesFrom(0, 32)))
  })

  it('a signature counts for its key, label and bytes only', () => {
    const signature = sign(key, 'a', message)
    assert.ok(verify(key.publicKey, 'a', message, signature))
    assert.ok(!verify(other.publicKey, 'a', message, signature))
    assert.ok(!verify(key.publicKey, 'b', message, signature))
    assert.ok(!verify(key.publicKey, 'a', message.subarray(1), signature))
    assert.ok(!verifyRaw(key.publicKey, message, signature))
  })

  it('raw signatures verify over the message itself', () => {
    assert.ok(verifyRaw(key.publicKey, message, signRaw(key, message)))
  })

  it('malformed keys and signatures are false, never a throw', () => {
    const signature = sign(key, 'a', message)
    assert.ok(!verify(key.publicKey.subarray(1), 'a', message, signature))
    assert.ok(!verify(key.publicKey, 'a', message, signature.subarray(1)))
    assert.ok(!verify(new Uint8Array(32).fill(255), 'a', message, signature))
    assert.ok(!verify(new Uint8Array(32), 'a', message, new Uint8Array(64)))
  })

  it('any flipped bit of a signature is refused', () => {
    const signature = sign(key, 'a', message)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 511 }), (bit) => {
        const flipped = signature.slice()
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        return !verify(key.publicKey, 'a', message, flipped)
      }),
    )
  })
})

describe('sealed boxes', () => {
  it('only the holder of the key opens what was sealed to it', () => {
    const sealed = sealTo(key.publicKey, message)
    assert.deepEqual(Buffer.from(openSealed(key, sealed) ?? []), Buffer.from(message))
    assert.equal(openSealed(other, sealed), undefined)
  })

  it('altered or truncated bytes open to undefined', () => {
    const sealed = sealTo(key.publicKey, message)
    for (let length = 0; length < sealed.length; length++)
      assert.equal(openSealed(key, sealed.subarray(0, length)), undefined)
    sealed[40] = (sealed[40] ?? 0) ^ 1
    assert.equal(openSealed(key, sealed), undefined)
  })

  it('refuses to seal to bytes that are no key', () => {
    assert.throws(() => sealTo(key.publicKey.subarray(1), message), TypeError)
    assert.throws(() => sealTo(new Uint8Array(32), message), TypeError)
  })
})
