import type { Clock, Timer } from '@holdfast/ports'
import type { Kernel } from './kernel.ts'

/** Wall time at which every world begins, ms since 1970. */
const WALL_START_MS = 1_800_000_000_000

/** The clock of one machine, as one process on it sees it: when that is killed, none of its timers runs any more. */
export class ProcessClock implements Clock {
  readonly #kernel: Kernel
  readonly #offsetMs: () => number
  #isOver = false

  /** `offsetMs` is how far the machine's wall clock is off. */
  constructor(kernel: Kernel, offsetMs: () => number) {
    this.#kernel = kernel
    this.#offsetMs = offsetMs
  }

  nowMs(): number {
    return WALL_START_MS + this.#kernel.nowMs + this.#offsetMs()
  }

  monotonicMs(): number {
    return this.#kernel.nowMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const event = this.#kernel.after(delayMs, () => {
      if (!this.#isOver) callback()
    })
    return { cancel: () => void (event.cancelled = true) }
  }

  kill(): void {
    this.#isOver = true
  }
}
