import { DAY_MS, HOUR_MS, HoldfastError, MINUTE_MS, SECOND_MS } from '@holdfast/ports'

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i
const DURATION = /^(?:\d+(?:\.\d+)?\s*[a-z]+\s*)+$/i
const DURATION_PART = /(\d+(?:\.\d+)?)\s*([a-z]+)/gi

const UNIT_MS: ReadonlyMap<string, number> = new Map(
  [
    [1, 'ms', 'millisecond', 'milliseconds'],
    [SECOND_MS, 's', 'sec', 'second', 'seconds'],
    [MINUTE_MS, 'm', 'min', 'minute', 'minutes'],
    [HOUR_MS, 'h', 'hour', 'hours'],
    [DAY_MS, 'd', 'day', 'days'],
    [7 * DAY_MS, 'w', 'week', 'weeks'],
  ].flatMap(([ms, ...names]) => names.map((name) => [String(name), Number(ms)] as const)),
)

/** A moment as a person gives it: RFC 3339, `10m ago`, `now`. Ms since 1970. @throws HF_BAD_INPUT */
export function parseMoment(text: string, nowMs: number): number {
  const trimmed = text.trim()
  if (trimmed === 'now') return nowMs
  if (/\sago$/i.test(trimmed)) {
    const ago = durationMs(trimmed.slice(0, -3).trim())
    if (ago !== undefined) return Math.max(0, Math.floor(nowMs - ago))
  }
  const date = RFC_3339.exec(trimmed)
  const timeMs = date === null ? Number.NaN : Date.parse(trimmed.replace(' ', 'T').toUpperCase())
  // The platform reads 30 February as 2 March.
  if (date !== null && Number.isFinite(timeMs) && isDay(Number(date[1]), Number(date[2]), Number(date[3])))
    return timeMs
  throw new HoldfastError('HF_BAD_INPUT', `"${text}" is not a time`, {
    next: 'give it as 2026-11-23T12:00:00Z or as "10m ago"',
  })
}

/** `30m`, `1h30m`, `90 seconds`: ms, at least 1. @throws HF_BAD_INPUT */
export function parseDuration(text: string): number {
  const ms = durationMs(text.trim())
  if (ms !== undefined && ms >= 1) return Math.round(ms)
  throw new HoldfastError('HF_BAD_INPUT', `"${text}" is not a duration`, { next: 'give it as 30m, 90s or 1h30m' })
}

function durationMs(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined
  let sum = 0
  for (const [, count, unit] of text.matchAll(DURATION_PART)) {
    const unitMs = UNIT_MS.get(String(unit).toLowerCase())
    if (unitMs === undefined) return undefined
    sum += Number(count) * unitMs
  }
  return sum
}

const isDay = (year: number, month: number, day: number): boolean =>
  month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate()

/** A span for people, in at most two units: `0 s`, `4.2 s`, `3 min 5 s`, `2 d 4 h`. */
export function spanText(ms: number): string {
  if (ms < 10 * SECOND_MS && ms % SECOND_MS !== 0) return `${(ms / SECOND_MS).toFixed(1)} s`
  const seconds = Math.round(ms / SECOND_MS)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return twoUnits(seconds, 60, 'min', 's')
  if (seconds < 86_400) return twoUnits(Math.round(seconds / 60), 60, 'h', 'min')
  return twoUnits(Math.round(seconds / 3600), 24, 'd', 'h')
}

function twoUnits(small: number, perLarge: number, largeName: string, smallName: string): string {
  const rest = small % perLarge
  const large = `${Math.floor(small / perLarge)} ${largeName}`
  return rest === 0 ? large : `${large} ${rest} ${smallName}`
}
