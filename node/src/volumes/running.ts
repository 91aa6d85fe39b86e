import type { HoldfastError } from '@holdfast/ports'
import type { VolumeCapture } from '../capture/index.ts'
import type { Branch } from './epoch-chain.ts'
import type { Volume } from './volume.ts'
import type { VolumeWriter } from './writer.ts'

/** An open volume with what runs on it. */
export interface Running {
  readonly volume: Volume
  /** Blocks that the packs had when the volume was opened: what this node is sure to have signed itself. */
  readonly startLength: number
  writer: VolumeWriter | undefined
  capture: VolumeCapture | undefined
  readonly warnings: string[]
  /** Journals that do not count. */
  readonly branches: readonly Branch[]
  /** Why this primary may not go on in its epoch, for people. */
  doubt: string | undefined
  /** Capture cannot begin. */
  failure: HoldfastError | undefined
  /** It is about to be opened anew, in another epoch. */
  moving: boolean
}
