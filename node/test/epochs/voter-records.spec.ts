import assert from 'node:assert/strict'
import { signingKeyFromSeed } from '@holdfast/keys'
import { coreKeyOf } from '@holdfast/journal'
import type { Claim, VoteRequest } from '@holdfast/failover'
import { asCoreKey, asNodeId, asVolumeId, HoldfastError } from '@holdfast/ports'
import { identityOf } from '../../src/epochs/epoch.ts'
import { VoterRecords } from '../../src/epochs/index.ts'

const KEY = signingKeyFromSeed(new Uint8Array(32).fill(1))
const WRITER = asNodeId(signingKeyFromSeed(new Uint8Array(32).fill(2)).publicKey)
const VOLUME = asVolumeId(new Uint8Array(16).fill(3))
const OLD_CORE = asCoreKey(new Uint8Array(32).fill(4))
const CONTEXT = { isVoter: true, primary: WRITER, knowsCharter: true }

function requestOf(epoch: number, cutLength: number): VoteRequest {
  const hashes = { cutTreeHash: new Uint8Array(32).fill(5), charterHash: new Uint8Array(32) }
  const claim: Claim = { volume: VOLUME, epoch, writer: WRITER, previousCoreKey: OLD_CORE, cutLength, ...hashes }
  return { claim, coreKey: coreKeyOf(identityOf(claim)) }
}

/** What survives a power loss, and a drive that can refuse. */
class FakeHome {
  kept: Uint8Array | undefined
  full = false

  readState(): Uint8Array | undefined {
    return this.kept
  }

  writeState(_name: string, bytes: Uint8Array): void {
    if (this.full) throw new HoldfastError('HF_DRIVE_FULL', 'no room')
    this.kept = bytes
  }

  open(): VoterRecords {
    return new VoterRecords(this, KEY, () => undefined)
  }
}

describe('VoterRecords', () => {
  it('power lost between the promise and the answer: the same claim gets the vote again, another one of the epoch none', () => {
    const home = new FakeHome()
    const first = home.open().consider(requestOf(2, 7), CONTEXT)
    const after = home.open()
    assert.deepEqual(after.consider(requestOf(2, 7), CONTEXT), first)
    assert.deepEqual(after.consider(requestOf(2, 8), CONTEXT), {
      type: 'refused',
      refusal: 'epoch-taken',
      promisedEpoch: 2,
    })
    assert.equal(after.consider(requestOf(3, 8), CONTEXT).type, 'vote')
  })

  it('a promise that could not be made durable is no vote, and binds to nothing', () => {
    const home = new FakeHome()
    const records = home.open()
    home.full = true
    assert.throws(() => records.consider(requestOf(2, 7), CONTEXT), { code: 'HF_DRIVE_FULL' })
    home.full = false
    assert.equal(records.of(VOLUME).promisedEpoch, 0)
    assert.equal(records.consider(requestOf(2, 8), CONTEXT).type, 'vote')
  })

  it('a damaged record: nobody gets a vote, and what is left of it is not written over', () => {
    const home = new FakeHome()
    home.kept = Uint8Array.of(9, 9, 9)
    for (let start = 0; start < 2; start++) {
      const records = home.open()
      records.doubt(VOLUME, 1)
      assert.ok(records.inDoubt(VOLUME, 1))
      const reply = records.consider(requestOf(2, 7), CONTEXT)
      assert.equal(reply.type === 'refused' && reply.refusal, 'no-vote')
      assert.deepEqual(home.kept, Uint8Array.of(9, 9, 9))
    }
  })

  it('doubt outlives a restart, ends with the next epoch, and takes no epoch number', () => {
    const home = new FakeHome()
    home.open().doubt(VOLUME, 1)
    const after = home.open()
    assert.ok(after.inDoubt(VOLUME, 1))
    assert.equal(after.consider(requestOf(2, 7), CONTEXT).type, 'vote')
    assert.ok(after.inDoubt(VOLUME, 1), 'the epoch that was left stays left')
    assert.ok(!after.inDoubt(VOLUME, 2))
  })

  it('an epoch that was learnt is a promise to take nothing older', () => {
    const home = new FakeHome()
    home.open().fence(VOLUME, 4)
    const after = home.open()
    assert.ok(after.inDoubt(VOLUME, 3))
    const reply = after.consider(requestOf(4, 7), CONTEXT)
    assert.equal(reply.type === 'refused' && reply.refusal, 'epoch-taken')
  })
})
