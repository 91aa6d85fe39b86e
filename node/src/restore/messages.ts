import type { SpecialFile } from '@holdfast/capture'
import type { Abilities } from './abilities.ts'
import type { Attributes, Unkept } from './attribute-writer.ts'
import type { OpeningKeys } from './opening-keys.ts'
import type { FileAttributes } from './tree-writer.ts'

/** What a restore thread is started with. */
export interface RestoreThreadData {
  readonly to: Uint8Array
  readonly keys: OpeningKeys
  readonly privileged: boolean
  readonly abilities: Abilities
  /** Part of the names of files that are not whole yet. */
  readonly run: string
}

export type RestoreTask =
  /** Opens the chunk and writes its pieces; the answer lists those that do not match their fingerprint. `pieces`: as `PieceWriter` packs them. */
  | { readonly type: 'chunk'; readonly stored: Uint8Array; readonly pieces: Uint8Array<ArrayBuffer> }
  /** Names files whose pieces are all written; `aside` undefined: an empty file. */
  | {
      readonly type: 'files'
      readonly files: readonly (FileAttributes & { readonly path: Uint8Array; readonly aside: number })[]
    }
  | { readonly type: 'directories'; readonly paths: readonly Uint8Array[] }
  | {
      readonly type: 'links'
      readonly links: readonly LinkToWrite[]
    }
  /** Further names of what is there; the answer lists those that were links to it already. */
  | {
      readonly type: 'hard-links'
      readonly links: readonly { readonly path: Uint8Array; readonly existing: Uint8Array }[]
    }
  | {
      readonly type: 'directory-attributes'
      readonly directories: readonly (Attributes & { readonly path: Uint8Array })[]
    }
  | { readonly type: 'remove'; readonly paths: readonly Uint8Array[] }
  | { readonly type: 'drop'; readonly files: readonly { readonly path: Uint8Array; readonly aside: number }[] }
  /** Reads files back; the answer lists those that differ. `aside` of a piece is the place of its file here. */
  | {
      readonly type: 'verify'
      readonly files: readonly { readonly path: Uint8Array; readonly size: number }[]
      readonly pieces: Uint8Array<ArrayBuffer>
    }
  | { readonly type: 'sync' }
  /** Closes every descriptor; nothing may follow. */
  | { readonly type: 'close' }

/** A symbolic link, a fifo or a device. */
export interface LinkToWrite extends Attributes {
  readonly path: Uint8Array
  readonly what: Uint8Array | SpecialFile
}

export interface RestoreRequest {
  readonly id: number
  readonly task: RestoreTask
}

export type RestoreReply =
  | {
      readonly id: number
      readonly type: 'done'
      /** For `chunk` and `verify`: indexes of the pieces or files that are not as they should be. */
      readonly different: readonly number[]
      /** Extended attributes that were refused. */
      readonly unkept: readonly Unkept[]
    }
  | {
      readonly id: number
      readonly type: 'failed'
      readonly code: string
      readonly message: string
      readonly next: string | undefined
    }
