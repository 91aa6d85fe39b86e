/** Protecting volumes, and whether what they need is safe and right. See `NodeService` for how values are written. */
import type { FlushLevel } from './vocabulary.ts'

export interface ProtectRequest {
  /** Absolute. */
  readonly directory: string
  readonly name?: string
  /** 1 to `COPIES_MAX`. @default 3 */
  readonly copies?: number
  /** Nodes that must be members. */
  readonly members?: readonly string[]
}

export interface ProtectAnswer {
  readonly volume: string
  readonly id: string
  readonly directory: string
  readonly copies: number
  /** Names of the members so far, this node first. */
  readonly members: readonly string[]
}

export interface UnprotectAnswer {
  readonly volume: string
  readonly id: string
}

export interface FlushRequest {
  /** All volumes of this node if absent. */
  readonly volume?: string
  readonly level: FlushLevel
  readonly timeoutMs: number
}

export interface FlushSummary {
  readonly level: FlushLevel
  readonly seconds: number
  readonly volumes: readonly {
    readonly volume: string
    readonly epoch: number
    readonly length: number
    readonly seq: number
    /** What the level was in effect: `quorum` in a mesh of one is `local`. */
    readonly level: FlushLevel
    /** Names of the members whose acknowledgements were counted, this node included. */
    readonly counted: readonly string[]
    readonly unreadableCount: number
    /** Changes that are recorded on the primary alone and wait for its next epoch; only while it is in doubt. */
    readonly pendingChanges?: number
  }[]
}

export interface VerifyRequest {
  readonly volume?: string
  /** Reads and hashes every stored byte, not only the index. */
  readonly readData: boolean
  /** On every member of the volumes, not only here. */
  readonly mesh: boolean
}

export interface VerifySummary {
  readonly seconds: number
  readonly nodes: readonly {
    readonly node: string
    readonly chunks: number
    readonly bytes: number
    readonly journalBlocks: number
    /** Needed by the history and not held, after healing. */
    readonly missingCount: number
    /** Frames that were held and wrong. */
    readonly corruptCount: number
    /** Chunks that were missing or wrong and are right now. */
    readonly healedCount: number
  }[]
}

export interface RepairIndexSummary {
  readonly chunks: number
  readonly journalBlocks: number
  readonly versions: number
  readonly badFrames: number
  readonly seconds: number
}
