/**
 * Chunks and journal frames in append-only packs on a drive. The packs are the truth and the write-ahead log; the index in
 * level is a cache of where each frame is, rebuilt from the packs whenever it is missing, damaged or behind.
 */
export * from './types.ts'
export { encodeChunkFrameHeader, encodeJournalFrame, FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES } from './frame.ts'
export { openFsDrive } from './fs-drive.ts'
export { INDEX_BACKLOG_MAX } from './index-table.ts'
export { JOURNAL_FRAMES_AHEAD_MAX } from './journal-runs.ts'
export { INDEX_CACHE_BYTES, INDEX_WRITE_BUFFER_BYTES, openIndex } from './open-index.ts'
export { PACK_BYTES_MAX, PACK_FRAMES_MAX } from './pack-file.ts'
export { PACK_FILES_OPEN_MAX } from './pack-files.ts'
export { packNumberClaims } from './pack-numbers.ts'
export { openPackStore } from './pack-store.ts'
export { createPackWriter, UNSYNCED_PACKS_MAX, WRITE_BYTES_MAX } from './pack-writer.ts'
export { BAD_FRAMES_NAMED_MAX } from './verify.ts'
