import type { HoldfastError } from '@holdfast/ports'
import type { Logger } from 'pino'
import type { VolumeCapture } from '../capture/index.ts'
import type { PendingJournal, PendingRecords } from '../pending/index.ts'
import type { Branch } from './epoch-chain.ts'
import type { Room } from './room.ts'
import type { Volume } from './volume.ts'
import type { VolumeWriter } from './writer.ts'

/** An open volume with what runs on it. */
export interface Running {
  readonly volume: Volume
  /** Blocks that the packs had when the volume was opened: what this node is sure to have signed itself. */
  readonly startLength: number
  /** In doubt, those of a pending journal. */
  writer: VolumeWriter | undefined
  capture: VolumeCapture | undefined
  /** Set while the writer is one of a pending journal. */
  pending: PendingRecords | undefined
  /** Journals whose records are not in an epoch yet, oldest first. */
  pendingJournals: readonly PendingJournal[]
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

/** Commits under way end first, but for those that wait for room. */
export async function stopCapture({ capture, writer }: Pick<Running, 'capture' | 'writer'>): Promise<void> {
  const stopped = capture?.stop()
  writer?.giveUpWaiting()
  await stopped
  await writer?.settled()
}

/** When there is room again, what was refused meanwhile is found by a walk, and taken from the log. */
export function goOnWithRoom(
  { room, log }: { readonly room: Pick<Room, 'onChange'>; readonly log: Logger },
  volumes: () => Iterable<Running>,
): void {
  room.onChange((state) => {
    if (state !== 'enough') return
    for (const { volume, capture } of volumes()) {
      capture?.walkSoon()
      volume.catchUp().catch((error: unknown) => log.warn({ err: error, volume: volume.name }, 'it did not catch up'))
    }
  })
}
