/** The signed log of records, its two implementations, and the catalog rebuilt from it. */
export { BLOCK_RECORDS_MAX, decodeBlock, encodeBlock, encodeBlocks, encodeEpochBlock } from './block.ts'
export type { Block } from './block.ts'
export type * from './catalog.ts'
export { checkPath, joinPath, PATH_BYTES_MAX, splitPath } from './path.ts'
export { decodePublicRecord } from './public-record.ts'
export { createRecordCodec, RECORD_BYTES_MAX } from './record-codec.ts'
export type * from './record.ts'
export { HARD_LINK_BYTES_MAX, RECORD_EXTENTS_MAX } from './state-rules.ts'
