import type { Links } from '@holdfast/doubles'
import { hexOf, type NodeId } from '@holdfast/ports'
import type { Kernel } from '../kernel/kernel.ts'
import type { Dice } from '../kernel/random-streams.ts'

export interface LinkOptions {
  readonly roundTripMs: (a: NodeId, b: NodeId) => number
  readonly bytesPerSecond: number
  /** Share of messages that arrive a retransmission late. */
  readonly lossRatio: number
}

/** Most that a message is later than half the round trip, as a share of it. */
const JITTER_RATIO = 0.2
/** How much later a message is that was lost once, in round trips. */
const RETRANSMISSION_ROUND_TRIPS = 3

/** Ways between nodes: each direction has a queue of its own. Streams are ordered and reliable as TCP's are, so loss is lateness. */
export class FaultyLinks implements Links {
  readonly #kernel: Kernel
  readonly #dice: Dice
  readonly #options: LinkOptions
  readonly #busyUntilMs = new Map<string, number>()
  readonly #cuts = new Map<string, number>()
  readonly #flips = new Map<string, number>()
  #flipCount = 0

  constructor(kernel: Kernel, dice: Dice, options: LinkOptions) {
    this.#kernel = kernel
    this.#dice = dice
    this.#options = options
  }

  /** Messages that were changed on the way. */
  get flipCount(): number {
    return this.#flipCount
  }

  /** Cuts one direction; each cut has to be mended. */
  cut(from: NodeId, to: NodeId): void {
    const key = keyOf(from, to)
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1)
  }

  mend(from: NodeId, to: NodeId): void {
    const key = keyOf(from, to)
    this.#cuts.set(key, Math.max(0, (this.#cuts.get(key) ?? 0) - 1))
  }

  /** From now on this share of the messages of one direction arrives with a bit changed, above the layer that would notice. */
  flip(from: NodeId, to: NodeId, ratio: number): void {
    this.#flips.set(keyOf(from, to), ratio)
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return (this.#cuts.get(keyOf(from, to)) ?? 0) > 0
  }

  delayMs(from: NodeId, to: NodeId, byteLength: number): number {
    const key = keyOf(from, to)
    const { roundTripMs, bytesPerSecond, lossRatio } = this.#options
    const nowMs = this.#kernel.nowMs
    const startMs = Math.max(nowMs, this.#busyUntilMs.get(key) ?? 0)
    const endMs = startMs + (byteLength / bytesPerSecond) * 1000
    this.#busyUntilMs.set(key, endMs)
    const rttMs = roundTripMs(from, to)
    const lateMs = this.#dice.chance(lossRatio) ? RETRANSMISSION_ROUND_TRIPS * rttMs : 0
    this.#kernel.note(`${key} ${byteLength}`)
    return endMs - nowMs + (rttMs / 2) * (1 + JITTER_RATIO * this.#dice.fraction()) + lateMs
  }

  deliver(from: NodeId, to: NodeId, message: Uint8Array): Uint8Array {
    const ratio = this.#flips.get(keyOf(from, to)) ?? 0
    if (ratio === 0 || message.byteLength === 0 || !this.#dice.chance(ratio)) return message
    this.#flipCount++
    const changed = message.slice()
    const at = this.#dice.between(0, message.byteLength - 1)
    changed[at] = (changed[at] ?? 0) ^ (1 << this.#dice.between(0, 7))
    return changed
  }
}

const keyOf = (from: NodeId, to: NodeId): string => `${hexOf(from.subarray(0, 4))}>${hexOf(to.subarray(0, 4))}`
