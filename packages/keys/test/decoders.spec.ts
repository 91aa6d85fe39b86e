/** Every decoder of this package against any bytes. Inputs that once led somewhere new are kept in `test/corpus`. */
import { fileURLToPath } from 'node:url'
import { decoderContract } from '@holdfast/contracts'
import { asVolumeId, MIB } from '@holdfast/ports'
import { decodeBase32, encodeBase32 } from '../src/base32.ts'
import {
  addKeyEpoch,
  createKeyRing,
  decodeKeyRing,
  formatOperatorKey,
  openSealed,
  parseOperatorKey,
  sealTo,
  signingKeyFromSeed,
  unwrapSecret,
  wrapSecret,
} from '../src/index.ts'
import { bytesFrom } from './counting-random.ts'

const CORPUS = fileURLToPath(new URL('../../test/corpus', import.meta.url))

const key = signingKeyFromSeed(bytesFrom(1, 32))
const ring = createKeyRing(asVolumeId(bytesFrom(100, 16)), bytesFrom(0, 32))
const keyFile = bytesFrom(9, 32)
const random = { bytes: (count: number) => bytesFrom(3, count), fraction: () => 0 }
const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

describe('decoders', () => {
  decoderContract(CORPUS, {
    'key ring': { decode: decodeKeyRing, valid: () => [ring.encode(), addKeyEpoch(ring, bytesFrom(5, 32)).encode()] },
    'operator key': {
      decode: (bytes) => parseOperatorKey(textOf(bytes)),
      valid: () => [ascii(formatOperatorKey(key))],
    },
    'base 32': { decode: (bytes) => decodeBase32(textOf(bytes)), valid: () => [ascii(encodeBase32(bytesFrom(0, 20)))] },
    'sealed box': {
      decode: (bytes) => openSealed(key, bytes),
      valid: () => [sealTo(key.publicKey, bytesFrom(0, 40))],
    },
    'wrapped secret': {
      decode: (bytes) => unwrapSecret(bytes, { keyFile }),
      valid: () => [Uint8Array.from(wrapSecret(bytesFrom(0, 32), { keyFile }, random))],
      fixedBytes: MIB,
    },
  })
})
