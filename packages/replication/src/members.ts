import type { NodeId } from '@holdfast/ports'

/** What a member does for a volume; `blind` is full without the key, `vault` only pulls. */
export type MemberRole = 'full' | 'blind' | 'learner' | 'witness' | 'vault'

export interface VolumeMember {
  readonly node: NodeId
  readonly role: MemberRole
  readonly voter: boolean
}

/** Whether the member holds chunks. */
export const holdsData = (member: VolumeMember): boolean => member.role !== 'witness'

/** Whether the member's completeness counts for `quorum`. */
export const isDataVoter = (member: VolumeMember): boolean =>
  member.voter && (member.role === 'full' || member.role === 'blind')
