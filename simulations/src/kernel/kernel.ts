import { createHash } from 'node:crypto'
import { EventQueue, type QueuedEvent } from './event-queue.ts'

/** Resolves when every promise continuation scheduled so far, and what those schedule, has run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Virtual time of one world. Events run one after the other in the order of their time, then of their making; between two of them all
 *  promises settle. So a run is a function of its seed, and its trace hash shows it. */
export class Kernel {
  readonly #queue = new EventQueue()
  readonly #trace = createHash('sha256')
  #nowMs = 0
  #order = 0
  #eventCount = 0

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs
  }

  get eventCount(): number {
    return this.#eventCount
  }

  after(delayMs: number, run: () => void): QueuedEvent {
    const event = { dueMs: this.#nowMs + delayMs, order: this.#order++, run, cancelled: false }
    this.#queue.push(event)
    return event
  }

  /** Adds what happened to the trace. */
  note(what: string): void {
    this.#trace.update(`${this.#nowMs} ${what}\n`)
  }

  /** Of all that was noted so far, 16 hex digits. */
  traceHash(): string {
    return this.#trace.copy().digest('hex').slice(0, 16)
  }

  async run(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs
    await settle()
    for (let event = this.#queue.popUntil(endMs); event; event = this.#queue.popUntil(endMs)) {
      this.#nowMs = event.dueMs
      this.#eventCount++
      event.run()
      await settle()
    }
    this.#nowMs = endMs
  }
}
