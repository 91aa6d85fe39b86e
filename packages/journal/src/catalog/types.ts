import type { ChunkRef, FileState } from '../record.ts'

/** One version of one path: the record's state with the public fields that readers need. */
export interface CatalogRow extends FileState {
  readonly seq: number
  readonly epoch: number
  readonly timeMs: number
  /** `baseline` rows mark a moment and have no path; only `apply` meets them. */
  readonly kind: 'put' | 'delete' | 'baseline'
  readonly refs: readonly ChunkRef[]
}

/** A point in the history: everything up to that record, or up to that time (ms since 1970). */
export type Moment = { readonly seq: number } | { readonly timeMs: number }

/** The moment that is really used for the one asked for. */
export interface ResolvedMoment {
  readonly seq: number
  /** Time of that record; of the newest before it if `seq` is not a record's. */
  readonly timeMs: number
  /** The moment asked for lies before the first complete capture, so the earliest version stands in: tell the user. */
  readonly earliest: boolean
}

/** How far the journal is in the catalog. */
export interface AppliedPosition {
  /** Epoch whose log was read last; 0 before the first. */
  readonly epoch: number
  /** Blocks of that epoch's log that are applied. */
  readonly length: number
}

export interface CatalogApplied extends AppliedPosition {
  /** Newest record; 0 before the first. */
  readonly seq: number
  readonly timeMs: number
}

export interface CatalogCounts {
  /** Live regular files, and the sum of their sizes. */
  readonly files: number
  readonly bytes: number
  readonly directories: number
  /** Live symbolic links, fifos, sockets and devices. */
  readonly others: number
  /** Versions of all paths, deletions included. */
  readonly versions: number
}

/** A path that differs between two moments; `before` or `after` is absent where it does not exist. */
export interface CatalogDifference {
  readonly path: Uint8Array
  /** `metadata`: type and content are the same, something else differs. */
  readonly change: 'added' | 'removed' | 'modified' | 'metadata'
  readonly before?: CatalogRow
  readonly after?: CatalogRow
}

/**
 * The versions of one volume by path and by time, rebuilt from the journal. Paths are relative to the volume's root; the
 * root is the empty path and has no row. Directories are listed in byte order of name. Each iteration sees the catalog as
 * it was when it began. Errors: HF_CLOSED, and HF_JOURNAL_DAMAGED where the stored rows cannot be read (`clear`, and apply
 * the journal again).
 */
export interface Catalog {
  readonly applied: CatalogApplied
  /** Whether the record that ends the first complete capture is applied. */
  readonly hasBaseline: boolean
  /** Rows in ascending `seq`; those at or below `applied.seq` are known and ignored, so that blocks may be applied again after a crash.
   *  Calls are done in order. Atomic in parts: a crash may leave a prefix of the rows with the position of before. Not durable
   *  before `flush`. A time that goes back is raised to the one before. @throws HF_BUSY if too many calls wait */
  apply(rows: readonly CatalogRow[], position: AppliedPosition): Promise<void>
  /** The version that is current then; undefined if the path does not exist then. `at` undefined means now. If the moment is before
   *  the first capture and the path came later, its earliest version. */
  get(path: Uint8Array, at?: Moment): Promise<CatalogRow | undefined>
  /** All versions of one path, newest first, deletions included. */
  versions(path: Uint8Array): AsyncIterable<CatalogRow>
  /** Direct children that exist then, by name. Costs their number, not the volume's size. */
  list(directory: Uint8Array, at?: Moment): AsyncIterable<CatalogRow>
  /** The path itself and all below it that exists then, parents first. */
  walk(path: Uint8Array, at?: Moment): AsyncIterable<CatalogRow>
  /** All versions of the path and of what is below it, newest first, deletions included. Costs the volume's records if the path is or was a directory. */
  log(path: Uint8Array, limit?: number): AsyncIterable<CatalogRow>
  /** The newest version (a deletion, maybe) of each path that matches, as `compilePattern` defines it. @throws HF_BAD_INPUT */
  find(pattern: Uint8Array): AsyncIterable<CatalogRow>
  /** What differs at `path` and below, in the order of `walk`. */
  diff(before: Moment, after: Moment, path?: Uint8Array): AsyncIterable<CatalogDifference>
  /** Newest record at or before the time; the earliest complete capture if there is none. Undefined only while the catalog is empty. */
  resolve(at?: Moment): Promise<ResolvedMoment | undefined>
  /** Newest record at or before the time; undefined if there is none. */
  seqAt(timeMs: number): Promise<{ seq: number; timeMs: number } | undefined>
  counts(): CatalogCounts
  /** Everything applied so far survives a power loss once it resolves, or is found to be missing at the next opening. `settledSeq`: what
   *  was applied up to there is in tables of the level, not only in its log, and is not looked at again. */
  flush(settledSeq?: number): Promise<void>
  /** Empties it, to be built anew from the journal. */
  clear(): Promise<void>
  /** Waits for work in flight; idempotent. The level stays open: it is the caller's. */
  close(): Promise<void>
}
