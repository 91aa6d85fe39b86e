import {
  bool,
  decodeVersioned,
  encodeVersioned,
  fixed,
  hash32,
  list,
  optional,
  signature64,
  struct,
  uint,
  union,
  word,
} from '@holdfast/codec'
import { asCoreKey, asVolumeId } from '@holdfast/ports'
import type { CoreKey } from '@holdfast/ports'
import { claimCodec } from './claim.ts'
import type { VoteRefusal, VoteReply, VoterHead, VoterRecord, VoteRequest } from './voting.ts'

/** Encoding of what voters keep, are asked and answer; the order of fields, variants and words is the format. */

/** Volumes whose records one node keeps; about 100 bytes each. */
export const VOTER_RECORDS_MAX = 16_384

const FORMAT = 1
const REFUSALS: readonly VoteRefusal[] = [
  'no-vote',
  'not-primary',
  'epoch-taken',
  'cut-too-low',
  'cut-unknown',
  'cut-differs',
  'charter-unknown',
  'malformed',
]

const coreKey = fixed(32, asCoreKey)
const head = struct<VoterHead>({ epoch: uint, coreKey, length: uint, treeHash: hash32 })
const requestCodec = struct<VoteRequest>({ claim: claimCodec, coreKey })
const replyCodec = union<VoteReply>({
  vote: struct({ signature: signature64 }),
  refused: struct<{ refusal: VoteRefusal; promisedEpoch: number; head?: VoterHead }>({
    refusal: word(REFUSALS),
    promisedEpoch: uint,
    head: optional(head),
  }),
})
const recordsCodec = list(
  struct<VoterRecord>({
    volume: fixed(16, asVolumeId),
    promisedEpoch: uint,
    votedFor: optional(struct<{ claimHash: Uint8Array; coreKey: CoreKey }>({ claimHash: hash32, coreKey })),
    abstaining: bool,
  }),
  VOTER_RECORDS_MAX,
)

export const encodeVoteRequest = (request: VoteRequest): Uint8Array => encodeVersioned(FORMAT, requestCodec, request)
/** @throws HF_DECODE */
export const decodeVoteRequest = (encoded: Uint8Array): VoteRequest =>
  decodeVersioned(FORMAT, requestCodec, encoded, 'vote request')

export const encodeVoteReply = (reply: VoteReply): Uint8Array => encodeVersioned(FORMAT, replyCodec, reply)
/** @throws HF_DECODE */
export const decodeVoteReply = (encoded: Uint8Array): VoteReply =>
  decodeVersioned(FORMAT, replyCodec, encoded, 'vote reply')

/** All records of a node, ascending by volume. */
export const encodeVoterRecords = (records: readonly VoterRecord[]): Uint8Array =>
  encodeVersioned(
    FORMAT,
    recordsCodec,
    records.toSorted((a, b) => Buffer.compare(a.volume, b.volume)),
  )
/** @throws HF_DECODE: the records are lost, and the node abstains (`lostVoterRecord`) */
export const decodeVoterRecords = (encoded: Uint8Array): readonly VoterRecord[] =>
  decodeVersioned(FORMAT, recordsCodec, encoded, 'record of votes')
