/** What becomes of a peer that sends wrong things: counted by reason, told in the log, and set aside if it keeps breaking the
 *  protocol. Only that sets it aside: a node with a failing drive or an old charter still counts for the quorum. */
import { MINUTE_MS, SECOND_MS } from '@holdfast/ports'
import type { Backoff } from './backoff.ts'

/** `protocol`: bytes or messages that no node of ours sends. `journal`: frames or acks that do not fit the log. `chunk`: bytes that
 *  do not match their id. `charter`: one that is refused. `stall`: it owed something and sent nothing, or next to nothing. */
export const BLAME_REASONS = ['protocol', 'journal', 'chunk', 'charter', 'stall'] as const
export type BlameReason = (typeof BLAME_REASONS)[number]

/** Violations of the protocol after which a peer is set aside. One may be a broken connection, three are no accident. */
export const VIOLATIONS_MAX = 3
/** Time after which violations are forgotten, ms. */
export const VIOLATIONS_FORGOTTEN_MS = 60 * MINUTE_MS
/** How long a peer is set aside: refused, and not dialled. Long enough to cost it nothing else's time, short enough for a cure. */
export const SET_ASIDE: Backoff = { firstMs: 30 * SECOND_MS, maxMs: 30 * MINUTE_MS }

export interface Verdict {
  /** Whether it is worth a line in the log: the first, second, fourth, … of its reason. */
  readonly tell: boolean
  /** How long the peer is set aside for it, ms. */
  readonly setAsideMs: number | undefined
}

export class Standing {
  readonly #counts = new Map<BlameReason, number>()
  #violations = 0
  #rounds = 0
  #violatedMs = -Infinity

  /** Times it was blamed. */
  get blamed(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  /** The same by reason, without those of which there are none. */
  reasons(): Partial<Record<BlameReason, number>> {
    return Object.fromEntries(this.#counts)
  }

  /** Violations that are not forgotten: a peer with any is not dialled at once. */
  violations(nowMs: number): number {
    return nowMs - this.#violatedMs < VIOLATIONS_FORGOTTEN_MS ? this.#violations + this.#rounds : 0
  }

  blame(reason: BlameReason, nowMs: number): Verdict {
    const count = (this.#counts.get(reason) ?? 0) + 1
    this.#counts.set(reason, count)
    const setAsideMs = reason === 'protocol' ? this.#violated(nowMs) : undefined
    return { tell: setAsideMs !== undefined || Number.isInteger(Math.log2(count)), setAsideMs }
  }

  #violated(nowMs: number): number | undefined {
    if (this.violations(nowMs) === 0) {
      this.#violations = 0
      this.#rounds = 0
    }
    this.#violatedMs = nowMs
    if (++this.#violations < VIOLATIONS_MAX) return undefined
    this.#violations = 0
    return Math.min(SET_ASIDE.maxMs, SET_ASIDE.firstMs * 2 ** this.#rounds++)
  }
}
