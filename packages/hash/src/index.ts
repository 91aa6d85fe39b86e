/** BLAKE3-256 in the forms Holdfast uses: plain (names of chunks), labelled (what is signed or compared), keyed
 *  (fingerprints, tokens, text hashes) and derived (subkeys). */
import { blake3 as nativeBlake3, Blake3Hasher } from '@napi-rs/blake-hash'

// The binding takes any Uint8Array, views on WebAssembly memory included, without a copy; its types say Buffer.
const asBuffer = (bytes: Uint8Array): Buffer => bytes as Buffer

/** BLAKE3-256 of the bytes: 32 bytes, the caller's. */
export function blake3(bytes: Uint8Array): Uint8Array {
  return nativeBlake3(asBuffer(bytes))
}

/** BLAKE3-256 over label ‖ 0x00 ‖ parts: separates the domains of what is signed or compared. Labels are constants without NUL. */
export function labelledHash(label: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const hasher = new Blake3Hasher()
  hasher.update(label)
  hasher.update(asBuffer(SEPARATOR))
  for (const part of parts) hasher.update(asBuffer(part))
  return hasher.digestBuffer()
}

const SEPARATOR = new Uint8Array(1)

/** Keyed BLAKE3-256 with one hasher that is reset and reused: making a hasher costs 11 µs, reusing it 3 µs. Not re-entrant.
 *  `key` is 32 bytes. The result is a function of the concatenated parts. */
export function createKeyedHasher(key: Uint8Array): (...parts: readonly Uint8Array[]) => Uint8Array {
  const hasher = Blake3Hasher.newKeyed(asBuffer(key))
  return (...parts) => {
    hasher.reset()
    for (const part of parts) hasher.update(asBuffer(part))
    return hasher.digestBuffer()
  }
}

/** Subkey of `material` for one purpose, 32 bytes: BLAKE3 in derive-key mode. `context` is a constant, globally unique text. */
export function deriveKey(context: string, material: Uint8Array): Uint8Array {
  return Blake3Hasher.deriveKey(context, asBuffer(material))
}
