import assert from 'node:assert/strict'
import { hasCode, hexOf } from '@holdfast/ports'
import { ARGON2_MEMORY_BYTES_MAX, unlockMethod, unwrapSecret, wrapSecret } from '../src/index.ts'
import { bytesFrom, countingRandom } from './counting-random.ts'

const secret = bytesFrom(50, 32)
const keyFile = bytesFrom(7, 32)
const isWrongKey = (error: unknown): boolean => hasCode(error, 'HF_WRONG_KEY')
const isDecode = (error: unknown): boolean => hasCode(error, 'HF_DECODE')

const GOLDEN_KEY_FILE =
  '01010000000000000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262757e36cab80aecff97b973ca1dcd3c8f2790123ba17cf02db2c8dd13773b0259927184c6862a08e3a9e94cbe05a7eaae4'
const GOLDEN_PASSPHRASE =
  '01020300000000000004000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627bd86ad12348cfaa80393be3f8dcb55eff8bf406801bae08acf7a78586577b016352b376fb4f1922559b29a41db75aaee'

describe('wrapping', () => {
  it('golden vector: by key file and by passphrase (docs/formats.md)', () => {
    assert.equal(hexOf(wrapSecret(secret, { keyFile }, countingRandom())), GOLDEN_KEY_FILE)
    assert.equal(hexOf(wrapSecret(secret, { passphrase: 'correct horse' }, countingRandom())), GOLDEN_PASSPHRASE)
  })

  it('what wrapped it unwraps it', () => {
    for (const unlock of [{ keyFile }, { passphrase: 'correct horse' }]) {
      const wrapped = wrapSecret(secret, unlock, countingRandom())
      assert.equal(hexOf(unwrapSecret(wrapped, unlock)), hexOf(secret))
      assert.equal(unlockMethod(wrapped), 'keyFile' in unlock ? 'key-file' : 'passphrase')
    }
  })

  it('composed and decomposed letters of a passphrase are the same', () => {
    const wrapped = wrapSecret(secret, { passphrase: 'é' }, countingRandom())
    assert.equal(hexOf(unwrapSecret(wrapped, { passphrase: 'e\u0301' })), hexOf(secret))
  })

  it('a wrong passphrase, key file or method is HF_WRONG_KEY', () => {
    const byPassphrase = wrapSecret(secret, { passphrase: 'right' }, countingRandom())
    const byKeyFile = wrapSecret(secret, { keyFile }, countingRandom())
    assert.throws(() => unwrapSecret(byPassphrase, { passphrase: 'wrong' }), isWrongKey)
    assert.throws(() => unwrapSecret(byPassphrase, { keyFile }), isWrongKey)
    assert.throws(() => unwrapSecret(byKeyFile, { keyFile: bytesFrom(8, 32) }), isWrongKey)
    assert.throws(() => unwrapSecret(byKeyFile, { passphrase: 'right' }), isWrongKey)
  })

  it('any altered byte is refused, any truncation too', () => {
    const wrapped = wrapSecret(secret, { keyFile }, countingRandom())
    for (let at = 0; at < wrapped.length; at++) {
      const altered = wrapped.slice()
      altered[at] = (altered[at] ?? 0) ^ 1
      assert.throws(
        () => unwrapSecret(altered, { keyFile }),
        (error) => isWrongKey(error) || isDecode(error),
      )
      assert.throws(
        () => unwrapSecret(wrapped.subarray(0, at), { keyFile }),
        (error) => isWrongKey(error) || isDecode(error),
      )
    }
  })

  it('a file that asks for too much memory is refused before any is taken', () => {
    const wrapped = Buffer.from(wrapSecret(secret, { passphrase: 'p' }, countingRandom()))
    wrapped.writeUInt32LE(ARGON2_MEMORY_BYTES_MAX + 1, 6)
    assert.throws(() => unwrapSecret(wrapped, { passphrase: 'p' }), isDecode)
  })

  it('an empty passphrase and a short key file are refused', () => {
    for (const unlock of [{ passphrase: '' }, { keyFile: bytesFrom(0, 31) }]) {
      assert.throws(
        () => wrapSecret(secret, unlock, countingRandom()),
        (error) => hasCode(error, 'HF_BAD_INPUT'),
      )
    }
  })
})
