import assert from 'node:assert/strict'
import { asNodeId, hexOf } from '@holdfast/ports'
import * as fc from 'fast-check'
import {
  accept,
  compareBallots,
  createProposal,
  hearAcceptance,
  hearPromise,
  prepare,
  valueOf,
  type AcceptedValue,
  type AcceptorRecord,
  type Proposal,
} from '../src/decree.ts'

/** A closed world of proposers and acceptors that enumerates what a network may do: every message may be delivered at any
 *  moment after it was sent, in any order, or never. A message that is never delivered is one that was lost, and a proposer
 *  that hears nothing more is one that crashed; so every state that deliveries can reach is looked at. */

type Value = string
type Message =
  | { readonly type: 'prepare' | 'accept'; readonly proposer: number; readonly acceptor: number }
  | {
      readonly type: 'promise'
      readonly proposer: number
      readonly acceptor: number
      readonly accepted?: AcceptedValue<Value>
    }
  | { readonly type: 'accepted'; readonly proposer: number; readonly acceptor: number }

interface World {
  readonly acceptors: readonly AcceptorRecord<Value>[]
  readonly proposals: readonly Proposal<Value>[]
  readonly flying: readonly Message[]
  /** Every acceptance ever: `proposer/acceptor/value`. */
  readonly acceptances: ReadonlySet<string>
}

const id = (first: number) => asNodeId(new Uint8Array(32).fill(first))

function worldOf(ballots: readonly { round: number; node: number; value: Value }[], acceptorCount: number): World {
  const majority = Math.floor(acceptorCount / 2) + 1
  return {
    acceptors: Array.from({ length: acceptorCount }, () => ({})),
    proposals: ballots.map(({ round, node, value }) => createProposal({ round, proposer: id(node) }, value, majority)),
    flying: ballots.flatMap((_, proposer) => toAll('prepare', proposer, acceptorCount)),
    acceptances: new Set(),
  }
}

function toAll(type: 'prepare' | 'accept', proposer: number, acceptorCount: number): Message[] {
  return Array.from({ length: acceptorCount }, (_, acceptor) => ({ type, proposer, acceptor }))
}

function deliver(world: World, index: number): World {
  const message = world.flying[index]
  assert.ok(message)
  const flying = world.flying.filter((_, at) => at !== index)
  const proposal = world.proposals[message.proposer]
  const record = world.acceptors[message.acceptor]
  assert.ok(proposal && record)
  const { proposer, acceptor } = message
  if (message.type === 'prepare' || message.type === 'accept') {
    const value = valueOf(proposal)
    const answer =
      message.type === 'prepare' ? prepare(record, proposal.ballot) : accept(record, proposal.ballot, value)
    if (answer.type === 'refused') return { ...world, flying }
    const reply: Message =
      answer.type === 'promised'
        ? {
            type: 'promise',
            proposer,
            acceptor,
            ...(answer.accepted === undefined ? {} : { accepted: answer.accepted }),
          }
        : { type: 'accepted', proposer, acceptor }
    const acceptances =
      answer.type === 'accepted'
        ? new Set(world.acceptances).add(`${proposer}/${acceptor}/${value}`)
        : world.acceptances
    return {
      ...world,
      acceptors: world.acceptors.with(acceptor, answer.record),
      flying: [...flying, reply],
      acceptances,
    }
  }
  const heard =
    message.type === 'promise'
      ? hearPromise(proposal, id(100 + acceptor), message.accepted)
      : hearAcceptance(proposal, id(100 + acceptor))
  const sent =
    proposal.phase === 'preparing' && heard.phase === 'accepting'
      ? toAll('accept', proposer, world.acceptors.length)
      : []
  return { ...world, proposals: world.proposals.with(proposer, heard), flying: [...flying, ...sent] }
}

/** Values that a majority accepted in one ballot, known to anyone or not. */
function chosenValues(world: World): Set<Value> {
  const counts = new Map<string, number>()
  for (const acceptance of world.acceptances) {
    const [proposer, , value] = acceptance.split('/')
    const key = `${proposer}/${value}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const majority = Math.floor(world.acceptors.length / 2) + 1
  return new Set([...counts].filter(([, count]) => count >= majority).map(([key]) => key.split('/')[1] ?? ''))
}

function assertSafe(world: World): void {
  const chosen = chosenValues(world)
  assert.ok(chosen.size <= 1, `two values were chosen: ${[...chosen].join(', ')}`)
  for (const proposal of world.proposals) if (proposal.phase === 'chosen') assert.ok(chosen.has(valueOf(proposal)))
}

/** A state as text; what a state still does depends on nothing else. Acceptors are interchangeable, so the three texts of
 *  what concerns each are sorted: states that differ by their names only are looked at once. */
function keyOf(world: World): string {
  const proposals = world.proposals.map((proposal) => proposal.phase + acceptedText(proposal.highest))
  return [...proposals, ...world.acceptors.map((_, acceptor) => acceptorText(world, acceptor)).toSorted()].join('|')
}

function acceptorText(world: World, acceptor: number): string {
  const record = world.acceptors[acceptor]
  const name = hexOf(id(100 + acceptor))
  const heard = world.proposals.map((proposal) => `${proposal.promises.has(name)}${proposal.acceptances.has(name)}`)
  const flying = world.flying
    .filter((message) => message.acceptor === acceptor)
    .map(
      (message) => message.type + message.proposer + (message.type === 'promise' ? acceptedText(message.accepted) : ''),
    )
  const acceptances = [...world.acceptances].filter((acceptance) => acceptance.split('/')[1] === String(acceptor))
  const promised = record?.promised === undefined ? '' : `${record.promised.round}${record.promised.proposer[0]}`
  const kept = acceptances.map((acceptance) => acceptance.replace(/\/\d+\//, '/'))
  return [promised, acceptedText(record?.accepted), ...heard, ...flying.toSorted(), ...kept.toSorted()].join(' ')
}

const acceptedText = (accepted: AcceptedValue<Value> | undefined): string =>
  accepted === undefined ? '-' : `${accepted.ballot.round}${accepted.ballot.proposer[0]}${accepted.value}`

function explore(start: World): { states: number; outcomes: Set<Value> } {
  const seen = new Set([keyOf(start)])
  const frontier = [start]
  const outcomes = new Set<Value>()
  for (let world = frontier.pop(); world !== undefined; world = frontier.pop()) {
    assertSafe(world)
    for (const value of chosenValues(world)) outcomes.add(value)
    for (let index = 0; index < world.flying.length; index++) {
      const next = deliver(world, index)
      const key = keyOf(next)
      if (seen.has(key)) continue
      seen.add(key)
      frontier.push(next)
    }
  }
  return { states: seen.size, outcomes }
}

describe('decree: two proposers, three acceptors, every order of delivery and loss', () => {
  it('never chooses two values, and either can win (same round)', () => {
    const { states, outcomes } = explore(
      worldOf(
        [
          { round: 1, node: 1, value: 'a' },
          { round: 1, node: 2, value: 'b' },
        ],
        3,
      ),
    )
    assert.ok(states > 10_000, `only ${states} states were looked at`)
    assert.deepEqual([...outcomes].toSorted(), ['a', 'b'])
  }).timeout(60_000)

  it('never chooses two values when a proposer forgets its ballot and begins it again with another value', () => {
    const { outcomes } = explore(
      worldOf(
        [
          { round: 1, node: 1, value: 'a' },
          { round: 1, node: 1, value: 'b' },
        ],
        3,
      ),
    )
    assert.deepEqual([...outcomes].toSorted(), ['a', 'b'])
  }).timeout(60_000)
})

describe('decree: more ballots, random orders', () => {
  it('never chooses two values, with three or five acceptors and up to five ballots', () => {
    const ballots = fc.array(
      fc.record({ round: fc.integer({ min: 1, max: 4 }), node: fc.integer({ min: 1, max: 3 }) }),
      { minLength: 2, maxLength: 5 },
    )
    fc.assert(
      fc.property(
        ballots,
        fc.constantFrom(3, 5),
        fc.array(fc.nat(), { maxLength: 120 }),
        (drawn, acceptorCount, choices) => {
          const distinct = [...new Map(drawn.map((ballot) => [`${ballot.round}/${ballot.node}`, ballot])).values()]
          let world = worldOf(
            distinct.map((ballot, index) => ({ ...ballot, value: `v${index}` })),
            acceptorCount,
          )
          for (const choice of choices) {
            if (world.flying.length === 0) break
            world = deliver(world, choice % world.flying.length)
            assertSafe(world)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('a proposer that nobody disturbs is done after four delivered rounds', () => {
    let world = worldOf([{ round: 1, node: 1, value: 'a' }], 5)
    while (world.flying.length > 0) world = deliver(world, 0)
    assert.equal(world.proposals[0]?.phase, 'chosen')
    assert.deepEqual([...chosenValues(world)], ['a'])
  })

  it('ballots are ordered by round, then by proposer', () => {
    const low = { round: 1, proposer: id(9) }
    assert.ok(compareBallots(low, { round: 2, proposer: id(1) }) < 0)
    assert.ok(compareBallots(low, { round: 1, proposer: id(8) }) > 0)
    assert.equal(compareBallots(low, { round: 1, proposer: id(9) }), 0)
  })
})
