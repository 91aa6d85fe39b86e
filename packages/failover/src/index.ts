/** Claims, votes and epoch records of volumes, and the rules by which voters vote: what the same writer needs to open its next
 *  epoch. Pure: no clock, no dice, no I/O; what must be durable comes out. */
export {
  checkEpochRecord,
  claimHash,
  createEpochRecord,
  decodeEpochRecord,
  encodeEpochRecord,
  firstClaim,
  isMajority,
  isMajorityInDoubt,
  verifyVote,
  type Claim,
  type EpochRecord,
  type EpochVote,
  type VolumeBirth,
} from './claim.ts'
export * from './voting.ts'
export * from './voting-codec.ts'
