import assert from 'node:assert/strict'
import { signingKeyFromSeed } from '@holdfast/keys'
import { asMeshId, equalBytes } from '@holdfast/ports'
import { decodeBundle, encodeBundle } from '../src/bundle.ts'
import { decodeVersion, encodeVersion, type Admission, type CharterChange } from '../src/documents.ts'
import {
  addInvitation,
  answerJoinRequest,
  CharterState,
  createJoinRequest,
  decodeJoinRequest,
  encodeJoinRequest,
  freeName,
  INVITATIONS_MAX,
  isInvited,
  proposeVersion,
  type JoinRequest,
  type JoinToken,
} from '../src/index.ts'
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

const inviter = keyOf(0)
const joiner = keyOf(30)
const seed = seedBytes(60, 32)
const oneTime = signingKeyFromSeed(seed)
const invitation = { oneTimeKey: oneTime.publicKey, role: 'full' as const, region: 'us-1', expiresAtMs: NOW + 1000 }
const invited = found().merge(addInvitation(found(), inviter, invitation, NOW)).state
const token: JoinToken = {
  mesh: MESH,
  charterHash: invited.head().hash,
  inviter: idOf(inviter),
  addresses: ['127.0.0.1:4747'],
  expiresAtMs: NOW + 1000,
  role: 'full',
  seed,
}
const wishes = { name: 'new', region: 'eu-9', addresses: ['10.0.0.1:4747'] }
const request = createJoinRequest(token, joiner, wishes)
const badToken = withCode('HF_BAD_TOKEN')

/** Marks the invitation used and admits the node, as the inviter does. */
function admitted(state: CharterState, asked: JoinRequest): CharterState {
  const answer = answerJoinRequest(state, inviter, asked, NOW)
  assert.ok(answer.type === 'admit')
  return change(state.merge(answer.bundle).state, [inviter], answer.changes)
}

const admission = (): Admission => {
  const answer = answerJoinRequest(invited, inviter, request, NOW)
  const [first] = answer.type === 'admit' ? answer.changes : []
  assert.ok(first?.type === 'admit')
  return first.admission
}

describe('joining (design section 5, Admission)', () => {
  it('the invitation fixes role and region; the node is in with a majority’s votes', () => {
    const state = admitted(invited, request)
    assert.deepEqual(state.node(idOf(joiner)), { id: idOf(joiner), name: 'new', region: 'us-1', role: 'full' })
  })

  it('the joiner opens the charter by the hash in its token', () => {
    const state = admitted(invited, request)
    assert.ok(CharterState.open(state.encodeBundle(), token).node(idOf(joiner)))
    assert.throws(() => CharterState.open(found(keyOf(3)).encodeBundle(), token), isRefused)
  })

  it('the same node asking again is answered alike: before it is certified, and after', () => {
    const first = answerJoinRequest(invited, inviter, request, NOW)
    assert.ok(first.type === 'admit')
    const marked = invited.merge(first.bundle).state
    const again = answerJoinRequest(marked, inviter, request, NOW + 5000)
    assert.ok(again.type === 'admit')
    assert.deepEqual(again.changes, first.changes)
    assert.equal(
      answerJoinRequest(change(marked, [inviter], first.changes), inviter, request, NOW + 5000).type,
      'member',
    )
  })

  it('a used token is refused to another node', () => {
    const other = createJoinRequest(token, keyOf(31), wishes)
    const first = answerJoinRequest(invited, inviter, request, NOW)
    assert.ok(first.type === 'admit')
    assert.throws(() => answerJoinRequest(invited.merge(first.bundle).state, inviter, other, NOW), badToken)
    assert.throws(() => answerJoinRequest(admitted(invited, request), inviter, other, NOW), badToken)
  })

  it('an expired, foreign or unknown token is refused', () => {
    assert.throws(() => answerJoinRequest(invited, inviter, request, NOW + 1000), badToken)
    assert.throws(() => answerJoinRequest(found(), inviter, request, NOW), badToken)
    const foreign = createJoinRequest({ ...token, mesh: asMeshId(seedBytes(1, 16)) }, joiner, wishes)
    assert.throws(() => answerJoinRequest(invited, inviter, foreign, NOW), badToken)
    const { state, keys } = meshOf(2)
    const [, other = keyOf(1)] = keys
    const elsewhere = state.merge(addInvitation(state, inviter, invitation, NOW)).state
    assert.throws(() => answerJoinRequest(elsewhere, other, request, NOW), badToken)
  })

  it('who lacks the token’s seed or the node’s key is refused', () => {
    for (const signature of ['tokenSignature', 'nodeSignature'] as const) {
      assert.throws(
        () => answerJoinRequest(invited, inviter, { ...request, [signature]: seedBytes(0, 64) }, NOW),
        badToken,
      )
    }
    assert.throws(() => answerJoinRequest(invited, inviter, { ...request, node: idOf(keyOf(31)) }, NOW), badToken)
  })

  it('a name that is no name is HF_BAD_INPUT; one that is taken gets a number', () => {
    assert.throws(() => answerJoinRequest(invited, inviter, { ...request, name: 'a/b' }, NOW), withCode('HF_BAD_INPUT'))
    const state = admitted(invited, createJoinRequest(token, joiner, { ...wishes, name: 'node-0' }))
    assert.equal(state.node(idOf(joiner))?.name, 'node-0-2')
    assert.equal(freeName(state, 'node-0'), 'node-0-3')
    const long = 'ü'.repeat(31)
    const taken = join(found(), inviter, [inviter], { key: keyOf(40), name: long })
    assert.equal(freeName(taken, long), 'ü'.repeat(30) + '-2')
  })

  it('the transport lets in only who holds an open invitation of this very node', () => {
    const self = idOf(inviter)
    assert.equal(isInvited(invited, self, oneTime.publicKey, NOW), true)
    assert.equal(isInvited(invited, self, oneTime.publicKey, NOW + 1000), false)
    assert.equal(isInvited(invited, self, strangerKey.publicKey, NOW), false)
    assert.equal(isInvited(invited, idOf(joiner), oneTime.publicKey, NOW), false)
    const first = answerJoinRequest(invited, inviter, request, NOW)
    assert.ok(first.type === 'admit')
    assert.equal(isInvited(invited.merge(first.bundle).state, self, oneTime.publicKey, NOW + 9000), true)
  })

  it('invitations are bounded; expired ones make room', () => {
    let state = found()
    const at = (number: number, nowMs: number) =>
      addInvitation(state, inviter, { ...invitation, oneTimeKey: seedBytes(number, 32) }, nowMs)
    for (let number = 0; number < INVITATIONS_MAX; number++) state = state.merge(at(number, NOW)).state
    assert.throws(() => at(200, NOW), withCode('HF_BUSY'))
    assert.equal(state.merge(at(200, NOW + 1000)).state.invitationsOf(idOf(inviter)).length, 1)
  })

  it('a removed node cannot come back by its old invitation', () => {
    const state = admitted(invited, request)
    const removed = change(state, [inviter, joiner], [{ type: 'remove', node: idOf(joiner) }], operatorKey)
    assert.throws(() => answerJoinRequest(removed, inviter, request, NOW), badToken)
  })

  it('a request survives encoding; altered bytes do not decode to another good one', () => {
    assert.deepEqual(decodeJoinRequest(encodeJoinRequest(request)), request)
    assert.throws(() => decodeJoinRequest(encodeJoinRequest(request).slice(1)), withCode('HF_DECODE'))
  })
})

describe('admission: every version that admits a node is checked by all', () => {
  /** The same change with the votes of all voters, past the checks of a proposer. */
  const forge = (state: CharterState, changes: readonly CharterChange[]): Uint8Array => {
    const good = certify(
      state,
      inviter,
      [inviter],
      proposeVersion(state, [{ type: 'admit', admission: admission() }], NOW),
    )
    const bundle = decodeBundle(good)
    const [first] = bundle.versions
    assert.ok(first)
    const body = encodeVersion({ ...decodeVersion(first.body), changes })
    return encodeBundle({ ...bundle, versions: [{ ...first, body }] })
  }

  const cases: Record<string, Partial<Admission>> = {
    'another role than the inviter granted': { node: { ...admission().node, role: 'vault' } },
    'another name than the inviter granted': { node: { ...admission().node, name: 'other' } },
    'another node': { node: { ...admission().node, id: idOf(keyOf(31)) } },
    'an inviter from outside': { inviter: idOf(strangerKey) },
    'another one-time key': { oneTimeKey: strangerKey.publicKey },
    'a forged signature of the token': { tokenSignature: seedBytes(0, 64) },
    'a forged signature of the node': { nodeSignature: seedBytes(0, 64) },
    'a forged signature of the inviter': { inviterSignature: seedBytes(0, 64) },
  }
  for (const [title, altered] of Object.entries(cases)) {
    it(`${title} is refused by a proposer, a voter and who merges it`, () => {
      const changes: CharterChange[] = [{ type: 'admit', admission: { ...admission(), ...altered } }]
      assert.throws(() => proposeVersion(invited, changes, NOW), isRefused)
      assert.throws(() => invited.merge(forge(invited, changes)), isRefused)
    })
  }

  it('a one-time key admits one node in the life of a charter, whoever votes', () => {
    const state = admitted(invited, request)
    const second = createJoinRequest(token, keyOf(31), wishes)
    const fresh = answerJoinRequest(invited, inviter, second, NOW)
    assert.ok(fresh.type === 'admit')
    assert.throws(() => proposeVersion(state, fresh.changes, NOW), isRefused)
    assert.ok(equalBytes(state.head().hash, admitted(invited, request).head().hash))
  })
})
