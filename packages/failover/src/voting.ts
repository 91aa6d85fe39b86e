import type { SigningKey } from '@holdfast/keys'
import { equalBytes } from '@holdfast/ports'
import type { CoreKey, NodeId, VolumeId } from '@holdfast/ports'
import { claimHash, signVote, type Claim } from './claim.ts'

/** The voter's rules, all of them in `considerVote`: one vote per epoch and volume, durable before it leaves; never for a
 *  claim that would cut off what this voter has accepted; after it, lower epochs are refused. They are Raft's, over logs with
 *  one writer each; only the volume's primary may claim so far. Source: Ongaro and Ousterhout, In Search of an
 *  Understandable Consensus Algorithm, 2014, section 5. */

/** What a voter never forgets about one volume. */
export interface VoterRecord {
  readonly volume: VolumeId
  /** The highest epoch that this voter has promised; 0 if none. Writes of lower epochs are refused. */
  readonly promisedEpoch: number
  /** The claim that has this voter's vote in that epoch. */
  readonly votedFor?: { readonly claimHash: Uint8Array; readonly coreKey: CoreKey }
  /** Set when the record was lost: this voter answers nobody until the operator reinstates it. */
  readonly abstaining: boolean
}

export interface VoteRequest {
  readonly claim: Claim
  /** Key of the log that the claim opens. */
  readonly coreKey: CoreKey
}

/** The newest head that a voter has accepted, in any epoch. */
export interface VoterHead {
  readonly epoch: number
  readonly coreKey: CoreKey
  readonly length: number
  readonly treeHash: Uint8Array
}

export interface VoteContext {
  /** Whether this node is a voter of the volume, by its newest entry here. */
  readonly isVoter: boolean
  /** The primary by that entry: the only one that may claim. */
  readonly primary: NodeId
  /** Absent if this voter accepted nothing yet. */
  readonly head?: VoterHead
  /** Whether the claim's charter version is known here. */
  readonly knowsCharter: boolean
}

export type VoteRefusal =
  /** Not a voter, or its record is lost. */
  | 'no-vote'
  /** The claimant is not the primary. */
  | 'not-primary'
  /** `promisedEpoch` or a higher one is under way, or this epoch's vote went to another claim. */
  | 'epoch-taken'
  /** The claim would cut off blocks that this voter has: the claimant fetches them first. */
  | 'cut-too-low'
  /** This voter lacks blocks below the cut, or the log: it fetches them, then it can be asked again. */
  | 'cut-unknown'
  /** The two logs differ below the cut: one was written twice. */
  | 'cut-differs'
  | 'charter-unknown'
  | 'malformed'

export type VoteReply =
  | { readonly type: 'vote'; readonly signature: Uint8Array }
  | {
      readonly type: 'refused'
      readonly refusal: VoteRefusal
      readonly promisedEpoch: number
      readonly head?: VoterHead
    }

export interface VoteAnswer {
  readonly record: VoterRecord
  /** Whether `record` differs from the one given and must be durable before `reply` leaves. */
  readonly persist: boolean
  readonly reply: VoteReply
}

export const newVoterRecord = (volume: VolumeId): VoterRecord => ({ volume, promisedEpoch: 0, abstaining: false })

/** In place of a record that was lost. */
export const lostVoterRecord = (volume: VolumeId): VoterRecord => ({ ...newVoterRecord(volume), abstaining: true })

/** Whether writes of this epoch may still be taken. */
export const admitsEpoch = (record: VoterRecord, epoch: number): boolean => epoch >= record.promisedEpoch

/** The record after this voter has accepted an epoch that others certified; the same one if it promised as much before. */
export function learnEpoch(record: VoterRecord, epoch: number): VoterRecord {
  if (epoch <= record.promisedEpoch) return record
  const { votedFor: _, ...rest } = record
  return { ...rest, promisedEpoch: epoch }
}

/** The epoch that a writer claims next, of all epochs that it has heard of. */
export const nextEpoch = (...known: readonly number[]): number => Math.max(0, ...known) + 1

/** Answers a request for this voter's vote. Pure. */
export function considerVote(
  record: VoterRecord,
  key: SigningKey,
  request: VoteRequest,
  context: VoteContext,
): VoteAnswer {
  const refusal = refusalOf(record, request, context)
  if (refusal !== undefined) {
    const head = context.head === undefined ? {} : { head: context.head }
    return { record, persist: false, reply: { type: 'refused', refusal, promisedEpoch: record.promisedEpoch, ...head } }
  }
  const { claim, coreKey } = request
  const reply: VoteReply = { type: 'vote', signature: signVote(key, claim, coreKey) }
  if (hasVotedFor(record, request)) return { record, persist: false, reply }
  const votedFor = { claimHash: claimHash(claim), coreKey }
  return { record: { ...record, promisedEpoch: claim.epoch, votedFor }, persist: true, reply }
}

function refusalOf(record: VoterRecord, request: VoteRequest, context: VoteContext): VoteRefusal | undefined {
  const { claim } = request
  if (!equalBytes(claim.volume, record.volume)) return 'malformed'
  if (claim.epoch < 2 || claim.previousCoreKey === undefined) return 'malformed'
  if (!context.isVoter || record.abstaining) return 'no-vote'
  if (!equalBytes(claim.writer, context.primary)) return 'not-primary'
  if (!context.knowsCharter) return 'charter-unknown'
  if (claim.epoch <= record.promisedEpoch) return hasVotedFor(record, request) ? undefined : 'epoch-taken'
  return refusalOfCut(claim, claim.previousCoreKey, context.head)
}

function hasVotedFor(record: VoterRecord, { claim, coreKey }: VoteRequest): boolean {
  const { votedFor, promisedEpoch } = record
  if (votedFor === undefined || promisedEpoch !== claim.epoch) return false
  return equalBytes(votedFor.claimHash, claimHash(claim)) && equalBytes(votedFor.coreKey, coreKey)
}

/** A voter with a head votes only for a cut at exactly that head: what it has more of, the claimant lacks; what it has less
 *  of, it fetches first, which proves that the claimant's log continues its own. */
function refusalOfCut(claim: Claim, cutCore: CoreKey, head: VoterHead | undefined): VoteRefusal | undefined {
  if (head === undefined) return undefined
  if (claim.epoch <= head.epoch) return 'epoch-taken'
  if (!equalBytes(cutCore, head.coreKey)) return 'cut-unknown'
  if (claim.cutLength < head.length) return 'cut-too-low'
  if (claim.cutLength > head.length) return 'cut-unknown'
  return equalBytes(claim.cutTreeHash, head.treeHash) ? undefined : 'cut-differs'
}
