/** What the fetcher knows of one peer: what it owes, how much may be asked of it, and whether it sends at all. */
import { KIB } from '@holdfast/ports'
import type { ChunkId, NodeId, VolumeId } from '@holdfast/ports'
import { Credit } from './credit.ts'
import { CHUNKS_PER_PEER_MAX } from './limits.ts'

/** A peer that owes chunks and sends nothing for this long is asked no more on that stream, ms. */
export const FETCH_STALL_MS = 20_000
/** What a peer that owes more must send in that time, bytes: 8 KiB/s. One that sends a byte now and then is no source. */
export const FETCH_STALL_BYTES = 160 * KIB
export interface Want {
  readonly key: string
  readonly volume: VolumeId
  readonly id: ChunkId
  readonly storedBytes: number
  readonly tried: Set<string>
  store: boolean
  deliver: boolean
}

/** A chunk that was asked for. */
export interface Flight {
  readonly want: Want
  readonly chargedBytes: number
  readonly number: number
  readonly askedMs: number
  buffer: Uint8Array | undefined
  receivedBytes: number
}

export interface PeerState {
  readonly peer: NodeId
  readonly credit: Credit
  /** Asked for and not complete, by number, in the order of the answers. */
  readonly flights: Map<number, Flight>
  up: boolean
  /** Asked for and not settled. */
  outstandingBytes: number
  outstandingCount: number
  rttMs: number
  nextNumber: number
  heardMs: number
  /** What has come since `paceMs`, bytes. */
  pacedBytes: number
  paceMs: number
  blamedUntilMs: number
}

/** Round trip assumed of a peer before the first is measured, ms. */
const RTT_ASSUMED_MS = 50

export const newPeer = (peer: NodeId): PeerState => ({
  peer,
  credit: new Credit(),
  flights: new Map(),
  up: false,
  outstandingBytes: 0,
  outstandingCount: 0,
  rttMs: RTT_ASSUMED_MS,
  nextNumber: 0,
  heardMs: 0,
  pacedBytes: 0,
  paceMs: 0,
  blamedUntilMs: 0,
})

/** From now on it is counted anew what the peer sends. */
export function startPace(state: PeerState, nowMs: number): void {
  state.paceMs = nowMs
  state.pacedBytes = 0
}

/** Whether a peer that owes something sends nothing, or too little; a new interval begins if it does not. */
export function stalls(state: PeerState, nowMs: number): boolean {
  const [oldest] = state.flights.values()
  if (!oldest) return false
  if (nowMs - state.heardMs >= FETCH_STALL_MS) return true
  if (nowMs - state.paceMs < FETCH_STALL_MS || nowMs - oldest.askedMs < FETCH_STALL_MS) return false
  if (state.pacedBytes < FETCH_STALL_BYTES) return true
  startPace(state, nowMs)
  return false
}

/** A chunk larger than the credit passes alone. */
export function hasRoom(state: PeerState, bytes: number): boolean {
  if (!state.up || state.outstandingCount >= CHUNKS_PER_PEER_MAX) return false
  return state.outstandingCount === 0 || state.outstandingBytes + bytes <= state.credit.bytes
}
