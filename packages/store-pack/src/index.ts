/**
 * Chunks and journal frames in append-only packs on a drive. The packs are the truth and the write-ahead log; the index in
 * level is a cache of where each frame is, rebuilt from the packs whenever it is missing, damaged or behind.
 */
export * from './types.ts'
export { encodeChunkFrameHeader, encodeJournalFrame, FRAME_HEADER_BYTES } from './frame.ts'
export { openFsDrive } from './fs-drive.ts'
export { openIndex, type OwnedIndex } from './open-index.ts'
export { packNumberClaims } from './pack-numbers.ts'
export { openPackStore } from './pack-store.ts'
export { journalReserveOf, reserveBytesOf, reserveReached } from './reserve.ts'
export { createPackWriter, UNSYNCED_PACKS_MAX } from './pack-writer.ts'
