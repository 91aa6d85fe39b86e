/** Keeps every peer of the mesh connected, for ever: libp2p and its like give up after a few attempts. */
import { hexOf } from '@holdfast/ports'
import type { Clock, NodeId, PeerEvent, Random, Timer, Transport } from '@holdfast/ports'
import { RETRY_BACKOFF, backoffMs } from '@holdfast/replication'
import type { PeerRecord, PeerTable } from './peer-table.ts'
import { Tasks, asError } from './tasks.ts'
import type { CharterService, ReplicationLog } from './types.ts'

/** Dials under way at a time; each costs 20 to 40 ms of CPU. */
export const DIALS_MAX = 8

export interface PeersOptions {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly log: ReplicationLog
  readonly charter: CharterService
  readonly table: PeerTable
  readonly onConnected: (peer: NodeId) => void
  readonly onLost: (peer: NodeId) => void
  /** The peer is not in the charter any more. */
  readonly onRemoved: (peer: NodeId) => void
}

export class Peers {
  readonly #options: PeersOptions
  readonly #tasks: Tasks
  readonly #timers = new Map<string, Timer>()
  /** Peers that are due, in order, while others are being dialled. */
  readonly #due = new Set<PeerRecord>()
  #dialing = 0
  #stopListening: (() => void)[] = []

  constructor(options: PeersOptions) {
    this.#options = options
    this.#tasks = new Tasks((error) => options.log.warn({ err: error }, 'a dial failed in an unexpected way'))
  }

  start(): void {
    const { transport, charter } = this.#options
    this.#stopListening = [transport.onPeer((event) => this.#onPeer(event)), charter.onChange(() => this.#onCharter())]
    for (const peer of transport.peers()) this.#onConnected(peer)
    this.#onCharter()
  }

  /** No dial and no timer is left once it resolves. */
  async stop(): Promise<void> {
    for (const stop of this.#stopListening.splice(0)) stop()
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
    this.#due.clear()
    await this.#tasks.stop()
  }

  /** Ends the connection to a peer that does not answer; it is dialled again. */
  drop(peer: NodeId, reason: PeerRecord['lastError']): void {
    const record = this.#options.table.get(peer)
    if (record) record.lastError = reason
    this.#tasks.run(() => this.#options.transport.disconnect(peer))
  }

  /** Ends what there is with a peer, and begins anew when the time is over. */
  setAside(record: PeerRecord, ms: number): void {
    const { clock, transport } = this.#options
    this.#cancel(record)
    this.#due.delete(record)
    record.state = 'set-aside'
    record.sinceMs = clock.nowMs()
    record.setAsideUntilMs = clock.nowMs() + ms
    this.#tasks.run(() => transport.disconnect(record.peer))
    if (this.#tasks.signal.aborted) return
    this.#timers.set(
      hexOf(record.peer),
      clock.setTimer(ms, () => {
        record.state = 'waiting'
        record.setAsideUntilMs = undefined
        this.#dialNow(record)
      }),
    )
  }

  #onPeer(event: PeerEvent): void {
    if (event.type === 'misbehaved') this.#options.table.blame(event.peer, 'protocol', event.error.message)
    else if (event.type === 'connected') this.#onConnected(event.peer)
    else this.#onLost(event.peer)
  }

  #onCharter(): void {
    const { charter, table, transport, onRemoved } = this.#options
    const present = new Set<string>()
    for (const { id, addresses } of charter.peers()) {
      present.add(hexOf(id))
      const record = table.of(id)
      const changed = addresses.join() !== record.addresses.join()
      record.addresses = addresses
      if (record.state === 'waiting' && changed) this.#dialNow(record)
    }
    for (const record of table.list()) {
      if (present.has(hexOf(record.peer))) continue
      this.#cancel(record)
      this.#due.delete(record)
      table.remove(record.peer)
      onRemoved(record.peer)
      this.#tasks.run(() => transport.disconnect(record.peer))
    }
  }

  #onConnected(peer: NodeId): void {
    const { table, clock, log, onConnected } = this.#options
    const record = table.of(peer)
    if (record.state === 'connected' || record.state === 'set-aside') return
    this.#cancel(record)
    record.state = 'connected'
    record.sinceMs = clock.nowMs()
    record.failures = 0
    record.lastError = undefined
    record.verified = false
    table.heard(peer)
    log.info({ peer: hexOf(peer) }, 'peer connected')
    onConnected(peer)
  }

  #onLost(peer: NodeId): void {
    const { table, clock, log, onLost } = this.#options
    const record = table.get(peer)
    if (record?.state === 'connected') {
      record.state = 'waiting'
      record.sinceMs = clock.nowMs()
      record.rttMs = undefined
      log.info({ peer: hexOf(peer), verified: record.verified }, 'peer lost')
    }
    onLost(peer)
    if (record?.state !== 'waiting') return
    // A connection that worked is worth an attempt at once; one that did not may be refused again and again, and one that
    // was ended because the peer broke the protocol would be broken again.
    const violations = record.standing.violations(clock.monotonicMs())
    if (record.verified && violations === 0) this.#dialNow(record)
    else this.#dialLater(record, Math.max(1, violations))
  }

  #cancel(record: PeerRecord): void {
    this.#timers.get(hexOf(record.peer))?.cancel()
    this.#timers.delete(hexOf(record.peer))
    record.nextDialAtMs = undefined
  }

  #dialLater(record: PeerRecord, failures: number): void {
    const { clock, random } = this.#options
    this.#cancel(record)
    if (record.addresses.length === 0 || this.#tasks.signal.aborted) return
    const delayMs = backoffMs(RETRY_BACKOFF, failures, random.fraction())
    record.nextDialAtMs = clock.nowMs() + delayMs
    this.#timers.set(
      hexOf(record.peer),
      clock.setTimer(delayMs, () => this.#dialNow(record)),
    )
  }

  #dialNow(record: PeerRecord): void {
    this.#cancel(record)
    if (record.state !== 'waiting' || record.addresses.length === 0) return
    this.#due.add(record)
    this.#next()
  }

  #next(): void {
    for (const record of this.#due) {
      if (this.#dialing >= DIALS_MAX) return
      this.#due.delete(record)
      if (record.state !== 'waiting') continue
      record.state = 'connecting'
      this.#dialing++
      this.#tasks.run(async (signal) => {
        try {
          await this.#dial(record, signal)
        } finally {
          this.#dialing--
          this.#next()
        }
      })
    }
  }

  async #dial(record: PeerRecord, signal: AbortSignal): Promise<void> {
    const { transport, table, log } = this.#options
    let failure: PeerRecord['lastError']
    try {
      await transport.connect(record.peer, record.addresses, { signal })
    } catch (error) {
      failure = asError(error)
    }
    if (signal.aborted || table.get(record.peer) !== record || record.state !== 'connecting') return
    // The event has not come, or came and went.
    record.state = 'waiting'
    record.lastError = failure ?? record.lastError
    record.failures++
    log.debug({ peer: hexOf(record.peer), code: failure?.code, failures: record.failures }, 'peer not reached')
    this.#dialLater(record, record.failures)
  }
}
