/**
 * What a running node does for the people and programs of its machine: the whole control API as one interface. The node
 * implements it, `server.ts` puts it on the Unix socket, the command line calls it through the socket.
 *
 * Answers are the JSON documents themselves: times are RFC 3339 in UTC with milliseconds (`isoTime`), ids lower-case hex in
 * full, sizes bytes, durations seconds. A path is `...pathField(bytes)`: text, and `pathBytes` when the bytes are not UTF-8.
 * Requests arrive checked and decoded: paths are bytes relative to the volume's root (empty for the root itself), moments
 * are numbers. `volume` and `node` are what the user typed (a name, or a prefix of the id): an unknown or ambiguous one is
 * HF_NOT_FOUND or HF_BAD_INPUT, with the near names in `next`.
 *
 * Every method takes a signal that aborts when the caller is gone. Failures are thrown as HoldfastError; anything else that
 * is thrown becomes HF_INTERNAL. Long work is an AsyncIterable that is pulled at the pace of the caller: it ends with one
 * `summary`, or throws.
 */
export interface NodeService {
  status(request: NoRequest, call: CallOptions): Promise<StatusAnswer>

  /** Returns when the charter holds the volume. @throws HF_BAD_INPUT (missing, not a directory, in a home, around a home, in or around another volume; bad name or copies), HF_ALREADY_EXISTS (name or directory), HF_NOT_FOUND (a member) */
  protect(request: ProtectRequest, call: CallOptions): Promise<ProtectAnswer>
  /** Stops capture; history stays. @throws HF_NOT_FOUND, HF_NOT_PRIMARY */
  unprotect(request: VolumeRequest, call: CallOptions): Promise<UnprotectAnswer>
  /** Ends with `summary` once every change made before the call is acknowledged at the level. @throws HF_TIMEOUT, HF_SOURCE_UNAVAILABLE, HF_PEER_UNREACHABLE (the primary), HF_NOT_FOUND */
  flush(request: FlushRequest, call: CallOptions): AsyncIterable<WorkEvent<FlushSummary>>

  /** Direct children in order of name, or with `recursive` the subtree, parents first; a path that is no directory lists itself. @throws HF_NOT_FOUND */
  ls(request: LsRequest, call: CallOptions): AsyncIterable<ListEvent<TreeEntry>>
  /** Versions of the path and of everything under it, newest first, deletions included. @throws HF_NOT_FOUND */
  log(request: LogRequest, call: CallOptions): AsyncIterable<ListEvent<VersionEntry>>
  /** The newest version (a deletion, maybe) of every path that matches. @throws HF_NOT_FOUND, HF_BAD_INPUT (pattern) */
  find(request: FindRequest, call: CallOptions): AsyncIterable<ListEvent<VersionEntry>>
  /** What differs between two moments, by path. @throws HF_NOT_FOUND */
  diff(request: DiffRequest, call: CallOptions): AsyncIterable<ListEvent<DiffEntry>>
  /** Resolves before the first byte. @throws HF_NOT_FOUND, HF_BAD_INPUT (not a regular file), and while reading HF_CHUNK_MISSING, HF_CHUNK_CORRUPT */
  cat(request: CatRequest, call: CallOptions): Promise<CatAnswer>
  /** @throws HF_NOT_FOUND, HF_CONFLICT (not empty), HF_DESTINATION, HF_CHUNK_MISSING, HF_CHUNK_CORRUPT */
  restore(request: RestoreRequest, call: CallOptions): AsyncIterable<WorkEvent<RestoreSummary>>
  /** Findings are `error` events and counts in the summary, not exceptions. */
  verify(request: VerifyRequest, call: CallOptions): AsyncIterable<WorkEvent<VerifySummary>>
  /** Index, journal and catalog anew from the packs alone. */
  repairIndex(request: NoRequest, call: CallOptions): AsyncIterable<WorkEvent<RepairIndexSummary>>

  /** A one-use token. @throws HF_POLICY */
  invite(request: InviteRequest, call: CallOptions): Promise<InviteAnswer>
  /** Nodes of the mesh as this node reaches them, itself left out. */
  peers(request: NoRequest, call: CallOptions): Promise<readonly PeerAnswer[]>
  nodes(request: NoRequest, call: CallOptions): Promise<readonly NodeAnswer[]>
  /** @throws HF_NOT_FOUND, HF_OPERATOR_KEY, HF_POLICY (the last node, itself) */
  nodeRemove(request: NodeRemoveRequest, call: CallOptions): Promise<CharterChangeAnswer>
  members(request: VolumeRequest, call: CallOptions): Promise<readonly MemberStatus[]>
  /** @throws HF_NOT_FOUND, HF_ALREADY_EXISTS, HF_OPERATOR_KEY (above the copies set at `protect`) */
  memberAdd(request: MemberAddRequest, call: CallOptions): Promise<CharterChangeAnswer>
  /** @throws HF_NOT_FOUND, HF_OPERATOR_KEY, HF_POLICY (the primary) */
  memberRemove(request: MemberRemoveRequest, call: CallOptions): Promise<CharterChangeAnswer>
  /** @throws HF_NOT_FOUND, HF_OPERATOR_KEY, HF_POLICY */
  memberRole(request: MemberRoleRequest, call: CallOptions): Promise<CharterChangeAnswer>
  /** Newest first. */
  charterLog(request: NoRequest, call: CallOptions): Promise<readonly CharterLogEntry[]>
  /** Every setting of the running node with where its value comes from. */
  configShow(request: NoRequest, call: CallOptions): Promise<readonly ConfigValue[]>
}

export interface CallOptions {
  readonly signal: AbortSignal
}

export type NoRequest = Readonly<Record<string, never>>

/** Roles that an invitation or a membership can have. */
export const NODE_ROLES = ['full', 'blind', 'learner'] as const
export type NodeRole = (typeof NODE_ROLES)[number]

/** Levels at which changes are acknowledged: durable on one drive here; accepted by a majority of voters and complete on min(2, data voters). */
export const FLUSH_LEVELS = ['local', 'quorum'] as const
export type FlushLevel = (typeof FLUSH_LEVELS)[number]

/** A moment of the history. */
export interface Moment {
  /** Ms since 1970. Before the first capture it means the earliest version (with a notice), in the future now. */
  readonly timeMs: number
}

/** A path as JSON carries it: see `pathField`. */
export interface PathField {
  /** UTF-8 text as it is; otherwise what `pathText` makes of the bytes. */
  readonly path: string
  /** Base64, only when the bytes are not UTF-8. */
  readonly pathBytes?: string
}

export type EntryType = 'file' | 'directory' | 'symlink' | 'other'

// Long work

/** At most four a second, however long the work is. Totals are absent while they are not known. */
export interface WorkStatus {
  readonly message_type: 'status'
  /** What is being done now, for people, lower case: `capturing`, `waiting for quorum`, `fetching`. */
  readonly phase: string
  readonly bytesDone: number
  readonly bytesTotal?: number
  readonly filesDone: number
  readonly filesTotal?: number
  readonly errorCount: number
}

/** One thing of many went wrong; the work goes on. */
export interface WorkError extends Partial<PathField> {
  readonly message_type: 'error'
  readonly hf_code: string
  readonly message: string
}

/** What the user should know and no program needs to act on. */
export interface Notice {
  readonly message_type: 'notice'
  readonly message: string
}

export type WorkEvent<Summary> = WorkStatus | WorkError | Notice | (Summary & { readonly message_type: 'summary' })

/** A listing: entries, notices between them, and at its end how many there were. */
export type ListEvent<Entry> =
  | { readonly message_type: 'entry'; readonly entry: Entry }
  | Notice
  | { readonly message_type: 'summary'; readonly count: number }

// about, status

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
  /** Fewer copies than min(copies asked for, nodes of the mesh). A copy that is in reach and still catching up with recent changes counts. */
  readonly degraded: boolean
  readonly copies: number
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

// protect, flush

export interface VolumeRequest {
  readonly volume: string
}

export interface ProtectRequest {
  /** Absolute. */
  readonly directory: string
  readonly name?: string
  /** 1 to 16. @default 3 */
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
  }[]
}

// look

export interface LsRequest {
  readonly volume: string
  readonly path: Uint8Array
  readonly at?: Moment
  readonly recursive: boolean
}

export interface TreeEntry extends PathField {
  readonly type: EntryType
  /** Permission bits, octal, four digits: `0644`. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  readonly size: number
  /** RFC 3339 with nanoseconds. */
  readonly mtime: string
  /** Symbolic links only. */
  readonly target?: string
  readonly targetBytes?: string
  /** The version that is current at the moment asked for. */
  readonly seq: number
  readonly time: string
  /** It changed while it was read. */
  readonly torn?: true
}

export interface LogRequest {
  readonly volume: string
  readonly path: Uint8Array
  readonly limit?: number
}

export interface VersionEntry extends PathField {
  readonly seq: number
  readonly epoch: number
  readonly time: string
  readonly kind: 'put' | 'delete'
  readonly size: number
  /** Of a deletion: what was deleted. */
  readonly type: EntryType
  readonly torn?: true
}

export interface FindRequest {
  readonly volume: string
  /** Shell pattern over the path's bytes: `*` and `?` stay inside a name, `**` crosses directories; without a `/` it is matched against the last name only. */
  readonly pattern: Uint8Array
}

export interface DiffRequest {
  readonly volume: string
  readonly path: Uint8Array
  readonly from: Moment
  readonly to: Moment
}

export interface DiffEntry extends PathField {
  readonly change: 'added' | 'removed' | 'modified'
  /** Of the later one; of the earlier one if it was removed. */
  readonly type: EntryType
  readonly sizeBefore: number | null
  readonly sizeAfter: number | null
}

export interface CatRequest {
  readonly volume: string
  readonly path: Uint8Array
  readonly at?: Moment
}

export interface CatAnswer {
  readonly size: number
  readonly notices: readonly string[]
  /** Verified pieces in order; the consumer is done with a piece when it asks for the next. */
  readonly bytes: AsyncIterable<Uint8Array>
}

export interface RestoreRequest {
  readonly volume: string
  /** A directory's content goes into `to`; a file goes into `to` under its name. */
  readonly path: Uint8Array
  /** Absolute. */
  readonly to: string
  readonly at?: Moment
  readonly inPlace: boolean
  /** Only with `inPlace`. */
  readonly delete: boolean
  /** Reads back what was written. */
  readonly verify: boolean
  readonly dryRun: boolean
}

export interface RestoreSummary {
  readonly volume: string
  readonly to: string
  /** The moment that was restored. */
  readonly at: string
  readonly dryRun: boolean
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  readonly bytes: number
  /** Identical ones that were left alone. */
  readonly skipped: number
  readonly deleted: number
  readonly fetchedBytes: number
  readonly errorCount: number
  readonly seconds: number
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

// mesh

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

/** A peer in `status`. */
export interface PeerLine {
  readonly name: string
  readonly region: string
  readonly state: PeerState
  /** Times it sent something wrong since this node started; absent if it never did. */
  readonly blamed?: number
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
