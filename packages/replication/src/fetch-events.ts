/** What the fetcher is told, and what it asks to be done. */
import type { ChunkId, NodeId, VolumeId } from '@holdfast/ports'
import type { ChunkAnswer } from './messages.ts'
import type { BlameReason } from './standing.ts'

export interface FetchSource {
  readonly peer: NodeId
  /** Whether it says that it holds everything the own log names. */
  readonly complete: boolean
}

export interface WantedChunk {
  readonly id: ChunkId
  /** 0 if unknown. */
  readonly storedBytes: number
}

export type FetchEvent =
  | { readonly type: 'peer-up'; readonly peer: NodeId }
  | { readonly type: 'peer-down'; readonly peer: NodeId }
  | { readonly type: 'round-trip'; readonly peer: NodeId; readonly rttMs: number }
  /** All members that may hold chunks of the volume, connected or not; none once the volume is closed. */
  | { readonly type: 'sources'; readonly volume: VolumeId; readonly sources: readonly FetchSource[] }
  /** Chunks to fetch and store, at most as many as there is `room`. */
  | { readonly type: 'missing'; readonly volume: VolumeId; readonly chunks: readonly WantedChunk[] }
  /** A chunk that somebody waits for. */
  | { readonly type: 'want'; readonly volume: VolumeId; readonly chunk: WantedChunk }
  /** Nobody waits any more. */
  | { readonly type: 'unwant'; readonly volume: VolumeId; readonly id: ChunkId }
  | { readonly type: 'answer'; readonly peer: NodeId; readonly answer: ChunkAnswer }
  /** What became of the chunk of a `check`: `corrupt` if it does not match its id, `failed` if it could not be stored. */
  | {
      readonly type: 'settled'
      readonly volume: VolumeId
      readonly id: ChunkId
      readonly outcome: 'good' | 'corrupt' | 'failed'
    }
  /** Some time has passed; at least every few seconds while not idle. */
  | { readonly type: 'tick' }

export type FetchEffect =
  | {
      readonly type: 'request'
      readonly peer: NodeId
      readonly volume: VolumeId
      readonly first: number
      readonly ids: readonly ChunkId[]
    }
  /** Compare the bytes with the id; if they match, store them (`store`) and hand them to who waits (`deliver`); then tell
   *  with `settled`. */
  | {
      readonly type: 'check'
      readonly peer: NodeId
      readonly volume: VolumeId
      readonly id: ChunkId
      readonly bytes: Uint8Array
      readonly store: boolean
      readonly deliver: boolean
    }
  | { readonly type: 'blame'; readonly peer: NodeId; readonly reason: BlameReason; readonly detail: string }
  /** End the chunk stream to the peer; it counts as down until the next `peer-up`. */
  | { readonly type: 'reset'; readonly peer: NodeId }
  /** No source has the chunk that somebody waits for. */
  | { readonly type: 'unavailable'; readonly volume: VolumeId; readonly id: ChunkId }
