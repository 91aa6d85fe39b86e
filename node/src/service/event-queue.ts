import { HoldfastError } from '@holdfast/ports'

/** Events that wait for a slow reader, at most. Further ones are left out (the summary has their count); the newest status and
 *  the end always come. */
export const EVENTS_WAITING_MAX = 1000

/**
 * Turns callbacks of long work into an iteration that ends with the work's result. The work is aborted when the caller
 * goes away or stops iterating.
 */
export class EventQueue<Event extends { readonly message_type: string }> {
  readonly #abort = new AbortController()
  readonly #signal: AbortSignal
  readonly #waiting: Event[] = []
  #status: Event | undefined
  #wake: (() => void) | undefined

  constructor(signal: AbortSignal) {
    this.#signal = AbortSignal.any([signal, this.#abort.signal])
  }

  /** To be given to the work. */
  get signal(): AbortSignal {
    return this.#signal
  }

  push(event: Event): void {
    if (this.#waiting.length >= EVENTS_WAITING_MAX) return
    this.#waiting.push(event)
    this.#wake?.()
  }

  /** Replaces a status that has not been taken yet. */
  status(event: Event): void {
    this.#status = event
    this.#wake?.()
  }

  /** What was pushed, in order, and last the work's result or failure. */
  async *drain(work: Promise<Event>): AsyncGenerator<Event> {
    let result: { event: Event } | { error: unknown } | undefined
    const done = work.then(
      (event) => {
        result = { event }
      },
      (error: unknown) => {
        result = { error }
      },
    )
    void done.then(() => this.#wake?.())
    try {
      while (true) {
        const event = this.#waiting.shift() ?? this.#takeStatus()
        if (event !== undefined) {
          yield event
          continue
        }
        if (result !== undefined) break
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = undefined
      }
    } finally {
      if (result === undefined) {
        this.#abort.abort(new HoldfastError('HF_ABORTED', 'the caller went away'))
        await done
      }
    }
    if ('error' in result) throw result.error
    yield result.event
  }

  #takeStatus(): Event | undefined {
    const status = this.#status
    this.#status = undefined
    return status
  }
}
