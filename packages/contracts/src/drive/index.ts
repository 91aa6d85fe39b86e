import type { Drive } from '@holdfast/ports'
import { driveFaultContract } from './faults.contract.ts'
import { driveFilesContract } from './files.contract.ts'
import { driveNamesContract } from './names.contract.ts'

/** How the suite gets a drive, empty and in working order, and gives it back. */
export interface DriveFixture {
  create(): Drive | Promise<Drive>
  destroy(drive: Drive): void | Promise<void>
  /** Present if drives of this kind can be made to fail; the suite then checks what a failure does. */
  readonly createFaulty?: () => FaultyDrive | Promise<FaultyDrive>
}

export interface FaultyDrive {
  readonly drive: Drive
  /** From now on: syncs fail; writes find no room after some of their bytes; writes are refused; all is well. */
  set(fault: 'sync-fails' | 'full' | 'write-fails' | 'none'): void
}

/** What every implementation of the drive port does. Call it inside `describe`. */
export function driveContract(fixture: DriveFixture): void {
  driveFilesContract(fixture)
  driveNamesContract(fixture)
  driveFaultContract(fixture)
}
