import type { Chunk, ChunkId, CoreKey, JournalFrame, NodeId, VolumeId } from '@holdfast/ports'

/** Protocols between members. The number is the version; a peer that speaks another one is told so by the transport. */
export const CONTROL_PROTOCOL = '/holdfast/control/1'
export const CHARTER_PROTOCOL = '/holdfast/charter/1'
export const JOURNAL_PROTOCOL = '/holdfast/journal/1'
export const CHUNKS_PROTOCOL = '/holdfast/chunks/1'
export const CALL_PROTOCOL = '/holdfast/call/1'

/** Where one member's log of a volume ends. */
export interface VolumeHead {
  readonly volume: VolumeId
  readonly epoch: number
  readonly coreKey: CoreKey
  readonly length: number
  /** 32 bytes. */
  readonly treeHash: Uint8Array
}

/** `accepted`: these blocks are durable here. `complete`: and every chunk live up to there is held and was verified. */
export type AckLevel = 'accepted' | 'complete'

/** What one member states about one log; a level with the set it came from is built from these only. */
export interface Ack {
  readonly member: NodeId
  readonly volume: VolumeId
  readonly epoch: number
  readonly coreKey: CoreKey
  readonly level: AckLevel
  readonly length: number
  /** 32 bytes: tree hash of the first `length` blocks. */
  readonly treeHash: Uint8Array
}

export interface SignedAck extends Ack {
  /** 64 bytes, by the member, over the label `ACK_LABEL` and `encodeAck(ack)`. */
  readonly signature: Uint8Array
}

/** Domain of an ack's signature. */
export const ACK_LABEL = 'holdfast/ack/1'

/** Sent by the opener of a control stream, but for `heartbeat-answer`, which comes back on it. */
export type ControlMessage =
  | {
      readonly type: 'heartbeat'
      readonly sequence: number
      /** The interval the sender keeps at present, ms; silence is judged by it. */
      readonly intervalMs: number
      /** Digest of the sender's charter bundle, 32 bytes: unequal digests lead to an exchange. */
      readonly charterDigest: Uint8Array
    }
  | { readonly type: 'heartbeat-answer'; readonly sequence: number }
  | { readonly type: 'heads'; readonly heads: readonly VolumeHead[] }
  | { readonly type: 'acks'; readonly acks: readonly SignedAck[] }

/** A journal frame on its way, with the chunks that travel along (all together at most `LIVE_CHUNK_BYTES_MAX`). */
export interface FrameMessage {
  readonly volume: VolumeId
  /** The number that the follower gave its subscription; frames of an earlier one may still be on their way. */
  readonly subscription: number
  readonly frame: JournalFrame
  readonly chunks: readonly Chunk[]
}

/** `unavailable`: the log is known but the frame cannot be read there. */
export type SubscribeRefusal = 'unknown-volume' | 'unknown-core' | 'beyond-end' | 'unavailable'

/** From the follower, which opens the stream. A volume has one subscription at a time; a new one ends the one before. */
export type JournalRequest =
  | {
      readonly type: 'subscribe'
      readonly volume: VolumeId
      readonly subscription: number
      readonly coreKey: CoreKey
      readonly from: number
    }
  /** Blocks below `length` are durable here: gives credit back. */
  | { readonly type: 'progress'; readonly volume: VolumeId; readonly subscription: number; readonly length: number }
  | { readonly type: 'unsubscribe'; readonly volume: VolumeId; readonly subscription: number }

/** To the follower. A frame travels as parts, in order and not interleaved, so that its size is not bound to a message's. */
export type JournalAnswer =
  | { readonly type: 'frame-part'; readonly last: boolean; readonly bytes: Uint8Array }
  | {
      readonly type: 'refused'
      readonly volume: VolumeId
      readonly subscription: number
      readonly reason: SubscribeRefusal
    }

/** From the fetcher, which opens the stream: the ids are numbered `first`, `first + 1`, …; answers come in that order. */
export interface ChunkRequest {
  readonly volume: VolumeId
  readonly first: number
  readonly ids: readonly ChunkId[]
}

export type ChunkAnswer =
  | {
      readonly type: 'slice'
      readonly number: number
      readonly totalBytes: number
      readonly offset: number
      readonly bytes: Uint8Array
    }
  | { readonly type: 'missing'; readonly number: number }

export type CallMessage =
  | { readonly type: 'request'; readonly id: number; readonly method: string; readonly body: Uint8Array }
  | { readonly type: 'response'; readonly id: number; readonly body: Uint8Array }
  | {
      readonly type: 'failure'
      readonly id: number
      readonly code: string
      readonly message: string
      readonly retryable: boolean
    }
