import { SECOND_MS } from '@holdfast/ports'
import type { Clock } from '@holdfast/ports'
import { sleep } from './tasks.ts'

/** So many pieces of work a second: what exceeds them waits, and with it the peer that asks for them. */
export class Pace {
  readonly #clock: Clock
  readonly #perSecond: number
  #left: number
  #sinceMs: number

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#left = perSecond
    this.#sinceMs = clock.monotonicMs()
  }

  /** Resolves when one more may be done. @throws HF_ABORTED */
  async take(signal: AbortSignal): Promise<void> {
    if (this.#left === 0) {
      const passedMs = this.#clock.monotonicMs() - this.#sinceMs
      if (passedMs < SECOND_MS) await sleep(this.#clock, SECOND_MS - passedMs, signal)
      this.#left = this.#perSecond
      this.#sinceMs = this.#clock.monotonicMs()
    }
    this.#left--
  }
}
