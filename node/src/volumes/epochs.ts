import type { VolumeEntry } from '@holdfast/charter'
import { claimHash, encodeEpochRecord, firstClaim } from '@holdfast/failover'
import type { LogIdentity } from '@holdfast/ports'

/** The log of a volume's first epoch, and its block 0: both follow from the charter's entry that added the volume. */
export function firstEpoch(birth: VolumeEntry): { identity: LogIdentity; record: Uint8Array } {
  const claim = firstClaim(birth)
  const identity = { volume: claim.volume, epoch: claim.epoch, writer: claim.writer, claimHash: claimHash(claim) }
  return { identity, record: encodeEpochRecord({ claim, votes: [] }) }
}
