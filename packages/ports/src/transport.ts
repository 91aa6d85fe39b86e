import type { HoldfastError } from './errors.ts'
import type { NodeId } from './ids.ts'

/**
 * Authenticated, encrypted, ordered message streams between nodes. A peer that `admit` refuses never reaches a handler.
 * Messages are whole; each at most `TRANSPORT_MESSAGE_BYTES_MAX`. Errors: HF_PEER_UNREACHABLE, HF_PEER_REFUSED,
 * HF_PEER_PROTOCOL (oversized or malformed message), HF_TIMEOUT, HF_ABORTED, HF_CLOSED.
 */
export interface Transport {
  readonly self: NodeId
  /** `host:port` that others can dial; known after `start`. */
  addresses(): string[]
  start(): Promise<void>
  /** Closes every connection; idempotent. */
  stop(): Promise<void>
  /** Connects, or returns if connected. The address must lead to that very peer. */
  connect(peer: NodeId, addresses: readonly string[], options?: { signal?: AbortSignal }): Promise<void>
  disconnect(peer: NodeId): Promise<void>
  peers(): NodeId[]
  /** Opens a stream of a protocol (`/holdfast/NAME/VERSION`) on an existing connection. */
  open(peer: NodeId, protocol: string, options?: { signal?: AbortSignal }): Promise<MessageStream>
  /** One handler per protocol; several streams of one peer are handled side by side, at most `TRANSPORT_STREAMS_MAX` per peer and protocol. */
  handle(protocol: string, handler: (stream: MessageStream) => void): void
  /** Called for every peer that connects or is lost; the result removes the listener. */
  onPeer(listener: (event: PeerEvent) => void): () => void
}

export type PeerEvent =
  | { readonly type: 'connected' | 'lost'; readonly peer: NodeId }
  /** It broke the protocol below the streams, and its connection was ended. Violations on a stream are that stream's failure. */
  | { readonly type: 'misbehaved'; readonly peer: NodeId; readonly error: HoldfastError }

export const TRANSPORT_MESSAGE_BYTES_MAX = 5 * 1024 * 1024
export const TRANSPORT_STREAMS_MAX = 8

export interface MessageStream {
  readonly peer: NodeId
  readonly protocol: string
  /** Resolves when the stream takes more; until then the sender must wait (back-pressure). The bytes may be reused after it resolves. */
  send(message: Uint8Array, options?: { signal?: AbortSignal }): Promise<void>
  /** The next message, undefined once the peer has closed its half. One call at a time. Unread messages hold the sender back. */
  receive(options?: { signal?: AbortSignal }): Promise<Uint8Array | undefined>
  /** Ends our half after what was sent. */
  close(): Promise<void>
  /** Ends both halves at once; the peer's next call rejects with HF_PEER_UNREACHABLE. */
  abort(reason?: Error): void
}

/** What the transport asks before a peer may speak. `join` peers reach only the join protocol. */
export type Admission = 'member' | 'join' | 'refused'
export const JOIN_PROTOCOL = '/holdfast/join/1'
