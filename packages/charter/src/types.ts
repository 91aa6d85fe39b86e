import type { MeshId, NodeId, VolumeId } from '@holdfast/ports'

/** What a node is in volumes that it joins, or in one volume:
 *  `full` data, key and vote; `blind` data and vote without the key; `learner` data and key, no vote; `witness` heads and
 *  vote, no data; `vault` data, only pulls, no vote. */
export type Role = 'full' | 'blind' | 'learner' | 'witness' | 'vault'
export const ROLES: readonly Role[] = ['full', 'blind', 'learner', 'witness', 'vault']

/** Votes on charter versions, or may vote in a volume. */
export const mayVote = (role: Role): boolean => role === 'full' || role === 'blind' || role === 'witness'
/** Holds chunks. */
export const holdsData = (role: Role): boolean => role !== 'witness'
/** Is given the volume's key ring. */
export const mayRead = (role: Role): boolean => role === 'full' || role === 'learner'

export interface NodeInfo {
  readonly id: NodeId
  /** Unique in the mesh, 1 to 63 characters. */
  readonly name: string
  readonly region: string
  /** Its default role in volumes that it joins. */
  readonly role: Role
}

export interface VolumeMember {
  readonly node: NodeId
  readonly role: Role
  readonly voter: boolean
}

export interface SealedKeyRing {
  /** A member that may read, or the operator key. */
  readonly to: Uint8Array
  /** `sealTo(to, ring.encode())` */
  readonly sealed: Uint8Array
}

/** One volume as its primary last described it. */
export interface VolumeEntry {
  /** The primary that wrote this entry. */
  readonly author: NodeId
  /** From 1; each entry of a volume names the hash of the one before. */
  readonly counter: number
  readonly volume: VolumeId
  readonly name: string
  /** Copies wanted, the primary's included. */
  readonly copies: number
  readonly public: boolean
  /** False after `unprotect`: capture has ended, history stays. */
  readonly protected: boolean
  readonly primary: NodeId
  /** In order of their addition. */
  readonly members: readonly VolumeMember[]
  readonly keyEpoch: number
  readonly sealedKeys: readonly SealedKeyRing[]
  readonly createdAtMs: number
  /** Hash of the charter's head when the volume was added. */
  readonly charterHash: Uint8Array
}

/** A join token's public half, at its inviter. */
export interface Invitation {
  /** 32 bytes: the public key of the token's one-time seed. */
  readonly oneTimeKey: Uint8Array
  readonly role: Role
  /** Set where the inviter fixed the region. */
  readonly region?: string
  readonly expiresAtMs: number
  /** The node that used it. */
  readonly usedBy?: NodeId
}

/** A charter version in force. */
export interface CharterHead {
  readonly version: number
  /** 32 bytes. */
  readonly hash: Uint8Array
}

export interface MeshInfo {
  readonly id: MeshId
  readonly name: string
  /** 32 bytes: the operator's public key. */
  readonly operatorKey: Uint8Array
}
