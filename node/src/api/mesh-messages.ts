/** Nodes, members, the charter, and the settings of this node. See `NodeService` for how values are written. */
import type { PeerState } from './status-messages.ts'
import type { NodeRole } from './vocabulary.ts'

export interface InviteRequest {
  readonly region?: string
  readonly ttlMs: number
  readonly role: NodeRole
}

export interface InviteAnswer {
  readonly token: string
  readonly expiresAt: string
  readonly role: NodeRole
  readonly region?: string
}

export interface PeerAnswer {
  readonly node: string
  readonly id: string
  readonly region: string
  readonly state: PeerState
  readonly address?: string
  readonly latencyMs?: number
  /** When it last said something. */
  readonly lastSeen?: string
  /** Why it is not connected, for people. */
  readonly reason?: string
  /** Times it sent something wrong since this node started, by reason (`protocol`, `journal`, `chunk`, `charter`, `stall`);
   *  absent if it never did. */
  readonly blamed?: Readonly<Partial<Record<string, number>>>
  readonly setAsideUntil?: string
}

export interface NodeAnswer {
  readonly node: string
  readonly id: string
  readonly region: string
  readonly role: NodeRole
  readonly addresses: readonly string[]
  readonly self: boolean
  /** Whether it votes on the charter. */
  readonly voter: boolean
}

/** A request that the operator key must sign: the text of the sheet or of the key's line, never logged. */
export interface OperatorRequest {
  readonly operatorKey?: string
}

export interface NodeRemoveRequest extends OperatorRequest {
  readonly node: string
}

export interface MemberAddRequest extends OperatorRequest {
  readonly volume: string
  readonly node: string
  readonly role: NodeRole
}

export interface MemberRemoveRequest extends OperatorRequest {
  readonly volume: string
  readonly node: string
}

export interface MemberRoleRequest extends OperatorRequest {
  readonly volume: string
  readonly node: string
  readonly role: NodeRole
}

export interface CharterChangeAnswer {
  readonly charterVersion: number
  /** What changed, in a sentence. */
  readonly message: string
}

export interface CharterLogEntry {
  readonly version: number
  readonly hash: string
  readonly time: string
  /** What this version changed, a sentence each. */
  readonly changes: readonly string[]
  /** Names of nodes, and `operator`. */
  readonly signedBy: readonly string[]
}

export interface ConfigValue {
  /** Dotted: `mesh.listen`. */
  readonly key: string
  readonly value: string | number | boolean | null | readonly string[]
  readonly origin: 'flag' | 'environment' | 'file' | 'default'
}
