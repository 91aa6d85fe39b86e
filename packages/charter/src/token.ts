import { labelledHash } from '@holdfast/hash'
import { sign, verify, type SigningKey } from '@holdfast/keys'
import { asMeshId, asNodeId, equalBytes, HoldfastError, type MeshId, type NodeId } from '@holdfast/ports'
import {
  decodeVersioned,
  encodeVersioned,
  fixed,
  hash32,
  list,
  optional,
  plain,
  struct,
  text,
  uint,
  word,
  type Codec,
} from '@holdfast/codec'
import { ADDRESS_BYTES_MAX, ADDRESSES_MAX, NAME_BYTES_MAX } from './limits.ts'
import { ROLES, type Role } from './types.ts'

/** What lets one new node in, once: carried by a person from the inviter to the joiner, as secret as a password. */
export interface JoinToken {
  readonly mesh: MeshId
  /** Hash of the inviter's newest charter version: the charter that the joiner is given must descend from it. */
  readonly charterHash: Uint8Array
  readonly inviter: NodeId
  /** `host:port`, best first. */
  readonly addresses: readonly string[]
  readonly expiresAtMs: number
  readonly role: Role
  /** Set where the inviter fixed the region. */
  readonly region?: string
  /** 32 bytes: seed of the identity as which the joiner dials. */
  readonly seed: Uint8Array
}

/** What a token begins with; the digit is its format's version. */
export const TOKEN_MARK = 'hf1'
/** Longest token text that is looked at, characters. */
export const TOKEN_TEXT_MAX = 8192

const MARK_FORM = /^hf\d+/
const FORMAT = 1
const CHECKSUM_BYTES = 4
const SIGNATURE_BYTES = 64
const CHECKSUM_LABEL = 'holdfast join token checksum'
const SIGNATURE_LABEL = 'holdfast join token 1'

const tokenCodec: Codec<JoinToken> = struct<JoinToken>({
  mesh: fixed(16, asMeshId),
  charterHash: hash32,
  inviter: fixed(32, asNodeId),
  addresses: list(text(ADDRESS_BYTES_MAX), ADDRESSES_MAX),
  expiresAtMs: uint,
  role: word(ROLES),
  region: optional(text(NAME_BYTES_MAX)),
  seed: fixed(32, plain),
})

/** One line of text: mark, then base64url of token, inviter's signature and checksum. `key` is the inviter's. */
export function encodeJoinToken(token: JoinToken, key: SigningKey): string {
  const body = encodeVersioned(FORMAT, tokenCodec, token)
  const signed = Buffer.concat([body, sign(key, SIGNATURE_LABEL, body)])
  return TOKEN_MARK + Buffer.concat([signed, checksumOf(signed)]).toString('base64url')
}

/** The token in a line of text, white space around it aside. Whether it has expired is `checkTokenTime`'s question, and
 *  whether it was used the inviter's. @throws HF_BAD_TOKEN for anything but a whole token that its inviter signed */
export function decodeJoinToken(line: string): JoinToken {
  const trimmed = line.length > TOKEN_TEXT_MAX ? '' : line.trim()
  if (!trimmed.startsWith(TOKEN_MARK)) {
    throw badToken(
      MARK_FORM.test(trimmed) ? 'this join token is of another version of Holdfast' : 'this is not a join token',
    )
  }
  const encoded = trimmed.slice(TOKEN_MARK.length)
  const all = Buffer.from(encoded, 'base64url')
  const signed = all.subarray(0, -CHECKSUM_BYTES)
  const whole = all.length > SIGNATURE_BYTES + CHECKSUM_BYTES && all.toString('base64url') === encoded
  if (!whole || !equalBytes(all.subarray(-CHECKSUM_BYTES), checksumOf(signed))) {
    throw badToken('this join token was cut short or mistyped: its checksum does not fit')
  }
  const body = signed.subarray(0, -SIGNATURE_BYTES)
  let token: JoinToken
  try {
    token = decodeVersioned(FORMAT, tokenCodec, body, 'join token')
  } catch (cause) {
    throw badToken('this join token is malformed', cause)
  }
  if (!verify(token.inviter, SIGNATURE_LABEL, body, signed.subarray(-SIGNATURE_BYTES))) {
    throw badToken('this join token was not made by the node that it names')
  }
  return token
}

/** @throws HF_BAD_TOKEN if the token has expired by this clock; the inviter's decides */
export function checkTokenTime(token: JoinToken, nowMs: number): void {
  if (token.expiresAtMs <= nowMs) throw badToken('this join token has expired')
}

const checksumOf = (signed: Uint8Array): Uint8Array => labelledHash(CHECKSUM_LABEL, signed).subarray(0, CHECKSUM_BYTES)

const badToken = (reason: string, cause?: unknown): HoldfastError =>
  new HoldfastError('HF_BAD_TOKEN', reason, {
    next: 'make a new token with holdfast invite on a node of the mesh, and carry it over whole',
    ...(cause === undefined ? {} : { cause }),
  })
