import type { EntryType } from './stat-key.ts'

/** One thing that a walk found. Everything but `path` is overwritten by the next entry: copy what you keep. */
export interface WalkEntry {
  /** Relative to the root; the receiver's to keep. Empty for the root itself. */
  readonly path: Uint8Array
  readonly type: EntryType
  readonly dev: bigint
  readonly ino: bigint
  readonly size: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** A directory or entry that could not be looked at; what is known of it and below it stays as it was. */
export interface WalkProblem {
  readonly path: Uint8Array
  /** Name of the system's error: `EACCES`, `EIO`. */
  readonly errno: string
}

export interface WalkTotals {
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  readonly others: number
  /** Bytes of the files' sizes. */
  readonly bytes: number
  readonly problems: number
}
