import type { ChunkId, PathToken } from '@holdfast/ports'
import type { Extent } from '@holdfast/sealing'

/**
 * What a record says. `put`: the path is as the record describes it. `delete`: the path is gone. `baseline`: the first
 * complete walk of the volume ends here (no path, no state); times before it mean this moment. Kinds of newer versions
 * are shown as `kind-N` and can be read by their public part only.
 */
export type RecordKind = 'put' | 'delete' | 'baseline' | `kind-${number}`

/** A chunk that a record needs, as anybody may see it. Children of a recipe are named by the recipe's own header. */
export interface ChunkRef {
  readonly id: ChunkId
  /** Bytes of the chunk as it is stored and sent. */
  readonly storedBytes: number
  /** `content`: extents point into it. `recipe`: it is the root of the tree that lists them. */
  readonly role: 'content' | 'recipe'
}

/** What is known of a record without the volume's key. */
export interface PublicRecord {
  /** Number of the record since the volume's birth, over all epochs; from 1. */
  readonly seq: number
  /** Epoch in which the record was made. */
  readonly epoch: number
  /** Ms since 1970 by the writer's clock; never less than that of the record before. */
  readonly timeMs: number
  readonly kind: RecordKind
  /** Epoch of the key that seals it. */
  readonly keyEpoch: number
  /** 16 bytes; equal for all records of one path. */
  readonly pathToken: PathToken
  /** Distinct, in the order in which the content first uses them. Empty for anything but a `put` with content. */
  readonly refs: readonly ChunkRef[]
}

/** `other` is a fifo or device; which one, `special` says. */
export type FileType = 'file' | 'directory' | 'symlink' | 'other'

/** Where the bytes of a file are. Only files have content; an empty file has `none`. */
export type FileContent =
  | { readonly type: 'none' }
  /** In file order; lengths add up to the file's size. */
  | { readonly type: 'inline'; readonly extents: readonly Extent[] }
  /** Root of the recipe that lists the extents. */
  | { readonly type: 'recipe'; readonly root: ChunkId }

/** One extended attribute. */
export interface Xattr {
  readonly name: Uint8Array
  readonly value: Uint8Array
}

/** What kind of `other` a path is; numbers are 0 for a fifo. */
export interface Special {
  readonly kind: 'fifo' | 'character' | 'block'
  readonly major: number
  readonly minor: number
}

/** A path as one capture saw it; of a deletion, what was deleted (type and size are kept for people). */
export interface FileState {
  /** Relative to the volume's root, as `checkPath` allows. */
  readonly path: Uint8Array
  readonly type: FileType
  /** Permission bits with setuid, setgid and sticky: the lower twelve of `st_mode`. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Nanoseconds since 1970, negative before. */
  readonly mtimeNs: bigint
  /** Bytes of a file's content; 0 for anything else. */
  readonly size: number
  /** Of a symbolic link; not interpreted. */
  readonly target?: Uint8Array
  /** It changed while it was read, each time it was tried. */
  readonly torn: boolean
  readonly content: FileContent
  /** In ascending order of name, at least one. ACLs are among them. */
  readonly xattrs?: readonly Xattr[]
  /** 1 to 32 opaque bytes: live paths with the same ones are links to one file. */
  readonly hardLink?: Uint8Array
  /** The file had holes: runs of zeros need no room. */
  readonly sparse?: true
  /** Only of `other`; absent in records from before it was kept. */
  readonly special?: Special
}

/** A record as a holder of the key reads it. `state` is absent for kinds without one. */
export interface OpenedRecord {
  readonly public: PublicRecord
  readonly state?: FileState
}

/** What the writer decides about a record; the codec adds key epoch, path token and the list of chunks. */
export interface RecordFields {
  readonly seq: number
  readonly epoch: number
  readonly timeMs: number
  readonly kind: 'put' | 'delete' | 'baseline'
}

/** The parts of a volume's keys that records need, 32 bytes each. */
export interface RecordKeys {
  /** The newest; new records are sealed under it. */
  readonly keyEpoch: number
  readonly pathToken: Uint8Array
  /** @throws HF_WRONG_KEY for an epoch that is not in the ring */
  record(keyEpoch: number): Uint8Array
}

/** A chunk with the length it is stored with; what sealing returns has both. */
export interface ChunkLength {
  readonly id: ChunkId
  readonly storedBytes: number
}

/** Seals and opens the records of one volume. */
export interface RecordCodec {
  /** The whole encoded record, to be put into a block. `storedBytes` are the chunks' lengths: one ref for each distinct chunk
   *  that the content names, or the recipe's root. `state` is given for `put` and `delete`.
   *  @throws HF_BAD_INPUT if path, state or refs are not a record's */
  seal(fields: RecordFields, state?: FileState, refs?: readonly ChunkLength[]): Uint8Array
  /** Opens a record from its own bytes alone.
   *  @throws HF_DECODE, HF_WRONG_KEY (another key, or bytes that were altered), HF_RECORD_MISMATCH */
  open(bytes: Uint8Array): OpenedRecord
  pathToken(path: Uint8Array): PathToken
}
