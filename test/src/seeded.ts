/** Random values that are a function of a seed, the same in every run and on every machine: the key stream of AES-256-CTR under the
 *  hash of the seed. Not for secrets. */
import { createCipheriv, createHash } from 'node:crypto'

const POOL_BYTES = 64 * 1024

export interface Seeded {
  /** That many random bytes, the caller's. */
  bytes(count: number): Buffer
  /** In [0, 1), 32 bits of it. */
  fraction(): number
  /** An integer from `from` to `to`, both included. */
  between(from: number, to: number): number
  /** An integer from `from` to `to`, its logarithm evenly spread: many small ones, few large ones. */
  spread(from: number, to: number): number
  pick<T>(list: readonly T[]): T
}

export function seeded(seed: string): Seeded {
  const cipher = createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16))
  let pool: Buffer = Buffer.alloc(0)
  let taken = 0
  const bytes = (count: number): Buffer => cipher.update(Buffer.alloc(count))
  const fraction = (): number => {
    if (taken + 4 > pool.length) {
      pool = bytes(POOL_BYTES)
      taken = 0
    }
    taken += 4
    return pool.readUInt32LE(taken - 4) / 2 ** 32
  }
  const between = (from: number, to: number): number => from + Math.floor(fraction() * (to - from + 1))
  return {
    bytes,
    fraction,
    between,
    spread: (from, to) => Math.floor(Math.exp(Math.log(from) + fraction() * (Math.log(to) - Math.log(from)))),
    pick<T>(list: readonly T[]): T {
      const item = list[between(0, list.length - 1)]
      if (item === undefined) throw new TypeError('pick takes a list that is not empty')
      return item
    },
  }
}
