import type { ExtendedAttribute, SpecialFile } from '@holdfast/capture'
import type { ChunkId, Clock, VolumeId } from '@holdfast/ports'
import type { Draft, IngestPool, SealedGroup } from '../ingest/types.ts'

/** What one commit must make durable and record. */
export interface CaptureBatch {
  /** The group that the drafts come from: its frames must become durable even if every draft of it was found unchanged and left out.
   *  Absent for a batch of deletions only. */
  readonly group?: SealedGroup
  /** To be recorded as puts, in this order. Only what was read and can be kept: no sockets. */
  readonly drafts: readonly Draft[]
  /** Relative paths to be recorded as deletes after the drafts, children before parents. */
  readonly deletions: readonly Uint8Array[]
}

/** Where captured changes go: the commit pipeline of the volume. */
export interface CaptureSink {
  /** Resolves once everything in the batch is durable and in the catalog; `lastSeq` is the highest seq in the catalog then.
   *  Several calls may be under way (at most `CAPTURE_COMMITS_MAX`); they take effect in the order of the calls.
   *  A rejection stops the capture of the volume (health `failed`): nothing is known of what the batch left behind. */
  commit(batch: CaptureBatch): Promise<{ readonly lastSeq: number }>
}

/** A row of the catalog, as far as capture compares it with what is on disk. A `CatalogRow` is one. */
export interface HistoryRow {
  readonly seq: number
  readonly path: Uint8Array
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  readonly size: number
  readonly target?: Uint8Array | undefined
  readonly content?: HistoryContent | undefined
  readonly xattrs?: readonly ExtendedAttribute[]
  readonly hardLink?: Uint8Array
  readonly sparse?: true
  readonly special?: SpecialFile
}

export interface HistoryContent {
  readonly inline?: readonly { readonly length: number; readonly fingerprint: Uint8Array }[]
  readonly recipe?: ChunkId
}

/** What the catalog holds of the volume: the authority over the stat store. */
export interface CaptureHistory {
  /** Highest seq in the catalog. */
  seq(): number
  /** Every path that exists now, parents first. Read only when the stat store is behind the catalog or ahead of it. */
  current(): AsyncIterable<HistoryRow>
}

/** What was on disk when a path was captured. */
export interface StatRow {
  readonly path: Uint8Array
  /** Its status: `STAT_WORDS` words of @holdfast/capture. */
  readonly words: Uint32Array
  /** False: the status is only what the catalog knows, without inode and change time, so the path must be looked at. */
  readonly keyed: boolean
  /** The change was so recent when it was read that an equal key proves nothing: it is read again by the next walk. */
  readonly racy: boolean
  /** It was so young when it was read that a memory map of it may have changed it without a trace: a thorough walk reads it again. */
  readonly young: boolean
  /** 16 bytes that stand for all that the status does not tell; see `contentKeyOf`. */
  readonly content: Uint8Array
}

/** Path → what was captured, on this node, of one volume. An index: rebuilt from the catalog when it is not at its seq. */
export interface StatStore {
  /** The seq of the catalog that the rows describe; undefined if that is not known. */
  seq(): Promise<number | undefined>
  /** Rows in groups, parents before children. */
  load(): AsyncIterable<readonly StatRow[]>
  rows(paths: readonly Uint8Array[]): Promise<(StatRow | undefined)[]>
  /** One batch; all or nothing. `seq` undefined leaves it as it is. */
  apply(puts: readonly StatRow[], deletes: readonly Uint8Array[], seq?: number): Promise<void>
  /** Puts other rows in the place of all. A crash in between leaves the old ones. */
  replace(rows: AsyncIterable<readonly StatRow[]>, seq: number): Promise<void>
  clear(): Promise<void>
}

/** What a person or `status` should know; never silence where something was missed. */
export type CaptureHealth =
  /** Changes may have been missed; a walk has been asked for. Coverage stands still until it is done. */
  | { readonly type: 'gap'; readonly reason: string; readonly path: Uint8Array }
  /** A walk has found what the gaps before may have hidden, and all of it is captured. */
  | { readonly type: 'covered' }
  /** The root is missing, not a directory, or another file system than before: nothing is taken for deleted. */
  | { readonly type: 'unavailable'; readonly message: string }
  | { readonly type: 'available' }
  /** The path exists and cannot be read, so that its last version stays; or something of it is not kept. */
  | { readonly type: 'unreadable'; readonly path: Uint8Array; readonly code: string; readonly message: string }
  | { readonly type: 'torn'; readonly path: Uint8Array }
  /** A socket: it is nothing without the program that listens on it. */
  | { readonly type: 'skipped'; readonly path: Uint8Array }
  /** Part of the tree cannot be watched: only walks see changes there. */
  | { readonly type: 'unwatched'; readonly path: Uint8Array; readonly reason: string }
  /** All of it is watched again. */
  | { readonly type: 'watched' }
  /** Capture of this volume has stopped on an error of the sink, the pool or a thread. */
  | { readonly type: 'failed'; readonly error: Error }

export interface CaptureProgress {
  readonly filesDone: number
  readonly bytesDone: number
  /** What is known to be waiting or done since the last time nothing was waiting; grows while a walk runs. */
  readonly filesTotal: number
  readonly bytesTotal: number
  readonly walking: boolean
}

export interface CaptureStatus extends CaptureProgress {
  readonly state: 'starting' | 'running' | 'unavailable' | 'failed' | 'stopped'
  /** Every change made before this moment (ms since 1970) is committed, but for what is unreadable; undefined before the first complete walk. */
  readonly coverageMs: number | undefined
  /** Paths seen changed and not committed yet. */
  readonly pendingFiles: number
  readonly pendingBytes: number
  /** Paths that could not be read at the last look; at most `UNREADABLE_PATHS_MAX` are kept by name. */
  readonly unreadableCount: number
  readonly unreadable: readonly Uint8Array[]
  readonly skippedCount: number
  readonly watches: number
  readonly lastWalkMs: number | undefined
  readonly message: string | undefined
}

export interface FlushResult {
  /** Start of the walk that was made for the flush. */
  readonly coverageMs: number
  readonly unreadableCount: number
}

export interface VolumeCaptureOptions {
  readonly volume: VolumeId
  /** Absolute path of the protected directory, bytes. */
  readonly root: Uint8Array
  /** Relative directories that are left out with everything below. */
  readonly exclude?: readonly Uint8Array[]
  readonly sink: CaptureSink
  readonly stats: StatStore
  readonly history: CaptureHistory
  /** Called at most four times a second. */
  readonly onProgress?: (progress: CaptureProgress) => void
  /** Called each time a complete walk has advanced the coverage. */
  readonly onCovered?: () => void
  readonly onHealth?: (event: CaptureHealth) => void
  /** Use the watcher. Without it only walks find changes. @default true */
  readonly watch?: boolean
}

/** Capture of one protected volume: watcher and walks → drafts → sink. */
export interface VolumeCapture {
  readonly volume: VolumeId
  /** Loads what is known, starts the watcher and the first walk; resolves before that walk ends. An unavailable root is no error: it is
   *  looked for again at every walk. */
  start(): Promise<void>
  /** Ends after the commits under way; idempotent. Later calls throw HF_CLOSED. */
  stop(): Promise<void>
  /** Walks now; resolves once every change that was made before the call is committed.
   *  @throws HF_SOURCE_UNAVAILABLE, HF_ABORTED, HF_CLOSED, or what the sink threw */
  flush(options?: { signal?: AbortSignal }): Promise<FlushResult>
  status(): CaptureStatus
  /** What was in the way of the capture is gone: walks now. */
  walkSoon(): void
  /** The operator says that a root which looks like another directory is meant: what is missing there is deleted by the next walk. */
  acceptRoot(): void
}

/** The threads of capture (one for walks, one for watchers, shared by all volumes) and the volumes on them. */
export interface CaptureService {
  start(): Promise<void>
  /** Stops every volume and the threads; idempotent. */
  stop(): Promise<void>
  /** Makes the capture of a volume; `addVolume` of the pool has been called. */
  open(options: VolumeCaptureOptions): VolumeCapture
}

export interface CaptureServiceOptions {
  readonly clock: Clock
  readonly pool: IngestPool
}
