import { hexOf } from '@holdfast/ports'
import type { Clock, HoldfastError, NodeId } from '@holdfast/ports'
import { Standing } from '@holdfast/replication'
import type { BlameReason } from '@holdfast/replication'
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
  readonly standing: Standing
  /** Until when it is set aside; undefined if it is not. */
  setAsideUntilMs: number | undefined
  receivedBytes: number
  sentBytes: number
}

/** The peers of the mesh. */
export class PeerTable {
  readonly #records = new Map<string, PeerRecord>()
  readonly #clock: Clock
  readonly #log: ReplicationLog
  readonly #onSetAside: (record: PeerRecord, ms: number) => void

  constructor(clock: Clock, log: ReplicationLog, onSetAside: (record: PeerRecord, ms: number) => void) {
    this.#clock = clock
    this.#log = log
    this.#onSetAside = onSetAside
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
        standing: new Standing(),
        setAsideUntilMs: undefined,
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
    const record = this.get(peer)
    if (!record) return
    record.heardAtMs = this.#clock.nowMs()
    record.heardMonotonicMs = this.#clock.monotonicMs()
  }

  /** The present connection carried data that passed its check. */
  verified(peer: NodeId): void {
    const record = this.get(peer)
    if (record) record.verified = true
  }

  received(peer: NodeId, byteLength: number): void {
    const record = this.get(peer)
    if (record) record.receivedBytes += byteLength
  }

  sent(peer: NodeId, byteLength: number): void {
    const record = this.get(peer)
    if (record) record.sentBytes += byteLength
  }

  /** The peer did something that no node of ours does. Told in the log, but the more seldom the oftener it happens. */
  blame(peer: NodeId, reason: BlameReason, detail: string): void {
    const record = this.get(peer)
    if (!record) {
      // A holder of a join token, or a node that was removed meanwhile.
      this.#log.warn({ code: 'HF_PEER_PROTOCOL', peer: hexOf(peer), reason, detail }, 'a stranger sent something wrong')
      return
    }
    const { tell, setAsideMs } = record.standing.blame(reason, this.#clock.monotonicMs())
    const fields = { code: 'HF_PEER_PROTOCOL', peer: hexOf(peer), reason, detail, blamed: record.standing.blamed }
    if (tell) this.#log.warn({ ...fields, ...(setAsideMs && { setAsideMs }) }, 'a peer sent something wrong')
    if (setAsideMs !== undefined) this.#onSetAside(record, setAsideMs)
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
      blamed: r.standing.blamed,
      blamedFor: r.standing.reasons(),
      setAsideUntilMs: r.setAsideUntilMs,
      receivedBytes: r.receivedBytes,
      sentBytes: r.sentBytes,
    }))
  }
}
