/** How long to wait before trying again. */
export interface Backoff {
  /** Longest wait after the first failure, ms. */
  readonly firstMs: number
  /** Longest wait ever, ms. */
  readonly maxMs: number
}

/** Redials, and journals that do not go on: soon enough for a restart, seldom enough for a mesh of hundreds. */
export const RETRY_BACKOFF: Backoff = { firstMs: 1_000, maxMs: 30_000 }

/** Wait after `failures` (≥ 1) failures in a row, ms: doubles up to the maximum, and its upper half is random (`fraction` in
 *  [0, 1)), so that nodes that failed together do not return together. */
export function backoffMs({ firstMs, maxMs }: Backoff, failures: number, fraction: number): number {
  const longest = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return longest * (0.5 + fraction / 2)
}
