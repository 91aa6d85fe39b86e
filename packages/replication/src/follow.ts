/**
 * Following one journal: from which member, from where on, and what to do when that fails. Frames are taken in order from one
 * source at a time, the primary if it can be had, so that a member catches up by nothing but asking from its own length on.
 */
import { hexOf } from '@holdfast/ports'
import type { NodeId } from '@holdfast/ports'
import type { SubscribeRefusal } from './messages.ts'
import type { BlameReason } from './standing.ts'

/** How long a source that sent something refused is passed over, ms. Others may serve meanwhile; it may have been repaired. */
export const BLAMED_SOURCE_MS = 60_000
/** How long a source that could not serve is passed over, ms. */
export const USELESS_SOURCE_MS = 5_000

/** A source that says it has more and sends no frame for this long is left for another, ms: what a frame of the greatest length
 *  takes at 90 KiB/s. Doubles, up to a quarter of an hour, as long as no frame comes from anybody: then it is the line. */
export const FOLLOW_STALL_MS = 60_000
const FOLLOW_STALL_MS_MAX = 15 * FOLLOW_STALL_MS

export interface FollowSource {
  readonly peer: NodeId
  readonly primary: boolean
  /** Its length of this very log as last told; undefined if it has not told. */
  readonly length: number | undefined
  readonly rttMs: number | undefined
}

export interface FollowOptions {
  /** Length of the own log. */
  readonly length: number
  /** A primary follows only members that are ahead of it, as after a crash. */
  readonly onlyIfBehind: boolean
}

export type FollowEvent =
  /** All connected members that may serve; given again whenever one of them changes. */
  | { readonly type: 'sources'; readonly sources: readonly FollowSource[] }
  | { readonly type: 'frame'; readonly subscription: number; readonly start: number; readonly blockCount: number }
  /** Length of the own log now. */
  | { readonly type: 'length'; readonly length: number }
  /** A frame of that peer that was to be accepted was not: its start did not fit, its proof failed, or something failed here. */
  | { readonly type: 'not-accepted'; readonly peer: NodeId; readonly reason: 'gap' | 'refused' | 'failed' }
  | { readonly type: 'refused'; readonly subscription: number; readonly reason: SubscribeRefusal }
  /** The peer broke the protocol on this subscription. */
  | { readonly type: 'violation'; readonly subscription: number; readonly reason: string }
  /** The time that `retry-later` asked for is over. */
  | { readonly type: 'retry' }
  /** Some time has passed while the source was `awaited`. */
  | { readonly type: 'tick' }
  /** The volume is closed: the last event. */
  | { readonly type: 'stop' }

/** To be performed in order. */
export type FollowEffect =
  | { readonly type: 'subscribe'; readonly peer: NodeId; readonly subscription: number; readonly from: number }
  | { readonly type: 'unsubscribe'; readonly peer: NodeId; readonly subscription: number }
  /** Accept the frame of this event after those before it; then tell the new length, or that it was not accepted. */
  | { readonly type: 'accept' }
  /** Forget the frames that wait to be accepted. */
  | { readonly type: 'drop-queue' }
  | { readonly type: 'progress'; readonly peer: NodeId; readonly subscription: number; readonly length: number }
  | { readonly type: 'blame'; readonly peer: NodeId; readonly reason: BlameReason; readonly detail: string }
  /** Send `retry` after a back-off for this many failures; replaces an earlier one. */
  | { readonly type: 'retry-later'; readonly failures: number }

export class Follow {
  readonly #onlyIfBehind: boolean
  readonly #passedOver = new Map<string, { readonly untilMs: number; readonly blamed: boolean }>()
  #sources: readonly FollowSource[] = []
  #length: number
  /** Where the next frame must start: the length, and the frames that wait to be accepted. */
  #expected: number
  #subscription: { readonly peer: NodeId; readonly number: number } | undefined
  #subscriptions = 0
  #failures = 0
  #waiting = false
  /** Since when the present source has given nothing. */
  #quietSinceMs = 0
  #stallMs = FOLLOW_STALL_MS

  constructor({ length, onlyIfBehind }: FollowOptions) {
    this.#length = length
    this.#expected = length
    this.#onlyIfBehind = onlyIfBehind
  }

  /** The member that is followed at present. */
  get source(): NodeId | undefined {
    return this.#subscription?.peer
  }

  /** Whether the source says that it has more, and nothing of it has come: `tick` must be told every now and then. */
  get awaited(): boolean {
    const present = this.#sources.find((s) => this.#isSource(s.peer))
    return (present?.length ?? 0) > this.#expected && this.#expected === this.#length
  }

  step(event: FollowEvent, nowMs: number): readonly FollowEffect[] {
    switch (event.type) {
      case 'tick':
        return this.#onTick(nowMs)
      case 'sources':
        return this.#onSources(event.sources, nowMs)
      case 'length':
        return this.#onLength(event.length, nowMs)
      case 'retry':
        this.#waiting = false
        return this.#choose(nowMs)
      case 'stop':
        this.#waiting = true
        return [...this.#leave(), this.#dropQueue()]
      case 'frame':
        return this.#isPresent(event) ? this.#onFrame(event.start, event.blockCount, nowMs) : []
      case 'not-accepted':
        return this.#onNotAccepted(event.peer, event.reason, nowMs)
      case 'refused':
        return this.#isPresent(event) ? this.#onRefused(nowMs) : []
      default:
        return this.#isPresent(event) ? this.#onViolation(this.#subscription?.peer, event.reason, nowMs) : []
    }
  }

  #isPresent({ subscription }: { readonly subscription: number }): boolean {
    return this.#subscription?.number === subscription
  }

  #onSources(sources: readonly FollowSource[], nowMs: number): readonly FollowEffect[] {
    for (const { peer, length } of sources) {
      // One that could not serve and now tells another length has opened the volume, or has grown.
      const before = this.#sources.find((s) => hexOf(s.peer) === hexOf(peer))
      const passedOver = this.#passedOver.get(hexOf(peer))
      if (passedOver?.blamed === false && before?.length !== length) this.#passedOver.delete(hexOf(peer))
    }
    this.#sources = sources
    if (!sources.some((s) => this.#isSource(s.peer))) this.#subscription = undefined
    return this.#choose(nowMs)
  }

  #onFrame(start: number, blockCount: number, nowMs: number): readonly FollowEffect[] {
    if (start !== this.#expected || blockCount < 1) {
      const reason = `sent a frame at ${start} where ${this.#expected} was next`
      return this.#onViolation(this.#subscription?.peer, reason, nowMs)
    }
    this.#quietSinceMs = nowMs
    this.#expected += blockCount
    return [{ type: 'accept' }]
  }

  #onLength(length: number, nowMs: number): readonly FollowEffect[] {
    if (length === this.#length) return []
    this.#length = length
    this.#expected = Math.max(this.#expected, length)
    this.#failures = 0
    this.#stallMs = FOLLOW_STALL_MS
    this.#quietSinceMs = nowMs
    const present = this.#subscription
    const progress: FollowEffect[] = present
      ? [{ type: 'progress', peer: present.peer, subscription: present.number, length }]
      : []
    return [...progress, ...this.#choose(nowMs)]
  }

  #onNotAccepted(peer: NodeId, reason: 'gap' | 'refused' | 'failed', nowMs: number): readonly FollowEffect[] {
    if (reason === 'refused') return this.#onViolation(peer, 'sent a frame that fails its proof', nowMs)
    this.#waiting = true
    return [...this.#leave(), this.#dropQueue(), { type: 'retry-later', failures: ++this.#failures }]
  }

  #onRefused(nowMs: number): readonly FollowEffect[] {
    const peer = this.#subscription?.peer
    this.#subscription = undefined
    return peer ? this.#passOver(peer, false, nowMs) : []
  }

  #onViolation(peer: NodeId | undefined, detail: string, nowMs: number): readonly FollowEffect[] {
    if (!peer) return []
    const left = [...this.#leave(), this.#dropQueue()]
    return [...left, { type: 'blame', peer, reason: 'journal', detail }, ...this.#passOver(peer, true, nowMs)]
  }

  #onTick(nowMs: number): readonly FollowEffect[] {
    const peer = this.#subscription?.peer
    if (!peer || !this.awaited || nowMs - this.#quietSinceMs < this.#stallMs) return []
    this.#quietSinceMs = nowMs
    // With nobody else to turn to, what may still come is worth more than a new beginning.
    if (!this.#sources.some((s) => this.#fits(s) && !this.#isSource(s.peer) && !this.#isPassedOver(s.peer, nowMs)))
      return []
    this.#stallMs = Math.min(2 * this.#stallMs, FOLLOW_STALL_MS_MAX)
    const detail = 'says that it has more journal and sends none'
    return [...this.#leave(), { type: 'blame', peer, reason: 'stall', detail }, ...this.#passOver(peer, true, nowMs)]
  }

  #isPassedOver(peer: NodeId, nowMs: number): boolean {
    return (this.#passedOver.get(hexOf(peer))?.untilMs ?? -Infinity) > nowMs
  }

  #passOver(peer: NodeId, blamed: boolean, nowMs: number): readonly FollowEffect[] {
    const untilMs = nowMs + (blamed ? BLAMED_SOURCE_MS : USELESS_SOURCE_MS)
    this.#passedOver.set(hexOf(peer), { untilMs, blamed })
    this.#failures++
    return this.#choose(nowMs)
  }

  /** Ends the subscription; frames that came by it still wait to be accepted. */
  #leave(): FollowEffect[] {
    const present = this.#subscription
    this.#subscription = undefined
    return present ? [{ type: 'unsubscribe', peer: present.peer, subscription: present.number }] : []
  }

  #dropQueue(): FollowEffect {
    this.#expected = this.#length
    return { type: 'drop-queue' }
  }

  #isSource(peer: NodeId): boolean {
    return this.#subscription !== undefined && hexOf(this.#subscription.peer) === hexOf(peer)
  }

  /** Follows the best source there is, changing to the primary when that comes back. */
  #choose(nowMs: number): readonly FollowEffect[] {
    if (this.#waiting) return []
    for (const [peer, { untilMs }] of this.#passedOver) if (untilMs <= nowMs) this.#passedOver.delete(peer)
    const fit = this.#sources.filter((s) => this.#fits(s))
    const best = fit.filter((s) => !this.#isPassedOver(s.peer, nowMs)).toSorted(better)[0]
    const present = this.#sources.find((s) => this.#isSource(s.peer))
    // A source that serves is kept, but for the primary.
    if (present && this.#fits(present) && !(best?.primary && !present.primary)) return []
    const left = this.#leave()
    if (!best) return fit.length > 0 ? [...left, { type: 'retry-later', failures: Math.max(this.#failures, 1) }] : left
    this.#subscription = { peer: best.peer, number: ++this.#subscriptions }
    this.#quietSinceMs = nowMs
    return [...left, { type: 'subscribe', peer: best.peer, subscription: this.#subscriptions, from: this.#expected }]
  }

  #fits(source: FollowSource): boolean {
    if (this.#onlyIfBehind) return source.length !== undefined && source.length > this.#length
    return (source.length ?? (source.primary ? this.#length : -1)) >= this.#length
  }
}

function better(a: FollowSource, b: FollowSource): number {
  if (a.primary !== b.primary) return a.primary ? -1 : 1
  return (b.length ?? -1) - (a.length ?? -1) || (a.rttMs ?? Infinity) - (b.rttMs ?? Infinity)
}
