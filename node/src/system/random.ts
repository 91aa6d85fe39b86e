import { randomFillSync } from 'node:crypto'
import type { Random } from '@holdfast/ports'

/** The randomness of this machine, fit for keys. */
export function createSystemRandom(): Random {
  const word = new Uint32Array(1)
  return {
    bytes: (count) => randomFillSync(new Uint8Array(count)),
    fraction: () => (randomFillSync(word)[0] ?? 0) / 2 ** 32,
  }
}
