import { createHash } from 'node:crypto'
import { createKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import type { VolumeKeys } from '@holdfast/keys'
import { asVolumeId } from '@holdfast/ports'
import type { Sealer } from '../src/index.ts'
import { CHUNK_STORED_BYTES_MAX, createSealer } from '../src/index.ts'

/** Bytes that look random and are the same in every run. */
export function noise(seed: string, length: number): Uint8Array {
  return new Uint8Array(createHash('shake256', { outputLength: length }).update(seed).digest())
}

/** Bytes that compress well. */
export function text(seed: string, length: number): Uint8Array {
  return Uint8Array.from(noise(seed, length), (byte) => 97 + (byte % 5))
}

export function testKeys(seed = 'volume'): VolumeKeys {
  return deriveVolumeKeys(createKeyRing(asVolumeId(noise(seed, 16)), noise(`${seed} key`, 32)))
}

/** Seals into memory of its own. */
export function sealed(plain: Uint8Array, sealer: Sealer = createSealer(testKeys()), ...recipe: Recipe) {
  const out = new Uint8Array(CHUNK_STORED_BYTES_MAX)
  const { id, storedBytes } = sealer.seal(plain, out, 0, ...recipe)
  return { id, storedBytes, stored: out.slice(0, storedBytes) }
}

type Recipe = [] | [Parameters<Sealer['seal']>[3]]
