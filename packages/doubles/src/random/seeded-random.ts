import type { Random } from '@holdfast/ports'

/** The same numbers for the same seed (any integer): for tests and simulations only, never for keys.
 *  Source: mulberry32, a 32-bit generator by Tommy Ettinger. */
export function createSeededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    bytes(count) {
      const bytes = new Uint8Array(count)
      for (let i = 0; i < count; i++) bytes[i] = next() >>> 24
      return bytes
    },
    fraction: () => next() / 2 ** 32,
  }
}
