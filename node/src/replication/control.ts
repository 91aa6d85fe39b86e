/**
 * The control stream to one peer: heartbeats with their round trips, this node's heads and acks as they change. Only the newest
 * of each is ever sent, so a slow line makes them rarer, never late by a queue.
 */
import { HoldfastError, equalBytes, hexOf } from '@holdfast/ports'
import type { Clock, NodeId, Timer, VolumeId } from '@holdfast/ports'
import { HEADS_PER_MESSAGE_MAX, decodeControl, encodeControl } from '@holdfast/replication'
import type { ControlMessage, SignedAck, VolumeHead } from '@holdfast/replication'
import type { Channel } from './channel.ts'
import type { PeerTable } from './peer-table.ts'
import type { ReplicatedVolume } from './types.ts'

/** Time between heartbeats to a peer that shares a volume, ms: a failure detector needs several within 3 s. */
export const HEARTBEAT_MS = 500
/** Time between heartbeats to other peers, ms. */
export const IDLE_HEARTBEAT_MS = 2_000
/** A connected peer that says nothing for this long is taken for dead, ms; or four of its intervals, if that is more. */
export const PEER_SILENCE_MS = 10_000
/** Longest interval that is believed, ms: one that never ends would keep a dead peer connected for ever. */
export const PEER_INTERVAL_MS_MAX = 15_000
/** Heartbeats whose answers are waited for; older ones say nothing new. */
const UNANSWERED_MAX = 64

export interface ControlOptions {
  readonly peer: NodeId
  readonly clock: Clock
  readonly table: PeerTable
  readonly volumes: () => readonly ReplicatedVolume[]
  readonly ownAcks: (volume: VolumeId) => readonly SignedAck[]
  readonly charterDigest: () => Uint8Array
  readonly onRoundTrip: (rttMs: number) => void
  readonly onSilent: (error: HoldfastError) => void
  /** Failures of sending end the stream; they need no answer here. */
  readonly run: (work: () => Promise<void>) => void
}

export class Control {
  readonly #options: ControlOptions
  readonly #dirty = new Map<string, VolumeId>()
  readonly #sentAtMs = new Map<number, number>()
  #channel: Channel | undefined
  #timer: Timer | undefined
  #sequence = 0
  #heartbeatDue = false
  #sending = false
  #peerIntervalMs = IDLE_HEARTBEAT_MS

  constructor(options: ControlOptions) {
    this.#options = options
  }

  start(channel: Channel): void {
    this.#channel = channel
    channel.keepOpen()
    this.#beat()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#channel = undefined
  }

  /** The stream is open: the peer is told everything. */
  onUp(): void {
    this.#sentAtMs.clear()
    for (const volume of this.#options.volumes()) this.touch(volume.id)
  }

  /** Head or acks of the volume have changed. */
  touch(volume: VolumeId): void {
    this.#dirty.set(hexOf(volume), volume)
    this.#send()
  }

  /** What comes back on the stream. */
  onMessage(encoded: Uint8Array): void {
    const message = decodeControl(encoded)
    if (message.type !== 'heartbeat-answer') {
      throw new HoldfastError('HF_PEER_PROTOCOL', `a ${message.type} where only answers belong`)
    }
    const { clock, table, peer, onRoundTrip } = this.#options
    table.heard(peer)
    const sentAtMs = this.#sentAtMs.get(message.sequence)
    if (sentAtMs === undefined) return
    this.#sentAtMs.delete(message.sequence)
    const rttMs = clock.monotonicMs() - sentAtMs
    const record = table.get(peer)
    if (record) record.rttMs = rttMs
    onRoundTrip(rttMs)
  }

  /** The peer keeps this interval. */
  peerInterval(intervalMs: number): void {
    this.#peerIntervalMs = Math.min(intervalMs, PEER_INTERVAL_MS_MAX)
  }

  /** Volumes that the peer is a member of as well. */
  shared(): ReplicatedVolume[] {
    const { volumes, peer } = this.#options
    return volumes().filter((v) => v.members.some((m) => equalBytes(m.node, peer)))
  }

  #beat(): void {
    const { clock, table, peer, onSilent } = this.#options
    const silentMs = clock.monotonicMs() - (table.get(peer)?.heardMonotonicMs ?? -Infinity)
    if (silentMs >= Math.max(PEER_SILENCE_MS, 4 * this.#peerIntervalMs)) {
      this.stop()
      onSilent(new HoldfastError('HF_TIMEOUT', 'the peer has fallen silent', { retryable: true, peer: hexOf(peer) }))
      return
    }
    this.#heartbeatDue = true
    this.#send()
    this.#timer = clock.setTimer(this.#intervalMs(), () => this.#beat())
  }

  #intervalMs(): number {
    return this.shared().length > 0 ? HEARTBEAT_MS : IDLE_HEARTBEAT_MS
  }

  #send(): void {
    const channel = this.#channel
    if (this.#sending || !channel?.up) return
    this.#sending = true
    this.#options.run(async () => {
      try {
        for (let messages = this.#take(); messages.length > 0; messages = this.#take()) {
          for (const message of messages) await channel.send(encodeControl(message))
        }
      } finally {
        this.#sending = false
      }
    })
  }

  /** The newest of all that is due. */
  #take(): ControlMessage[] {
    const { clock, ownAcks, charterDigest, table, peer } = this.#options
    const messages: ControlMessage[] = []
    if (this.#heartbeatDue) {
      this.#heartbeatDue = false
      const sequence = this.#sequence++
      const [oldest] = this.#sentAtMs.keys()
      if (oldest !== undefined && this.#sentAtMs.size >= UNANSWERED_MAX) this.#sentAtMs.delete(oldest)
      this.#sentAtMs.set(sequence, clock.monotonicMs())
      messages.push({ type: 'heartbeat', sequence, intervalMs: this.#intervalMs(), charterDigest: charterDigest() })
    }
    if (this.#dirty.size === 0 || !table.get(peer)) return messages
    const volumes = this.shared().filter((v) => this.#dirty.has(hexOf(v.id)))
    this.#dirty.clear()
    const heads = volumes.map((v): VolumeHead => {
      const { length, treeHash } = v.log.head()
      return { volume: v.id, epoch: v.epoch, coreKey: v.coreKey, length, treeHash }
    })
    const acks = volumes.flatMap((v) => ownAcks(v.id).filter((a) => equalBytes(a.coreKey, v.coreKey)))
    for (const part of inParts(heads)) messages.push({ type: 'heads', heads: part })
    for (const part of inParts(acks)) messages.push({ type: 'acks', acks: part })
    return messages
  }
}

function inParts<T>(items: readonly T[]): T[][] {
  const parts: T[][] = []
  for (let at = 0; at < items.length; at += HEADS_PER_MESSAGE_MAX)
    parts.push(items.slice(at, at + HEADS_PER_MESSAGE_MAX))
  return parts
}
