import { deriveKey } from '@holdfast/hash'
import type { KeyRing } from './key-ring.ts'
import { secretCopy, wipe } from './secret-memory.ts'

/** The subkeys of a volume, 32 bytes each, in locked memory: BLAKE3 derive-key, one context each. */
export interface VolumeKeys {
  /** The newest key epoch: what is sealed now is sealed with it. */
  readonly keyEpoch: number
  /** Keyed fingerprints of segments. Of epoch 1, like the next two, so that content and versions stay linked over epochs. */
  readonly fingerprint: Uint8Array
  /** Seed of the places where files are cut. */
  readonly chunker: Uint8Array
  /** Keyed hashes of paths. */
  readonly pathToken: Uint8Array
  /** Keys of an epoch's chunks: `hash` keys the hash of the text, `key` derives the chunk's key from it. @throws HF_WRONG_KEY */
  content(keyEpoch: number): { readonly hash: Uint8Array; readonly key: Uint8Array }
  /** Key of the sealed part of an epoch's records. @throws HF_WRONG_KEY */
  record(keyEpoch: number): Uint8Array
}

/** Contexts of the derivation; part of the format. */
export const KEY_CONTEXTS = {
  fingerprint: 'holdfast 2026 volume fingerprint',
  chunker: 'holdfast 2026 volume chunker',
  pathToken: 'holdfast 2026 volume path token',
  contentHash: 'holdfast 2026 volume content hash',
  contentKey: 'holdfast 2026 volume content key',
  record: 'holdfast 2026 volume record',
} as const

interface EpochKeys {
  readonly content: { readonly hash: Uint8Array; readonly key: Uint8Array }
  readonly record: Uint8Array
}

/** Derives the subkeys; those of an epoch at its first use. */
export function deriveVolumeKeys(ring: KeyRing): VolumeKeys {
  const epochs = new Map<number, EpochKeys>()
  const epochKeys = (keyEpoch: number): EpochKeys => {
    const known = epochs.get(keyEpoch)
    if (known !== undefined) return known
    const key = ring.key(keyEpoch)
    const made = {
      content: Object.freeze({
        hash: subkey(KEY_CONTEXTS.contentHash, key),
        key: subkey(KEY_CONTEXTS.contentKey, key),
      }),
      record: subkey(KEY_CONTEXTS.record, key),
    }
    epochs.set(keyEpoch, made)
    return made
  }
  const first = ring.key(1)
  return Object.freeze({
    keyEpoch: ring.newestEpoch,
    fingerprint: subkey(KEY_CONTEXTS.fingerprint, first),
    chunker: subkey(KEY_CONTEXTS.chunker, first),
    pathToken: subkey(KEY_CONTEXTS.pathToken, first),
    content: (keyEpoch: number) => epochKeys(keyEpoch).content,
    record: (keyEpoch: number) => epochKeys(keyEpoch).record,
  })
}

function subkey(context: string, material: Uint8Array): Uint8Array {
  const derived = deriveKey(context, material)
  const kept = secretCopy(derived)
  wipe(derived)
  return kept
}
