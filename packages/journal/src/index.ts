/** The signed log of records, its two implementations, and the catalog rebuilt from it. */
export {
  BLOCK_RECORDS_MAX,
  decodeBlock,
  encodeBlock,
  encodeBlocks,
  encodeEpochBlock,
  encodePendingBlock,
  encodePendingEnd,
} from './block.ts'
export { APPLY_BACKLOG_MAX, clearCatalog, openCatalog } from './catalog/catalog.ts'
export { aspectsOf } from './catalog/difference.ts'
export { compilePattern } from './catalog/pattern.ts'
export { rowOf } from './catalog/rows.ts'
export type * from './catalog/types.ts'
export { checkPath, joinPath, PATH_BYTES_MAX, splitPath } from './path.ts'
export { decodePublicRecord } from './public-record.ts'
export { createRecordCodec, RECORD_BYTES_MAX } from './record-codec.ts'
export type * from './record.ts'
export { HARD_LINK_BYTES_MAX, RECORD_EXTENTS_MAX, STATE_XATTRS_BYTES_MAX } from './state-rules.ts'
export { coreKeyOf } from './log/hypercore-internals.ts'
export { createHypercoreJournalStore } from './log/hypercore-store.ts'
export { createMemoryJournalDisk, createMemoryJournalStore } from './log/memory-store.ts'
export type { MemoryJournalDisk } from './log/memory-store.ts'
export { APPEND_BACKLOG_MAX } from './log/signed-log.ts'
export { createTreeLog, type TreeLog } from './log/tree-log.ts'
