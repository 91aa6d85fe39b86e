import type { BlameReason, SignedAck, VolumeHead, VolumeMember } from '@holdfast/replication'
import type {
  Chunk,
  ChunkId,
  ChunkStore,
  Clock,
  CoreKey,
  ErrorCode,
  JournalFrame,
  JournalLog,
  LogHead,
  NodeId,
  Random,
  Transport,
  VolumeId,
} from '@holdfast/ports'

export type { SignedAck, VolumeHead, VolumeMember } from '@holdfast/replication'

/** The newest commit, given along with a new head so that followers at the tail need no read of a pack. */
export interface LiveCommit {
  readonly frame: JournalFrame
  /** Chunks that the frame's blocks name, if they are at most 64 KiB in all; else empty. */
  readonly chunks: readonly Chunk[]
}

/** A chunk that the volume's journal names as live and that is not held here. */
export interface MissingChunk {
  readonly id: ChunkId
  /** As recorded; 0 if the journal does not say. */
  readonly storedBytes: number
}

/** One open volume as replication sees it. Fields may change while it is open (members, role); a new epoch is a new object. */
export interface ReplicatedVolume {
  readonly id: VolumeId
  readonly epoch: number
  readonly coreKey: CoreKey
  readonly log: JournalLog
  readonly role: 'primary' | 'follower' | 'blind'
  readonly members: readonly VolumeMember[]
  /** Blocks of `log` that count, if a later epoch is known: members that are in it have so many. */
  readonly cutLength?: number | undefined
  /** Logs of the epochs before, which members that are behind may still ask for. */
  readonly earlier?: readonly { readonly coreKey: CoreKey; readonly length: number }[]
  /** Called after every append to `log`, by whomever. The result removes the listener. */
  onHead(listener: (head: LogHead, live?: LiveCommit) => void): () => void
  /** Verifies and stores a frame that another member sent, with chunks that came along (their ids are checked already);
   *  appends it and updates the catalog. Durable once it resolves. Called one at a time, in order.
   *  Also called on a primary that comes back with less than a member holds.
   *  @throws HF_JOURNAL_GAP, HF_JOURNAL_REFUSED (blames the sender), HF_DRIVE_FULL, HF_DRIVE_FAILED */
  accept(frame: JournalFrame, chunks: readonly Chunk[]): Promise<LogHead>
  /** Blocks up to which every live chunk is held and was verified; at most the log's length. */
  completeLength(): number
  /** Up to `limit` chunks that are named by accepted records and not held, oldest first, without those that `skip` names. */
  missing(limit: number, skip: (id: ChunkId) => boolean): readonly MissingChunk[]
  /** A missing chunk is now stored and durable. */
  chunkArrived(id: ChunkId): void
}

/** The volumes this node is a member of and has open. */
export interface VolumeRegistry {
  list(): readonly ReplicatedVolume[]
  get(volume: VolumeId): ReplicatedVolume | undefined
  /** Called when a volume is opened, closed, or replaced (a new epoch, other members, another role). */
  onChange(listener: () => void): () => void
}

/** What replication needs of the charter. */
export interface CharterService {
  /** The other nodes of the mesh, with where they were last known to listen. */
  peers(): readonly { readonly id: NodeId; readonly addresses: readonly string[] }[]
  /** Everything this node knows, for a peer to merge. At most `CHARTER_BUNDLE_BYTES_MAX`. */
  bundle(): Uint8Array
  /** Verifies and takes over what is new, durably. Whether anything changed. @throws HF_CHARTER_REFUSED, HF_DECODE */
  merge(bundle: Uint8Array, from: NodeId): Promise<boolean>
  /** Called after every change of the charter or its entries, merges included. */
  onChange(listener: () => void): () => void
}

/** The node's own key, and everybody's public ones, behind a label. */
export interface Signatures {
  sign(label: string, bytes: Uint8Array): Uint8Array
  verify(signer: NodeId, label: string, bytes: Uint8Array, signature: Uint8Array): boolean
}

/** Frames as they are stored in packs. */
export interface JournalSource {
  /** Stored frames in order, beginning with the one that holds block `from`, gap-free. */
  journalFrames(coreKey: CoreKey, from: number): AsyncIterable<JournalFrame>
}

/** Structured log; pino fits. */
export interface ReplicationLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface ReplicationOptions {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly log: ReplicationLog
  readonly charter: CharterService
  readonly volumes: VolumeRegistry
  readonly signatures: Signatures
  readonly store: ChunkStore & JournalSource
}

export interface PeerStatus {
  readonly peer: NodeId
  /** `set-aside`: it broke the protocol again and again, and is refused for a while. */
  readonly state: 'connected' | 'connecting' | 'waiting' | 'set-aside'
  readonly addresses: readonly string[]
  /** Since when it is connected, or was lost, ms since 1970; undefined if neither has happened. */
  readonly sinceMs: number | undefined
  /** When it was last heard, ms since 1970. */
  readonly heardAtMs: number | undefined
  /** Round trip of the last heartbeat, ms. */
  readonly rttMs: number | undefined
  /** Dials that failed since the last connection. */
  readonly failures: number
  readonly nextDialAtMs: number | undefined
  readonly lastError: { readonly code: ErrorCode; readonly message: string } | undefined
  /** Times it sent something that failed its check, since this node started. */
  readonly blamed: number
  /** The same by reason. */
  readonly blamedFor: Readonly<Partial<Record<BlameReason, number>>>
  readonly setAsideUntilMs: number | undefined
  /** Chunk and journal bytes received from it and sent to it since this node started. */
  readonly receivedBytes: number
  readonly sentBytes: number
}

/** The newest ack of one member and level; this node's own included. */
export type MemberAck = SignedAck & { readonly receivedAtMs: number }

/** A head as a member last told it. */
export interface MemberHead extends VolumeHead {
  readonly member: NodeId
  readonly receivedAtMs: number
}

/** Answers one call; what it throws as HoldfastError reaches the caller with its code. */
export type CallHandler = (body: Uint8Array, from: NodeId) => Promise<Uint8Array>

/** Answers a join: `identity` is the one-time identity of the token, `request` what the joiner sent. */
export type JoinHandler = (identity: NodeId, request: Uint8Array) => Promise<Uint8Array>

export interface Replication {
  /** Starts dialling, serving and following; the transport is started already. */
  start(): Promise<void>
  /** Ends every stream and timer and waits for work in flight; idempotent. The transport is the caller's to stop. */
  stop(): Promise<void>
  peers(): PeerStatus[]
  /** Whether the peer is set aside: the transport must not let it in. */
  refuses(peer: NodeId): boolean
  /** Newest acks for a volume, of its present core. */
  acks(volume: VolumeId): MemberAck[]
  /** Newest heads that the members told, of any epoch; not this node's own. */
  heads(volume: VolumeId): MemberHead[]
  onAck(listener: (ack: MemberAck) => void): () => void
  onHead(listener: (head: MemberHead) => void): () => void
  /** From the nearest holder, verified; not stored. @throws HF_CHUNK_MISSING, HF_TIMEOUT, HF_ABORTED, HF_CLOSED */
  fetchChunk(
    volume: VolumeId,
    id: ChunkId,
    options?: { signal?: AbortSignal; storedBytes?: number },
  ): Promise<Uint8Array>
  /** @throws HF_PEER_UNREACHABLE, HF_TIMEOUT, HF_BUSY, HF_ABORTED, and what the peer's handler threw */
  call(
    peer: NodeId,
    method: string,
    body: Uint8Array,
    options?: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<Uint8Array>
  /** One handler per method. */
  onCall(method: string, handler: CallHandler): void
  /** Answers peers that hold a join token. */
  onJoin(handler: JoinHandler): void
}

export interface JoinRequestOptions {
  /** A transport whose identity is the token's; started and stopped by the caller. */
  readonly transport: Transport
  readonly clock: Clock
  readonly inviter: NodeId
  readonly addresses: readonly string[]
  readonly request: Uint8Array
  readonly signal?: AbortSignal
}
