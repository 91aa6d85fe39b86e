/** Paths sent to a thread at once. */
export const BATCH_PATHS = 256

export function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += BATCH_PATHS) yield items.slice(start, start + BATCH_PATHS)
}
