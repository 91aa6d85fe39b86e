import assert from 'node:assert/strict'
import { asCoreKey, asVolumeId, equalBytes, hasCode, hexOf } from '@holdfast/ports'
import * as fc from 'fast-check'
import {
  admitsEpoch,
  considerVote,
  decodeVoteReply,
  decodeVoteRequest,
  decodeVoterRecords,
  encodeVoteReply,
  encodeVoteRequest,
  encodeVoterRecords,
  learnEpoch,
  lostVoterRecord,
  newVoterRecord,
  nextEpoch,
  type Claim,
  type VoteContext,
  type VoteRefusal,
} from '../src/index.ts'
import { claim, context, head, idOf, keyOf, newCore, oldCore, seedBytes, volume } from './voters.ts'

const voter = keyOf(1)
const isDecode = (error: unknown): boolean => hasCode(error, 'HF_DECODE')
const fresh = newVoterRecord(volume)
const request = { claim, coreKey: newCore }

function refusalOf(
  changes: Partial<Claim>,
  contextChanges: Partial<VoteContext> = {},
  record = fresh,
): VoteRefusal | 'voted' {
  const answer = considerVote(
    record,
    voter,
    { ...request, claim: { ...claim, ...changes } },
    { ...context, ...contextChanges },
  )
  if (answer.reply.type === 'vote') return 'voted'
  assert.equal(answer.persist, false)
  assert.equal(answer.record, record)
  return answer.reply.refusal
}

describe('voter rules (design section 6)', () => {
  it('promise and vote come out to be made durable before the answer', () => {
    const { record, persist, reply } = considerVote(fresh, voter, request, context)
    assert.deepEqual([persist, reply.type, record.promisedEpoch], [true, 'vote', 2])
    assert.ok(record.votedFor && equalBytes(record.votedFor.coreKey, newCore))
  })

  it('the same claim is answered again alike, without another write; another of that epoch is refused', () => {
    const first = considerVote(fresh, voter, request, context)
    const again = considerVote(first.record, voter, request, context)
    assert.deepEqual([again.persist, again.reply], [false, first.reply])
    for (const other of [
      { ...request, coreKey: oldCore },
      { ...request, claim: { ...claim, charterHash: seedBytes(9, 32) } },
    ]) {
      const answer = considerVote(first.record, voter, other, context)
      assert.ok(answer.reply.type === 'refused' && answer.reply.refusal === 'epoch-taken')
    }
  })

  const table: [string, Partial<Claim>, Partial<VoteContext>, VoteRefusal][] = [
    ['a volume that the record is not of', { volume: asVolumeId(seedBytes(0, 16)) }, {}, 'malformed'],
    ['epoch 1, which the charter certifies', { epoch: 1 }, {}, 'malformed'],
    ['no log before it', {}, {}, 'malformed'],
    ['a node that is no voter', {}, { isVoter: false }, 'no-vote'],
    ['a claimant that is not the primary', { writer: idOf(keyOf(2)) }, {}, 'not-primary'],
    ['a charter that is not known here', {}, { knowsCharter: false }, 'charter-unknown'],
    ['the epoch of this voter’s head', { epoch: 2 }, { head: { ...head, epoch: 2 } }, 'epoch-taken'],
    ['a cut below this voter’s head', { cutLength: 9 }, {}, 'cut-too-low'],
    ['a cut above this voter’s head', { cutLength: 11 }, {}, 'cut-unknown'],
    ['a cut in another log', { previousCoreKey: newCore }, {}, 'cut-unknown'],
    ['another tree at the cut', { cutTreeHash: seedBytes(0, 32) }, {}, 'cut-differs'],
  ]
  for (const [title, changes, contextChanges, refusal] of table) {
    it(`refuses ${title}: ${refusal}`, () => {
      if (title !== 'no log before it') return assert.equal(refusalOf(changes, contextChanges), refusal)
      const { previousCoreKey: _, ...without } = claim
      const answer = considerVote(fresh, voter, { ...request, claim: without }, context)
      assert.ok(answer.reply.type === 'refused' && answer.reply.refusal === refusal)
    })
  }

  it('a refusal tells what the claimant has to reach: promised epoch and head', () => {
    const { reply } = considerVote(learnEpoch(fresh, 7), voter, request, context)
    assert.deepEqual(reply, { type: 'refused', refusal: 'epoch-taken', promisedEpoch: 7, head })
  })

  it('who accepted nothing yet votes for any cut', () => {
    const { head: _, ...without } = context
    assert.equal(considerVote(fresh, voter, request, without).reply.type, 'vote')
  })

  it('a lost record abstains', () => assert.equal(refusalOf({}, {}, lostVoterRecord(volume)), 'no-vote'))

  it('after a promise lower epochs are refused, also as writes', () => {
    const { record } = considerVote(fresh, voter, { ...request, claim: { ...claim, epoch: 5 } }, context)
    assert.deepEqual(
      [4, 5, 6].map((epoch) => admitsEpoch(record, epoch)),
      [false, true, true],
    )
    assert.equal(refusalOf({ epoch: 4 }, {}, record), 'epoch-taken')
  })

  it('an epoch that others certified is promised too, and takes no vote with it', () => {
    const { record } = considerVote(fresh, voter, request, context)
    const learned = learnEpoch(record, 3)
    assert.deepEqual([learned.promisedEpoch, learned.votedFor], [3, undefined])
    assert.equal(learnEpoch(learned, 3), learned)
    assert.equal(refusalOf({ epoch: 3 }, {}, learned), 'epoch-taken')
  })

  it('the next epoch is one above all that were heard of', () => {
    assert.equal(nextEpoch(3, 1, 7), 8)
    assert.equal(nextEpoch(), 1)
  })

  it('votes once per epoch and never goes back, whatever is asked in whatever order', () => {
    const asked = fc.record({
      epoch: fc.integer({ min: 0, max: 6 }),
      core: fc.integer({ min: 10, max: 12 }),
      cutLength: fc.integer({ min: 9, max: 11 }),
    })
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 30 }), (requests) => {
        let record = fresh
        const votes = new Map<number, string>()
        for (const { epoch, core, cutLength } of requests) {
          const coreKey = asCoreKey(seedBytes(core, 32))
          const answer = considerVote(record, voter, { claim: { ...claim, epoch, cutLength }, coreKey }, context)
          assert.ok(answer.record.promisedEpoch >= record.promisedEpoch)
          record = answer.record
          if (answer.reply.type === 'refused') continue
          const signature = hexOf(answer.reply.signature)
          assert.equal(votes.get(epoch) ?? signature, signature)
          assert.equal(cutLength, head.length)
          votes.set(epoch, signature)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('voter: what is kept and sent', () => {
  it('requests, replies and records survive encoding', () => {
    assert.deepEqual(decodeVoteRequest(encodeVoteRequest(request)), request)
    const voted = considerVote(fresh, voter, request, context)
    const refused = considerVote(voted.record, voter, { ...request, coreKey: oldCore }, context)
    for (const { reply } of [voted, refused]) assert.deepEqual(decodeVoteReply(encodeVoteReply(reply)), reply)
    const records = [voted.record, lostVoterRecord(asVolumeId(seedBytes(0, 16)))]
    const decoded = decodeVoterRecords(encodeVoterRecords(records))
    assert.deepEqual(encodeVoterRecords(decoded), encodeVoterRecords(records))
    assert.deepEqual(
      decoded.map((record) => [record.promisedEpoch, record.abstaining]),
      [
        [0, true],
        [2, false],
      ],
    )
  })

  it('bytes of another form are HF_DECODE', () => {
    for (const decode of [decodeVoteRequest, decodeVoteReply, decodeVoterRecords]) {
      for (const bytes of [new Uint8Array(), Uint8Array.of(2, 0), Uint8Array.of(1, 255)])
        assert.throws(() => decode(bytes), isDecode)
    }
  })
})
