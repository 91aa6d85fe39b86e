import type { Clock, Timer } from '@holdfast/ports'

export interface WireState {
  /** While true nothing passes and nothing is lost: as TCP over a broken route. */
  isCut(): boolean
  /** Of what is pushed now. */
  delayMs(byteLength: number): number
  /** What arrives of a message. */
  deliver(message: Uint8Array): Uint8Array
}

/** What anything but a message takes on the wire, bytes. */
export const SIGNAL_BYTES = 64

/** One direction of a connection: hands over what is pushed, in order, never in the same turn. */
export class Wire {
  readonly #clock: Clock
  readonly #state: WireState
  #queue: { readonly dueMs: number; readonly run: () => void }[] = []
  #lastDueMs = 0
  #timer: Timer | undefined
  #running = false

  constructor(clock: Clock, state: WireState) {
    this.#clock = clock
    this.#state = state
  }

  push(run: () => void, byteLength = SIGNAL_BYTES): void {
    const dueMs = Math.max(this.#clock.monotonicMs() + this.#state.delayMs(byteLength), this.#lastDueMs)
    this.#lastDueMs = dueMs
    this.#queue.push({ dueMs, run })
    this.wake()
  }

  deliver(message: Uint8Array): Uint8Array {
    return this.#state.deliver(message)
  }

  /** Looks again, after a heal. */
  wake(): void {
    const head = this.#queue[0]
    if (!head || this.#running || this.#timer || this.#state.isCut()) return
    const waitMs = head.dueMs - this.#clock.monotonicMs()
    if (waitMs > 0) {
      this.#timer = this.#clock.setTimer(waitMs, () => {
        this.#timer = undefined
        this.wake()
      })
      return
    }
    this.#running = true
    queueMicrotask(() => {
      this.#running = false
      if (this.#state.isCut()) return
      this.#queue.shift()?.run()
      this.wake()
    })
  }

  /** Drops what has not arrived. */
  destroy(): void {
    this.#queue = []
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
