/** Words that several methods of the control API share. See `NodeService` for how values are written. */

/** Roles that an invitation or a membership can have. */
export const NODE_ROLES = ['full', 'blind', 'learner'] as const

export type NodeRole = (typeof NODE_ROLES)[number]

/** Levels at which changes are acknowledged: durable on one drive here; accepted by a majority of voters and complete on min(2, data voters). */
export const FLUSH_LEVELS = ['local', 'quorum'] as const

export type FlushLevel = (typeof FLUSH_LEVELS)[number]

/** Copies of a volume that can be asked for: as many as the charter allows. */
export const COPIES_MAX = 32

/** A moment of the history. */
export interface Moment {
  /** Ms since 1970. Before the first capture it means the earliest version (with a notice), in the future now. */
  readonly timeMs: number
}

/** A path as JSON carries it: see `pathField`. */
export interface PathField {
  /** UTF-8 text as it is; otherwise what `pathText` makes of the bytes. */
  readonly path: string
  /** Base64, only when the bytes are not UTF-8. */
  readonly pathBytes?: string
}

export type EntryType = 'file' | 'directory' | 'symlink' | 'other'

export interface VolumeRequest {
  readonly volume: string
}
