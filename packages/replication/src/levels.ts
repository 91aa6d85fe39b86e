/** Levels of acknowledgement: what a set of signed acks amounts to. */
import { equalBytes, hexOf } from '@holdfast/ports'
import type { CoreKey, NodeId } from '@holdfast/ports'
import { isDataVoter } from './members.ts'
import type { VolumeMember } from './members.ts'
import type { Ack, AckLevel } from './messages.ts'

/** What an ack says that levels are made of. */
export type AckStatement = Pick<Ack, 'member' | 'coreKey' | 'level' | 'length'>

/** Where a length stands on the way to `quorum`: accepted by a majority of the voters, complete on min(2, data voters). */
export interface QuorumState {
  readonly reached: boolean
  readonly voters: number
  readonly acceptedNeeded: number
  /** Voters that have accepted the length. */
  readonly acceptedBy: readonly NodeId[]
  readonly dataVoters: number
  readonly completeNeeded: number
  /** Data voters that are complete up to the length. */
  readonly completeBy: readonly NodeId[]
}

/** Acks of members of the volume, each the newest of its member and level: the first counts. Those of others are ignored, as are
 *  those for other cores. */
export function evaluateQuorum(
  members: readonly VolumeMember[],
  acks: readonly AckStatement[],
  coreKey: CoreKey,
  length: number,
): QuorumState {
  const voters = members.filter((m) => m.voter)
  const dataVoters = members.filter(isDataVoter)
  const reaching = (who: readonly VolumeMember[], level: AckLevel): NodeId[] =>
    who.filter((m) => (lengthOf(m.node, acks, level, coreKey) ?? -1) >= length).map((m) => m.node)
  const acceptedBy = reaching(voters, 'accepted')
  const completeBy = reaching(dataVoters, 'complete')
  const { acceptedNeeded, completeNeeded } = needed(voters.length, dataVoters.length)
  return {
    reached: voters.length > 0 && acceptedBy.length >= acceptedNeeded && completeBy.length >= completeNeeded,
    voters: voters.length,
    acceptedNeeded,
    acceptedBy,
    dataVoters: dataVoters.length,
    completeNeeded,
    completeBy,
  }
}

/** The greatest length that has reached `quorum`; 0 if none has. */
export function quorumLength(
  members: readonly VolumeMember[],
  acks: readonly AckStatement[],
  coreKey: CoreKey,
): number {
  const voters = members.filter((m) => m.voter)
  const dataVoters = members.filter(isDataVoter)
  if (voters.length === 0) return 0
  const { acceptedNeeded, completeNeeded } = needed(voters.length, dataVoters.length)
  return Math.min(
    nthLongest(voters, acks, 'accepted', coreKey, acceptedNeeded),
    nthLongest(dataVoters, acks, 'complete', coreKey, completeNeeded),
  )
}

const needed = (voters: number, dataVoters: number): { acceptedNeeded: number; completeNeeded: number } => ({
  acceptedNeeded: Math.floor(voters / 2) + 1,
  completeNeeded: Math.min(2, dataVoters),
})

function nthLongest(
  who: readonly VolumeMember[],
  acks: readonly AckStatement[],
  level: AckLevel,
  coreKey: CoreKey,
  count: number,
): number {
  if (count === 0) return Infinity
  const lengths = who.map((m) => lengthOf(m.node, acks, level, coreKey) ?? 0).toSorted((a, b) => b - a)
  return lengths[count - 1] ?? 0
}

function lengthOf(
  member: NodeId,
  acks: readonly AckStatement[],
  level: AckLevel,
  coreKey: CoreKey,
): number | undefined {
  const key = hexOf(member)
  return acks.find((a) => a.level === level && hexOf(a.member) === key && equalBytes(a.coreKey, coreKey))?.length
}
