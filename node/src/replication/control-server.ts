/** The control streams that peers have opened: their heartbeats are answered, their heads and acks kept. */
import { HoldfastError, equalBytes, hexOf } from '@holdfast/ports'
import type { Clock, MessageStream, NodeId } from '@holdfast/ports'
import { ACK_LABEL, decodeControl, encodeAck, encodeControl } from '@holdfast/replication'
import type { AckBook, KeptHead, SignedAck, VolumeHead } from '@holdfast/replication'
import { Pace } from './pace.ts'
import type { PeerTable } from './peer-table.ts'
import type { MemberAck, Signatures, VolumeRegistry } from './types.ts'

/** Acks of one peer that are checked in a second; more wait their turn. Each costs the main thread some 60 µs. */
export const ACKS_PER_SECOND_MAX = 2_000

export interface ControlServerOptions {
  readonly clock: Clock
  readonly table: PeerTable
  readonly book: AckBook
  readonly signatures: Signatures
  readonly volumes: VolumeRegistry
  readonly onHeartbeat: (peer: NodeId, intervalMs: number, charterDigest: Uint8Array) => void
  readonly onHead: (head: KeptHead) => void
  readonly onAck: (ack: MemberAck) => void
}

export class ControlServer {
  readonly #options: ControlServerOptions

  constructor(options: ControlServerOptions) {
    this.#options = options
  }

  async serve(stream: MessageStream, signal: AbortSignal): Promise<void> {
    const { peer } = stream
    const pace = new Pace(this.#options.clock, ACKS_PER_SECOND_MAX)
    for (let m = await stream.receive({ signal }); m; m = await stream.receive({ signal })) {
      this.#options.table.heard(peer)
      const message = decodeControl(m)
      switch (message.type) {
        case 'heartbeat':
          this.#options.onHeartbeat(peer, message.intervalMs, message.charterDigest)
          await stream.send(encodeControl({ type: 'heartbeat-answer', sequence: message.sequence }), { signal })
          break
        case 'heads':
          for (const head of message.heads) this.#onHead(peer, head)
          break
        case 'acks':
          for (const ack of message.acks) {
            await pace.take(signal)
            await this.#onAck(peer, ack)
          }
          break
        default:
          throw new HoldfastError('HF_PEER_PROTOCOL', `a ${message.type} where none belongs`)
      }
    }
  }

  #onHead(peer: NodeId, head: VolumeHead): void {
    const { book, clock, onHead } = this.#options
    const receivedAtMs = clock.nowMs()
    if (book.head(peer, head, receivedAtMs)) onHead({ ...head, member: peer, receivedAtMs })
  }

  async #onAck(peer: NodeId, ack: SignedAck): Promise<void> {
    const { book, clock, signatures, table, volumes, onAck } = this.#options
    const volume = volumes.get(ack.volume)
    // It has no say, and a signature that nobody asks for is not worth its check.
    if (volume && !volume.members.some((m) => equalBytes(m.node, peer))) return
    if (!equalBytes(ack.member, peer)) throw new HoldfastError('HF_PEER_PROTOCOL', 'an ack of another member')
    if (!signatures.verify(peer, ACK_LABEL, encodeAck(ack), ack.signature)) {
      throw new HoldfastError('HF_PEER_PROTOCOL', 'an ack whose signature is wrong')
    }
    if (!(await this.#fitsOwnLog(ack))) {
      table.blame(peer, 'journal', `its journal of volume ${hexOf(ack.volume)} is another than this node's`)
      return
    }
    table.verified(peer)
    const receivedAtMs = clock.nowMs()
    if (book.ack(ack, receivedAtMs)) onAck({ ...ack, receivedAtMs })
  }

  /** An ack for blocks that are also here must be for the same blocks. */
  async #fitsOwnLog(ack: SignedAck): Promise<boolean> {
    const volume = this.#options.volumes.get(ack.volume)
    if (!volume || !equalBytes(volume.coreKey, ack.coreKey) || ack.length === 0) return true
    const head = volume.log.head()
    if (ack.length > head.length) return true
    const own = ack.length === head.length ? head.treeHash : await volume.log.treeHashAt(ack.length)
    return !own || equalBytes(own, ack.treeHash)
  }
}
