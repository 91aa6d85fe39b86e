import { BATCH_BYTES, BATCH_PATHS_MAX } from './limits.ts'
import type { IngestPath } from './types.ts'

export interface PathBatch {
  readonly paths: readonly IngestPath[]
  /** Expected bytes of content. */
  readonly bytes: number
}

/** Cuts a job's paths, in their order, into batches of at most `BATCH_PATHS_MAX` paths and, but for a single larger file, `BATCH_BYTES`. */
export function* batches(paths: readonly IngestPath[]): Generator<PathBatch, void, undefined> {
  let start = 0
  let bytes = 0
  for (let end = 0; end < paths.length; end++) {
    const hint = Math.max(0, paths[end]?.sizeHint ?? 0)
    if (end > start && (end - start === BATCH_PATHS_MAX || bytes + hint > BATCH_BYTES)) {
      yield { paths: paths.slice(start, end), bytes }
      start = end
      bytes = 0
    }
    bytes += hint
  }
  if (start < paths.length) yield { paths: paths.slice(start), bytes }
}
