/** The signed, versioned document of a mesh's nodes and volumes: the chain of versions with its certificates, the entries that
 *  nodes write by themselves, join tokens and placement. Pure: no clock, no dice, no I/O; what must be durable comes out. */
export { addInvitation, announceAddresses } from './authoring.ts'
export { OPERATOR_LEAP } from './chain.ts'
export * from './cosigning.ts'
export { BALLOT_ROUND_MAX } from './decree.ts'
export { volumeIdOf, type CharterChange, type Vote } from './documents.ts'
export { foundCharter } from './found.ts'
export * from './joining.ts'
export * from './limits.ts'
export { chooseMembers } from './placement.ts'
export * from './proposing.ts'
export { CharterState, type CharterChanges } from './state.ts'
export * from './token.ts'
export * from './types.ts'
export * from './volumes.ts'
export { votersWanted } from './volume-rules.ts'
export * from './voting-codec.ts'
export {
  answerCharterMessage,
  proposeVersion,
  type CharterBallots,
  type CharterMessage,
  type ProposedVersion,
} from './voting.ts'
