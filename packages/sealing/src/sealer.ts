import { createCipheriv } from 'node:crypto'
import { blake3 } from '@holdfast/hash'
import { asChunkId } from '@holdfast/ports'
import { assertSealable, encodeChunkHeader, HEADER_FIELDS_BYTES } from './chunk-header.ts'
import { chunkSecrets } from './chunk-secrets.ts'
import type { Compressor } from './codec.ts'
import { compressionPays, defaultCompressor } from './codec.ts'
import type { ChunkName, ContentKeys, RecipeHeader, Sealer } from './types.ts'

export interface SealerOptions {
  /** What new chunks are compressed with. @default zstd level 1 where the runtime has it, else brotli quality 0 */
  readonly compressor?: Compressor
}

/** A sealer for one volume, under its newest key epoch. */
export function createSealer(keys: ContentKeys, options: SealerOptions = {}): Sealer {
  const compressor = options.compressor ?? defaultCompressor
  const { keyEpoch } = keys
  const secrets = chunkSecrets(keys, keyEpoch)

  function seal(plain: Uint8Array, out: Uint8Array, outOffset: number, recipe?: RecipeHeader): ChunkName {
    assertSealable(plain, recipe)
    const compressed = compressionPays(plain, compressor) ? compressor.compress(plain) : plain
    const isSmaller = compressed.byteLength < plain.byteLength
    const text = isSmaller ? compressed : plain
    const kind = recipe === undefined ? 'bundle' : 'recipe'
    const fields = {
      kind,
      codec: isSmaller ? compressor.codec : 'raw',
      keyEpoch,
      plainBytes: plain.byteLength,
    } as const

    const headerBytes = encodeChunkHeader(recipe === undefined ? fields : { ...fields, recipe }, out, outOffset)
    const header = out.subarray(outOffset, outOffset + headerBytes)
    const textHash = secrets.textHash(header, text)
    header.set(textHash, HEADER_FIELDS_BYTES)

    const cipher = createCipheriv(secrets.cipher, secrets.chunkKey(textHash), secrets.nonce)
    cipher.setAAD(header)
    out.set(cipher.update(text), outOffset + headerBytes)
    cipher.final()
    const tagOffset = outOffset + headerBytes + text.byteLength
    const tag = cipher.getAuthTag()
    out.set(tag, tagOffset)
    const end = tagOffset + tag.byteLength
    return { id: asChunkId(blake3(out.subarray(outOffset, end))), storedBytes: end - outOffset }
  }
  return { seal }
}
