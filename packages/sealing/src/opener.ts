import { createDecipheriv } from 'node:crypto'
import { blake3 } from '@holdfast/hash'
import type { ChunkId } from '@holdfast/ports'
import { equalBytes, HoldfastError } from '@holdfast/ports'
import { decodeChunkHeader, HEADER_FIELDS_BYTES } from './chunk-header.ts'
import type { ChunkSecrets } from './chunk-secrets.ts'
import { chunkSecrets } from './chunk-secrets.ts'
import { decompress } from './codec.ts'
import type { ContentKeys, OpenedChunk, Opener } from './types.ts'
import { CHUNK_HEADER_BYTES, CHUNK_TAG_BYTES } from './types.ts'

/** Whether the bytes are those that the id names. Needs no key. */
export function verifyChunk(id: ChunkId, stored: Uint8Array): boolean {
  return equalBytes(blake3(stored), id)
}

/** An opener for one volume, all key epochs of its ring. */
export function createOpener(keys: ContentKeys): Opener {
  const epochs = new Map<number, ChunkSecrets>()
  const secretsOf = (keyEpoch: number): ChunkSecrets => {
    const known = epochs.get(keyEpoch)
    if (known !== undefined) return known
    const secrets = chunkSecrets(keys, keyEpoch)
    epochs.set(keyEpoch, secrets)
    return secrets
  }

  function open(stored: Uint8Array): OpenedChunk {
    const { codec, headerBytes, textBytes, ...shown } = decodeChunkHeader(stored)
    const secrets = secretsOf(shown.keyEpoch)
    const header = stored.subarray(0, headerBytes)
    const textHash = header.subarray(HEADER_FIELDS_BYTES, CHUNK_HEADER_BYTES)
    const text = decrypt(secrets, textHash, header, stored.subarray(headerBytes, headerBytes + textBytes), stored)
    // The tag shows that the key was used on this text; only this shows that it was the key of no other text.
    if (!equalBytes(secrets.textHash(header, text), textHash)) throw corrupt('its text hash')
    const plain = decompress(codec, text, shown.plainBytes)
    if (plain === undefined) throw corrupt(`its ${codec} text`)
    return { ...shown, plain }
  }
  return { open }
}

function decrypt(
  secrets: ChunkSecrets,
  textHash: Uint8Array,
  header: Uint8Array,
  encrypted: Uint8Array,
  stored: Uint8Array,
): Uint8Array {
  const decipher = createDecipheriv(secrets.cipher, secrets.chunkKey(textHash), secrets.nonce)
  decipher.setAAD(header)
  decipher.setAuthTag(stored.subarray(stored.byteLength - CHUNK_TAG_BYTES))
  const text = decipher.update(encrypted)
  try {
    decipher.final()
  } catch (cause) {
    throw corrupt('its tag', cause)
  }
  return text
}

function corrupt(what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('HF_CHUNK_CORRUPT', `a chunk fails ${what}`, { cause })
}
