import type { ChunkId } from '@holdfast/ports'
import { KIB } from '@holdfast/ports'

/** Plaintext of one chunk, at most. A bundle closes when the next segment does not fit; a segment is at most 256 KiB. */
export const CHUNK_PLAIN_BYTES_MAX = 512 * KIB
/** Fixed part of a chunk's header; a recipe's children follow it. */
export const CHUNK_HEADER_BYTES = 48
/** One child in a recipe's header: chunk id and stored length. */
export const CHUNK_CHILD_BYTES = 36
/** Tag of AES-256-GCM at the end of every chunk. */
export const CHUNK_TAG_BYTES = 16
/** Public children of one recipe node, at most; equals the most entries that a node may have. */
export const RECIPE_CHILDREN_MAX = 256
/** Levels of a recipe, at most. Every level has at least sixteen times fewer entries than the one below: 4 billion segments fit. */
export const RECIPE_LEVELS_MAX = 8
/** Bytes of one chunk as stored and sent, at most (521 KiB): what a reader allocates for a chunk it knows nothing of. */
export const CHUNK_STORED_BYTES_MAX =
  CHUNK_HEADER_BYTES + RECIPE_CHILDREN_MAX * CHUNK_CHILD_BYTES + CHUNK_PLAIN_BYTES_MAX + CHUNK_TAG_BYTES
/** First bytes of the keyed BLAKE3 of a segment: 128 bits, so that equality of fingerprints stands for equality of bytes. */
export const FINGERPRINT_BYTES = 16

/** `bundle`: segments in file order. `recipe`: a node of the tree that lists a large file's extents. */
export type ChunkKind = 'bundle' | 'recipe'

/** One segment of a file: where its plaintext lies, and what it must hash to. */
export interface Extent {
  readonly chunk: ChunkId
  /** Bytes from the start of the opened chunk. */
  readonly offset: number
  /** Bytes; at least 1. */
  readonly length: number
  /** 16 bytes: keyed hash of the segment. */
  readonly fingerprint: Uint8Array
}

/** A chunk by name, with the length it is stored and sent with. */
export interface ChunkName {
  readonly id: ChunkId
  readonly storedBytes: number
}

/** What a recipe node shows without a key. Children of level 1 are bundles, those of level n are recipe nodes of level n − 1. */
export interface RecipeHeader {
  readonly level: number
  readonly children: readonly ChunkName[]
}

/** What any node reads of a chunk without a key. */
export interface ChunkHeader {
  readonly kind: ChunkKind
  readonly keyEpoch: number
  readonly plainBytes: number
  /** Present for recipes only. */
  readonly recipe?: RecipeHeader
}

export interface OpenedChunk extends ChunkHeader {
  /** The caller's to keep. */
  readonly plain: Uint8Array
}

/** The part of a volume's keys that chunks need. */
export interface ContentKeys {
  /** Epoch that new chunks are sealed under. */
  readonly keyEpoch: number
  /** @throws HF_WRONG_KEY for an epoch that is not in the ring */
  content(keyEpoch: number): { readonly hash: Uint8Array; readonly key: Uint8Array }
}

/** Turns plaintext into chunks. Not re-entrant, for one thread. */
export interface Sealer {
  /** Compresses where that pays, encrypts, names; writes header ‖ text ‖ tag into `out` from `outOffset`, which has room for
   *  `CHUNK_STORED_BYTES_MAX`. Equal arguments give equal bytes. `recipe` is given exactly for recipes. */
  seal(plain: Uint8Array, out: Uint8Array, outOffset: number, recipe?: RecipeHeader): ChunkName
}

/** Turns chunks back into plaintext. */
export interface Opener {
  /** Opens bytes whose id has been verified. @throws HF_DECODE, HF_WRONG_KEY, HF_CHUNK_CORRUPT */
  open(stored: Uint8Array): OpenedChunk
}
