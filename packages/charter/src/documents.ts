import { labelledHash } from '@holdfast/hash'
import {
  asMeshId,
  asNodeId,
  asVolumeId,
  VOLUME_ID_BYTES,
  type MeshId,
  type NodeId,
  type VolumeId,
} from '@holdfast/ports'
import {
  bool,
  bytes,
  decodeVersioned,
  encodeVersioned,
  fixed,
  hash32,
  list,
  optional,
  plain,
  signature64,
  struct,
  text,
  uint,
  union,
  word,
  type Codec,
} from '@holdfast/codec'
import {
  ADDRESS_BYTES_MAX,
  ADDRESSES_MAX,
  DOCUMENT_BYTES_MAX,
  INVITATIONS_MAX,
  NAME_BYTES_MAX,
  NODES_MAX,
  SEALED_RING_BYTES_MAX,
  VERSION_CHANGES_MAX,
  VOLUME_MEMBERS_MAX,
  VOLUME_NAME_BYTES_MAX,
} from './limits.ts'
import {
  ROLES,
  type Invitation,
  type NodeInfo,
  type SealedKeyRing,
  type VolumeEntry,
  type VolumeMember,
} from './types.ts'

/** Everything that is signed in the charter, with its encoding; `docs/formats.md` fixes the bytes. The order of fields and
 *  variants below is the format. */

const FORMAT = 1

/** Orders concurrent proposals of one version: by round, then by proposer. */
export interface Ballot {
  /** From 1. */
  readonly round: number
  readonly proposer: NodeId
}

/** How a node came in: it held the one-time key of an invitation, and the inviter let it in under this name and role. */
export interface Admission {
  readonly node: NodeInfo
  readonly inviter: NodeId
  /** 32 bytes: the public key of the token's one-time seed. Used once in a charter's life. */
  readonly oneTimeKey: Uint8Array
  /** By the one-time key over `admissionRequestBytes`. */
  readonly tokenSignature: Uint8Array
  /** By the new node over the same. */
  readonly nodeSignature: Uint8Array
  /** By the inviter over `admissionBytes`. */
  readonly inviterSignature: Uint8Array
}

export type CharterChange =
  | { readonly type: 'found'; readonly name: string; readonly operatorKey: Uint8Array; readonly node: NodeInfo }
  | { readonly type: 'admit'; readonly admission: Admission }
  | { readonly type: 'remove'; readonly node: NodeId }
  | { readonly type: 'set'; readonly node: NodeInfo }

/** One version of the charter: what changes from the one before. Its hash covers exactly these fields. */
export interface CharterVersion {
  readonly mesh: MeshId
  /** From 1; one more than the version before, or `OPERATOR_LEAP` more when the operator wrote it alone. */
  readonly number: number
  /** Hash of the version before; zeros in version 1. */
  readonly previous: Uint8Array
  /** When the proposer made it, by its clock; for people only. */
  readonly timeMs: number
  readonly changes: readonly CharterChange[]
}

export interface Vote {
  readonly node: NodeId
  readonly signature: Uint8Array
}

/** What makes a version valid. The votes are of one ballot, in ascending order of their nodes. */
export interface Certificate {
  readonly ballot: Ballot
  readonly votes: readonly Vote[]
  readonly operatorSignature?: Uint8Array
}

export interface CertifiedVersion {
  /** The encoded `CharterVersion`. */
  readonly body: Uint8Array
  readonly certificate: Certificate
}

/** A node's own addresses. */
export interface AddressesEntry {
  readonly type: 'addresses'
  readonly mesh: MeshId
  readonly author: NodeId
  readonly counter: number
  readonly addresses: readonly string[]
}

/** All invitations of a node that still matter. */
export interface InvitationsEntry {
  readonly type: 'invitations'
  readonly mesh: MeshId
  readonly author: NodeId
  readonly counter: number
  readonly invitations: readonly Invitation[]
}

/** A step of one volume. */
export interface VolumeStep extends VolumeEntry {
  readonly type: 'volume'
  readonly mesh: MeshId
  /** 16 random bytes; mesh, first author and nonce give the volume's id, so that no other node can claim it. */
  readonly nonce: Uint8Array
  /** Hash of the volume's entry before; zeros in the first. */
  readonly previous: Uint8Array
  /** Told apart from earlier tries of the same counter, which were given up before they were complete. */
  readonly attempt: number
}

export type Entry = AddressesEntry | InvitationsEntry | VolumeStep

export interface SignedEntry {
  /** The encoded `Entry`. */
  readonly body: Uint8Array
  /** By the author over the body. */
  readonly signature: Uint8Array
  /** Volumes only: by voters, ascending, when voters change. */
  readonly cosignatures: readonly Vote[]
  readonly operatorSignature?: Uint8Array
}

export const LABELS = {
  versionHash: 'holdfast charter version 1',
  versionVote: 'holdfast charter vote 1',
  versionOperator: 'holdfast charter operator 1',
  admissionRequest: 'holdfast admission request 1',
  admission: 'holdfast admission 1',
  volumeId: 'holdfast volume id 1',
  entryHash: 'holdfast entry 1',
  entryRequest: 'holdfast entry request 1',
  entryAuthor: 'holdfast entry author 1',
  entryVoter: 'holdfast entry voter 1',
  entryOperator: 'holdfast entry operator 1',
} as const

const nodeId = fixed(32, asNodeId)
const meshId = fixed(16, asMeshId)
const volumeId = fixed(16, asVolumeId)
const name = text(NAME_BYTES_MAX)
const role = word(ROLES)

const nodeInfo = struct<NodeInfo>({ id: nodeId, name, region: name, role })
const admissionFields = {
  node: nodeInfo,
  inviter: nodeId,
  oneTimeKey: hash32,
  tokenSignature: signature64,
  nodeSignature: signature64,
}
const admission = struct<Admission>({ ...admissionFields, inviterSignature: signature64 })
const change = union<CharterChange>({
  found: struct({ name, operatorKey: hash32, node: nodeInfo }),
  admit: struct({ admission }),
  remove: struct({ node: nodeId }),
  set: struct({ node: nodeInfo }),
})
const versionCodec = struct<CharterVersion>({
  mesh: meshId,
  number: uint,
  previous: hash32,
  timeMs: uint,
  changes: list(change, VERSION_CHANGES_MAX),
})
export const ballotCodec = struct<Ballot>({ round: uint, proposer: nodeId })
const vote = struct<Vote>({ node: nodeId, signature: signature64 })
const certificate = struct<Certificate>({
  ballot: ballotCodec,
  votes: list(vote, NODES_MAX),
  operatorSignature: optional(signature64),
})
export const certifiedVersionCodec = struct<CertifiedVersion>({ body: bytes(DOCUMENT_BYTES_MAX), certificate })

const invitation = struct<Invitation>({
  oneTimeKey: hash32,
  role,
  region: optional(name),
  expiresAtMs: uint,
  usedBy: optional(nodeId),
})
const member = struct<VolumeMember>({ node: nodeId, role, voter: bool })
const sealedKeyRing = struct<SealedKeyRing>({ to: hash32, sealed: bytes(SEALED_RING_BYTES_MAX) })
const entryCodec: Codec<Entry> = union<Entry>({
  addresses: struct({
    mesh: meshId,
    author: nodeId,
    counter: uint,
    addresses: list(text(ADDRESS_BYTES_MAX), ADDRESSES_MAX),
  }),
  invitations: struct({
    mesh: meshId,
    author: nodeId,
    counter: uint,
    invitations: list(invitation, INVITATIONS_MAX),
  }),
  volume: struct({
    mesh: meshId,
    author: nodeId,
    counter: uint,
    volume: volumeId,
    nonce: fixed(16, plain),
    previous: hash32,
    attempt: uint,
    name: text(VOLUME_NAME_BYTES_MAX),
    copies: uint,
    public: bool,
    protected: bool,
    primary: nodeId,
    members: list(member, VOLUME_MEMBERS_MAX),
    keyEpoch: uint,
    sealedKeys: list(sealedKeyRing, VOLUME_MEMBERS_MAX + 1),
    createdAtMs: uint,
    charterHash: hash32,
  }),
})
export const signedEntryCodec = struct<SignedEntry>({
  body: bytes(DOCUMENT_BYTES_MAX),
  signature: signature64,
  cosignatures: list(vote, NODES_MAX),
  operatorSignature: optional(signature64),
})

export const encodeVersion = (value: CharterVersion): Uint8Array => encodeVersioned(FORMAT, versionCodec, value)
/** @throws HF_DECODE */
export const decodeVersion = (body: Uint8Array): CharterVersion =>
  decodeVersioned(FORMAT, versionCodec, body, 'charter version')
export const versionHash = (body: Uint8Array): Uint8Array => labelledHash(LABELS.versionHash, body)

export const encodeEntry = (value: Entry): Uint8Array => encodeVersioned(FORMAT, entryCodec, value)
/** @throws HF_DECODE */
export const decodeEntry = (body: Uint8Array): Entry => decodeVersioned(FORMAT, entryCodec, body, 'charter entry')
export const entryHash = (body: Uint8Array): Uint8Array => labelledHash(LABELS.entryHash, body)

/** The id of the volume that an author adds with this nonce. */
export const volumeIdOf = (mesh: MeshId, author: NodeId, nonce: Uint8Array): VolumeId =>
  asVolumeId(labelledHash(LABELS.volumeId, mesh, author, nonce).subarray(0, VOLUME_ID_BYTES))

/** What a voter signs: its vote counts for this ballot and this version only. */
export const voteBytes = (ballot: Ballot, hash: Uint8Array): Uint8Array =>
  encodeVersioned(FORMAT, struct<Ballot & { hash: Uint8Array }>({ round: uint, proposer: nodeId, hash: hash32 }), {
    ...ballot,
    hash,
  })

/** What the joiner signs, with the one-time key and with its own. */
export const admissionRequestBytes = (mesh: MeshId, oneTimeKey: Uint8Array, node: NodeId): Uint8Array =>
  encodeVersioned(
    FORMAT,
    struct<{ mesh: MeshId; oneTimeKey: Uint8Array; node: NodeId }>({
      mesh: meshId,
      oneTimeKey: hash32,
      node: nodeId,
    }),
    { mesh, oneTimeKey, node },
  )

/** What the inviter signs: the request with the name, region and role that it grants. */
export const admissionBytes = (mesh: MeshId, value: Omit<Admission, 'inviterSignature'>): Uint8Array =>
  encodeVersioned(
    FORMAT,
    struct<Omit<Admission, 'inviterSignature'> & { mesh: MeshId }>({ mesh: meshId, ...admissionFields }),
    {
      mesh,
      ...value,
    },
  )

/** In place of the hash of the version or entry before the first one. */
export const zeroHash = (): Uint8Array => new Uint8Array(32)
