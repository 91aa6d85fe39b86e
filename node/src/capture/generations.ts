/** Counts what is under way by the generation in which it began, to tell when everything up to one is done. */
export class Generations {
  readonly #open = new Map<number, number>()
  #current = 0

  /** What begins now belongs to this one. */
  get current(): number {
    return this.#current
  }

  /** Ends the current generation, and returns it. */
  advance(): number {
    return this.#current++
  }

  enter(generation = this.#current): number {
    this.#open.set(generation, (this.#open.get(generation) ?? 0) + 1)
    return generation
  }

  leave(generation: number): void {
    const left = (this.#open.get(generation) ?? 0) - 1
    if (left > 0) this.#open.set(generation, left)
    else this.#open.delete(generation)
  }

  /** Whether nothing of the generation, or of one before it, is under way. */
  isDone(generation: number): boolean {
    for (const open of this.#open.keys()) if (open <= generation) return false
    return true
  }
}
