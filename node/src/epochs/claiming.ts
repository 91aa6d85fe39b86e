import {
  claimHash,
  createEpochRecord,
  isMajorityInDoubt,
  nextEpoch,
  verifyVote,
  type Claim,
  type EpochRecord,
  type EpochVote,
  type VoteRefusal,
  type VoterRecord,
} from '@holdfast/failover'
import { coreKeyOf } from '@holdfast/journal'
import { equalBytes, hasCode } from '@holdfast/ports'
import type { NodeId } from '@holdfast/ports'
import type { Volume } from '../volumes/volume.ts'
import { votersOf } from './certificates.ts'
import { identityOf } from './epoch.ts'
import type { EpochService } from './epoch-service.ts'

/** What became of asking every voter once. */
export interface Round {
  /** Set if the claim is certified. */
  readonly record?: EpochRecord
  readonly refusals: readonly { readonly node: NodeId; readonly refusal: VoteRefusal }[]
  readonly silent: readonly NodeId[]
  /** The highest epoch that somebody has promised. */
  readonly promisedEpoch: number
}

/** The claim of the volume's primary for its next epoch, cut at the head that it holds now. A claim that was begun goes on: the
 *  same one keeps its epoch, also over a restart; any other takes a higher epoch than everybody has promised. */
export function claimOf(
  volume: Volume,
  writer: NodeId,
  charterHash: Uint8Array,
  own: VoterRecord,
  known: readonly number[],
): Claim {
  const { length, treeHash } = volume.log.head()
  const cut = { previousCoreKey: volume.coreKey, cutLength: length, cutTreeHash: treeHash }
  const claim = (epoch: number): Claim => ({ volume: volume.id, epoch, writer, ...cut, charterHash })
  const begun = claim(own.promisedEpoch)
  const { votedFor } = own
  if (
    votedFor !== undefined &&
    equalBytes(votedFor.claimHash, claimHash(begun)) &&
    own.promisedEpoch > Math.max(volume.newestEpoch, ...known)
  )
    return begun
  return claim(nextEpoch(own.promisedEpoch, volume.newestEpoch, ...known))
}

/** Asks every voter of the volume for its vote, this node first: what it promised itself outlives a crash and tells the next
 *  start that the epoch before is over. */
export async function gatherVotes(service: EpochService, volume: Volume, claim: Claim): Promise<Round> {
  const coreKey = coreKeyOf(identityOf(claim))
  const voters = votersOf(volume.entry)
  const votes: EpochVote[] = []
  const refusals: { node: NodeId; refusal: VoteRefusal }[] = []
  const silent: NodeId[] = []
  let promisedEpoch = 0
  const ask = async (node: NodeId): Promise<void> => {
    try {
      const reply = await service.askForVote(node, { claim, coreKey })
      if (reply.type === 'vote') votes.push({ node, signature: reply.signature })
      else {
        refusals.push({ node, refusal: reply.refusal })
        promisedEpoch = Math.max(promisedEpoch, reply.promisedEpoch)
      }
    } catch (error) {
      if (equalBytes(node, claim.writer) && !hasCode(error, 'HF_CLOSED')) throw error
      silent.push(node)
    }
  }
  const isWriter = (node: NodeId): boolean => equalBytes(node, claim.writer)
  for (const node of voters.filter(isWriter)) await ask(node)
  if (refusals.length === 0) await Promise.all(voters.filter((node) => !isWriter(node)).map(ask))
  const genuine = votes.filter((vote) => verifyVote(vote, claim, coreKey))
  const outcome = { refusals, silent, promisedEpoch }
  if (!isMajorityInDoubt(genuine, voters, claim.writer)) return outcome
  return { ...outcome, record: createEpochRecord(claim, genuine) }
}
