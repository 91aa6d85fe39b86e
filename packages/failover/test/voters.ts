import { signingKeyFromSeed, type SigningKey } from '@holdfast/keys'
import { asCoreKey, asNodeId, asVolumeId, type CoreKey } from '@holdfast/ports'
import {
  considerVote,
  newVoterRecord,
  type Claim,
  type EpochVote,
  type VoteContext,
  type VoterHead,
} from '../src/index.ts'

export const seedBytes = (first: number, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, index) => (first + index) & 255)
export const keyOf = (number: number): SigningKey => signingKeyFromSeed(seedBytes(number, 32))
export const idOf = (key: SigningKey) => asNodeId(key.publicKey)

export const volume = asVolumeId(seedBytes(1, 16))
export const oldCore: CoreKey = asCoreKey(seedBytes(2, 32))
export const newCore: CoreKey = asCoreKey(seedBytes(3, 32))
export const primary = keyOf(0)
export const birth = { volume, primary: idOf(primary), charterHash: seedBytes(4, 32) }
export const head: VoterHead = { epoch: 1, coreKey: oldCore, length: 10, treeHash: seedBytes(5, 32) }
export const claim: Claim = {
  volume,
  epoch: 2,
  writer: idOf(primary),
  previousCoreKey: oldCore,
  cutLength: head.length,
  cutTreeHash: head.treeHash,
  charterHash: seedBytes(4, 32),
}
export const context: VoteContext = { isVoter: true, primary: idOf(primary), head, knowsCharter: true }

/** The vote of a fresh voter that has the claim's cut. */
export function voteOf(key: SigningKey, on: Claim = claim, coreKey: CoreKey = newCore): EpochVote {
  const { reply } = considerVote(
    newVoterRecord(volume),
    key,
    { claim: on, coreKey },
    { isVoter: true, primary: on.writer, knowsCharter: true },
  )
  if (reply.type !== 'vote') throw new Error(reply.refusal)
  return { node: idOf(key), signature: reply.signature }
}
