import { createSeededRandom } from '@holdfast/doubles'
import { blake3 } from '@holdfast/hash'
import type { Random } from '@holdfast/ports'

/** Dice of a world: one stream for each user, so that one more throw by one of them changes nothing for the others. */
export interface Dice extends Random {
  /** Whole number from `low` to `high`, both included. */
  between(low: number, high: number): number
  pick<T>(items: readonly [T, ...T[]]): T
  /** True with this probability. */
  chance(probability: number): boolean
}

export function diceOf(seed: number, user: string): Dice {
  const digest = Buffer.from(blake3(Buffer.from(`${seed} ${user}`)))
  const random = createSeededRandom(digest.readUInt32LE(0))
  return {
    ...random,
    between: (low, high) => low + Math.floor(random.fraction() * (high - low + 1)),
    pick: (items) => items[Math.floor(random.fraction() * items.length)] ?? items[0],
    chance: (probability) => random.fraction() < probability,
  }
}
