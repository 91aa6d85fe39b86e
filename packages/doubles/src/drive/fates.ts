import type { Fate } from './types.ts'

const FATES: readonly Fate[] = ['kept', 'lost', 'torn-head', 'torn-tail']

/** Fates for `count` unsynced changes: every combination if there are at most `limit` of them; else all kept, all lost, each change
 *  alone in each state among kept and among lost ones, and then random ones drawn with `fraction` ([0, 1)), `limit` in all. */
export function* fateCombinations(count: number, limit: number, fraction: () => number): Generator<readonly Fate[]> {
  const all = FATES.length ** count
  if (all <= limit) {
    for (let number = 0; number < all; number++) yield combination(number, count)
    return
  }
  let left = limit
  for (const fates of telling(count)) {
    if (left-- === 0) return
    yield fates
  }
  while (left-- > 0) yield Array.from({ length: count }, () => FATES[Math.floor(fraction() * FATES.length)] ?? 'kept')
}

function combination(number: number, count: number): Fate[] {
  const fates: Fate[] = []
  for (let rest = number; fates.length < count; rest = Math.floor(rest / FATES.length)) {
    fates.push(FATES[rest % FATES.length] ?? 'kept')
  }
  return fates
}

function* telling(count: number): Generator<Fate[]> {
  const uniform = (fate: Fate): Fate[] => Array.from({ length: count }, () => fate)
  yield uniform('kept')
  yield uniform('lost')
  for (const rest of ['kept', 'lost'] as const) {
    for (const fate of FATES) {
      if (fate === rest) continue
      for (let index = 0; index < count; index++) yield uniform(rest).with(index, fate)
    }
  }
}
