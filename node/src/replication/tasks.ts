import { setMaxListeners } from 'node:events'
import { HoldfastError, hasCode } from '@holdfast/ports'
import type { Clock } from '@holdfast/ports'

/** Work in the background, with one end: each piece is awaited when the whole stops, and owns its failure until then. */
export class Tasks {
  readonly #controller = new AbortController()
  readonly #running = new Set<Promise<void>>()
  readonly #onFailure: (error: unknown) => void

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure
    setMaxListeners(0, this.#controller.signal)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Starts a piece of work; nothing after `stop`. Failures that come of peers or of stopping are expected. */
  run(work: (signal: AbortSignal) => Promise<void>): void {
    if (this.signal.aborted) return
    const running = work(this.signal).catch((error: unknown) => {
      if (!isExpected(error)) this.#onFailure(error)
    })
    this.#running.add(running)
    void running.then(() => this.#running.delete(running))
  }

  /** Gives every piece the signal and waits for all; idempotent. */
  async stop(): Promise<void> {
    this.#controller.abort()
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}

/** Whether the failure lies in the nature of a network, or of stopping. */
export const isExpected = (error: unknown): boolean =>
  (['HF_ABORTED', 'HF_CLOSED', 'HF_PEER_UNREACHABLE', 'HF_PEER_REFUSED', 'HF_TIMEOUT', 'HF_BUSY'] as const).some(
    (code) => hasCode(error, code),
  )

/** Resolves after `ms`. @throws HF_ABORTED */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.cancel()
      reject(new HoldfastError('HF_ABORTED', 'aborted', { cause: signal.reason }))
    }
    const timer = clock.setTimer(ms, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** The outcome of `work`, or HF_ABORTED as soon as the signal is given; `work` then goes on unheeded. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(new HoldfastError('HF_ABORTED', 'aborted', { cause: signal.reason }))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort)
  }
}

/** Lets one piece of work after the other use a thing, in the order of asking. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined)
    return result
  }
}

export const asError = (error: unknown): HoldfastError =>
  error instanceof HoldfastError
    ? error
    : new HoldfastError('HF_INTERNAL', error instanceof Error ? error.message : String(error), { cause: error })
