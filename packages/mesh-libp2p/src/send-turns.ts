/** Shares one connection among its streams: one slice at a time, in the order of asking, small ones first. libp2p by itself
 *  lets the stream that was opened first refill a saturated connection, and those after it starve (measured). */
export class SendTurns {
  readonly #small: (() => void)[] = []
  readonly #large: (() => void)[] = []
  #taken = false

  /** Resolves with the turn, which must be given back by calling it. */
  take(small: boolean): Promise<() => void> {
    return new Promise((resolve) => {
      const give = (): void => resolve(() => this.#next())
      if (!this.#taken) {
        this.#taken = true
        give()
      } else (small ? this.#small : this.#large).push(give)
    })
  }

  #next(): void {
    const next = this.#small.shift() ?? this.#large.shift()
    if (next) next()
    else this.#taken = false
  }
}
