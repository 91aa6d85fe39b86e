import type { Logger } from 'pino'
import type { Clock, NodeId, Random } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Authority } from '../authority/index.ts'
import type { VolumeCapture } from '../capture/types.ts'
import type { Replication } from '../replication/index.ts'
import type { ChunkSource } from '../volumes/chunk-source.ts'
import type { Volumes } from '../volumes/volumes.ts'

/** What the methods of the control API are made of. */
export interface ServiceParts {
  readonly self: NodeId
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly authority: Authority
  readonly volumes: Volumes
  readonly chunks: ChunkSource
  readonly store: PackStore
  readonly replication: Replication
  /** Capture of a volume whose primary is this node, while it runs. */
  readonly captureOf: (volume: Uint8Array) => VolumeCapture | undefined
}
