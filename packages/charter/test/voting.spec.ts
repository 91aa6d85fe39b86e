import assert from 'node:assert/strict'
import type { SigningKey } from '@holdfast/keys'
import { equalBytes, hexOf } from '@holdfast/ports'
import * as fc from 'fast-check'
import {
  answerCharterMessage,
  BALLOT_ROUND_MAX,
  CharterState,
  decodeBallots,
  decodeCharterMessage,
  encodeBallots,
  encodeCharterMessage,
  hearCharterMessage,
  proposeVersion,
  startProposal,
  type CharterBallots,
  type CharterMessage,
  type ProposalRun,
} from '../src/index.ts'
import { change, idOf, keyOf, meshOf, NOW, operatorKey, strangerKey, withCode } from './world.ts'

const rename = (number: number, name: string) => ({
  type: 'set' as const,
  node: { id: idOf(keyOf(number)), name, region: `region-${number}`, role: 'full' as const },
})

/** Voters with durable ballots, proposers that try again, and a network that loses and reorders as `choices` say. */
class Assembly {
  readonly states: CharterState[]
  readonly ballots: (CharterBallots | undefined)[]
  readonly keys: readonly SigningKey[]
  flying: { to: 'voter' | 'proposer'; voter: number; proposer: number; bytes: Uint8Array }[] = []
  readonly runs = new Map<number, { run: ProposalRun; done: boolean }>()

  constructor(state: CharterState, keys: readonly SigningKey[]) {
    this.keys = keys
    this.states = keys.map(() => state)
    this.ballots = keys.map(() => undefined)
  }

  /** Begins a ballot of this proposer for a rename, on the head that it knows. */
  propose(proposer: number, name: string, round: number): void {
    const state = this.#state(proposer)
    const proposed = proposeVersion(state, [rename(proposer, name)], NOW, operatorKey)
    const step = startProposal(state, idOf(this.#key(proposer)), proposed, round)
    this.runs.set(proposer, { run: step.run, done: false })
    this.#send(proposer, step.send)
  }

  deliver(index: number): void {
    const [packet] = this.flying.splice(index, 1)
    assert.ok(packet)
    const message = decodeCharterMessage(packet.bytes)
    if (packet.to === 'voter') {
      const answer = answerCharterMessage(
        this.#state(packet.voter),
        this.ballots[packet.voter],
        this.#key(packet.voter),
        message,
        idOf(this.#key(packet.proposer)),
      )
      if (answer.persist) this.ballots[packet.voter] = decodeBallots(encodeBallots(answer.ballots))
      this.flying.push({ ...packet, to: 'proposer', bytes: encodeCharterMessage(answer.reply) })
      return
    }
    const held = this.runs.get(packet.proposer)
    if (held === undefined || held.done) return
    const step = hearCharterMessage(held.run, idOf(this.#key(packet.voter)), message)
    this.runs.set(packet.proposer, { run: step.run, done: step.outcome !== undefined })
    this.#send(packet.proposer, step.send)
    if (step.outcome?.type === 'chosen')
      this.states[packet.proposer] = this.#state(packet.proposer).merge(step.outcome.bundle).state
  }

  spread(from: number, to: number): void {
    this.states[to] = this.#state(to).merge(this.#state(from).encodeBundle()).state
  }

  #send(proposer: number, message: CharterMessage | undefined): void {
    if (message === undefined) return
    const bytes = encodeCharterMessage(message)
    for (const voter of this.keys.keys()) this.flying.push({ to: 'voter', voter, proposer, bytes })
  }

  #state(index: number): CharterState {
    const state = this.states[index]
    assert.ok(state)
    return state
  }

  #key(index: number): SigningKey {
    const key = this.keys[index]
    assert.ok(key)
    return key
  }
}

describe('charter ballots: concurrent proposals end in one order', () => {
  const { state, keys } = meshOf(3)

  it('any order, loss and repetition of rounds: no two certified versions of one number', () => {
    const action = fc.oneof(
      { weight: 12, arbitrary: fc.nat().map((choice) => ({ do: 'deliver' as const, choice })) },
      { weight: 2, arbitrary: fc.nat().map((choice) => ({ do: 'lose' as const, choice })) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('propose' as const),
          proposer: fc.nat(2),
          round: fc.integer({ min: 1, max: 5 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('spread' as const), from: fc.nat(2), to: fc.nat(2) }) },
    )
    fc.assert(
      fc.property(fc.array(action, { minLength: 40, maxLength: 120 }), (actions) => {
        const assembly = new Assembly(state, keys)
        assembly.propose(0, 'zero', 1)
        assembly.propose(1, 'one', 1)
        actions.forEach((step, at) => {
          if (step.do === 'propose') assembly.propose(step.proposer, `name-${at}`, step.round)
          else if (step.do === 'spread') assembly.spread(step.from, step.to)
          else if (assembly.flying.length > 0) {
            const index = step.choice % assembly.flying.length
            if (step.do === 'deliver') assembly.deliver(index)
            else assembly.flying.splice(index, 1)
          }
        })
        // Merging refuses two certified versions of one number: that none is refused is the property.
        const all = assembly.states.reduce((merged, next) => merged.merge(next.encodeBundle()).state, state)
        for (const known of assembly.states)
          assert.ok(equalBytes(known.merge(all.encodeBundle()).state.head().hash, all.head().hash))
      }),
      { numRuns: 150 },
    )
  }).timeout(60_000)

  it('the loser of a ballot is outbid, learns the winner’s version and gets its own change into the next one', () => {
    const assembly = new Assembly(state, keys)
    assembly.propose(0, 'zero', 1)
    assembly.propose(1, 'one', 2)
    while (assembly.flying.length > 0)
      assembly.deliver(
        assembly.flying.findLastIndex((packet) => packet.proposer === 1) < 0
          ? 0
          : assembly.flying.findIndex((packet) => packet.proposer === 1),
      )
    assert.equal(assembly.runs.get(0)?.done, true)
    assert.equal(assembly.states[1]?.node(idOf(keyOf(1)))?.name, 'one')
    for (const to of [0, 2]) assembly.spread(1, to)
    assembly.propose(0, 'zero', 1)
    while (assembly.flying.length > 0) assembly.deliver(0)
    const names = assembly.states[0]
      ?.nodes()
      .map((node) => node.name)
      .toSorted()
    assert.deepEqual(names, ['node-2', 'one', 'zero'])
    assert.equal(assembly.states[0]?.head().version, 5)
  })

  it('a version that may have been chosen is finished by the next proposer, which is told that it is not its own', () => {
    const [a = keyOf(0), b = keyOf(1), c = keyOf(2)] = keys
    const first = proposeVersion(state, [rename(0, 'zero')], NOW, operatorKey)
    const ballot = { round: 1, proposer: idOf(a) }
    const previous = state.head().hash
    const kept = [a, b].map((key) => {
      const promised = answerCharterMessage(
        state,
        undefined,
        key,
        { type: 'prepare', previous, ballot },
        idOf(a),
      ).ballots
      return answerCharterMessage(state, promised, key, { type: 'accept', previous, ballot, proposed: first }, idOf(a))
        .ballots
    })
    const ballots = new Map([
      [hexOf(b.publicKey), kept[1]],
      [hexOf(c.publicKey), undefined],
    ])
    let step = startProposal(state, idOf(c), proposeVersion(state, [rename(2, 'two')], NOW, operatorKey), 2)
    for (let turns = 0; step.outcome === undefined && turns < 3; turns++) {
      const message = step.send
      assert.ok(message)
      for (const key of [b, c]) {
        const answer = answerCharterMessage(state, ballots.get(hexOf(key.publicKey)), key, message, idOf(c))
        ballots.set(hexOf(key.publicKey), answer.ballots)
        step = hearCharterMessage(step.run, idOf(key), answer.reply)
        if (step.outcome !== undefined) break
      }
    }
    assert.equal(step.outcome?.type, 'chosen')
    assert.ok(step.outcome.type === 'chosen' && !step.outcome.own)
    assert.equal(state.merge(step.outcome.bundle).state.node(idOf(a))?.name, 'zero')
  })
})

describe('charter ballots: what a voter refuses', () => {
  const { state, keys } = meshOf(3)
  const [a = keyOf(0), b = keyOf(1)] = keys
  const previous = state.head().hash
  const ballot = { round: 1, proposer: idOf(a) }
  const proposed = proposeVersion(state, [rename(0, 'zero')], NOW, operatorKey)
  const ask = (message: CharterMessage, key = b, held?: CharterBallots) =>
    answerCharterMessage(state, held, key, message, message.ballot.proposer)

  it('persists before every promise and vote, and changes nothing when it refuses', () => {
    const promise = ask({ type: 'prepare', previous, ballot })
    assert.deepEqual([promise.persist, promise.reply.type], [true, 'promise'])
    const vote = ask({ type: 'accept', previous, ballot, proposed }, b, promise.ballots)
    assert.deepEqual([vote.persist, vote.reply.type], [true, 'vote'])
    const higher = { round: 2, proposer: idOf(a) }
    const held = ask({ type: 'prepare', previous, ballot: higher }, b, vote.ballots).ballots
    const late = ask({ type: 'accept', previous, ballot, proposed }, b, held)
    assert.deepEqual([late.persist, late.reply.type, late.ballots], [false, 'outbid', held])
  })

  it('another head is answered with the own one', () => {
    const behind = ask({ type: 'prepare', previous: keyOf(3).publicKey, ballot })
    assert.ok(behind.reply.type === 'other-head' && equalBytes(behind.reply.head, previous))
  })

  it('who has no vote says so, and votes of those without one are not counted', () => {
    assert.equal(ask({ type: 'prepare', previous, ballot }, strangerKey).reply.type, 'forbidden')
    const step = startProposal(state, idOf(a), proposed, 1)
    const heard = hearCharterMessage(step.run, idOf(strangerKey), { type: 'promise', ballot })
    assert.equal(heard.run, step.run)
  })

  it('proposers from outside, ballots out of range and forbidden changes are refused', () => {
    const cases: CharterMessage[] = [
      { type: 'prepare', previous, ballot: { round: 1, proposer: idOf(strangerKey) } },
      { type: 'prepare', previous, ballot: { round: 0, proposer: idOf(a) } },
      { type: 'prepare', previous, ballot: { round: BALLOT_ROUND_MAX + 1, proposer: idOf(a) } },
      { type: 'accept', previous, ballot, proposed: { body: proposed.body } },
    ]
    for (const message of cases) assert.equal(ask(message).reply.type, 'forbidden')
  })

  it('a vote with another’s signature is not counted; no majority of refusals ends the ballot with their reasons', () => {
    const started = startProposal(state, idOf(a), proposed, 1)
    let run = started.run
    for (const key of [a, b]) run = hearCharterMessage(run, idOf(key), { type: 'promise', ballot }).run
    const vote = ask({ type: 'accept', previous, ballot, proposed }, b).reply
    run = hearCharterMessage(run, idOf(a), vote).run
    assert.equal(run.votes.length, 0)
    run = hearCharterMessage(run, idOf(a), { type: 'outbid', ballot, promised: { round: 7, proposer: idOf(b) } }).run
    const ended = hearCharterMessage(run, idOf(b), { type: 'forbidden', ballot, reason: 'no' })
    assert.deepEqual(ended.outcome, { type: 'failed', round: 8, otherHeads: [], reasons: ['no'] })
  })

  it('a ballot is its proposer’s own, and has one value', () => {
    const borrowed = answerCharterMessage(state, undefined, b, { type: 'prepare', previous, ballot }, idOf(b)).reply
    assert.equal(borrowed.type, 'forbidden')
    const { ballots } = ask({ type: 'accept', previous, ballot, proposed })
    const second = proposeVersion(state, [rename(0, 'other')], NOW, operatorKey)
    const answer = ask({ type: 'accept', previous, ballot, proposed: second }, b, ballots)
    assert.deepEqual([answer.persist, answer.reply.type, answer.ballots], [false, 'forbidden', ballots])
    assert.equal(ask({ type: 'accept', previous, ballot, proposed }, b, ballots).reply.type, 'vote')
  })

  it('answers only what a proposer sends', () => {
    assert.throws(() => ask({ type: 'promise', ballot }), withCode('HF_PEER_PROTOCOL'))
  })

  it('ballots of a former version do not bind the next one', () => {
    const held = ask({ type: 'prepare', previous, ballot: { round: 9, proposer: idOf(a) } }).ballots
    const next = change(state, keys, [rename(0, 'zero')], operatorKey)
    const answer = answerCharterMessage(next, held, b, { type: 'prepare', previous: next.head().hash, ballot }, idOf(a))
    assert.equal(answer.reply.type, 'promise')
  })
})
