import { CHUNK_ID_BYTES } from '@holdfast/ports'

/** Where a node stands in the trie: the first hex digits of every id below it; `''` is the root. */
export type Prefix = string

/** Children of a branch, one per hex digit. */
export const FANOUT = 16
/** Digits of a whole id: no branch is deeper. */
export const PREFIX_DIGITS_MAX = CHUNK_ID_BYTES * 2

/** Digit of an id at a depth, 0 to 15. */
export function digitAt(id: Uint8Array, depth: number): number {
  const byte = id[depth >> 1] ?? 0
  return depth & 1 ? byte & 15 : byte >> 4
}

export const childOf = (prefix: Prefix, digit: number): Prefix => prefix + digit.toString(FANOUT)

export const isPrefix = (text: string): boolean => text.length <= PREFIX_DIGITS_MAX && /^[0-9a-f]*$/.test(text)

export function isUnder(id: Uint8Array, prefix: Prefix): boolean {
  for (let depth = 0; depth < prefix.length; depth++) {
    if (digitAt(id, depth) !== Number.parseInt(prefix[depth] ?? '', FANOUT)) return false
  }
  return true
}
