/**
 * Chunks and journal frames in append-only packs on a drive. The packs are the truth and the write-ahead log; the index in
 * level is a cache of where each frame is, rebuilt from the packs whenever it is missing, damaged or behind.
 */
export * from './types.ts'
export { encodeChunkFrameHeader, encodeJournalFrame, FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES } from './frame.ts'
