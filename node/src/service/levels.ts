import { hexOf } from '@holdfast/ports'
import type { NodeId } from '@holdfast/ports'
import { evaluateQuorum } from '@holdfast/replication'
import type { AckStatement } from '@holdfast/replication'
import type { Volume } from '../volumes/volume.ts'

export interface LevelQuestion {
  readonly self: NodeId
  readonly volume: Pick<Volume, 'members' | 'log' | 'coreKey' | 'completeLength'>
  /** Blocks that must be safe. */
  readonly length: number
  readonly level: 'local' | 'quorum'
  readonly acks: readonly AckStatement[]
}

/** The members that make these blocks safe at the level, or undefined while they are not. `local`: durable here. `quorum`: as
 *  `evaluateQuorum` says; this node counts with what it has, whether or not it has signed it yet. */
export function levelReached({ self, volume, length, level, acks }: LevelQuestion): readonly NodeId[] | undefined {
  const { members, coreKey } = volume
  const ownLength = volume.log.head().length
  if (ownLength < length) return undefined
  if (level === 'local') return [self]
  const own: AckStatement[] = [
    { member: self, coreKey, level: 'accepted', length: ownLength },
    { member: self, coreKey, level: 'complete', length: volume.completeLength() },
  ]
  const { reached, acceptedBy, completeBy } = evaluateQuorum(members, [...own, ...acks], coreKey, length)
  return reached ? [...new Map([...acceptedBy, ...completeBy].map((node) => [hexOf(node), node])).values()] : undefined
}
