/**
 * A watcher makes capture fast, a walk makes it true: what a watcher says is a hint that a path may have changed, and what
 * it may have missed it says too. Paths are bytes, relative to the root, `/`-separated, and the receiver's to keep.
 */
export interface WatchEvents {
  /** These were closed after writing, moved, deleted, or their attributes changed. The same path may come many times. */
  onDirty(paths: readonly Uint8Array[]): void
  /** These were created and may be open still; `onDirty` follows when they are closed, unless nobody writes them. */
  onCreated(paths: readonly Uint8Array[]): void
  /** This directory was created or moved here; all of it is watched now, and must be walked. */
  onTree(path: Uint8Array): void
  /** Everything at and below the root is watched; what was said to be unwatched before is watched again. */
  onWatched(): void
  /** Events were lost at or below this path (empty: anywhere), which must be walked again. */
  onLost(path: Uint8Array, reason: WatchLoss): void
}

/**
 * Why events are missing.
 * - `overflow`: more came than the queue holds; everything is watched again.
 * - `watch-limit`: the system allows no more watches; part of the tree stays unwatched until `onWatched`.
 * - `unreadable`: the directory may not be read, so what is below it stays unwatched until `onWatched`.
 * - `gone`: the root, or a drive mounted below it, is not there any more; nothing comes from it.
 * - `failed`: the watcher does not work any more.
 */
export type WatchLoss = 'overflow' | 'watch-limit' | 'unreadable' | 'gone' | 'failed'

export interface WatchOptions {
  /** Absolute path of the directory, bytes. */
  readonly root: Uint8Array
  readonly events: WatchEvents
  /** Relative directories that are not watched. */
  readonly exclude?: readonly Uint8Array[]
}

export interface Watcher {
  /** Watches held at present; 0 where that is not known. */
  readonly watchCount: number
  /** Call it now and then, after a walk: watches what could not be watched before and what came without an event, as a drive that was
   *  mounted; new ones are told as a tree. Cheap where there is nothing of the kind. */
  refresh(): void
  /** Idempotent; no event comes after it resolves. */
  close(): Promise<void>
}
