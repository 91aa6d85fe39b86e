import type { KeyRing, VolumeKeys } from '@holdfast/keys'
import { HoldfastError } from '@holdfast/ports'
import type { ContentKeys } from '@holdfast/sealing'

/** The keys that a restore thread needs, and no others, as bytes that can be sent to it. The thread does not load what derives them: that
 *  took it half of its start. */
export interface OpeningKeys {
  readonly fingerprint: Uint8Array
  /** By key epoch, from 1. */
  readonly contents: readonly { readonly hash: Uint8Array; readonly key: Uint8Array }[]
}

export function openingKeysOf(ring: KeyRing, keys: VolumeKeys): OpeningKeys {
  const contents = Array.from({ length: ring.newestEpoch }, (_, index) => {
    const { hash, key } = keys.content(index + 1)
    return { hash: Uint8Array.from(hash), key: Uint8Array.from(key) }
  })
  return { fingerprint: Uint8Array.from(keys.fingerprint), contents }
}

export function contentKeysOf({ contents }: OpeningKeys): ContentKeys {
  return {
    keyEpoch: contents.length,
    content(keyEpoch) {
      const keys = contents[keyEpoch - 1]
      if (keys !== undefined) return keys
      throw new HoldfastError('HF_WRONG_KEY', `the key ring of the volume has no key epoch ${keyEpoch}`, {
        next: 'connect to a member that holds the newer key ring',
      })
    },
  }
}
