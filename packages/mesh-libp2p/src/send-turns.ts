/** A place in the line of those that send on one connection. */
export interface Turn {
  readonly granted: boolean
  /** Gives the turn to the next, or leaves the line. */
  end(): void
}

interface Place {
  readonly onGranted: () => void
}

/** Shares one connection among its streams: one slice at a time, in the order of asking, small ones first. libp2p by itself
 *  lets the stream that was opened first refill a saturated connection, and those after it starve (measured). */
export class SendTurns {
  readonly #small = new Set<Place>()
  readonly #large = new Set<Place>()
  #holder: Place | undefined

  /** A place in the line; `onGranted` is called if the turn comes later. */
  ask(small: boolean, onGranted: () => void): Turn {
    const line = small ? this.#small : this.#large
    const place: Place = { onGranted }
    const holds = (): boolean => this.#holder === place
    if (this.#holder) line.add(place)
    else this.#holder = place
    return {
      get granted() {
        return holds()
      },
      end: () => {
        line.delete(place)
        if (holds()) this.#next()
      },
    }
  }

  #next(): void {
    const line = this.#small.size > 0 ? this.#small : this.#large
    const [next] = line
    this.#holder = next
    if (next) line.delete(next)
    next?.onGranted()
  }
}
