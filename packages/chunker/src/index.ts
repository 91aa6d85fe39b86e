/** Content-defined chunking in WebAssembly: where the segments of a file end, as a function of its content and a key. */
export { createArena } from './arena.ts'
export type { Arena, Cutter } from './arena.ts'
export { ARENA_BYTES, SEGMENT_BYTES_AVERAGE, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from './limits.ts'
