/**
 * Shell patterns over the bytes of paths: `*` and `?` stay within a name, `**` crosses directories (and `**` with a slash
 * behind it is also none), `[a-z]` and `[!a-z]` match one byte, `\` takes the next byte as it is. `?` is one character of
 * UTF-8, or one byte that is none. All states of the pattern are followed at once (Thompson, "Regular expression search
 * algorithm", 1968), so a path costs its length times the pattern's at worst, whatever the pattern.
 */
import { HoldfastError } from '@holdfast/ports'
import { PATH_BYTES_MAX, splitPath } from '../path.ts'

/** A state: the bytes that lead on from it, and the states that are reached from it without any. */
interface Step {
  readonly takes: (byte: number) => boolean
  /** Whether a byte taken leads back here instead of to the next step. */
  readonly repeats: boolean
  /** Distances to steps that follow without a byte. */
  readonly jumps: readonly number[]
}

const SLASH = byteOf('/')
const BACKSLASH = byteOf('\\')

const once = (takes: Step['takes']): Step => ({ takes, repeats: false, jumps: [] })
const often = (takes: Step['takes']): Step => ({ takes, repeats: true, jumps: [1] })
const isNotSlash = (byte: number): boolean => byte !== SLASH
const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80
/** Nothing, or anything that ends in a slash. */
const DIRECTORIES: readonly Step[] = [
  { takes: () => false, repeats: false, jumps: [1, 3] },
  often(() => true),
  once((byte) => byte === SLASH),
]
const CHARACTER: readonly Step[] = [once(isNotSlash), often(isContinuation)]

/** A test for paths; a pattern without `/` is matched against the last name only.
 *  @throws HF_BAD_INPUT for an empty or overlong pattern, or a `[` that is not closed */
export function compilePattern(pattern: Uint8Array): (path: Uint8Array) => boolean {
  if (pattern.byteLength === 0 || pattern.byteLength > PATH_BYTES_MAX) {
    throw new HoldfastError('HF_BAD_INPUT', `a pattern has 1 to ${PATH_BYTES_MAX} bytes`)
  }
  const steps = parse(pattern)
  const isOfPath = pattern.includes(SLASH)
  return (path) => matches(steps, isOfPath ? path : splitPath(path).name)
}

function parse(pattern: Uint8Array): Step[] {
  const steps: Step[] = []
  const startsWith = (text: string, at: number): boolean =>
    text === String.fromCharCode(...pattern.subarray(at, at + text.length))
  for (let at = 0; at < pattern.byteLength;) {
    if (startsWith('**/', at) && (at === 0 || pattern[at - 1] === SLASH)) {
      steps.push(...DIRECTORIES)
      at += 3
    } else if (startsWith('**', at)) {
      steps.push(often(() => true))
      at += 2
    } else if (startsWith('*', at)) {
      steps.push(often(isNotSlash))
      at++
    } else if (startsWith('?', at)) {
      steps.push(...CHARACTER)
      at++
    } else if (startsWith('[', at)) {
      const { takes, end } = parseClass(pattern, at + 1)
      steps.push(once(takes))
      at = end
    } else {
      if (pattern[at] === BACKSLASH && at + 1 < pattern.byteLength) at++
      const literal = pattern[at++]
      steps.push(once((byte) => byte === literal))
    }
  }
  return steps
}

/** From behind `[` to behind its `]`; a `]` that comes first, or first after `!`, stands for itself. */
function parseClass(pattern: Uint8Array, start: number): { takes: Step['takes']; end: number } {
  const negated = pattern[start] === byteOf('!') || pattern[start] === byteOf('^')
  const first = negated ? start + 1 : start
  const end = pattern.indexOf(byteOf(']'), first + 1)
  if (end < 0) throw new HoldfastError('HF_BAD_INPUT', 'a pattern has a [ that is not closed')
  const members = pattern.slice(first, end)
  const taken = new Uint8Array(256)
  for (let at = 0; at < members.byteLength; at++) {
    const from = members[at] ?? 0
    const isRange = members[at + 1] === byteOf('-') && at + 2 < members.byteLength
    const to = isRange ? (members[at + 2] ?? from) : from
    taken.fill(1, from, to + 1)
    if (isRange) at += 2
  }
  return { takes: (byte) => isNotSlash(byte) && (taken[byte] === 1) !== negated, end: end + 1 }
}

function matches(steps: readonly Step[], bytes: Uint8Array): boolean {
  let active = new Uint8Array(steps.length + 1)
  active[0] = 1
  jump(steps, active)
  for (const byte of bytes) {
    const next = new Uint8Array(steps.length + 1)
    for (const [place, step] of steps.entries()) {
      if (active[place] === 1 && step.takes(byte)) next[step.repeats ? place : place + 1] = 1
    }
    active = next
    jump(steps, active)
  }
  return active[steps.length] === 1
}

/** Jumps lead forward only, so one pass reaches all. */
function jump(steps: readonly Step[], active: Uint8Array): void {
  for (const [place, step] of steps.entries()) {
    if (active[place] === 1) for (const distance of step.jumps) active[place + distance] = 1
  }
}

function byteOf(character: string): number {
  return character.charCodeAt(0)
}
