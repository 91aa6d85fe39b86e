import assert from 'node:assert/strict'
import type { NodeId } from '@holdfast/ports'
import { AckBook, evaluateQuorum, quorumLength } from '../src/index.ts'
import type { Ack, AckLevel, MemberRole, SignedAck, VolumeMember } from '../src/index.ts'
import { core, hash, node, volumeId } from './ids.ts'

const member = (n: number, role: MemberRole = 'full', voter = true): VolumeMember => ({ node: node(n), role, voter })
const ack = (who: NodeId, level: AckLevel, length: number, coreKey = core(1)): Ack => ({
  member: who,
  volume: volumeId(1),
  epoch: 1,
  coreKey,
  level,
  length,
  treeHash: hash(1),
})
const both = (n: number, length: number): Ack[] => [ack(node(n), 'accepted', length), ack(node(n), 'complete', length)]

describe('quorum', () => {
  const three = [member(1), member(2), member(3)]

  it('one member: itself', () => {
    assert.equal(evaluateQuorum([member(1)], both(1, 5), core(1), 5).reached, true)
    assert.equal(evaluateQuorum([member(1)], [ack(node(1), 'accepted', 5)], core(1), 5).reached, false)
  })

  it('two voters: both must have it', () => {
    const members = [member(1), member(2)]
    assert.equal(evaluateQuorum(members, both(1, 5), core(1), 5).reached, false)
    assert.equal(evaluateQuorum(members, [...both(1, 5), ...both(2, 5)], core(1), 5).reached, true)
  })

  it('three voters: accepted by two and complete on two', () => {
    const acks = [...both(1, 9), ack(node(2), 'accepted', 7)]
    assert.deepEqual(evaluateQuorum(three, acks, core(1), 7), {
      reached: false,
      voters: 3,
      acceptedNeeded: 2,
      acceptedBy: [node(1), node(2)],
      dataVoters: 3,
      completeNeeded: 2,
      completeBy: [node(1)],
    })
    assert.equal(evaluateQuorum(three, [...acks, ack(node(2), 'complete', 7)], core(1), 7).reached, true)
    assert.equal(evaluateQuorum(three, [...acks, ack(node(2), 'complete', 7)], core(1), 8).reached, false)
  })

  it('a witness votes and its data does not count; a learner does neither', () => {
    const members = [member(1), member(2, 'witness'), member(3, 'learner', false)]
    const state = evaluateQuorum(members, [...both(1, 5), ...both(3, 5)], core(1), 5)
    assert.deepEqual([state.voters, state.dataVoters, state.acceptedBy.length, state.reached], [2, 1, 1, false])
    assert.equal(evaluateQuorum(members, [...both(1, 5), ack(node(2), 'accepted', 5)], core(1), 5).reached, true)
  })

  it('strangers and other cores do not count, and nobody is no quorum', () => {
    assert.equal(evaluateQuorum(three, [...both(1, 5), ...both(9, 5)], core(1), 5).reached, false)
    assert.equal(evaluateQuorum(three, [...both(1, 5), ...both(2, 5)], core(2), 5).reached, false)
    assert.equal(evaluateQuorum([], [], core(1), 0).reached, false)
  })

  it('its length is the greatest that has reached it', () => {
    const acks = [...both(1, 9), ...both(2, 4), ack(node(3), 'accepted', 7), ack(node(3), 'complete', 6)]
    const length = quorumLength(three, acks, core(1))
    assert.equal(length, 6)
    assert.equal(evaluateQuorum(three, acks, core(1), length).reached, true)
    assert.equal(evaluateQuorum(three, acks, core(1), length + 1).reached, false)
    assert.equal(quorumLength(three, [], core(1)), 0)
    assert.equal(quorumLength([], [], core(1)), 0)
  })
})

const signed = (a: Ack): SignedAck => ({ ...a, signature: new Uint8Array(64) })

describe('AckBook', () => {
  it('keeps the newest of each member and level, less included', () => {
    const book = new AckBook()
    assert.equal(book.ack(signed(ack(node(1), 'complete', 9)), 1), true)
    assert.equal(book.ack(signed(ack(node(1), 'complete', 9)), 2), false)
    assert.equal(book.ack(signed(ack(node(1), 'complete', 4)), 3), true)
    book.ack(signed(ack(node(1), 'accepted', 9)), 4)
    book.ack(signed(ack(node(2), 'accepted', 8)), 5)
    const kept = book.acks(volumeId(1)).map((a) => [a.member[0], a.level, a.length, a.receivedAtMs])
    assert.deepEqual(kept, [
      [1, 'accepted', 9, 4],
      [1, 'complete', 4, 3],
      [2, 'accepted', 8, 5],
    ])
    book.forget(node(1))
    assert.equal(book.acks(volumeId(1)).length, 1)
    assert.deepEqual(book.acks(volumeId(2)), [])
  })

  it('keeps heads', () => {
    const book = new AckBook()
    const head = { volume: volumeId(1), epoch: 1, coreKey: core(1), length: 3, treeHash: hash(1) }
    assert.equal(book.head(node(1), head, 1), true)
    assert.equal(book.head(node(1), head, 2), false)
    assert.equal(book.head(node(1), { ...head, length: 4 }, 3), true)
    assert.deepEqual(
      book.heads(volumeId(1)).map((h) => [h.member[0], h.length, h.receivedAtMs]),
      [[1, 4, 3]],
    )
  })
})
