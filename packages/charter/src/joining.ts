import { sign, signingKeyFromSeed, type SigningKey } from '@holdfast/keys'
import { asNodeId, equalBytes, HoldfastError, shortId, type NodeId } from '@holdfast/ports'
import { listInvitations } from './authoring.ts'
import { checkAdmissionRequest } from './chain.ts'
import { decodeVersioned, encodeVersioned, fixed, hash32, list, signature64, struct, text } from '@holdfast/codec'
import { admissionBytes, admissionRequestBytes, LABELS, type Admission, type CharterChange } from './documents.ts'
import { ADDRESS_BYTES_MAX, ADDRESSES_MAX, isName, NAME_BYTES_MAX } from './limits.ts'
import type { CharterState } from './state.ts'
import type { JoinToken } from './token.ts'
import type { Invitation } from './types.ts'

/** What a joiner sends over the join protocol, on a connection that it made as the token's one-time identity. */
export interface JoinRequest {
  /** The new node's real identity. */
  readonly node: NodeId
  readonly oneTimeKey: Uint8Array
  /** Wishes: a name that is taken gets a number, a region is overruled by the token's. */
  readonly name: string
  readonly region: string
  readonly addresses: readonly string[]
  readonly tokenSignature: Uint8Array
  readonly nodeSignature: Uint8Array
}

/** Makes the request of the holder of a token. */
export function createJoinRequest(
  token: JoinToken,
  nodeKey: SigningKey,
  wishes: { readonly name: string; readonly region: string; readonly addresses: readonly string[] },
): JoinRequest {
  const oneTime = signingKeyFromSeed(token.seed)
  const node = asNodeId(nodeKey.publicKey)
  const signed = admissionRequestBytes(token.mesh, oneTime.publicKey, node)
  return {
    node,
    oneTimeKey: oneTime.publicKey,
    ...wishes,
    tokenSignature: sign(oneTime, LABELS.admissionRequest, signed),
    nodeSignature: sign(nodeKey, LABELS.admissionRequest, signed),
  }
}

export type JoinAnswer =
  /** The node is in the charter already: send it the charter. */
  | { readonly type: 'member' }
  /** Merge `bundle`, which marks the invitation used by this node, and make it durable; then get `changes` certified, then
   *  send the charter. Asked again by the same node, the answer is the same. */
  | { readonly type: 'admit'; readonly bundle: Uint8Array; readonly changes: readonly CharterChange[] }

/** Judges a request as the inviter. @throws HF_BAD_TOKEN for an unknown, used or expired invitation, or bad signatures */
export function answerJoinRequest(
  state: CharterState,
  key: SigningKey,
  request: JoinRequest,
  nowMs: number,
): JoinAnswer {
  const self = asNodeId(key.publicKey)
  const invitation = state.invitationsOf(self).find((held) => equalBytes(held.oneTimeKey, request.oneTimeKey))
  checkRequest(state, request)
  if (state.admittedBy(request.oneTimeKey, request.node)) return { type: 'member' }
  if (invitation === undefined) throw badToken('this token was not issued by this node, or has expired')
  if (invitation.usedBy !== undefined && !equalBytes(invitation.usedBy, request.node))
    throw badToken('this token was used before')
  if (invitation.usedBy === undefined && invitation.expiresAtMs <= nowMs) throw badToken('this token has expired')
  if (state.nodeEver(request.node) !== undefined)
    throw badToken(`node ${shortId(request.node)} is or was in the mesh already`)
  const others = state.invitationsOf(self).filter((held) => held !== invitation)
  return {
    type: 'admit',
    bundle: listInvitations(state, key, [...others, { ...invitation, usedBy: request.node }]),
    changes: [{ type: 'admit', admission: admit(state, key, request, invitation) }],
  }
}

/** Whether the transport may let this one-time identity in, for the join protocol: an invitation of this node that has not
 *  expired, or one that was used (the joiner may have missed the answer; it is judged again). */
export function isInvited(state: CharterState, self: NodeId, oneTimeKey: Uint8Array, nowMs: number): boolean {
  const invitation = state.invitationsOf(self).find((held) => equalBytes(held.oneTimeKey, oneTimeKey))
  return invitation !== undefined && (invitation.usedBy !== undefined || invitation.expiresAtMs > nowMs)
}

function checkRequest(state: CharterState, request: JoinRequest): void {
  if (!isName(request.name, NAME_BYTES_MAX) || !isName(request.region, NAME_BYTES_MAX)) {
    throw new HoldfastError('HF_BAD_INPUT', `a name or region has 1 to ${NAME_BYTES_MAX} bytes, without ":" and "/"`)
  }
  try {
    checkAdmissionRequest(state.mesh().id, request.node, request)
  } catch (cause) {
    throw badToken('the request is not by the holder of the token', cause)
  }
}

function admit(state: CharterState, key: SigningKey, request: JoinRequest, invitation: Invitation): Admission {
  const node = {
    id: request.node,
    name: freeName(state, request.name),
    region: invitation.region ?? request.region,
    role: invitation.role,
  }
  const unsigned = {
    node,
    inviter: asNodeId(key.publicKey),
    oneTimeKey: request.oneTimeKey,
    tokenSignature: request.tokenSignature,
    nodeSignature: request.nodeSignature,
  }
  return { ...unsigned, inviterSignature: sign(key, LABELS.admission, admissionBytes(state.mesh().id, unsigned)) }
}

/** The name, or the first of NAME-2, NAME-3, … that no node of the mesh has. */
export function freeName(state: CharterState, wanted: string): string {
  const taken = new Set(state.nodes().map((node) => node.name))
  let name = wanted
  for (let number = 2; taken.has(name); number++) {
    const suffix = `-${number}`
    name = cutName(wanted, NAME_BYTES_MAX - suffix.length) + suffix
  }
  return name
}

function cutName(name: string, bytesMax: number): string {
  let cut = name
  while (Buffer.byteLength(cut) > bytesMax) cut = cut.replace(/.$/su, '')
  return cut
}

const badToken = (reason: string, cause?: unknown): HoldfastError =>
  new HoldfastError('HF_BAD_TOKEN', reason, {
    next: 'make a new token with holdfast invite',
    ...(cause === undefined ? {} : { cause }),
  })

const REQUEST_FORMAT = 1
const requestCodec = struct<JoinRequest>({
  node: fixed(32, asNodeId),
  oneTimeKey: hash32,
  name: text(NAME_BYTES_MAX),
  region: text(NAME_BYTES_MAX),
  addresses: list(text(ADDRESS_BYTES_MAX), ADDRESSES_MAX),
  tokenSignature: signature64,
  nodeSignature: signature64,
})

export const encodeJoinRequest = (request: JoinRequest): Uint8Array =>
  encodeVersioned(REQUEST_FORMAT, requestCodec, request)
/** @throws HF_DECODE */
export const decodeJoinRequest = (encoded: Uint8Array): JoinRequest =>
  decodeVersioned(REQUEST_FORMAT, requestCodec, encoded, 'join request')
