import { hexOf } from '@holdfast/ports'
import type { Clock, HoldfastError, NodeId } from '@holdfast/ports'
import type { PeerStatus, ReplicationLog } from './types.ts'

/** What this node knows of one peer, connected or not. */
export interface PeerRecord {
  readonly peer: NodeId
  addresses: readonly string[]
  state: PeerStatus['state']
  sinceMs: number | undefined
  heardAtMs: number | undefined
  /** The same on the monotonic clock: silence is judged by it. */
  heardMonotonicMs: number
  rttMs: number | undefined
  failures: number
  nextDialAtMs: number | undefined
  lastError: HoldfastError | undefined
  /** Whether the present connection carried data that passed its check. */
  verified: boolean
  blamed: number
  receivedBytes: number
  sentBytes: number
}

/** The peers of the mesh. */
export class PeerTable {
  readonly #records = new Map<string, PeerRecord>()
  readonly #clock: Clock
  readonly #log: ReplicationLog

  constructor(clock: Clock, log: ReplicationLog) {
    this.#clock = clock
    this.#log = log
  }

  get(peer: NodeId): PeerRecord | undefined {
    return this.#records.get(hexOf(peer))
  }

  /** The record of the peer, made if there is none. */
  of(peer: NodeId): PeerRecord {
    const key = hexOf(peer)
    let record = this.#records.get(key)
    if (!record) {
      record = {
        peer,
        addresses: [],
        state: 'waiting',
        sinceMs: undefined,
        heardAtMs: undefined,
        heardMonotonicMs: 0,
        rttMs: undefined,
        failures: 0,
        nextDialAtMs: undefined,
        lastError: undefined,
        verified: false,
        blamed: 0,
        receivedBytes: 0,
        sentBytes: 0,
      }
      this.#records.set(key, record)
    }
    return record
  }

  list(): PeerRecord[] {
    return [...this.#records.values()]
  }

  remove(peer: NodeId): void {
    this.#records.delete(hexOf(peer))
  }

  /** Something came from the peer. */
  heard(peer: NodeId): void {
    const record = this.of(peer)
    record.heardAtMs = this.#clock.nowMs()
    record.heardMonotonicMs = this.#clock.monotonicMs()
  }

  /** The peer sent something that failed its check. */
  blame(peer: NodeId, reason: string): void {
    const record = this.of(peer)
    record.blamed++
    this.#log.warn({ peer: hexOf(peer), reason, blamed: record.blamed }, 'a peer sent something wrong')
  }

  status(): PeerStatus[] {
    return this.list().map((r) => ({
      peer: r.peer,
      state: r.state,
      addresses: r.addresses,
      sinceMs: r.sinceMs,
      heardAtMs: r.heardAtMs,
      rttMs: r.rttMs,
      failures: r.failures,
      nextDialAtMs: r.nextDialAtMs,
      lastError: r.lastError && { code: r.lastError.code, message: r.lastError.message },
      blamed: r.blamed,
      receivedBytes: r.receivedBytes,
      sentBytes: r.sentBytes,
    }))
  }
}
