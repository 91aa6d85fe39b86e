import type { ChunkId, VolumeId } from '@holdfast/ports'
import type { Extent } from '@holdfast/sealing'

export interface Draft {
  readonly path: Uint8Array
  readonly type: 'file' | 'directory' | 'symlink' | 'absent' | 'unreadable' | 'other'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  readonly size: number
  readonly target?: Uint8Array
  readonly torn: boolean
  readonly stat: {
    readonly dev: bigint
    readonly ino: bigint
    readonly size: number
    readonly mtimeNs: bigint
    readonly ctimeNs: bigint
  }
  readonly extents?: readonly Extent[]
  readonly recipe?: { readonly root: ChunkId }
  readonly error?: { readonly code: string; readonly message: string }
}

export interface SealedGroup {
  readonly worker: number
  readonly group: number
  readonly drafts: readonly Draft[]
}

export interface IngestJob {
  readonly volume: VolumeId
  readonly root: Uint8Array
  readonly paths: readonly { readonly path: Uint8Array; readonly sizeHint: number }[]
}

export interface IngestPool {
  ingest(job: IngestJob, onGroup: (group: SealedGroup) => void, signal?: AbortSignal): Promise<void>
}
