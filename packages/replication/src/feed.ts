/** Serving one journal to one follower: what to send next, within a window of bytes that it has not accepted yet. */
import { FEED_WINDOW_BYTES } from './limits.ts'

export interface FeedOptions {
  /** First block the follower lacks. */
  readonly from: number
  /** Length of the own log. */
  readonly length: number
}

export class Feed {
  #next: number
  #length: number
  #unacknowledgedBytes = 0
  /** Frames sent and not accepted, in order. */
  readonly #sent: { readonly end: number; readonly byteLength: number }[] = []

  constructor({ from, length }: FeedOptions) {
    this.#next = from
    this.#length = length
  }

  /** Block to send next; undefined while there is none, or while the window is full. */
  next(): number | undefined {
    return this.#next < this.#length && this.#unacknowledgedBytes < FEED_WINDOW_BYTES ? this.#next : undefined
  }

  /** The own log is this long now. */
  grow(length: number): void {
    this.#length = Math.max(this.#length, length)
  }

  /** A frame up to block `end` (exclusive) is sent; `byteLength` includes the chunks that travel along. */
  sent(end: number, byteLength: number): void {
    this.#next = end
    this.#sent.push({ end, byteLength })
    this.#unacknowledgedBytes += byteLength
  }

  /** The follower has accepted every block below `length`. Whether that is possible. */
  progress(length: number): boolean {
    if (length > this.#next) return false
    for (let first = this.#sent[0]; first && first.end <= length; first = this.#sent[0]) {
      this.#unacknowledgedBytes -= first.byteLength
      this.#sent.shift()
    }
    return true
  }
}
