import type { Logger } from 'pino'
import type { Clock, NodeId, Random, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Authority } from '../authority/index.ts'
import type { VolumeCapture } from '../capture/types.ts'
import type { PendingChanges } from '../pending/index.ts'
import type { Replication } from '../replication/index.ts'
import type { ChunkSource } from '../volumes/chunk-source.ts'
import type { Room } from '../volumes/room.ts'
import type { Volume } from '../volumes/volume.ts'
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
  /** How much room there is for content and journal. */
  readonly room: Pick<Room, 'state' | 'problem' | 'onChange' | 'refused'>
  /** Resolves once every volume of the charter that concerns this node is open. */
  readonly volumesOpened: () => Promise<void>
  /** Sentences about a volume that need a person. */
  readonly volumeWarnings: (volume: VolumeId) => readonly string[]
  /** Waits while missing chunks are being fetched; how many came. */
  readonly heal: (volumes: readonly Volume[], signal: AbortSignal) => Promise<number>
  /** Capture can begin where it was not known what to capture. */
  readonly directoryKnown: (volume: VolumeId) => Promise<void>
  /** Capture of a volume whose primary is this node, while it runs. */
  readonly captureOf: (volume: VolumeId) => VolumeCapture | undefined
  /** What this node records alone, while it is in doubt and its next epoch is not certified; undefined otherwise. */
  readonly pendingOf: (volume: VolumeId) => PendingChanges | undefined
  /** Resolves once the capture of a protected volume of this node runs: a primary may have to wait for members first. */
  readonly capturing: (volume: VolumeId, signal: AbortSignal) => Promise<VolumeCapture | undefined>
}
