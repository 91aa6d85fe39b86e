/** Looking at the history, and bringing it back. See `NodeService` for how values are written. */
import type { EntryType, Moment, PathField } from './vocabulary.ts'

export interface LsRequest {
  readonly volume: string
  readonly path: Uint8Array
  readonly at?: Moment
  readonly recursive: boolean
}

export interface TreeEntry extends PathField {
  readonly type: EntryType
  /** Permission bits, octal, four digits: `0644`. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  readonly size: number
  /** RFC 3339 with nanoseconds. */
  readonly mtime: string
  /** Symbolic links only. */
  readonly target?: string
  readonly targetBytes?: string
  /** Which kind of `other` it is. */
  readonly special?: 'fifo' | 'character' | 'block'
  /** Of a device: `MAJOR:MINOR`. */
  readonly device?: string
  /** Names of extended attributes, bytes that are not UTF-8 as `%XX`. */
  readonly xattrs?: readonly string[]
  /** The version that is current at the moment asked for. */
  readonly seq: number
  readonly time: string
  /** It changed while it was read. */
  readonly torn?: true
}

export interface LogRequest {
  readonly volume: string
  readonly path: Uint8Array
  readonly limit?: number
}

export interface VersionEntry extends PathField {
  readonly seq: number
  readonly epoch: number
  readonly time: string
  readonly kind: 'put' | 'delete'
  readonly size: number
  /** Of a deletion: what was deleted. */
  readonly type: EntryType
  readonly torn?: true
}

export interface FindRequest {
  readonly volume: string
  /** Shell pattern over the path's bytes: `*` and `?` stay inside a name, `**` crosses directories; without a `/` it is matched against the last name only. */
  readonly pattern: Uint8Array
}

export interface DiffRequest {
  readonly volume: string
  readonly path: Uint8Array
  readonly from: Moment
  readonly to: Moment
}

type DiffAspect = 'content' | 'type' | 'mode' | 'owner' | 'time' | 'attributes' | 'links' | 'holes'

export interface DiffEntry extends PathField {
  readonly change: 'added' | 'removed' | 'modified'
  /** What of it was modified; empty otherwise. */
  readonly aspects: readonly DiffAspect[]
  /** Of the later one; of the earlier one if it was removed. */
  readonly type: EntryType
  readonly sizeBefore: number | null
  readonly sizeAfter: number | null
}

export interface CatRequest {
  readonly volume: string
  readonly path: Uint8Array
  readonly at?: Moment
}

export interface CatAnswer {
  readonly size: number
  readonly notices: readonly string[]
  /** Verified pieces in order; the consumer is done with a piece when it asks for the next. */
  readonly bytes: AsyncIterable<Uint8Array>
}

export interface RestoreRequest {
  readonly volume: string
  /** A directory's content goes into `to`; a file goes into `to` under its name. */
  readonly path: Uint8Array
  /** Absolute. */
  readonly to: string
  readonly at?: Moment
  readonly inPlace: boolean
  /** Only with `inPlace`. */
  readonly delete: boolean
  /** Reads back what was written. */
  readonly verify: boolean
  readonly dryRun: boolean
  /** Makes devices, and sets setuid and setgid bits and file capabilities. */
  readonly privileged: boolean
}

export interface RestoreSummary {
  readonly volume: string
  readonly to: string
  /** The moment that was restored. */
  readonly at: string
  readonly dryRun: boolean
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  /** Fifos and devices. */
  readonly specials: number
  readonly bytes: number
  /** Identical ones that were left alone. */
  readonly skipped: number
  readonly deleted: number
  readonly fetchedBytes: number
  readonly errorCount: number
  readonly seconds: number
}
