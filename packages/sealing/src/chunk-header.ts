/**
 * The header of a chunk, in front of its encrypted text. Anybody may read it; nobody without the key may alter it, since all of it is
 * associated data of the encryption. All numbers are little-endian.
 *
 *    0  version, 1
 *    1  kind: 1 bundle, 2 recipe
 *    2  codec: 0 raw, 1 zstd, 2 brotli
 *    3  level of a recipe node, from 1; 0 for a bundle
 *    4  key epoch, u32
 *    8  bytes of plaintext, u32
 *   12  number of children, u32
 *   16  text hash, 32 bytes: keyed BLAKE3 of bytes 0 to 16, the children and the compressed text
 *   48  children of a recipe node: chunk id (32 bytes) and stored length (u32) each
 */
import type { ChunkId } from '@holdfast/ports'
import { asChunkId, CHUNK_ID_BYTES, HoldfastError } from '@holdfast/ports'
import type { Codec } from './codec.ts'
import type { ChunkHeader, ChunkKind, ChunkName, RecipeHeader } from './types.ts'
import {
  CHUNK_CHILD_BYTES,
  CHUNK_HEADER_BYTES,
  CHUNK_PLAIN_BYTES_MAX,
  CHUNK_STORED_BYTES_MAX,
  CHUNK_TAG_BYTES,
  RECIPE_CHILDREN_MAX,
  RECIPE_LEVELS_MAX,
} from './types.ts'

const VERSION = 1
const KINDS: readonly (ChunkKind | undefined)[] = [undefined, 'bundle', 'recipe']
const CODECS: readonly Codec[] = ['raw', 'zstd', 'brotli']

/** Bytes before the text hash: what it is computed over, beside children and text. */
export const HEADER_FIELDS_BYTES = 16

export interface FullHeader extends ChunkHeader {
  readonly codec: Codec
  /** Bytes ahead of the text, children included. */
  readonly headerBytes: number
  readonly textBytes: number
}

/** Header and children as bytes, the text hash left zero. */
export function encodeChunkHeader(
  header: ChunkHeader & { readonly codec: Codec },
  into: Uint8Array,
  at: number,
): number {
  const { level, children } = header.recipe ?? { level: 0, children: [] }
  const view = new DataView(into.buffer, into.byteOffset + at)
  view.setUint8(0, VERSION)
  view.setUint8(1, KINDS.indexOf(header.kind))
  view.setUint8(2, CODECS.indexOf(header.codec))
  view.setUint8(3, level)
  view.setUint32(4, header.keyEpoch, true)
  view.setUint32(8, header.plainBytes, true)
  view.setUint32(12, children.length, true)
  into.fill(0, at + HEADER_FIELDS_BYTES, at + CHUNK_HEADER_BYTES)
  children.forEach(({ id, storedBytes }, index) => {
    const childAt = CHUNK_HEADER_BYTES + index * CHUNK_CHILD_BYTES
    into.set(id, at + childAt)
    view.setUint32(childAt + CHUNK_ID_BYTES, storedBytes, true)
  })
  return CHUNK_HEADER_BYTES + children.length * CHUNK_CHILD_BYTES
}

/** What any node may know of a chunk, key or not. @throws HF_DECODE */
export function readChunkHeader(stored: Uint8Array): ChunkHeader {
  const { kind, keyEpoch, plainBytes, recipe } = decodeChunkHeader(stored)
  return recipe === undefined ? { kind, keyEpoch, plainBytes } : { kind, keyEpoch, plainBytes, recipe }
}

/** Every field checked against the others and against the limits, before anything is allocated by it. @throws HF_DECODE */
export function decodeChunkHeader(stored: Uint8Array): FullHeader {
  if (stored.byteLength < CHUNK_HEADER_BYTES + CHUNK_TAG_BYTES || stored.byteLength > CHUNK_STORED_BYTES_MAX) {
    throw malformed(`${stored.byteLength} bytes long`)
  }
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength)
  if (view.getUint8(0) !== VERSION) throw malformed(`of version ${view.getUint8(0)}`)
  const kind = KINDS[view.getUint8(1)]
  const codec = CODECS[view.getUint8(2)]
  if (kind === undefined || codec === undefined) throw malformed('of unknown kind or codec')
  const level = view.getUint8(3)
  const keyEpoch = view.getUint32(4, true)
  const plainBytes = view.getUint32(8, true)
  const childCount = view.getUint32(12, true)
  if (keyEpoch < 1) throw malformed('without a key epoch')
  if (plainBytes < 1 || plainBytes > CHUNK_PLAIN_BYTES_MAX) throw malformed(`of ${plainBytes} plain bytes`)
  if (kind === 'bundle' && (level !== 0 || childCount !== 0)) throw malformed('a bundle with children')
  if (kind === 'recipe' && (level < 1 || level > RECIPE_LEVELS_MAX || childCount < 1)) throw malformed('no recipe node')
  if (childCount > RECIPE_CHILDREN_MAX) throw malformed(`of ${childCount} children`)
  const headerBytes = CHUNK_HEADER_BYTES + childCount * CHUNK_CHILD_BYTES
  const textBytes = stored.byteLength - headerBytes - CHUNK_TAG_BYTES
  if (codec === 'raw' ? textBytes !== plainBytes : textBytes < 1 || textBytes >= plainBytes) {
    throw malformed(`of ${textBytes} bytes of text for ${plainBytes} plain bytes`)
  }
  const fields = { kind, codec, keyEpoch, plainBytes, headerBytes, textBytes }
  return kind === 'bundle' ? fields : { ...fields, recipe: { level, children: decodeChildren(stored, childCount) } }
}

function decodeChildren(stored: Uint8Array, count: number): readonly ChunkName[] {
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength)
  return Array.from({ length: count }, (_, index) => {
    const at = CHUNK_HEADER_BYTES + index * CHUNK_CHILD_BYTES
    const storedBytes = view.getUint32(at + CHUNK_ID_BYTES, true)
    if (storedBytes > CHUNK_STORED_BYTES_MAX) throw malformed(`with a child of ${storedBytes} bytes`)
    // A copy: a view would keep the whole chunk in memory.
    const id: ChunkId = asChunkId(new Uint8Array(stored.subarray(at, at + CHUNK_ID_BYTES)))
    return { id, storedBytes }
  })
}

function malformed(what: string): HoldfastError {
  return new HoldfastError('HF_DECODE', `these bytes are not a chunk: ${what}`)
}

/** Misuse, not data: what is sealed must be what can be opened. */
export function assertSealable(plain: Uint8Array, recipe: RecipeHeader | undefined): void {
  const { byteLength } = plain
  if (byteLength < 1 || byteLength > CHUNK_PLAIN_BYTES_MAX) throw new TypeError(`a chunk of ${byteLength} plain bytes`)
  if (recipe === undefined) return
  const { level, children } = recipe
  if (level < 1 || level > RECIPE_LEVELS_MAX) throw new TypeError(`a recipe of level ${level}`)
  if (children.length < 1 || children.length > RECIPE_CHILDREN_MAX) {
    throw new TypeError(`a recipe node of ${children.length} children`)
  }
}
