import { MIB } from '@holdfast/ports'
import type { Drive } from '@holdfast/ports'

/** Room of a memory drive unless told otherwise, bytes. */
export const MEMORY_DRIVE_BYTES = 256 * MIB

/** One call that reaches the drive. Those that change it are the boundaries at which a crash can be placed. */
export interface DriveOperation {
  /** Of this drive, from 0, counted over all calls that change something; -1 for a read. */
  readonly boundary: number
  readonly type:
    'create' | 'write' | 'truncate' | 'rename' | 'remove' | 'makeDirectory' | 'datasync' | 'syncDirectory' | 'read'
  readonly path: string
  readonly bytes: number
}

/** `full`: no room after half of the bytes; `error`: refused, after half of the bytes, and for ever if it was a sync;
 *  `power-off`: the call had begun, nothing after it happens; then `crash`. */
export type DriveFault = 'full' | 'error' | 'power-off'

export interface MemoryDriveOptions {
  /** @default MEMORY_DRIVE_BYTES */
  readonly totalBytes?: number
  /** Asked before each operation. */
  readonly fault?: (operation: DriveOperation) => DriveFault | undefined
}

/** What became of one change that was not durable when the power went. Names are never torn: that counts as kept. */
export type Fate = 'kept' | 'lost' | 'torn-head' | 'torn-tail'

/** A change that was not durable when the power went. */
export interface UnsyncedChange {
  readonly type: 'write' | 'truncate' | 'link' | 'unlink' | 'rename'
  readonly path: string
  readonly bytes: number
}

export interface MemoryDrive extends Drive {
  /** Calls so far that change something. */
  boundaries(): number
  setFault(fault: MemoryDriveOptions['fault']): void
  /** What a crash now would put in doubt, in the order it was done. */
  unsynced(): UnsyncedChange[]
  /** Cuts the power, and gives the drive as the next start finds it. Every later call on this one rejects, but `crash` may be called
   *  again: the same moment with other fates. */
  crash(fateOf: (change: UnsyncedChange, index: number) => Fate): MemoryDrive
  /** Rot: changes stored bytes behind everyone's back. */
  corrupt(path: string, offset: number, bytes: Uint8Array): void
}
