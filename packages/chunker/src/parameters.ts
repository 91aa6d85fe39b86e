import { deriveKey } from '@holdfast/hash'

/** Bytes of the block of parameters that the WebAssembly reads: substitution 16, target 16 (one byte repeated), multipliers 4 × u64. */
export const PARAMETERS_BYTES = 64

/** Constants of the boundary condition, derived from a 32-byte key, so that segment lengths tell nothing of content to who lacks it. */
export function boundaryParameters(key: Uint8Array): Uint8Array {
  const parameters = new Uint8Array(PARAMETERS_BYTES)
  parameters.set(substitution(deriveKey('holdfast 1 chunker substitution', key)))
  parameters.fill(deriveKey('holdfast 1 chunker target', key)[0] ?? 0, 16, 32)
  parameters.set(deriveKey('holdfast 1 chunker multipliers', key), 32)
  for (let lowest = 32; lowest < PARAMETERS_BYTES; lowest += 8) parameters[lowest] = (parameters[lowest] ?? 0) | 1
  return parameters
}

/** A byte b is replaced by b ^ table[b & 15]. The low nibbles are a permutation of the sixteen, hence the replacement one of all bytes:
 *  random data passes the prefilter at exactly one position in 256, whatever the key. */
function substitution(seed: Uint8Array): Uint8Array {
  const nibbles = Uint8Array.from({ length: 16 }, (_, nibble) => nibble)
  for (let last = 15; last > 0; last--) {
    const other = (seed[last] ?? 0) % (last + 1)
    const held = nibbles[last] ?? 0
    nibbles[last] = nibbles[other] ?? 0
    nibbles[other] = held
  }
  return nibbles.map((low, nibble) => ((seed[16 + nibble] ?? 0) & 0xf0) | (low ^ nibble))
}
