import type { CoreKey, NodeId, VolumeId } from './ids.ts'

/** Identity of one log: a reign of one writer over one volume. Its hash is the core key. */
export interface LogIdentity {
  readonly volume: VolumeId
  /** From 1. */
  readonly epoch: number
  readonly writer: NodeId
  /** 32 bytes: hash of the claim that opened the epoch. */
  readonly claimHash: Uint8Array
}

export interface LogHead {
  /** Number of blocks. */
  readonly length: number
  /** 32 bytes; equal for equal blocks in every implementation. */
  readonly treeHash: Uint8Array
}

/** Blocks with the signature over the tree that they complete: what is stored in packs and sent between members. */
export interface JournalFrame {
  readonly coreKey: CoreKey
  /** Index of the first block. */
  readonly start: number
  readonly blocks: readonly Uint8Array[]
  /** 64 bytes, Ed25519 by the writer over the tree of length `start + blocks.length`. */
  readonly signature: Uint8Array
}

export const JOURNAL_BLOCK_BYTES_MAX = 4 * 1024 * 1024
export const JOURNAL_FRAME_BLOCKS_MAX = 1000
/** Blocks of one frame together: a frame is signed as a whole, so it must fit into one message between members. */
export const JOURNAL_FRAME_BYTES_MAX = 4 * 1024 * 1024

/** One signed append-only log. Never truncates; every call is local and none waits for a peer. */
export interface JournalLog {
  readonly coreKey: CoreKey
  readonly identity: LogIdentity
  head(): LogHead
  /** What the writer must sign so that `append` of these blocks at the present end is accepted, and the head it leads to. Changes nothing.
   *  `after` stacks it on proposals not appended yet.
   *  @throws HF_BAD_INPUT for blocks that no frame can hold (none, an empty one, or more than the limits above) */
  propose(blocks: readonly Uint8Array[], after?: LogProposal): LogProposal
  /** Checks start, signature and tree, then appends all or nothing. Not durable by itself: packs are.
   *  @throws HF_JOURNAL_GAP if `start` is not the length, HF_JOURNAL_REFUSED, HF_CLOSED */
  append(frame: JournalFrame): Promise<LogHead>
  /** Whether the frame would be accepted at the present end (or after `after`); pure. */
  verify(frame: JournalFrame, after?: LogProposal): LogProposal | undefined
  /** A copy; undefined beyond the end. */
  get(index: number): Promise<Uint8Array | undefined>
  /** Blocks `from` (inclusive) to `to` (exclusive), in order. */
  read(from: number, to: number): AsyncIterable<Uint8Array>
  /** Tree hash of the first `length` blocks; undefined beyond the end. */
  treeHashAt(length: number): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

/** A head that is signed but not yet appended. Opaque but for its fields. */
export interface LogProposal {
  readonly start: number
  readonly head: LogHead
  /** Bytes that the writer signs with Ed25519, detached. */
  readonly signable: Uint8Array
}

/** All logs of one node. */
export interface JournalStore {
  /** Opens the log, made empty if it is new; the same log while it is open. */
  open(identity: LogIdentity): Promise<JournalLog>
  /** Makes everything appended so far survive a power loss. */
  flush(): Promise<void>
  close(): Promise<void>
}
