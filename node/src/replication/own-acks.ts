import { equalBytes, hexOf } from '@holdfast/ports'
import type { NodeId, VolumeId } from '@holdfast/ports'
import { ACK_LABEL, encodeAck } from '@holdfast/replication'
import type { Ack, AckLevel, SignedAck } from '@holdfast/replication'
import type { Tasks } from './tasks.ts'
import type { ReplicatedVolume, Signatures } from './types.ts'

/** What complete up to nothing is signed over. */
const NO_BLOCKS_HASH = new Uint8Array(32)

export interface OwnAcksOptions {
  readonly self: NodeId
  readonly signatures: Signatures
  readonly tasks: Tasks
  readonly onChange: (ack: SignedAck) => void
}

/** What this node states about its own logs, signed when it changes. */
export class OwnAcks {
  readonly #options: OwnAcksOptions
  readonly #acks = new Map<string, SignedAck>()
  /** Volumes whose acks are being made, with what to look at after. */
  readonly #busy = new Map<string, ReplicatedVolume | undefined>()

  constructor(options: OwnAcksOptions) {
    this.#options = options
  }

  get(volume: VolumeId): SignedAck[] {
    const key = hexOf(volume)
    return [this.#acks.get(`${key} accepted`), this.#acks.get(`${key} complete`)].filter((a) => a !== undefined)
  }

  /** The volume's log or what it holds has changed. */
  update(volume: ReplicatedVolume): void {
    const key = hexOf(volume.id)
    const busy = this.#busy.has(key)
    this.#busy.set(key, volume)
    if (busy) return
    this.#options.tasks.run(async () => {
      try {
        for (let next = this.#busy.get(key); next; next = this.#busy.get(key)) {
          this.#busy.set(key, undefined)
          await this.#make(next)
        }
      } finally {
        this.#busy.delete(key)
      }
    })
  }

  forget(volume: VolumeId): void {
    for (const level of ['accepted', 'complete']) this.#acks.delete(`${hexOf(volume)} ${level}`)
  }

  async #make(volume: ReplicatedVolume): Promise<void> {
    const head = volume.log.head()
    this.#state(volume, 'accepted', head.length, head.treeHash)
    const complete = Math.min(volume.completeLength(), head.length)
    const treeHash =
      complete === head.length ? head.treeHash : complete === 0 ? NO_BLOCKS_HASH : await volume.log.treeHashAt(complete)
    if (treeHash && holdsChunks(volume, this.#options.self)) this.#state(volume, 'complete', complete, treeHash)
  }

  #state(volume: ReplicatedVolume, level: AckLevel, length: number, treeHash: Uint8Array): void {
    const { self, signatures, onChange } = this.#options
    const key = `${hexOf(volume.id)} ${level}`
    const before = this.#acks.get(key)
    const { id, epoch, coreKey } = volume
    if (before?.length === length && equalBytes(before.coreKey, coreKey)) return
    const ack: Ack = { member: self, volume: id, epoch, coreKey, level, length, treeHash: Uint8Array.from(treeHash) }
    const signed = { ...ack, signature: signatures.sign(ACK_LABEL, encodeAck(ack)) }
    this.#acks.set(key, signed)
    onChange(signed)
  }
}

function holdsChunks(volume: ReplicatedVolume, self: NodeId): boolean {
  const member = volume.members.find((m) => equalBytes(m.node, self))
  return member !== undefined && member.role !== 'witness'
}
