import { HoldfastError } from '@holdfast/ports'

/** Events that wait for a slow reader, at most; further ones are counted and left out, the newest status always stays. */
export const EVENTS_WAITING_MAX = 1000

/**
 * Turns callbacks of long work into an iteration that ends with the work's result. The work is aborted when the caller
 * goes away or stops iterating.
 */
export class EventQueue<Event extends { readonly message_type: string }> {
  readonly #abort = new AbortController()
  readonly #waiting: Event[] = []
  #status: Event | undefined
  #wake: (() => void) | undefined

  constructor(signal: AbortSignal) {
    if (signal.aborted) this.#abort.abort(signal.reason)
    else signal.addEventListener('abort', () => this.#abort.abort(signal.reason), { once: true })
  }

  /** To be given to the work. */
  get signal(): AbortSignal {
    return this.#abort.signal
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
