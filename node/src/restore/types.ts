import type { ExtendedAttribute, SpecialFile } from '@holdfast/capture'
import type { ChunkId, VolumeId } from '@holdfast/ports'

/** One segment of a file: the part of a sealed extent that restore needs. */
export interface RestoreExtent {
  readonly chunk: ChunkId
  readonly offset: number
  readonly length: number
  /** 16 bytes. */
  readonly fingerprint: Uint8Array
}

/** A row of the catalog, as far as restore writes it back. A `CatalogRow` is one. */
export interface RestoreRow {
  readonly path: Uint8Array
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  readonly size: number
  readonly target?: Uint8Array | undefined
  readonly content?: { readonly inline?: readonly RestoreExtent[]; readonly recipe?: ChunkId } | undefined
  readonly xattrs?: readonly ExtendedAttribute[] | undefined
  readonly hardLink?: Uint8Array | undefined
  readonly sparse?: true | undefined
  readonly special?: SpecialFile | undefined
}

/** Where chunks come from: the own packs first, then members. */
export interface RestoreChunks {
  /** Stored bytes, verified against the id; the caller's. @throws HF_CHUNK_MISSING, HF_CHUNK_CORRUPT, HF_PEER_UNREACHABLE, HF_ABORTED */
  get(volume: VolumeId, id: ChunkId, options: { signal: AbortSignal }): Promise<Uint8Array>
  /** Where the chunk lies here, so that packs are read in order; undefined if it must be fetched. */
  locate(volume: VolumeId, id: ChunkId): { readonly pack: number; readonly offset: number } | undefined
}

/** The children of a directory of the version, by its path relative to the destination, sorted by the bytes of their names. */
export type RestoreListing = (directory: Uint8Array) => AsyncIterable<Pick<RestoreRow, 'path' | 'type'>>

export interface RestoreOptions {
  readonly volume: VolumeId
  /** Parents before children, as the catalog walks. Read twice where the destination cannot keep everything. */
  readonly rows: AsyncIterable<RestoreRow>
  readonly chunks: RestoreChunks
  /** Encoded key ring of the volume; the threads that open chunks derive the keys from it. */
  readonly keyRing: Uint8Array
  /** Destination directory, absolute, bytes; made with its parents if absent. */
  readonly to: Uint8Array
  /** Removed from the front of every row's path: the restored directory, or the directory of the restored file. @default empty */
  readonly base?: Uint8Array
  /** What is being restored, in a line (volume, path, moment): an unfinished restore goes on only if it was the same. */
  readonly identity: string
  /** Writes into a directory that holds other things: identical files are left alone, different ones replaced. @default false */
  readonly inPlace?: boolean
  /** With `inPlace`: removes what this, the version's listing, does not have. @default nothing is removed */
  readonly deleteBy?: RestoreListing
  /** Reads back what was written and compares. @default false */
  readonly verify?: boolean
  /** Counts what would be done; writes and fetches nothing. @default false */
  readonly dryRun?: boolean
  /** Makes devices, and restores setuid and setgid bits and file capabilities. @default false */
  readonly privileged?: boolean
  /** Bytes of the plan of one window. @default WINDOW_PLAN_BYTES_MAX */
  readonly windowPlanBytesMax?: number
  /** At most four times a second. */
  readonly onProgress?: (progress: RestoreProgress) => void
  /** What the destination cannot keep of this version, a sentence each; before the first byte is written. */
  readonly onWarning?: (sentence: string) => void
  /** A path that could not be restored although the rest goes on: its chunk is missing or corrupt. */
  readonly onError?: (problem: RestoreProblem) => void
  readonly signal?: AbortSignal
}

export interface RestoreProgress {
  readonly phase: 'planning' | 'writing' | 'finishing' | 'verifying'
  readonly filesDone: number
  readonly bytesDone: number
  /** Known once planning is done; grows with each window of a very large restore. */
  readonly filesTotal: number
  readonly bytesTotal: number
  readonly errorCount: number
}

export interface RestoreProblem {
  readonly path: Uint8Array
  readonly code: string
  readonly message: string
}

export interface RestoreReport {
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  /** Fifos and devices. */
  readonly specials: number
  /** Content bytes written. */
  readonly bytes: number
  /** Files and links that were identical and left alone. */
  readonly skipped: number
  readonly deleted: number
  /** Entries that are not restored: devices unless asked for, what the destination cannot have, records that do not say which kind it was. */
  readonly unsupported: number
  readonly chunksFetched: number
  readonly fetchedBytes: number
  /** An earlier restore was continued. */
  readonly resumed: boolean
  readonly errorCount: number
  /** The first `RESTORE_PROBLEMS_MAX` of them. */
  readonly problems: readonly RestoreProblem[]
  /** What is not as the version has it, a sentence per kind: those of `onWarning`, and what was left out since nobody asked for it. */
  readonly warnings: readonly string[]
}
