import assert from 'node:assert/strict'
import { asCoreKey, asNodeId } from '@holdfast/ports'
import type { JournalLog } from '@holdfast/ports'
import type { AckStatement, VolumeMember } from '@holdfast/replication'
import { levelReached } from '../../src/service/levels.ts'

const CORE = asCoreKey(new Uint8Array(32).fill(1))
const OTHER_CORE = asCoreKey(new Uint8Array(32).fill(2))
const nodes = 'abcdef'
const node = (name: string) => asNodeId(new Uint8Array(32).fill(nodes.indexOf(name) + 1))
const nameOf = (id: Uint8Array): string => nodes[(id[0] ?? 0) - 1] ?? '?'

/** `F`ull, `B`lind, `W`itness voters; `l`earners. The first is this node. */
const ROLES = { F: 'full', B: 'blind', W: 'witness', l: 'learner' } as const
const membersOf = (text: string): VolumeMember[] =>
  text.split('').map((letter, index) => {
    const role = ROLES[letter as keyof typeof ROLES]
    return { node: node(nodes[index] ?? ''), role, voter: role !== 'learner' }
  })

/** `b+` is complete on b, `b` accepted only. */
const acksOf = (text: string, coreKey = CORE, length = 7): AckStatement[] =>
  text
    .split(' ')
    .filter((each) => each !== '')
    .flatMap((each): AckStatement[] => {
      const member = node(each[0] ?? '')
      const accepted = { member, coreKey, level: 'accepted', length } as const
      return each.endsWith('+') ? [accepted, { ...accepted, level: 'complete' }] : [accepted]
    })

function reached(
  members: string,
  acks: readonly AckStatement[],
  { level = 'quorum', own = 7, complete = own }: { level?: 'local' | 'quorum'; own?: number; complete?: number } = {},
): string | undefined {
  const volume = {
    members: membersOf(members),
    coreKey: CORE,
    log: { head: () => ({ length: own }) } as unknown as JournalLog,
    completeLength: () => complete,
  }
  const counted = levelReached({ self: node('a'), volume, length: 7, level, acks })
  return counted?.map(nameOf).toSorted().join('')
}

describe('levels of acknowledgement', () => {
  it('local: the own log has it', () => {
    assert.equal(reached('FFF', [], { level: 'local' }), 'a')
    assert.equal(reached('FFF', acksOf('b+ c+'), { level: 'local', own: 6 }), undefined)
  })

  const table: [members: string, acks: string, counted: string | undefined, why: string][] = [
    ['F', '', 'a', 'one voter is its own majority'],
    ['FF', '', undefined, 'one of two is none'],
    ['FF', 'b', undefined, 'the second has accepted and is not complete'],
    ['FF', 'b+', 'ab', 'both'],
    ['FFF', 'b', undefined, 'a majority, complete on one'],
    ['FFF', 'b c', undefined, 'all have accepted, complete on one'],
    ['FFF', 'b+', 'ab', 'a majority, complete on two'],
    ['FFF', 'b c+', 'abc', 'accepted by all, complete on two'],
    ['FFFFF', 'b+', undefined, 'two of five are no majority'],
    ['FFFFF', 'b+ c', 'abc', 'three of five, complete on two'],
    ['FFFFF', 'b c', undefined, 'three of five, complete on one'],
    ['Fl', '', 'a', 'a learner is not waited for'],
    ['FFl', 'c+', undefined, 'a learner does not count'],
    ['FFl', 'b+ c+', 'ab', 'a learner is not named either'],
    ['FB', 'b+', 'ab', 'a blind member counts like a full one'],
    ['FBB', 'b+', 'ab', 'a blind one of three'],
    ['FW', 'b', 'ab', 'a witness accepts; the only data voter is complete'],
    ['FW', '', undefined, 'a witness votes'],
    ['FFW', 'c', undefined, 'a majority with the witness, complete on one of two'],
    ['FFW', 'b+', 'ab', 'complete on both, without the witness'],
    ['FFW', 'c b+', 'abc', 'all'],
    ['FFF', 'e+ f+', undefined, 'strangers do not count'],
  ]
  for (const [members, acks, counted, why] of table) {
    it(`quorum of ${members}, acks ${acks || 'none'}: ${counted ?? 'not reached'} (${why})`, () => {
      assert.equal(reached(members, acksOf(acks)), counted)
    })
  }

  it('quorum: shorter acks, and acks for the log of another epoch, do not count', () => {
    assert.equal(reached('FFF', acksOf('b+ c+', CORE, 6)), undefined)
    assert.equal(reached('FFF', acksOf('b+ c+', OTHER_CORE, 100)), undefined)
  })

  it('quorum: this node counts with what it has, not with what it said before', () => {
    assert.equal(reached('FF', [...acksOf('a+', CORE, 3), ...acksOf('b+')]), 'ab')
    assert.equal(reached('FFF', acksOf('a+ b+'), { complete: 6 }), undefined)
    assert.equal(reached('FFF', acksOf('b+ c+'), { complete: 6 }), 'abc')
  })
})
