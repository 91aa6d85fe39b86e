/**
 * How many bytes may be asked of one peer at a time. Enough to keep the line busy (1.5 × bandwidth × round trip), never so
 * much that what else runs on it waits: when the round trip of the control stream grows, the line queues, and less is asked.
 */
import { CREDIT_BYTES_MAX, CREDIT_BYTES_MIN, CREDIT_BYTES_START } from './limits.ts'

/** Bandwidth is measured over at least this time, ms. */
const RATE_INTERVAL_MS = 250
/** A measured bandwidth or a shortest round trip loses this share per sample, so that both follow a line that changes. */
const RATE_DECAY = 0.9
const SHORTEST_RTT_GROWTH = 1.01
/** The line queues when the round trip exceeds twice the shortest by this many ms, which is beyond a busy event loop. */
const QUEUE_SLACK_MS = 50

export class Credit {
  #shortestRttMs: number | undefined
  #ceilingBytes = CREDIT_BYTES_MAX
  #rate = 0
  #intervalStartMs: number | undefined
  #intervalBytes = 0

  /** Bytes that may be outstanding now. */
  get bytes(): number {
    const wanted = 1.5 * this.#rate * (this.#shortestRttMs ?? 0)
    return Math.round(Math.min(this.#ceilingBytes, Math.max(CREDIT_BYTES_START, wanted)))
  }

  /** A round trip on the control stream took this long. */
  roundTrip(rttMs: number): void {
    this.#shortestRttMs = Math.min(rttMs, (this.#shortestRttMs ?? rttMs) * SHORTEST_RTT_GROWTH)
    const queues = rttMs > 2 * this.#shortestRttMs + QUEUE_SLACK_MS
    this.#ceilingBytes = queues
      ? Math.max(CREDIT_BYTES_MIN, this.bytes / 2)
      : Math.min(CREDIT_BYTES_MAX, this.#ceilingBytes * 1.25)
  }

  /** This many bytes asked for have come and are dealt with; `idle` if nothing else is outstanding. */
  settled(byteLength: number, nowMs: number, idle: boolean): void {
    this.#intervalStartMs ??= nowMs
    this.#intervalBytes += byteLength
    const elapsedMs = nowMs - this.#intervalStartMs
    if (elapsedMs >= RATE_INTERVAL_MS) {
      this.#rate = Math.max(this.#intervalBytes / elapsedMs, this.#rate * RATE_DECAY)
      this.#intervalStartMs = nowMs
      this.#intervalBytes = 0
    }
    // Time without requests says nothing about the line.
    if (idle) {
      this.#intervalStartMs = undefined
      this.#intervalBytes = 0
    }
  }
}
