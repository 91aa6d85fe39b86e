/** Who answers, and how node and volumes are. See `NodeService` for how values are written. */
import type { NodeRole } from './vocabulary.ts'

/** Who answers: the one call that works while the node is starting, answered by the API itself. */
export interface AboutAnswer {
  readonly state: 'starting' | 'ready' | 'stopping'
  readonly pid: number
  /** Of the program. */
  readonly version: string
}

export interface StatusAnswer {
  readonly node: NodeStatus
  readonly volumes: readonly VolumeStatus[]
}

export interface NodeStatus {
  readonly name: string
  readonly id: string
  readonly mesh: string
  readonly region: string
  readonly listen: readonly string[]
  readonly peers: readonly PeerLine[]
  readonly drives: readonly DriveStatus[]
  /** Bytes of all packs. */
  readonly storedBytes: number
  readonly rssBytes: number
  /** JavaScript objects of the main thread. */
  readonly heapBytes: number
  readonly uptimeSeconds: number
}

/** `set-aside`: it broke the protocol again and again, and is refused for a while. */
export type PeerState = 'connected' | 'connecting' | 'unreachable' | 'set-aside'

/** A peer in `status`. */
export interface PeerLine {
  readonly name: string
  readonly region: string
  readonly state: PeerState
  /** Times it sent something wrong since this node started; absent if it never did. */
  readonly blamed?: number
}

export interface DriveStatus {
  readonly path: string
  readonly state: 'ok' | 'full' | 'failed'
  readonly storedBytes: number
  readonly freeBytes: number
  readonly totalBytes: number
}

export interface VolumeStatus {
  readonly name: string
  readonly id: string
  /** This node's own part in it; `none` when it is no member. */
  readonly role: 'primary' | NodeRole | 'none'
  /** Where it is captured from, on the primary only. */
  readonly directory?: string
  readonly protected: boolean
  readonly epoch: number
  /** Head of the epoch's journal as this node knows it, in blocks; what the members' lengths are compared with. */
  readonly length: number
  /** Number of the newest record. */
  readonly seq: number
  /** Name of the node. */
  readonly primary: string
  /** Of the newest moment known here; zero on a member without the key. */
  readonly files: number
  readonly bytes: number
  readonly versions: number
  /** Time up to which the directory is known to be captured; null before the first complete walk. */
  readonly coverage: string | null
  /** Age of the oldest change that only the primary has; 0 when another member has everything, null when no other member has it all once. */
  readonly rpoSeconds: number | null
  /** Bytes that only the primary has, captured or not. */
  readonly pendingBytes: number
  /** Changes that the primary has recorded on its own drive alone, since it may not write in its epoch and the next one is not certified.
   *  They show up in the history once it is. */
  readonly pendingChanges: number
  /** Time of the oldest of them; null while there is none. */
  readonly pendingSince: string | null
  /** Fewer copies than min(copies asked for, nodes of the mesh). A copy that is in reach and still catching up with recent changes counts. */
  readonly degraded: boolean
  /** Members in reach, this node included. */
  readonly copies: number
  /** min(copies asked for, nodes of the mesh). */
  readonly copiesWanted: number
  /** Paths that could not be read at the last look. */
  readonly unreadableCount: number
  /** Something that needs a person, in a sentence each: an unavailable directory, a gap, a failed drive. */
  readonly warnings: readonly string[]
  readonly members: readonly MemberStatus[]
}

export interface MemberStatus {
  /** Name of the node. */
  readonly node: string
  readonly region: string
  /** `current`: complete up to the head; `behind`: it lacks journal or chunks and is in reach. */
  readonly state: 'current' | 'behind' | 'unreachable'
  readonly role: 'primary' | NodeRole
  readonly voter: boolean
  /** Journal blocks that are durable there. */
  readonly acceptedLength: number
  /** Journal blocks whose live chunks are all held there. */
  readonly completeLength: number
  /** Age of the oldest change it lacks; null when that is not known. */
  readonly lagSeconds: number | null
}
