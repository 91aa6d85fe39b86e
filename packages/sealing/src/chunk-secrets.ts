import { createKeyedHasher } from '@holdfast/hash'
import { HEADER_FIELDS_BYTES } from './chunk-header.ts'
import type { ContentKeys } from './types.ts'
import { CHUNK_HEADER_BYTES } from './types.ts'

/**
 * How chunks of one key epoch are hashed and encrypted. The key of a chunk is derived from the keyed hash of what is encrypted and of
 * its header, so no key ever meets two texts, whatever a codec's build makes of equal content: the nonce may be constant, and equal
 * content gives equal chunks. Who lacks the key cannot tell whether a chunk holds a text that he knows.
 */
export interface ChunkSecrets {
  readonly cipher: 'aes-256-gcm'
  readonly nonce: Uint8Array
  /** 32 bytes, over the fields and children of `header` (the hash's own place left out) and the text. */
  textHash(header: Uint8Array, text: Uint8Array): Uint8Array
  /** 32 bytes. */
  chunkKey(textHash: Uint8Array): Uint8Array
}

const NONCE = new Uint8Array(12)

/** @throws HF_WRONG_KEY if the ring has no such epoch */
export function chunkSecrets(keys: ContentKeys, keyEpoch: number): ChunkSecrets {
  const content = keys.content(keyEpoch)
  const hash = createKeyedHasher(content.hash)
  const derive = createKeyedHasher(content.key)
  return {
    cipher: 'aes-256-gcm',
    nonce: NONCE,
    textHash: (header, text) =>
      hash(header.subarray(0, HEADER_FIELDS_BYTES), header.subarray(CHUNK_HEADER_BYTES), text),
    chunkKey: (textHash) => derive(textHash),
  }
}
