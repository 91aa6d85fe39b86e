import { claimHash, decodeEpochRecord, type Claim, type EpochRecord } from '@holdfast/failover'
import { labelledHash } from '@holdfast/hash'
import { coreKeyOf, decodeBlock } from '@holdfast/journal'
import { asCoreKey, equalBytes, HoldfastError } from '@holdfast/ports'
import type { CoreKey, LogIdentity } from '@holdfast/ports'

/** Blocks of a log that count, and the tree that they make. */
export interface Cut {
  readonly length: number
  readonly treeHash: Uint8Array
}

/** One epoch of a volume, as a node knows it. */
export interface Epoch {
  readonly record: EpochRecord
  readonly identity: LogIdentity
  readonly coreKey: CoreKey
  /** Key under which this node stores its frames: the core key, or that of a copy (`copyKey`). */
  readonly storedKey: CoreKey
  /** Where the next epoch cut it; absent on the newest. */
  readonly cut?: Cut
}

/** The log that a claim opens. */
export function identityOf(claim: Claim): LogIdentity {
  return { volume: claim.volume, epoch: claim.epoch, writer: claim.writer, claimHash: claimHash(claim) }
}

/** The epoch that a record opens, stored under its own key. */
export function epochOf(record: EpochRecord, storedKey?: CoreKey): Epoch {
  const identity = identityOf(record.claim)
  const coreKey = coreKeyOf(identity)
  return { record, identity, coreKey, storedKey: storedKey ?? coreKey }
}

const COPY_LABEL = 'holdfast journal copy 1'
/** Copies of one log that a node tells apart: each costs a writer that signed twice. */
export const JOURNAL_COPIES_MAX = 16

/** Key under which the frames of a log lie in packs that hold other blocks of it already: its writer has signed twice, and what
 *  the members hold counts. `number` from 1; 0 is the log's own key. Packs are never rewritten, so the two must not mix. */
export function copyKey(coreKey: CoreKey, number: number): CoreKey {
  return number === 0 ? coreKey : asCoreKey(labelledHash(COPY_LABEL, coreKey, Uint8Array.of(number)))
}

/** Checks that a block is the record of the epoch that this log is of. @throws HF_JOURNAL_REFUSED, HF_DECODE */
export function checkFirstBlock(block: Uint8Array | undefined, identity: LogIdentity): void {
  const decoded = block === undefined ? undefined : decodeBlock(block)
  if (decoded?.type === 'epoch' && equalBytes(claimHash(decodeEpochRecord(decoded.record).claim), identity.claimHash))
    return
  throw new HoldfastError('HF_JOURNAL_REFUSED', `block 0 of epoch ${identity.epoch} is not the record of that epoch`)
}
