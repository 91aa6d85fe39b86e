import {
  decodeVersioned,
  encodeVersioned,
  fixed,
  hash32,
  list,
  optional,
  signature64,
  struct,
  uint,
} from '@holdfast/codec'
import { labelledHash } from '@holdfast/hash'
import { sign, verify, type SigningKey } from '@holdfast/keys'
import { asCoreKey, asNodeId, asVolumeId, equalBytes, hexOf, HoldfastError, shortId } from '@holdfast/ports'
import type { CoreKey, NodeId, VolumeId } from '@holdfast/ports'

/** What opens an epoch of a volume: its writer claims it from a cut of the epoch before. The hash of the claim goes into the
 *  new log's identity, and a majority of the volume's voters signs it together with the new log's key. */
export interface Claim {
  readonly volume: VolumeId
  /** From 1. */
  readonly epoch: number
  readonly writer: NodeId
  /** The log that is cut; absent in epoch 1. */
  readonly previousCoreKey?: CoreKey
  /** Blocks of that log that count; 0 in epoch 1. */
  readonly cutLength: number
  /** Tree hash of that log at the cut; zeros in epoch 1. */
  readonly cutTreeHash: Uint8Array
  /** The charter version that the writer knew; in epoch 1 the one that the volume's first entry names. */
  readonly charterHash: Uint8Array
}

/** One voter's signature on a claim and the log that it opens. */
export interface EpochVote {
  readonly node: NodeId
  readonly signature: Uint8Array
}

/** Block 0 of a log. In epoch 1 there are no votes: the charter's entry that adds the volume certifies it. */
export interface EpochRecord {
  readonly claim: Claim
  /** Ascending by node. */
  readonly votes: readonly EpochVote[]
}

/** The charter's entry that adds a volume, as far as epoch 1 depends on it. */
export interface VolumeBirth {
  readonly volume: VolumeId
  readonly primary: NodeId
  readonly charterHash: Uint8Array
}

/** Votes on one claim: more than any volume has voters. */
export const EPOCH_VOTES_MAX = 64

const FORMAT = 1
const CLAIM_LABEL = 'holdfast claim 1'
const VOTE_LABEL = 'holdfast epoch vote 1'

export const claimCodec = struct<Claim>({
  volume: fixed(16, asVolumeId),
  epoch: uint,
  writer: fixed(32, asNodeId),
  previousCoreKey: optional(fixed(32, asCoreKey)),
  cutLength: uint,
  cutTreeHash: hash32,
  charterHash: hash32,
})
const recordCodec = struct<EpochRecord>({
  claim: claimCodec,
  votes: list(struct<EpochVote>({ node: fixed(32, asNodeId), signature: signature64 }), EPOCH_VOTES_MAX),
})

export const encodeEpochRecord = (record: EpochRecord): Uint8Array => encodeVersioned(FORMAT, recordCodec, record)
/** @throws HF_DECODE */
export const decodeEpochRecord = (encoded: Uint8Array): EpochRecord =>
  decodeVersioned(FORMAT, recordCodec, encoded, 'epoch record')

/** 32 bytes: the `claimHash` of the log's identity. */
export const claimHash = (claim: Claim): Uint8Array =>
  labelledHash(CLAIM_LABEL, encodeVersioned(FORMAT, claimCodec, claim))

/** The claim of epoch 1, which follows from the volume's first entry alone. */
export function firstClaim(birth: VolumeBirth): Claim {
  return {
    volume: birth.volume,
    epoch: 1,
    writer: birth.primary,
    cutLength: 0,
    cutTreeHash: new Uint8Array(32),
    charterHash: birth.charterHash,
  }
}

/** A voter's signature, without the voter's rules: `considerVote` has them. */
export const signVote = (key: SigningKey, claim: Claim, coreKey: CoreKey): Uint8Array =>
  sign(key, VOTE_LABEL, Buffer.concat([claimHash(claim), coreKey]))

export const verifyVote = (vote: EpochVote, claim: Claim, coreKey: CoreKey): boolean =>
  verify(vote.node, VOTE_LABEL, Buffer.concat([claimHash(claim), coreKey]), vote.signature)

/** Whether these votes, their signatures aside, are of a majority of the voters. */
export function isMajority(votes: readonly EpochVote[], voters: readonly NodeId[]): boolean {
  const signers = new Set(votes.map((vote) => hexOf(vote.node)))
  return voters.filter((voter) => signers.has(hexOf(voter))).length > voters.length / 2
}

/** Whether a writer that may have lost blocks may begin the epoch. Its own vote then counts only if every other voter agreed:
 *  otherwise the one that holds what it lost might be the one that is missing. */
export function isMajorityInDoubt(votes: readonly EpochVote[], voters: readonly NodeId[], writer: NodeId): boolean {
  const others = votes.filter((vote) => !equalBytes(vote.node, writer))
  const absent = voters.filter((voter) => !votes.some((vote) => equalBytes(vote.node, voter)))
  return absent.length === 0 || isMajority(others, voters)
}

/** The record of a claim with the votes that were gathered, each node's once. */
export function createEpochRecord(claim: Claim, votes: readonly EpochVote[]): EpochRecord {
  const byNode = new Map(votes.map((vote) => [hexOf(vote.node), vote]))
  return { claim, votes: [...byNode.values()].toSorted((a, b) => Buffer.compare(a.node, b.node)) }
}

/** Checks that the record opens this log: by the volume's birth in epoch 1, by a majority of the voters later.
 *  @throws HF_JOURNAL_REFUSED */
export function checkEpochRecord(
  record: EpochRecord,
  coreKey: CoreKey,
  context: { readonly birth: VolumeBirth; readonly voters: readonly NodeId[] },
): void {
  const { claim, votes } = record
  const refuse = (reason: string): HoldfastError =>
    new HoldfastError('HF_JOURNAL_REFUSED', `epoch ${claim.epoch} of volume ${shortId(claim.volume)} ${reason}`)
  if (!equalBytes(claim.volume, context.birth.volume)) throw refuse('is of another volume than its log')
  if (claim.epoch <= 1) {
    if (!equalBytes(claimHash(claim), claimHash(firstClaim(context.birth))))
      throw refuse('is not the one of the charter')
    if (votes.length > 0) throw refuse('takes no votes')
    return
  }
  if (claim.previousCoreKey === undefined) throw refuse('names no log before it')
  let before = ''
  for (const vote of votes) {
    const id = hexOf(vote.node)
    if (id <= before) throw refuse('has votes that are not in ascending order')
    before = id
    if (!verifyVote(vote, claim, coreKey)) throw refuse(`has a vote that is not ${shortId(vote.node)}'s own`)
  }
  if (!isMajority(votes, context.voters)) throw refuse('has no majority of the voters')
}
