import { equalBytes, hexOf } from '@holdfast/ports'
import type { NodeId } from '@holdfast/ports'
import { isDataVoter } from '@holdfast/replication'
import type { SignedAck, VolumeMember } from '@holdfast/replication'
import type { Volume } from './volume.ts'

export interface LevelQuestion {
  readonly self: NodeId
  readonly volume: Pick<Volume, 'members' | 'log' | 'completeLength'>
  /** Blocks that must be safe. */
  readonly length: number
  readonly level: 'local' | 'quorum'
  readonly acks: readonly Pick<SignedAck, 'member' | 'level' | 'length'>[]
}

/** The members that make these blocks safe at the level, or undefined while they are not. `local`: durable here. `quorum`: accepted
 *  by a majority of the voters, and complete on two data voters (on all, where there are fewer). */
export function levelReached({ self, volume, length, level, acks }: LevelQuestion): readonly NodeId[] | undefined {
  const { members } = volume
  const ownLength = volume.log.head().length
  if (ownLength < length) return undefined
  if (level === 'local') return [self]
  const reaches = (member: VolumeMember, ackLevel: 'accepted' | 'complete'): boolean => {
    if (equalBytes(member.node, self)) return (ackLevel === 'accepted' ? ownLength : volume.completeLength()) >= length
    return acks.some((ack) => ack.level === ackLevel && ack.length >= length && equalBytes(ack.member, member.node))
  }
  const voters = members.filter((member) => member.voter)
  const accepted = voters.filter((member) => reaches(member, 'accepted'))
  const dataVoters = members.filter(isDataVoter)
  const complete = dataVoters.filter((member) => reaches(member, 'complete'))
  if (accepted.length < Math.floor(voters.length / 2) + 1) return undefined
  if (complete.length < Math.min(2, dataVoters.length)) return undefined
  const counted = new Map([...accepted, ...complete].map((member) => [hexOf(member.node), member.node]))
  return [...counted.values()]
}
