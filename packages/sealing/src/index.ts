/** Turns segments into chunks and back: fingerprint, bundle, compress, encrypt, name; open and verify. */
export * from './types.ts'
export { createFingerprinter } from './fingerprint.ts'
export type { Fingerprinter } from './fingerprint.ts'
export { readChunkHeader } from './chunk-header.ts'
export type { Codec, Compressor } from './codec.ts'
export { createSealer } from './sealer.ts'
export type { SealerOptions } from './sealer.ts'
export { createOpener, verifyChunk } from './opener.ts'
export { buildRecipe, readRecipe } from './recipe.ts'
export type { BuiltRecipe, OpenedNode, RecipeSource } from './recipe.ts'
export { createNodeFingerprinter } from './recipe-node.ts'
export type { RecipeNode, StoredExtent } from './recipe-node.ts'
export { createBundler } from './bundler.ts'
export type { Bundle, Bundler } from './bundler.ts'
export { CHUNKS_MAX, createSegmentTableMemory, openSegmentTable, SEGMENTS_MAX } from './segment-table.ts'
export type {
  ChunkState,
  SegmentPlace,
  SegmentTableMemory,
  SegmentTableOptions,
  SharedSegmentTable,
} from './segment-table.ts'
