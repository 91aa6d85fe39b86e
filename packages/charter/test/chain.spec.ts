import assert from 'node:assert/strict'
import { sign, type SigningKey } from '@holdfast/keys'
import { equalBytes } from '@holdfast/ports'
import { decodeBundle, encodeBundle } from '../src/bundle.ts'
import {
  encodeVersion,
  LABELS,
  versionHash,
  voteBytes,
  type Certificate,
  type CharterVersion,
} from '../src/documents.ts'
import { CharterState, OPERATOR_LEAP, proposeVersion } from '../src/index.ts'
import {
  certify,
  change,
  found,
  idOf,
  isRefused,
  join,
  keyOf,
  MESH,
  meshOf,
  NOW,
  operatorKey,
  seedBytes,
  strangerKey,
  withCode,
} from './world.ts'

const node = (number: number) => ({
  id: idOf(keyOf(number)),
  name: `node-${number}`,
  region: 'eu-1',
  role: 'full' as const,
})

interface Forged {
  readonly version?: Partial<CharterVersion>
  readonly votes?: readonly SigningKey[]
  readonly operator?: SigningKey
  readonly edit?: (certificate: Certificate) => Certificate
}

/** A bundle with one version after the head that says and is signed by whatever the test wants. */
function forge(state: CharterState, { version = {}, votes = [], operator, edit = (same) => same }: Forged): Uint8Array {
  const { version: number, hash: previous } = state.head()
  const body = encodeVersion({
    mesh: MESH,
    number: number + 1,
    previous,
    timeMs: NOW,
    changes: [{ type: 'set', node: { ...node(0), region: 'us-1' } }],
    ...version,
  })
  const hash = versionHash(body)
  const ballot = { round: 1, proposer: idOf(keyOf(0)) }
  const signed = votes.map((key) => ({
    node: idOf(key),
    signature: sign(key, LABELS.versionVote, voteBytes(ballot, hash)),
  }))
  const certificate = edit({
    ballot,
    votes: signed.toSorted((a, b) => Buffer.compare(a.node, b.node)),
    ...(operator === undefined ? {} : { operatorSignature: sign(operator, LABELS.versionOperator, hash) }),
  })
  return encodeBundle({ mesh: MESH, head: hash, versions: [{ body, certificate }], entries: [] })
}

const repeated = (certificate: Certificate) => ({
  ...certificate,
  votes: certificate.votes.flatMap((vote) => [vote, vote]),
})
const otherBallot = (certificate: Certificate) => ({ ...certificate, ballot: { ...certificate.ballot, round: 2 } })
const reversed = (certificate: Certificate) => ({ ...certificate, votes: certificate.votes.toReversed() })
const swapped = (certificate: Certificate) => ({
  ...certificate,
  votes: certificate.votes.map((vote, at, all) => ({
    ...vote,
    signature: all.at(at - 1)?.signature ?? vote.signature,
  })),
})

function assertRefused(state: CharterState, bundle: Uint8Array): void {
  const before = state.digest()
  assert.throws(() => state.merge(bundle), isRefused)
  assert.ok(equalBytes(state.digest(), before))
}

describe('charter: genesis (design section 5, Authority)', () => {
  it('is version 1 with one full node, signed by it and by the operator key', () => {
    const state = found()
    assert.equal(state.head().version, 1)
    assert.deepEqual(state.nodes(), [node(0)])
    assert.equal(state.mesh().name, 'test-mesh')
    assert.ok(equalBytes(state.mesh().operatorKey, operatorKey.publicKey))
    assert.equal(state.log()[0]?.operatorSigned, true)
  })

  it('opens again from its bundle, for who knows its hash and mesh', () => {
    const state = found()
    const anchor = { mesh: MESH, charterHash: state.head().hash }
    assert.ok(equalBytes(CharterState.open(state.encodeBundle(), anchor).digest(), state.digest()))
    assert.throws(
      () => CharterState.open(state.encodeBundle(), { ...anchor, charterHash: seedBytes(0, 32) }),
      isRefused,
    )
    assert.throws(() => CharterState.open(state.encodeBundle(), { ...anchor, mesh: seedBytes(0, 16) }), isRefused)
  })

  it('without the operator signature, or without the vote of its node, it is refused', () => {
    const state = found()
    const bundle = decodeBundle(state.encodeBundle())
    const [first] = bundle.versions
    assert.ok(first)
    const { ballot, votes, operatorSignature } = first.certificate
    assert.ok(operatorSignature)
    const anchor = { mesh: MESH, charterHash: state.head().hash }
    for (const certificate of [
      { ballot, votes },
      { ballot, votes: [], operatorSignature },
    ]) {
      const forged = encodeBundle({ ...bundle, versions: [{ ...first, certificate }] })
      assert.throws(() => CharterState.open(forged, anchor), isRefused)
    }
  })

  it('another version 1 is refused, even of the same mesh id', () => {
    assertRefused(found(), found(keyOf(5)).encodeBundle())
  })
})

describe('charter: a version needs a majority of the voters of the version before', () => {
  const { state, keys } = meshOf(3)
  const [a = keyOf(0), b = keyOf(1), c = keyOf(2)] = keys
  const changes = [{ type: 'set' as const, node: { ...node(2), role: 'learner' as const } }]

  it('any two of three voters and the operator key certify a change', () => {
    for (const votes of [[a, b], [b, c], [a, c], keys]) {
      const merged = state.merge(forge(state, { version: { changes }, votes, operator: operatorKey })).state
      assert.equal(merged.head().version, 4)
      assert.equal(merged.node(idOf(c))?.role, 'learner')
    }
  })

  it('one of three is no majority', () => {
    for (const votes of [[], [a], [b], [c]]) assertRefused(state, forge(state, { votes, operator: operatorKey }))
  })

  it('vaults, learners and removed nodes are not counted and may not vote', () => {
    const fewer = change(state, keys, changes, operatorKey)
    assertRefused(fewer, forge(fewer, { votes: [a, c], operator: operatorKey }))
    assert.equal(fewer.merge(forge(fewer, { votes: [a, b], operator: operatorKey })).changed, true)
    assertRefused(fewer, forge(fewer, { votes: [a], operator: operatorKey }))
    const vault = change(state, keys, [{ type: 'set', node: { ...node(2), role: 'vault' } }], operatorKey)
    assert.equal(vault.voters().length, 2)
    const removed = change(state, keys, [{ type: 'remove', node: idOf(c) }], operatorKey)
    assertRefused(removed, forge(removed, { votes: [a, c], operator: operatorKey }))
  })

  it('a vote counts once, for its own ballot, version and voter', () => {
    const good = { votes: [a, b], operator: operatorKey }
    for (const edit of [repeated, otherBallot, reversed, swapped]) assertRefused(state, forge(state, { ...good, edit }))
    assertRefused(state, forge(state, { votes: [a, strangerKey], operator: operatorKey }))
  })

  it('the chain is by hash and number: anything else before it, or another number, is refused', () => {
    const votes = keys
    for (const version of [
      { number: 6 },
      { number: 3 },
      { number: 1 },
      { mesh: found().mesh().id, previous: found().head().hash },
    ]) {
      assertRefused(state, forge(state, { version, votes, operator: operatorKey }))
    }
    const gap = state.merge(forge(state, { version: { previous: seedBytes(1, 32) }, votes, operator: operatorKey }))
    assert.deepEqual([gap.gap, gap.changed], [true, false])
  })

  it('two certified versions of one number are refused by who knows one: what stands, stands', () => {
    const one = state.merge(forge(state, { version: { timeMs: 1 }, votes: keys, operator: operatorKey })).state
    assertRefused(one, forge(state, { version: { timeMs: 2 }, votes: keys, operator: operatorKey }))
  })
})

describe('charter: what needs the operator key', () => {
  const { state, keys } = meshOf(3)
  const cases = {
    'removing a node': [{ type: 'remove' as const, node: idOf(keyOf(2)) }],
    'changing a role': [{ type: 'set' as const, node: { ...node(2), region: 'region-2', role: 'learner' as const } }],
    'changing a region': [{ type: 'set' as const, node: { ...node(2), region: 'other' } }],
    'renaming a node': [{ type: 'set' as const, node: { ...node(2), region: 'region-2', name: 'other' } }],
  }
  for (const [title, changes] of Object.entries(cases)) {
    it(`${title}: refused with all votes but without the key, or with another key; allowed with both`, () => {
      assertRefused(state, forge(state, { version: { changes }, votes: keys }))
      assertRefused(state, forge(state, { version: { changes }, votes: keys, operator: strangerKey }))
      assertRefused(state, forge(state, { version: { changes }, operator: operatorKey }))
      assert.equal(
        state.merge(forge(state, { version: { changes }, votes: keys, operator: operatorKey })).changed,
        true,
      )
    })
  }

  it('a proposer is told so: HF_OPERATOR_KEY without it, or with another mesh’s', () => {
    const changes = cases['removing a node']
    assert.throws(() => proposeVersion(state, changes, NOW), withCode('HF_OPERATOR_KEY'))
    assert.throws(() => proposeVersion(state, changes, NOW, strangerKey), withCode('HF_OPERATOR_KEY'))
  })

  it('admitting a node needs a majority and no operator key', () => {
    assert.equal(state.nodes().length, 3)
    assert.equal(
      state
        .log()
        .slice(1)
        .every((line) => !line.operatorSigned && line.votes.length >= 1),
      true,
    )
  })
})

describe('charter: contents of a version', () => {
  const { state, keys } = meshOf(2)
  const refusedCases = {
    'no change at all': [],
    'a second founding': [{ type: 'found' as const, name: 'x', operatorKey: strangerKey.publicKey, node: node(9) }],
    'removing a node that is not there': [{ type: 'remove' as const, node: idOf(keyOf(9)) }],
    'setting a node that is not there': [{ type: 'set' as const, node: node(9) }],
    'a name that another node has': [{ type: 'set' as const, node: { ...node(1), name: 'node-0' } }],
    'an empty name': [{ type: 'set' as const, node: { ...node(1), name: '' } }],
    'a name with a colon': [{ type: 'set' as const, node: { ...node(1), name: 'a:b' } }],
    'a name with a line break': [{ type: 'set' as const, node: { ...node(1), name: 'a\nb' } }],
    'an empty region': [{ type: 'set' as const, node: { ...node(1), region: '' } }],
    'removing every voter': [0, 1].map((number) => ({ type: 'remove' as const, node: idOf(keyOf(number)) })),
  }
  for (const [title, changes] of Object.entries(refusedCases)) {
    it(`${title} is refused`, () =>
      assertRefused(state, forge(state, { version: { changes }, votes: keys, operator: operatorKey })))
  }

  it('a removed id never comes back', () => {
    const removed = change(state, keys, [{ type: 'remove', node: idOf(keyOf(1)) }], operatorKey)
    assert.equal(removed.node(idOf(keyOf(1))), undefined)
    assert.equal(removed.nodeEver(idOf(keyOf(1)))?.name, 'node-1')
    assert.throws(() => join(removed, keyOf(0), [keyOf(0)], { key: keyOf(1), name: 'again' }))
  })
})

describe('charter: the operator key alone, when no majority lives', () => {
  const { state, keys } = meshOf(3)
  const changes = [1, 2].map((number) => ({ type: 'remove' as const, node: idOf(keyOf(number)) }))
  const leap = (timeMs: number): Uint8Array =>
    forge(state, { version: { number: state.head().version + OPERATOR_LEAP, changes, timeMs }, operator: operatorKey })

  it('writes the version OPERATOR_LEAP further on; without its signature that is refused', () => {
    assert.equal(state.merge(leap(1)).state.head().version, 1003)
    const forged = forge(state, { version: { number: 1003, changes }, votes: keys })
    assertRefused(state, forged)
  })

  it('wins over what a majority certified beside it, in either order; the loser’s entries go', () => {
    const ordinary = join(state, keyOf(0), keys, { key: keyOf(7), name: 'late' })
    const leapt = state.merge(leap(1)).state
    const merged = ordinary.merge(leapt.encodeBundle())
    assert.ok(equalBytes(merged.state.head().hash, leapt.head().hash))
    assert.equal(merged.changes.conflicts.length, 1)
    const other = leapt.merge(ordinary.encodeBundle())
    assert.ok(equalBytes(other.state.head().hash, leapt.head().hash))
    assert.ok(equalBytes(other.state.digest(), merged.state.digest()))
  })

  it('two leaps beside each other end in one, the same for all', () => {
    const [one, two] = [state.merge(leap(1)).state, state.merge(leap(2)).state]
    assert.ok(equalBytes(one.merge(two.encodeBundle()).state.digest(), two.merge(one.encodeBundle()).state.digest()))
  })

  it('voters do not vote on a leap', () => {
    const body = decodeBundle(leap(1)).versions[0]
    assert.ok(body?.certificate.operatorSignature)
    const proposed = { body: body.body, operatorSignature: body.certificate.operatorSignature }
    assert.throws(() => certify(state, keyOf(0), keys, proposed), /no majority/)
  })
})
