/** Reads files of volumes on worker threads and writes them as sealed chunks into packs. */
export { createIngestPool } from './ingest-pool.ts'
export type { IngestPoolOptions } from './ingest-pool.ts'
export { knownSegments } from './known-content.ts'
export type { KnownContentOptions } from './known-content.ts'
export * from './types.ts'
