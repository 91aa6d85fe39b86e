import { createKeyedHasher } from '@holdfast/hash'
import { FINGERPRINT_BYTES } from './types.ts'

/** Fingerprint of a segment: 16 bytes, the caller's. */
export type Fingerprinter = (...parts: readonly Uint8Array[]) => Uint8Array

/** One hasher, reset and reused: making one costs more than hashing 64 KiB. Not re-entrant. `key` is the volume's 32-byte fingerprint key. */
export function createFingerprinter(key: Uint8Array): Fingerprinter {
  const hash = createKeyedHasher(key)
  return (...parts) => hash(...parts).subarray(0, FINGERPRINT_BYTES)
}
