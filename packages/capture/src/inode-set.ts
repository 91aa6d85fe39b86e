/** Inodes to be looked for among the words of very many entries: nearly every other one is told apart by sixteen bits. */
export class InodeSet {
  readonly #numbers = new Set<number>()
  readonly #hints = new Uint8Array(HINTS)

  get size(): number {
    return this.#numbers.size
  }

  add(words: Uint32Array, at = 0): void {
    this.#numbers.add(numberOf(words, at))
    this.#hints[hintOf(words, at)] = 1
  }

  /** Beyond 2^53 some inodes pass for each other. */
  has(words: Uint32Array, at = 0): boolean {
    return this.#hints[hintOf(words, at)] === 1 && this.#numbers.has(numberOf(words, at))
  }
}

const HINTS = 0x10000
const hintOf = (words: Uint32Array, at: number): number => ((words[at] ?? 0) ^ (words[at + 1] ?? 0)) & (HINTS - 1)
const numberOf = (words: Uint32Array, at: number): number => (words[at + 1] ?? 0) * 0x1_0000_0000 + (words[at] ?? 0)
