import { equalBytes, HoldfastError, shortId } from '@holdfast/ports'
import type { CoreKey, JournalLog, JournalStore, NodeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import { copyKey, epochOf, JOURNAL_COPIES_MAX, type Cut, type EpochService } from '../epochs/index.ts'
import { replayFrames } from './replay.ts'
import type { Volume } from './volume.ts'

export interface CopyingParts {
  readonly service: Pick<EpochService, 'fetchFrame'>
  readonly store: Pick<PackStore, 'commit' | 'journals' | 'journalFrames'>
  /** Logs that are made to check the frames, and thrown away. */
  readonly scratch: JournalStore
  /** Whether the volume is still the one that is open: else the copying is broken off. */
  readonly isOpen: () => boolean
}

/**
 * Stores a member's blocks of a log of which this node holds others: the writer has signed twice, and the member's count. They
 * go under a key of their own, so that both stay whole; once the volume is opened again, the copy is its log. What a copy
 * that was broken off has is kept.
 * @throws HF_PEER_UNREACHABLE, HF_TIMEOUT, HF_JOURNAL_REFUSED, HF_DRIVE_FULL, HF_DRIVE_FAILED
 */
export async function copyJournal(parts: CopyingParts, volume: Volume, member: NodeId, until: Cut): Promise<void> {
  const { service, store, scratch, isOpen } = parts
  const record = volume.records.find(({ claim }) => claim.epoch === volume.epoch)
  if (record === undefined) throw new TypeError('the log of an unknown epoch')
  const log = await scratch.open(epochOf(record).identity)
  const storedKey = await keyForCopy(store, volume, log)
  while (log.head().length < until.length && isOpen()) {
    const { length } = log.head()
    const frame = await service.fetchFrame(member, volume.id, volume.coreKey, length)
    if (frame === undefined)
      throw new HoldfastError('HF_PEER_UNREACHABLE', `a member does not have block ${length} any more`, {
        retryable: true,
      })
    if (log.verify(frame) === undefined)
      throw new HoldfastError(
        'HF_JOURNAL_REFUSED',
        `a member's frame at ${length} of core ${shortId(frame.coreKey)} fails its proof`,
      )
    await store.commit(volume.id, [], { ...frame, coreKey: storedKey })
    await log.append(frame)
  }
}

/** The key of a copy that was begun after the one in use, or else a new one. What the copy holds is appended to `log`. */
async function keyForCopy(store: CopyingParts['store'], volume: Volume, log: JournalLog): Promise<CoreKey> {
  const stored = store.journals().map((run) => run.coreKey)
  let number = 0
  while (number < JOURNAL_COPIES_MAX && !equalBytes(copyKey(volume.coreKey, number), volume.storedKey)) number += 1
  for (number += 1; number <= JOURNAL_COPIES_MAX; number++) {
    const key = copyKey(volume.coreKey, number)
    if (!stored.some((each) => equalBytes(each, key))) return key
    const next = copyKey(volume.coreKey, number + 1)
    if (stored.some((each) => equalBytes(each, next))) continue
    await replayFrames(log, store.journalFrames(key, 0))
    return key
  }
  throw new HoldfastError('HF_BUSY', `${JOURNAL_COPIES_MAX} other versions of a journal are kept already`)
}
