import type { Chunk, ChunkId, ChunkStore, CoreKey, Drive, JournalFrame, VolumeId } from '@holdfast/ports'

export type FrameKind = 'chunk' | 'journal'

/** Where one frame is, and what its header says. Plain data: it may be posted between threads. */
export interface FrameEntry {
  readonly kind: FrameKind
  readonly volume: VolumeId
  /** Chunk: the chunk id; journal: the core key. 32 bytes. */
  readonly id: Uint8Array
  /** Journal: index of the first block; chunk: 0. */
  readonly start: number
  /** Journal: number of blocks; chunk: 0. */
  readonly blockCount: number
  /** Number of the pack, from 1. */
  readonly pack: number
  /** Of the frame header, in bytes from the start of the pack. */
  readonly offset: number
  /** Bytes after the frame header. */
  readonly bodyBytes: number
}

export interface PackWriterOptions {
  readonly drive: Drive
  /** A number that no pack of the drive has, nor ever had: `PackStore.claimPackNumber`, or one made by `packNumberClaims` on another thread. */
  readonly claimPackNumber: () => number
  /** A pack is sealed before it grows past this, bytes. A larger one makes fewer files, and a dead one costs more to compact. @default PACK_BYTES_MAX */
  readonly packBytesMax?: number
  /** Bytes of the drive that chunks leave free; journal frames leave half of it (`reserveBytesOf`). @default 0 */
  readonly reserveBytes?: number
}

/** Appends frames to packs of one drive. One per thread; knows nothing of the index. */
export interface PackWriter {
  /** Writes whole frames, back to back in `frames`, into one pack; page cache only. Nothing of a call that throws is kept.
   *  The bytes may be reused when it returns. @throws HF_DRIVE_FULL (the writer goes on when there is room, also for the reserve), HF_DRIVE_FAILED, HF_CLOSED */
  write(frames: Uint8Array): FrameEntry[]
  /** Resolves when every frame that a call of `write` returned before this call is durable, its pack's name included.
   *  @throws HF_DRIVE_FAILED: nothing of this writer is durable from then on, and nothing may be acknowledged */
  sync(): Promise<void>
  /** Syncs, seals the open pack and closes it. Idempotent. */
  close(): Promise<void>
}

/** The few operations of `level` that the index needs. A `Level<Uint8Array, Uint8Array>` with `view` encodings, or a sublevel of one.
 *  The store writes it, and clears it when it is rebuilt; its owner opens and closes it. */
export interface IndexDatabase {
  open(): Promise<void>
  getSync(key: Uint8Array): Uint8Array | undefined
  batch(operations: IndexOperation[], options: { readonly sync?: boolean }): Promise<void>
  iterator(range: IndexRange): AsyncIterable<[Uint8Array, Uint8Array]>
  clear(range: IndexRange): Promise<void>
}

export type IndexOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

export interface IndexRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
  readonly reverse?: boolean
}

export interface PackStoreOptions {
  readonly drive: Drive
  readonly index: IndexDatabase
  /** As `PackWriterOptions.packBytesMax`. @default PACK_BYTES_MAX */
  readonly packBytesMax?: number
  /** As `PackWriterOptions.reserveBytes`. @default 0 */
  readonly reserveBytes?: number
  /** Told about each thing that is not as it should be and was answered by itself. */
  readonly onProblem?: (problem: StoreProblem) => void
}

/** A bad frame, or an index that had to be rebuilt: for the log and for `status`. */
export type StoreProblem =
  | { readonly type: 'bad-frame'; readonly frame: BadFrame }
  | { readonly type: 'index-rebuilt'; readonly reason: string; readonly report: RebuildReport }
  | { readonly type: 'index-write-failed'; readonly cause: unknown }

/** Bytes of a pack that fail their check. */
export interface BadFrame {
  readonly pack: number
  /** Of the frame header, bytes. */
  readonly offset: number
  /** `header`: not a frame where one must begin; `body`: it fails its id or checksum; `unreadable`: the drive refused to read it. */
  readonly reason: 'header' | 'body' | 'unreadable'
  /** Known unless the header is what is bad. */
  readonly entry?: FrameEntry
}

export interface RebuildReport {
  readonly chunks: number
  readonly journalFrames: number
  readonly badFrames: number
}

/** Bytes of packs done, of those to do. */
export interface StoreProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

export interface VerifyOptions {
  /** Reads and hashes every stored byte; without it only headers are read. */
  readonly readData: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: StoreProgress) => void
}

export interface VerifyReport {
  readonly packs: number
  readonly chunks: number
  readonly journalFrames: number
  /** Bytes that were read and checked. */
  readonly checkedBytes: number
  /** All bad frames; `bad` names the first `BAD_FRAMES_NAMED_MAX` of them. */
  readonly badFrames: number
  readonly bad: readonly BadFrame[]
  /** Whole frames that the index did not know; it does now. */
  readonly unindexedFrames: number
}

export interface ChunkLocation {
  readonly pack: number
  /** Of the frame header, bytes: reading in the order of (pack, offset) is sequential. */
  readonly offset: number
  readonly storedBytes: number
}

export interface JournalRun {
  readonly volume: VolumeId
  readonly coreKey: CoreKey
  /** Blocks from 0 that are stored without a gap. */
  readonly length: number
}

export interface StoreStats {
  readonly packs: number
  /** Bytes of all packs. */
  readonly storedBytes: number
  readonly chunks: number
  readonly freeBytes: number
}

/** Chunks and journal frames of all volumes on one drive. */
export interface PackStore extends ChunkStore {
  /** A pack number that was never used. @throws HF_CLOSED */
  claimPackNumber(): number
  /** The counter behind `claimPackNumber`, for `packNumberClaims` on other threads. */
  readonly packNumbers: SharedArrayBuffer
  /** Takes in frames that another writer made durable: `has` and `locate` see them at once, the index follows in batches.
   *  The entries are kept. At most `INDEX_BACKLOG_MAX` may wait: await `settled` between large groups. @throws HF_CLOSED */
  adopt(entries: readonly FrameEntry[]): void
  /** Resolves when the index backlog has room again. @throws HF_DRIVE_FULL, HF_DRIVE_FAILED if the index cannot be written */
  settled(): Promise<void>
  /** Synchronous. Undefined if not held or known to be bad. */
  locate(volume: VolumeId, id: ChunkId): ChunkLocation | undefined
  /** Verifies the chunks by their ids, then stores those not held and the journal frame (verified by the caller) after them, with one sync.
   *  Durable once it resolves; then `has`, `locate`, `journals` and `journalFrames` see all of it.
   *  @throws as `put` */
  commit(volume: VolumeId, chunks: readonly Chunk[], frame?: JournalFrame): Promise<void>
  /** Stored frames in order, without a gap, beginning with the one that holds block `from`; frames may overlap (equal blocks were stored
   *  in differing groups), so a reader drops the blocks it has. Ends at the first block that is not stored whole. */
  journalFrames(coreKey: CoreKey, from: number): AsyncIterable<JournalFrame>
  /** Every core of which a block is stored. */
  journals(): JournalRun[]
  /** Calls `beforePosition` (flush what is derived from the frames), then writes everything adopted before the call, and which packs are
   *  complete, in a synced batch: the next start does not scan those again. */
  checkpoint(beforePosition: () => Promise<void>): Promise<void>
  /** Clears the index and makes it anew from the packs; calls wait for it. What other writers have not handed to `adopt` stays out. */
  rebuildIndex(onProgress?: (progress: StoreProgress) => void): Promise<RebuildReport>
  /** Checks every pack; bad chunks are marked, so that `has` denies them. Memory is bounded by one frame. @throws HF_ABORTED */
  verify(options: VerifyOptions): Promise<VerifyReport>
  stats(): StoreStats
}
