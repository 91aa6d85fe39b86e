/** Every decoder of this package against any bytes. Inputs that once led somewhere new are kept in `test/corpus`. */
import { fileURLToPath } from 'node:url'
import { decoderContract } from '@holdfast/contracts'
import * as failover from '../src/index.ts'
import { claim, context, head, keyOf, newCore, primary, seedBytes, volume, voteOf } from './voters.ts'

const CORPUS = fileURLToPath(new URL('../../test/corpus', import.meta.url))

const voter = keyOf(1)
const record = failover.createEpochRecord(claim, [voteOf(voter), voteOf(primary)])
const request = { claim, coreKey: newCore }
const voted = failover.considerVote(failover.newVoterRecord(volume), voter, request, context)
const refused = failover.considerVote(
  voted.record,
  voter,
  { claim: { ...claim, charterHash: seedBytes(9, 32) }, coreKey: newCore },
  { ...context, head },
)

describe('decoders', () => {
  decoderContract(CORPUS, {
    'epoch record': { decode: failover.decodeEpochRecord, valid: () => [failover.encodeEpochRecord(record)] },
    'vote request': { decode: failover.decodeVoteRequest, valid: () => [failover.encodeVoteRequest(request)] },
    'vote reply': {
      decode: failover.decodeVoteReply,
      valid: () => [failover.encodeVoteReply(voted.reply), failover.encodeVoteReply(refused.reply)],
    },
    'voter records': {
      decode: failover.decodeVoterRecords,
      valid: () => [failover.encodeVoterRecords([voted.record]), failover.encodeVoterRecords([])],
    },
  })
})
