import type { WalkEnd, WatchLoss } from '@holdfast/capture'

/** What the main thread and the threads of capture tell each other. `volume` numbers the open captures of this process. */

export type ToWalker =
  | {
      readonly type: 'open'
      readonly volume: number
      readonly root: Uint8Array
      readonly exclude: readonly Uint8Array[]
    }
  /** What is captured of these paths: stats hold `STAT_WORDS` words a path, flags as below. */
  | {
      readonly type: 'capture'
      readonly volume: number
      readonly paths: Uint8Array
      readonly stats: Uint32Array
      readonly flags: Uint8Array
    }
  | { readonly type: 'forget'; readonly volume: number; readonly paths: Uint8Array }
  /** Answered by `reached` when everything sent before is done. */
  | { readonly type: 'reach'; readonly volume: number; readonly id: number }
  | {
      readonly type: 'walk'
      readonly volume: number
      readonly id: number
      readonly top: Uint8Array
      readonly thorough: boolean
    }
  | { readonly type: 'check'; readonly volume: number; readonly id: number; readonly paths: Uint8Array }
  /** One `found` has been dealt with; see `FOUND_AHEAD_MAX`. */
  | { readonly type: 'taken'; readonly volume: number }
  | { readonly type: 'accept-root'; readonly volume: number }
  | { readonly type: 'close'; readonly volume: number }
  /** Close everything and end the thread. */
  | { readonly type: 'stop' }

export type FromWalker =
  | FoundMessage
  | { readonly type: 'reached'; readonly volume: number; readonly id: number }
  /** The end of a walk or check. `directories`: found by a check, still to be walked. */
  | {
      readonly type: 'ended'
      readonly volume: number
      readonly id: number
      readonly end: WalkEnd
      readonly directories: Uint8Array
      readonly durationMs: number
    }

export interface FoundMessage {
  readonly type: 'found'
  readonly volume: number
  readonly id: number
  readonly paths: Uint8Array
  readonly stats: Uint32Array
  readonly flags: Uint8Array
  readonly gone: Uint8Array
  readonly problems: readonly { readonly path: Uint8Array; readonly errno: string }[]
}

/** The history has the path. */
export const FLAG_KNOWN = 1
/** Its key is equal, and too young to prove anything. */
export const FLAG_RACY = 2
/** There is no status: only the history knows the path. */
export const FLAG_UNKEYED = 4
/** It is not to be captured. */
export const FLAG_IGNORED = 8
/** Its key proves nothing to a thorough walk or a check. */
export const FLAG_YOUNG = 16

export type ToWatcher =
  | {
      readonly type: 'open'
      readonly volume: number
      readonly root: Uint8Array
      readonly exclude: readonly Uint8Array[]
    }
  /** One message of paths has been dealt with; see `EVENTS_AHEAD_MAX`. */
  | { readonly type: 'taken'; readonly volume: number }
  /** The tree has been walked: watch what was mounted or came free since. */
  | { readonly type: 'refresh'; readonly volume: number }
  | { readonly type: 'close'; readonly volume: number }
  /** Close everything and end the thread. */
  | { readonly type: 'stop' }

export type FromWatcher =
  | { readonly type: 'opened'; readonly volume: number; readonly watches: number }
  | { readonly type: 'refused'; readonly volume: number; readonly message: string }
  /** Nothing below the root is unwatched (any more). */
  | { readonly type: 'watched'; readonly volume: number }
  | {
      readonly type: 'events'
      readonly volume: number
      readonly dirty: Uint8Array
      readonly created: Uint8Array
      readonly trees: readonly Uint8Array[]
      readonly watches: number
    }
  | { readonly type: 'lost'; readonly volume: number; readonly path: Uint8Array; readonly reason: WatchLoss }
