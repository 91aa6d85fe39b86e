import { equalBytes, hexOf } from '@holdfast/ports'
import type { NodeId, VolumeId } from '@holdfast/ports'
import { VOLUMES_PER_PEER_MAX } from './limits.ts'
import type { SignedAck, VolumeHead } from './messages.ts'

/** When something was received, ms since 1970. */
export interface Received {
  readonly receivedAtMs: number
}

type KeptAck = SignedAck & Received
export type KeptHead = VolumeHead & Received & { readonly member: NodeId }

interface MemberBook {
  readonly acks: Map<string, KeptAck>
  readonly heads: Map<string, KeptHead>
}

/** The newest heads and acks of each member. What a member says later counts, even if it is less: a disk may have failed. */
export class AckBook {
  readonly #members = new Map<string, MemberBook>()

  /** Keeps the ack; whether it says something new. Signature and membership are the caller's to check. */
  ack(ack: SignedAck, receivedAtMs: number): boolean {
    const { acks } = this.#member(ack.member)
    const key = `${hexOf(ack.volume)} ${ack.level}`
    const before = acks.get(key)
    if (!before && acks.size >= 2 * VOLUMES_PER_PEER_MAX) return false
    acks.set(key, { ...ack, receivedAtMs })
    return !before || before.length !== ack.length || !equalBytes(before.coreKey, ack.coreKey)
  }

  /** Keeps the head; whether it says something new. */
  head(member: NodeId, head: VolumeHead, receivedAtMs: number): boolean {
    const { heads } = this.#member(member)
    const key = hexOf(head.volume)
    const before = heads.get(key)
    if (!before && heads.size >= VOLUMES_PER_PEER_MAX) return false
    heads.set(key, { ...head, member, receivedAtMs })
    return !before || before.length !== head.length || !equalBytes(before.coreKey, head.coreKey)
  }

  acks(volume: VolumeId): KeptAck[] {
    const key = hexOf(volume)
    return [...this.#members.values()].flatMap(({ acks }) =>
      [acks.get(`${key} accepted`), acks.get(`${key} complete`)].filter((a) => a !== undefined),
    )
  }

  heads(volume: VolumeId): KeptHead[] {
    const key = hexOf(volume)
    return [...this.#members.values()].flatMap(({ heads }) => heads.get(key) ?? [])
  }

  /** Forgets a node that is no member of the mesh any more. */
  forget(member: NodeId): void {
    this.#members.delete(hexOf(member))
  }

  #member(member: NodeId): MemberBook {
    const key = hexOf(member)
    let book = this.#members.get(key)
    if (!book) this.#members.set(key, (book = { acks: new Map(), heads: new Map() }))
    return book
  }
}
