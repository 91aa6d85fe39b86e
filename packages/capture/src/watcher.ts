/**
 * A watcher makes capture fast, a walk makes it true: what a watcher says is a hint that a path may have changed, and what
 * it may have missed it says too. Paths are bytes, relative to the root, `/`-separated; empty means the root itself.
 */
export interface WatchEvents {
  /** A path was created, closed after writing, moved, deleted, or its attributes changed. Once per event; the receiver merges. */
  onDirty(paths: readonly Uint8Array[]): void
  /** Events were lost under this path (empty: anywhere): everything below must be walked again. */
  onLost(path: Uint8Array, reason: WatchLoss): void
}

/** Why events are missing: the kernel's queue was full, no more watches may be made (everything below `path` is not watched until
 *  the next start), a directory could not be listed, the root itself went away, or the watcher failed for good. */
export type WatchLoss = 'overflow' | 'watch-limit' | 'unreadable' | 'root-gone' | 'failed'

export interface WatchOptions {
  /** Relative directories that are not watched. */
  readonly exclude?: readonly Uint8Array[]
}

export interface Watcher {
  /** Watches held at present. */
  readonly watchCount: number
  /** Idempotent; no event comes after it resolves. */
  close(): Promise<void>
}
