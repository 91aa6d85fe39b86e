import { sign, type SigningKey } from '@holdfast/keys'
import { asNodeId, HoldfastError } from '@holdfast/ports'
import { encodeBundle } from './bundle.ts'
import { encodeEntry, entryHash, LABELS, type Entry, type SignedEntry } from './documents.ts'
import { ADDRESS_BYTES_MAX, ADDRESSES_MAX, INVITATIONS_MAX } from './limits.ts'
import type { CharterState } from './state.ts'
import type { Invitation } from './types.ts'

/** A node's own entries. Each function gives a bundle: merge it, make the charter durable, then spread it. */

/** Says where this node can be dialled. @throws HF_BAD_INPUT for too many or too long addresses */
export function announceAddresses(state: CharterState, key: SigningKey, addresses: readonly string[]): Uint8Array {
  if (addresses.length > ADDRESSES_MAX || addresses.some((address) => Buffer.byteLength(address) > ADDRESS_BYTES_MAX)) {
    throw new HoldfastError(
      'HF_BAD_INPUT',
      `a node announces at most ${ADDRESSES_MAX} addresses of ${ADDRESS_BYTES_MAX} bytes`,
    )
  }
  const author = asNodeId(key.publicKey)
  const counter = state.counterOf('addresses', author) + 1
  return bundleOf(state, signEntry(key, { type: 'addresses', mesh: state.mesh().id, author, counter, addresses }))
}

/** Adds an invitation of this node. Its expired ones are dropped, and where there is no room else those that have let their
 *  node in: the charter's chain knows that they were used. @throws HF_BUSY beyond `INVITATIONS_MAX` */
export function addInvitation(state: CharterState, key: SigningKey, invitation: Invitation, nowMs: number): Uint8Array {
  const current = state.invitationsOf(key.publicKey).filter((held) => held.expiresAtMs > nowMs)
  const isDone = ({ oneTimeKey, usedBy }: Invitation): boolean =>
    usedBy !== undefined && state.admittedBy(oneTimeKey, usedBy)
  const kept = current.length < INVITATIONS_MAX ? current : current.filter((held) => !isDone(held))
  if (kept.length >= INVITATIONS_MAX) {
    throw new HoldfastError('HF_BUSY', `this node has ${kept.length} open invitations, the most there can be`, {
      next: 'wait until one has expired, or invite from another node',
    })
  }
  return listInvitations(state, key, [...kept, invitation])
}

/** The node's invitations, replaced by these. */
export function listInvitations(state: CharterState, key: SigningKey, invitations: readonly Invitation[]): Uint8Array {
  const author = asNodeId(key.publicKey)
  const counter = state.counterOf('invitations', author) + 1
  return bundleOf(state, signEntry(key, { type: 'invitations', mesh: state.mesh().id, author, counter, invitations }))
}

export function signEntry(key: SigningKey, entry: Entry): SignedEntry {
  const body = encodeEntry(entry)
  return { body, signature: sign(key, LABELS.entryAuthor, entryHash(body)), cosignatures: [] }
}

export function bundleOf(state: CharterState, signed: SignedEntry): Uint8Array {
  return encodeBundle({ mesh: state.mesh().id, head: state.head().hash, versions: [], entries: [signed] })
}
