/**
 * Fetching chunks: which one from whom, how many bytes at a time, and what to do when a source lacks it, sends other bytes or
 * falls silent. What to fetch is told from outside, derived from what a volume lacks, so nothing is lost by forgetting here.
 */
import { hexOf } from '@holdfast/ports'
import type { ChunkId, NodeId, VolumeId } from '@holdfast/ports'
import {
  CHUNK_BYTES_ASSUMED,
  CHUNK_BYTES_MAX,
  CHUNK_IDS_PER_REQUEST_MAX,
  FETCH_ABSENT_MAX,
  FETCH_BYTES_MAX,
  FETCH_WANTS_MAX,
} from './limits.ts'
import type { FetchEffect, FetchEvent, FetchSource, WantedChunk } from './fetch-events.ts'
import { FETCH_STALL_MS, hasRoom, newPeer, stalls, startPace } from './fetch-peer.ts'
import type { Flight, PeerState, Want } from './fetch-peer.ts'
import type { ChunkAnswer } from './messages.ts'
import type { BlameReason } from './standing.ts'

/** A chunk that no source has is asked for again after this, ms, or when a new source appears. */
export const FETCH_ABSENT_MS = 10_000
/** A peer that sent wrong bytes is asked for none for this long, ms. */
export const FETCH_BLAMED_MS = 60_000

export class Fetch {
  readonly #peers = new Map<string, PeerState>()
  readonly #sources = new Map<string, readonly FetchSource[]>()
  /** Wants by key: queued, in flight or being checked. */
  readonly #wants = new Map<string, Want>()
  /** Those not asked for yet, in order; those that somebody waits for come first. */
  readonly #queue = new Map<string, Want>()
  readonly #urgent = new Map<string, Want>()
  readonly #checking = new Map<
    string,
    { readonly want: Want; readonly from: PeerState; readonly chargedBytes: number }
  >()
  /** Chunks that no source had, until when. */
  readonly #absent = new Map<string, number>()
  #outstandingBytes = 0

  /** How many `missing` chunks may be told now. */
  get room(): number {
    return Math.max(0, FETCH_WANTS_MAX - this.#wants.size)
  }

  /** Whether nothing is wanted. */
  get idle(): boolean {
    return this.#wants.size === 0
  }

  /** Whether `missing` need not tell this chunk: it is wanted already, or was asked for in vain a moment ago. */
  knows(volume: VolumeId, id: ChunkId): boolean {
    const key = keyOf(volume, id)
    return this.#wants.get(key)?.store === true || this.#absent.has(key)
  }

  step(event: FetchEvent, nowMs: number): readonly FetchEffect[] {
    const effects: FetchEffect[] = []
    this.#apply(event, nowMs, effects)
    this.#assign(nowMs, effects)
    return effects
  }

  #apply(event: FetchEvent, nowMs: number, effects: FetchEffect[]): void {
    switch (event.type) {
      case 'peer-up':
        return this.#onPeerUp(event.peer, nowMs)
      case 'peer-down':
        return this.#onPeerDown(event.peer)
      case 'round-trip':
        return this.#onRoundTrip(event.peer, event.rttMs)
      case 'sources':
        return this.#onSources(event.volume, event.sources)
      case 'missing':
        for (const chunk of event.chunks.slice(0, this.room)) this.#add(event.volume, chunk, 'store', nowMs)
        return
      case 'want':
        return this.#add(event.volume, event.chunk, 'deliver', nowMs)
      case 'unwant':
        return this.#onUnwant(keyOf(event.volume, event.id))
      case 'answer':
        return this.#onAnswer(event.peer, event.answer, nowMs, effects)
      case 'settled':
        return this.#onSettled(keyOf(event.volume, event.id), event.outcome, nowMs, effects)
      case 'tick':
        return this.#onTick(nowMs, effects)
    }
  }

  #onPeerUp(peer: NodeId, nowMs: number): void {
    const state = this.#peer(peer)
    state.up = true
    state.nextNumber = 0
    state.heardMs = nowMs
    startPace(state, nowMs)
    this.#absent.clear()
  }

  #onPeerDown(peer: NodeId): void {
    const state = this.#peers.get(hexOf(peer))
    if (!state) return
    state.up = false
    for (const flight of state.flights.values()) {
      this.#release(state, flight.chargedBytes)
      this.#enqueue(flight.want)
    }
    state.flights.clear()
  }

  #onRoundTrip(peer: NodeId, rttMs: number): void {
    const state = this.#peer(peer)
    state.rttMs = rttMs
    state.credit.roundTrip(rttMs)
  }

  #onSources(volume: VolumeId, sources: readonly FetchSource[]): void {
    const prefix = hexOf(volume)
    const before = this.#sources.get(prefix) ?? []
    if (sources.length > 0) this.#sources.set(prefix, sources)
    else this.#sources.delete(prefix)
    const gain = sources.some((s) => {
      const known = before.find((b) => hexOf(b.peer) === hexOf(s.peer))
      return !known || (s.complete && !known.complete)
    })
    if (!gain) return
    for (const key of this.#absent.keys()) if (key.startsWith(prefix)) this.#absent.delete(key)
  }

  #add(volume: VolumeId, { id, storedBytes }: WantedChunk, purpose: 'store' | 'deliver', nowMs: number): void {
    const key = keyOf(volume, id)
    let want = this.#wants.get(key)
    if (!want) {
      want = { key, volume, id, storedBytes, tried: new Set(), store: false, deliver: false }
      this.#wants.set(key, want)
      this.#absent.delete(key)
    } else if (!this.#dequeue(want)) {
      // It is on its way already.
      want[purpose] = true
      return
    }
    want[purpose] = true
    if (storedBytes <= CHUNK_BYTES_MAX) return this.#enqueue(want)
    this.#wants.delete(key)
    this.#rememberAbsent(key, nowMs)
  }

  #onUnwant(key: string): void {
    const want = this.#wants.get(key)
    if (!want) return
    want.deliver = false
    if (this.#dequeue(want)) this.#enqueue(want)
  }

  #onAnswer(peer: NodeId, answer: ChunkAnswer, nowMs: number, effects: FetchEffect[]): void {
    const state = this.#peers.get(hexOf(peer))
    if (!state?.up) return
    state.heardMs = nowMs
    const [flight] = state.flights.values()
    if (!flight || flight.number !== answer.number) {
      return this.#violation(state, 'answered what was not asked', nowMs, effects)
    }
    if (answer.type === 'missing') {
      if (flight.buffer) return this.#violation(state, 'gave up within a chunk', nowMs, effects)
      state.pacedBytes += flight.chargedBytes
      this.#land(state, flight)
      this.#release(state, flight.chargedBytes)
      this.#tryElsewhere(flight.want, state)
      return
    }
    const { totalBytes, offset, bytes } = answer
    const { storedBytes } = flight.want
    const fits =
      (flight.buffer === undefined || flight.buffer.byteLength === totalBytes) &&
      (storedBytes === 0 || storedBytes === totalBytes) &&
      offset === flight.receivedBytes &&
      bytes.byteLength > 0 &&
      offset + bytes.byteLength <= totalBytes
    if (!fits) return this.#violation(state, 'sent a slice that does not fit', nowMs, effects)
    flight.buffer ??= new Uint8Array(totalBytes)
    flight.buffer.set(bytes, offset)
    state.pacedBytes += bytes.byteLength
    flight.receivedBytes += bytes.byteLength
    if (flight.receivedBytes < totalBytes) return
    this.#land(state, flight)
    const { key, volume, id, store, deliver } = flight.want
    this.#checking.set(key, { want: flight.want, from: state, chargedBytes: flight.chargedBytes })
    effects.push({ type: 'check', peer: state.peer, volume, id, bytes: flight.buffer, store, deliver })
  }

  #onSettled(key: string, outcome: 'good' | 'corrupt' | 'failed', nowMs: number, effects: FetchEffect[]): void {
    const check = this.#checking.get(key)
    if (!check) return
    const { want, from, chargedBytes } = check
    this.#checking.delete(key)
    this.#release(from, chargedBytes)
    if (outcome === 'corrupt') {
      from.blamedUntilMs = nowMs + FETCH_BLAMED_MS
      effects.push({ type: 'blame', peer: from.peer, reason: 'chunk', detail: 'sent bytes that do not match their id' })
      this.#tryElsewhere(want, from)
      return
    }
    from.credit.settled(chargedBytes, nowMs, from.outstandingCount === 0)
    this.#wants.delete(key)
    if (outcome === 'failed') this.#rememberAbsent(key, nowMs)
  }

  #onTick(nowMs: number, effects: FetchEffect[]): void {
    for (const [key, untilMs] of this.#absent) if (untilMs <= nowMs) this.#absent.delete(key)
    for (const state of this.#peers.values()) {
      if (!stalls(state, nowMs)) continue
      for (const flight of state.flights.values()) flight.want.tried.add(hexOf(state.peer))
      state.blamedUntilMs = nowMs + FETCH_STALL_MS
      this.#reset(state, 'stall', 'owes chunks and sends too little', effects)
    }
  }

  #violation(state: PeerState, detail: string, nowMs: number, effects: FetchEffect[]): void {
    state.blamedUntilMs = nowMs + FETCH_BLAMED_MS
    this.#reset(state, 'protocol', detail, effects)
  }

  #reset(state: PeerState, reason: BlameReason, detail: string, effects: FetchEffect[]): void {
    effects.push({ type: 'blame', peer: state.peer, reason, detail }, { type: 'reset', peer: state.peer })
    this.#onPeerDown(state.peer)
  }

  #tryElsewhere(want: Want, after: PeerState): void {
    want.tried.add(hexOf(after.peer))
    this.#enqueue(want)
  }

  #enqueue(want: Want): void {
    if (!want.store && !want.deliver) this.#wants.delete(want.key)
    else if (want.deliver) this.#urgent.set(want.key, want)
    else this.#queue.set(want.key, want)
  }

  #dequeue(want: Want): boolean {
    return this.#urgent.delete(want.key) || this.#queue.delete(want.key)
  }

  #peer(peer: NodeId): PeerState {
    const key = hexOf(peer)
    let state = this.#peers.get(key)
    if (!state) {
      state = newPeer(peer)
      this.#peers.set(key, state)
    }
    return state
  }

  #land(state: PeerState, flight: Flight): void {
    state.flights.delete(flight.number)
  }

  #release(state: PeerState, bytes: number): void {
    state.outstandingBytes -= bytes
    state.outstandingCount--
    this.#outstandingBytes -= bytes
  }

  #rememberAbsent(key: string, nowMs: number): void {
    const [oldest] = this.#absent.keys()
    if (oldest !== undefined && this.#absent.size >= FETCH_ABSENT_MAX) this.#absent.delete(oldest)
    this.#absent.set(key, nowMs + FETCH_ABSENT_MS)
  }

  /** Asks for as much of the queue as credit allows, each chunk from the nearest and least loaded of its sources. */
  #assign(nowMs: number, effects: FetchEffect[]): void {
    const asked = new Map<PeerState, Want[]>()
    for (const want of this.#queued()) {
      if (![...this.#peers.values()].some((p) => hasRoom(p, 1))) break
      const sources = (this.#sources.get(hexOf(want.volume)) ?? []).filter((s) => this.#mayServe(s, want, nowMs))
      if (sources.length === 0) {
        this.#giveUp(want, nowMs, effects)
        continue
      }
      const bytes = want.storedBytes || CHUNK_BYTES_ASSUMED
      if (this.#outstandingBytes > 0 && this.#outstandingBytes + bytes > FETCH_BYTES_MAX) break
      const best = this.#nearest(sources, bytes)
      if (!best) continue
      this.#dequeue(want)
      best.outstandingBytes += bytes
      best.outstandingCount++
      this.#outstandingBytes += bytes
      const list = asked.get(best)
      if (list) list.push(want)
      else asked.set(best, [want])
    }
    if (![...this.#peers.values()].some((p) => p.up)) {
      for (const want of this.#queued()) this.#giveUp(want, nowMs, effects)
    }
    for (const [state, wants] of asked) this.#request(state, wants, nowMs, effects)
  }

  #mayServe({ peer }: FetchSource, want: Want, nowMs: number): boolean {
    const state = this.#peers.get(hexOf(peer))
    return state?.up === true && state.blamedUntilMs <= nowMs && !want.tried.has(hexOf(peer))
  }

  #nearest(sources: readonly FetchSource[], bytes: number): PeerState | undefined {
    const scored = sources.flatMap(({ peer, complete }) => {
      const state = this.#peers.get(hexOf(peer))
      if (!state || !hasRoom(state, bytes)) return []
      const score = state.rttMs * (1 + state.outstandingBytes / state.credit.bytes)
      return [{ state, complete, score }]
    })
    return scored.toSorted((a, b) => Number(b.complete) - Number(a.complete) || a.score - b.score)[0]?.state
  }

  #request(state: PeerState, wants: readonly Want[], nowMs: number, effects: FetchEffect[]): void {
    if (state.flights.size === 0) {
      state.heardMs = nowMs
      startPace(state, nowMs)
    }
    const byVolume = new Map<string, Want[]>()
    for (const want of wants) {
      const list = byVolume.get(hexOf(want.volume))
      if (list) list.push(want)
      else byVolume.set(hexOf(want.volume), [want])
    }
    for (const list of byVolume.values()) {
      for (let at = 0; at < list.length; at += CHUNK_IDS_PER_REQUEST_MAX) {
        const part = list.slice(at, at + CHUNK_IDS_PER_REQUEST_MAX)
        const [head] = part
        if (!head) break
        const first = state.nextNumber
        for (const want of part) {
          const number = state.nextNumber++
          const chargedBytes = want.storedBytes || CHUNK_BYTES_ASSUMED
          state.flights.set(number, { want, chargedBytes, number, askedMs: nowMs, buffer: undefined, receivedBytes: 0 })
        }
        effects.push({ type: 'request', peer: state.peer, volume: head.volume, first, ids: part.map((w) => w.id) })
      }
    }
  }

  #giveUp(want: Want, nowMs: number, effects: FetchEffect[]): void {
    this.#dequeue(want)
    this.#wants.delete(want.key)
    if (want.deliver) effects.push({ type: 'unavailable', volume: want.volume, id: want.id })
    if (want.store) this.#rememberAbsent(want.key, nowMs)
  }

  *#queued(): Generator<Want> {
    yield* this.#urgent.values()
    yield* this.#queue.values()
  }
}

const keyOf = (volume: VolumeId, id: ChunkId): string => `${hexOf(volume)} ${hexOf(id)}`
