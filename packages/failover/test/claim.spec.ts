import assert from 'node:assert/strict'
import { asVolumeId, hasCode, hexOf } from '@holdfast/ports'
import {
  checkEpochRecord,
  claimHash,
  createEpochRecord,
  decodeEpochRecord,
  encodeEpochRecord,
  firstClaim,
  isMajority,
  isMajorityInDoubt,
  type Claim,
  type EpochRecord,
} from '../src/index.ts'
import { birth, claim, idOf, keyOf, newCore, oldCore, primary, seedBytes, voteOf } from './voters.ts'

const keys = [primary, keyOf(1), keyOf(2)]
const voters = keys.map(idOf)
const [a = primary, b = primary, c = primary] = keys
const context = { birth, voters }
const refused = (error: unknown): boolean => hasCode(error, 'HF_JOURNAL_REFUSED')
const good = createEpochRecord(claim, [voteOf(b), voteOf(a)])

const GOLDEN = {
  'claim hash of epoch 1': 'e731a2cafaf722a958b97161c47af3403bd07e1fe7d80833a0977fd5a09974f7',
  'claim hash of epoch 2': 'adc478135834f5e443976ceaf49834841592fba357d1ac6dc76108f370eede59',
  'record of epoch 1':
    '010102030405060708090a0b0c0d0e0f100103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8000000000000000000000000000000000000000000000000000000000000000000000405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222300',
  'record of epoch 2':
    '010102030405060708090a0b0c0d0e0f100203a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b80102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20210a05060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223240405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122230203a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8391e725efb857f610dc96a0c02c9fee3c1199309f6239a37d6c12de4d54d10c0a19a9d72dcae8d48f70fe965899dd8e0c28c5cb975344f45956ec023d8b6d50c79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664648ac2e8b86c969f81223d17c22ed1b3c4f61989920132e23cdba914c1525b0f4e2e77b8a50bbffdcf9c1e59cf295349a10f84bc4bb517a9e758033d3662d104',
}

describe('epoch record', () => {
  it('golden vectors: claim hash of epoch 1 and 2, record with two votes (docs/formats.md)', () => {
    assert.equal(hexOf(claimHash(firstClaim(birth))), GOLDEN['claim hash of epoch 1'])
    assert.equal(hexOf(claimHash(claim)), GOLDEN['claim hash of epoch 2'])
    assert.equal(hexOf(encodeEpochRecord({ claim: firstClaim(birth), votes: [] })), GOLDEN['record of epoch 1'])
    assert.equal(hexOf(encodeEpochRecord(good)), GOLDEN['record of epoch 2'])
  })

  it('survives encoding; truncated bytes are HF_DECODE', () => {
    const encoded = encodeEpochRecord(good)
    assert.deepEqual(decodeEpochRecord(encoded), good)
    for (let length = 0; length < encoded.length; length++) {
      assert.throws(
        () => decodeEpochRecord(encoded.subarray(0, length)),
        (error) => hasCode(error, 'HF_DECODE'),
      )
    }
  })

  it('epoch 1 follows from the charter’s entry alone, and takes no votes', () => {
    checkEpochRecord({ claim: firstClaim(birth), votes: [] }, newCore, context)
    const first = firstClaim(birth)
    const others: Claim[] = [
      { ...first, writer: idOf(b) },
      { ...first, cutLength: 1 },
      { ...first, charterHash: seedBytes(0, 32) },
      { ...first, previousCoreKey: oldCore },
      { ...first, epoch: 0 },
      { ...first, volume: asVolumeId(seedBytes(0, 16)) },
    ]
    for (const other of others)
      assert.throws(() => checkEpochRecord({ claim: other, votes: [] }, newCore, context), refused)
    assert.throws(() => checkEpochRecord({ claim: first, votes: [voteOf(a)] }, newCore, context), refused)
  })

  it('a later epoch needs valid votes of a majority, in ascending order, for this very log', () => {
    checkEpochRecord(good, newCore, context)
    const records: EpochRecord[] = [
      { claim, votes: [] },
      { claim, votes: [voteOf(a)] },
      { claim, votes: [voteOf(a), voteOf(a)] },
      { claim, votes: good.votes.toReversed() },
      { claim: { ...claim, cutLength: 9 }, votes: good.votes },
      { claim: { ...claim, epoch: 3 }, votes: good.votes },
      createEpochRecord(claim, [voteOf(a), { ...voteOf(b), signature: seedBytes(0, 64) }]),
      createEpochRecord(claim, [voteOf(a), voteOf(keyOf(9))]),
    ]
    for (const record of records) assert.throws(() => checkEpochRecord(record, newCore, context), refused)
    assert.throws(() => checkEpochRecord(good, oldCore, context), refused)
    assert.throws(() => checkEpochRecord({ ...good, claim: withoutCore }, newCore, context), refused)
  })

  it('votes of nodes that are no voters are not counted', () => {
    checkEpochRecord(createEpochRecord(claim, [voteOf(a), voteOf(b), voteOf(keyOf(9))]), newCore, context)
  })
})

const { previousCoreKey: _, ...withoutCore } = claim

const votes = (...of: (typeof a)[]) => of.map((key) => voteOf(key))

describe('majorities', () => {
  it('are more than half', () => {
    assert.equal(isMajority(votes(a), voters), false)
    assert.equal(isMajority(votes(a, b), voters), true)
    assert.equal(isMajority(votes(a), voters.slice(0, 2)), false)
    assert.equal(isMajority(votes(a), voters.slice(0, 1)), true)
    assert.equal(isMajority([], []), false)
  })

  it('in doubt: the writer’s own vote counts only if nobody else is missing', () => {
    assert.equal(isMajorityInDoubt(votes(a, b), voters, idOf(a)), false)
    assert.equal(isMajorityInDoubt(votes(b, c), voters, idOf(a)), true)
    assert.equal(isMajorityInDoubt(votes(a, b, c), voters, idOf(a)), true)
    assert.equal(isMajorityInDoubt(votes(a, b), voters.slice(0, 2), idOf(a)), true)
    assert.equal(isMajorityInDoubt(votes(a), voters.slice(0, 1), idOf(a)), true)
    assert.equal(isMajorityInDoubt(votes(a), voters.slice(0, 2), idOf(a)), false)
  })
})
