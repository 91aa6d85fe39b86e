import { asVolumeId, HoldfastError, shortId, VOLUME_ID_BYTES, type VolumeId } from '@holdfast/ports'
import { secretCopy, secretMemory } from './secret-memory.ts'

export const VOLUME_KEY_BYTES = 32
/** Key epochs of one volume, at most. A ring of that size has 32 KiB; one epoch a month for 85 years. */
export const KEY_EPOCHS_MAX = 1024

const RING_VERSION = 1
const COUNT_OFFSET = 1 + VOLUME_ID_BYTES
const KEYS_OFFSET = COUNT_OFFSET + 2

/** The keys of one volume by key epoch, from 1 without a gap. Whoever has the ring reads the volume, its past included. */
export interface KeyRing {
  readonly volume: VolumeId
  /** From 1. New content is sealed with this epoch's key. */
  readonly newestEpoch: number
  /** 32 bytes; not the caller's to alter. @throws HF_WRONG_KEY if the ring has no such epoch */
  key(epoch: number): Uint8Array
  /** The ring as bytes in locked memory; to be sealed or wrapped before it leaves the process. */
  encode(): Uint8Array
}

/** A ring of one epoch. The key (32 random bytes) is copied into locked memory. */
export function createKeyRing(volume: VolumeId, firstKey32: Uint8Array): KeyRing {
  return ringOf(volume, [firstKey32])
}

/** A ring with one epoch more; the given one stays as it is. @throws HF_BUSY if it has `KEY_EPOCHS_MAX` epochs */
export function addKeyEpoch(ring: KeyRing, key32: Uint8Array): KeyRing {
  if (ring.newestEpoch >= KEY_EPOCHS_MAX) {
    throw new HoldfastError(
      'HF_BUSY',
      `volume ${shortId(ring.volume)} has ${KEY_EPOCHS_MAX} key epochs, the most there can be`,
    )
  }
  const keys = Array.from({ length: ring.newestEpoch }, (_, index) => ring.key(index + 1))
  return ringOf(ring.volume, [...keys, key32])
}

/** @throws HF_DECODE */
export function decodeKeyRing(bytes: Uint8Array): KeyRing {
  if (bytes[0] !== RING_VERSION || bytes.byteLength < KEYS_OFFSET) throw malformed()
  const count = new DataView(bytes.buffer, bytes.byteOffset).getUint16(COUNT_OFFSET, true)
  if (count < 1 || count > KEY_EPOCHS_MAX || bytes.byteLength !== KEYS_OFFSET + count * VOLUME_KEY_BYTES)
    throw malformed()
  const volume = asVolumeId(bytes.slice(1, COUNT_OFFSET))
  const keyAt = (index: number): number => KEYS_OFFSET + index * VOLUME_KEY_BYTES
  return ringOf(
    volume,
    Array.from({ length: count }, (_, index) => bytes.subarray(keyAt(index), keyAt(index + 1))),
  )
}

const malformed = (): HoldfastError => new HoldfastError('HF_DECODE', 'these bytes are not a key ring')

function ringOf(volume: VolumeId, keys: readonly Uint8Array[]): KeyRing {
  for (const key of keys) if (key.byteLength !== VOLUME_KEY_BYTES) throw new TypeError('a volume key has 32 bytes')
  const held = keys.map(secretCopy)
  return Object.freeze({
    volume,
    newestEpoch: held.length,
    key(epoch: number): Uint8Array {
      const key = held[epoch - 1]
      if (key !== undefined) return key
      throw new HoldfastError('HF_WRONG_KEY', `the key ring of volume ${shortId(volume)} has no key epoch ${epoch}`, {
        next: 'connect to a member that holds the newer key ring',
      })
    },
    encode(): Uint8Array {
      const bytes = secretMemory(KEYS_OFFSET + held.length * VOLUME_KEY_BYTES)
      bytes[0] = RING_VERSION
      bytes.set(volume, 1)
      bytes.writeUInt16LE(held.length, COUNT_OFFSET)
      held.forEach((key, index) => bytes.set(key, KEYS_OFFSET + index * VOLUME_KEY_BYTES))
      return bytes
    },
  })
}
