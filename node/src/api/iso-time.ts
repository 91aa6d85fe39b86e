/** RFC 3339 in UTC with milliseconds: how the API and the command line write a moment. `timeMs` is ms since 1970. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString()
}

/** The same with nanoseconds, for times of files. Outside the years 0 to 9999 the sign and more digits appear, as ECMAScript writes them. */
export function isoTimeNs(timeNs: bigint): string {
  const remainder = ((timeNs % NS_PER_MS) + NS_PER_MS) % NS_PER_MS
  const timeMs = Number((timeNs - remainder) / NS_PER_MS)
  if (Math.abs(timeMs) > DATE_MS_MAX) return `@${timeNs}`
  return `${isoTime(timeMs).slice(0, -1)}${String(remainder).padStart(6, '0')}Z`
}

const NS_PER_MS = 1_000_000n
/** The last moment an ECMAScript date can hold; times of files may lie beyond it. */
const DATE_MS_MAX = 8.64e15
