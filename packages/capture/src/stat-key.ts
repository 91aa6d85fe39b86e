/** What kind of thing a path is; `other` is a fifo, socket or device. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'other'

/** What `lstat` says about a path, as far as it tells whether the thing changed. Times in ns since 1970 (negative before). */
export interface StatKey {
  readonly type: EntryType
  readonly dev: bigint
  readonly ino: bigint
  /** Bytes; 0 for directories. */
  readonly size: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** Permission bits and setuid, setgid, sticky: the lower twelve. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}
