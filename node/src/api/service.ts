import type {
  CatAnswer,
  CatRequest,
  DiffEntry,
  DiffRequest,
  FindRequest,
  LogRequest,
  LsRequest,
  RestoreRequest,
  RestoreSummary,
  TreeEntry,
  VersionEntry,
} from './look-messages.ts'
import type {
  CharterChangeAnswer,
  CharterLogEntry,
  ConfigValue,
  InviteAnswer,
  InviteRequest,
  MemberAddRequest,
  MemberRemoveRequest,
  MemberRoleRequest,
  NodeAnswer,
  NodeRemoveRequest,
  PeerAnswer,
} from './mesh-messages.ts'
import type { MemberStatus, StatusAnswer } from './status-messages.ts'
import type { VolumeRequest } from './vocabulary.ts'
import type {
  FlushRequest,
  FlushSummary,
  ProtectAnswer,
  ProtectRequest,
  RepairIndexSummary,
  UnprotectAnswer,
  VerifyRequest,
  VerifySummary,
} from './volume-messages.ts'
import type { ListEvent, WorkEvent } from './work.ts'

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
