import type { ExtendedAttribute, SpecialFile, StatKey } from '@holdfast/capture'
import type { ChunkId, ErrorCode, VolumeId } from '@holdfast/ports'
import type { ChunkKind, Extent } from '@holdfast/sealing'
import type { FrameEntry } from '@holdfast/store-pack'

/** Extents that a record carries itself; a file of more gets a recipe. About 1.2 kB of a record. */
export const INLINE_EXTENTS_MAX = 32

/** Paths of one volume to be read. */
export interface IngestJob {
  readonly volume: VolumeId
  /** Absolute path of the volume's directory, as bytes. */
  readonly root: Uint8Array
  /** Device and inode that the root must have when a path is found absent; without it any directory there will do. */
  readonly rootIdentity?: { readonly dev: bigint; readonly ino: bigint }
  readonly paths: readonly IngestPath[]
  /** Few small files that somebody waits for: read at once, between two pieces of what the workers are at. @default false */
  readonly isUrgent?: boolean
}

export interface IngestPath {
  /** Relative to the root, as bytes; empty for the root itself. */
  readonly path: Uint8Array
  /** Expected bytes of content; decides only how work is shared out. */
  readonly sizeHint: number
}

/** What was found at a path; content is in chunks that are written but may not be durable yet. */
export interface Draft {
  readonly path: Uint8Array
  /** `absent`: there is nothing, while the root is there. `unreadable`: something is there, `error` says why it was not read.
   *  `other`: a fifo or device, or without `special` a socket; it is not opened. */
  readonly type: 'file' | 'directory' | 'symlink' | 'absent' | 'unreadable' | 'other'
  /** The lower twelve bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  /** Bytes of a file's content as read; 0 for anything else. */
  readonly size: number
  /** Of a symlink. */
  readonly target?: Uint8Array
  /** In byte order of name, at least one; ACLs are among them. */
  readonly xattrs?: readonly ExtendedAttribute[]
  /** Of anything with several names: equal for all names of one thing. */
  readonly hardLink?: Uint8Array
  /** Of a file with holes. */
  readonly sparse?: true
  readonly special?: SpecialFile
  /** It changed during each of the `READ_ATTEMPTS_MAX` times that it was read; the content is what the last one met. */
  readonly torn: boolean
  /** Taken before the content was read, so that a later change shows; absent for `absent` and where the path could not even be looked at. */
  readonly stat?: StatKey
  /** Content of a file of at most `INLINE_EXTENTS_MAX` segments, in file order; empty for an empty file. */
  readonly extents?: readonly Extent[]
  /** Content of a larger file. */
  readonly recipe?: { readonly root: ChunkId }
  /** Distinct chunks that the record names publicly: those of its extents in order of first use, or the recipe's root. */
  readonly refs: readonly DraftRef[]
  /** Chunks that must become durable before the record may be committed: this group's, earlier ones' or another worker's. Those that
   *  were durable already are left out. */
  readonly needs: readonly ChunkId[]
  /** Why it is unreadable; of anything else, what of it is not kept. */
  readonly error?: { readonly code: ErrorCode; readonly message: string }
}

export interface DraftRef {
  readonly id: ChunkId
  readonly storedBytes: number
  readonly kind: ChunkKind
}

/** What one worker finished. Groups of one worker are numbered from 0 without a gap, and arrive in that order. */
export interface SealedGroup {
  readonly worker: number
  readonly group: number
  readonly drafts: readonly Draft[]
  /** Frames that this worker wrote since its last group: in the page cache, not yet durable. */
  readonly entries: readonly FrameEntry[]
}

/** A segment that is stored and durable: known content that need not be stored again. */
export interface KnownSegment extends Extent {
  readonly storedBytes: number
}

/** Threads that read files and write sealed chunks into packs of one drive. */
export interface IngestPool {
  /** Resolves once every worker is up. @throws HF_DRIVE_FAILED, HF_INTERNAL */
  start(): Promise<void>
  /** Gives the workers the keys of a volume; again when its key ring has grown. */
  addVolume(volume: { readonly volume: VolumeId; readonly keyRing: Uint8Array }): void
  /** Tells of content that is stored already (a restart, a promotion), so that it is found. Bounded by the table: what does not fit
   *  is stored twice. Call it with a few thousand at a time. */
  learn(segments: Iterable<KnownSegment>): void
  /** Reads and seals. Each path yields one draft, in one group; a group ends at `GROUP_BYTES` of new frames, `GROUP_MS` or the end of the
   *  job. A worker pauses while `GROUPS_IN_FLIGHT_MAX` of its groups have not been taken: a group is taken when `onGroup` returns, or
   *  what it returned has resolved. Resolves after the last group was taken.
   *  @throws HF_SOURCE_UNAVAILABLE (the root is gone: nothing may be concluded from absence), HF_DRIVE_FULL, HF_DRIVE_FAILED, HF_ABORTED,
   *    HF_CLOSED, HF_BUSY, HF_NOT_FOUND (no such volume), HF_INTERNAL (a worker died); paths that no group had are then not captured */
  ingest(job: IngestJob, onGroup: (group: SealedGroup) => void | Promise<void>, signal?: AbortSignal): Promise<void>
  /** Writes encoded pack frames (a signed journal frame) at the end of the worker's open pack and syncs it: everything this worker
   *  wrote before is durable once it resolves. Returns where the given frames are.
   *  @throws HF_DRIVE_FULL (nothing was written, nothing is durable by it), HF_DRIVE_FAILED, HF_CLOSED, HF_INTERNAL */
  commit(worker: number, frames: readonly Uint8Array[]): Promise<readonly FrameEntry[]>
  /** Ends running jobs with HF_CLOSED, syncs and seals the packs, ends the threads. Idempotent. */
  stop(): Promise<void>
}
