import type { VolumeEntry } from '@holdfast/charter'
import { checkEpochRecord, type EpochRecord, type VoterHead } from '@holdfast/failover'
import { equalBytes, HoldfastError } from '@holdfast/ports'
import type { CoreKey } from '@holdfast/ports'
import { epochOf } from './epoch.ts'

export interface CertificateContext {
  /** Every entry of the volume that is known here, oldest first. */
  readonly entries: readonly VolumeEntry[]
  /** What this node holds of the volume. */
  readonly head: VoterHead | undefined
}

/** Checks that a record opens this log. A majority of the voters of now does; one of the voters of an earlier time does if it
 *  cuts off nothing that this node holds: an epoch is older than voters who were added since, and a writer that came back from an
 *  old copy, with an old charter, must not overrule those whom it forgot.
 *  @throws HF_JOURNAL_REFUSED */
export function checkCertificate(record: EpochRecord, coreKey: CoreKey, { entries, head }: CertificateContext): void {
  const [birth] = entries
  const present = entries.at(-1)
  if (birth === undefined || present === undefined)
    throw new HoldfastError('HF_JOURNAL_REFUSED', 'the volume is not in the charter')
  try {
    return checkEpochRecord(record, coreKey, { birth, voters: votersOf(present) })
  } catch (error) {
    if (cutsOff(record, head) || !entries.some((entry) => isCertifiedBy(record, coreKey, birth, entry))) throw error
  }
}

/** Checks epochs that a member told, ascending, of which each was cut by the next: the last by its votes, the others by the
 *  claims, which name the logs before them. @throws HF_JOURNAL_REFUSED */
export function checkRecords(records: readonly EpochRecord[], context: CertificateContext): void {
  const last = records.at(-1)
  if (last === undefined) return
  checkCertificate(last, epochOf(last).coreKey, context)
  for (const [index, record] of records.entries()) {
    const next = records[index + 1]
    if (next === undefined) return
    const { previousCoreKey, epoch } = next.claim
    if (
      previousCoreKey !== undefined &&
      epoch > record.claim.epoch &&
      equalBytes(previousCoreKey, epochOf(record).coreKey)
    )
      continue
    throw new HoldfastError('HF_JOURNAL_REFUSED', `epoch ${epoch} does not follow epoch ${record.claim.epoch}`)
  }
}

export const votersOf = (entry: Pick<VolumeEntry, 'members'>) =>
  entry.members.filter((member) => member.voter).map((member) => member.node)

function isCertifiedBy(record: EpochRecord, coreKey: CoreKey, birth: VolumeEntry, entry: VolumeEntry): boolean {
  try {
    checkEpochRecord(record, coreKey, { birth, voters: votersOf(entry) })
    return true
  } catch {
    return false
  }
}

function cutsOff({ claim }: EpochRecord, head: VoterHead | undefined): boolean {
  if (head === undefined || claim.previousCoreKey === undefined) return false
  if (!equalBytes(claim.previousCoreKey, head.coreKey)) return head.epoch >= claim.epoch
  if (head.length === claim.cutLength) return !equalBytes(claim.cutTreeHash, head.treeHash)
  return head.length > claim.cutLength
}
