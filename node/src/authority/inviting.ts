import {
  addInvitation,
  answerJoinRequest,
  decodeJoinRequest,
  encodeJoinToken,
  isInvited,
  type Role,
} from '@holdfast/charter'
import { createSigningKey, seedOf, type SigningKey } from '@holdfast/keys'
import { asNodeId, equalBytes, HoldfastError } from '@holdfast/ports'
import type { Clock, NodeId, Random } from '@holdfast/ports'
import type { Replication } from '../replication/index.ts'
import type { CharterChanges } from './charter-changes.ts'
import type { CharterKeeper } from './charter-keeper.ts'

export interface InvitingParts {
  readonly keeper: CharterKeeper
  readonly changes: CharterChanges
  readonly signingKey: SigningKey
  readonly replication: Pick<Replication, 'onJoin'>
  readonly clock: Clock
  readonly random: Random
  /** Where a joiner can dial this node. */
  readonly addresses: () => readonly string[]
}

/** The inviter's side of `invite` and `join`. */
export class Inviting {
  readonly #parts: InvitingParts
  readonly #self: NodeId

  constructor(parts: InvitingParts) {
    this.#parts = parts
    this.#self = asNodeId(parts.signingKey.publicKey)
    parts.replication.onJoin((identity, request) => this.#admit(identity, request))
  }

  /** A one-use token; its invitation is durable when it returns. @throws HF_BUSY, HF_POLICY without an address to give */
  invite(options: { role: Role; region?: string; ttlMs: number }): { token: string; expiresAtMs: number } {
    const { keeper, signingKey, clock, random } = this.#parts
    const addresses = this.#parts.addresses()
    if (addresses.length === 0) {
      throw new HoldfastError('HF_POLICY', 'this node knows no address at which another could reach it', {
        next: 'set announce = "HOST:PORT" in config.toml and restart the node',
      })
    }
    const oneTime = createSigningKey(random)
    const expiresAtMs = clock.nowMs() + options.ttlMs
    const granted = {
      role: options.role,
      expiresAtMs,
      ...(options.region === undefined ? {} : { region: options.region }),
    }
    keeper.apply(addInvitation(keeper.state, signingKey, { oneTimeKey: oneTime.publicKey, ...granted }, clock.nowMs()))
    const { state } = keeper
    const token = encodeJoinToken(
      {
        mesh: state.mesh().id,
        charterHash: state.head().hash,
        inviter: this.#self,
        addresses,
        seed: seedOf(oneTime),
        ...granted,
      },
      signingKey,
    )
    return { token, expiresAtMs }
  }

  /** Whether the transport may let this identity in for the join protocol. */
  isInvited(identity: NodeId): boolean {
    return isInvited(this.#parts.keeper.state, this.#self, identity, this.#parts.clock.nowMs())
  }

  async #admit(identity: NodeId, encoded: Uint8Array): Promise<Uint8Array> {
    const { keeper, changes, signingKey, clock } = this.#parts
    const request = decodeJoinRequest(encoded)
    if (!equalBytes(request.oneTimeKey, identity)) {
      throw new HoldfastError('HF_BAD_TOKEN', 'the request is not by the identity that sent it')
    }
    const answer = answerJoinRequest(keeper.state, signingKey, request, clock.nowMs())
    if (answer.type === 'admit') {
      keeper.apply(answer.bundle)
      await changes.change((state) => {
        const now = answerJoinRequest(state, signingKey, request, clock.nowMs())
        return now.type === 'admit' ? now.changes : []
      })
    }
    return keeper.bundle()
  }
}
