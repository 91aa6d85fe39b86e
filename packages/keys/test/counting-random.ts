import type { Random } from '@holdfast/ports'

/** Bytes that count up from 0: for golden vectors only. */
export function countingRandom(): Random {
  let next = 0
  return { bytes: (count) => Uint8Array.from({ length: count }, () => next++ & 255), fraction: () => 0.5 }
}

export const bytesFrom = (first: number, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, index) => (first + index) & 255)
