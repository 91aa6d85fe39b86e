import assert from 'node:assert/strict'
import { sign } from '@holdfast/keys'
import { equalBytes } from '@holdfast/ports'
import { encodeBundle } from '../src/bundle.ts'
import { entryHash, LABELS } from '../src/documents.ts'
import {
  adoptStep,
  answerCosign,
  completeStep,
  cosignatureOf,
  decodeCosignLocks,
  decodeCosignReply,
  decodeCosignRequest,
  encodeCosignLocks,
  encodeCosignReply,
  encodeCosignRequest,
  isAgreed,
  openStep,
  type CosignLocks,
} from '../src/index.ts'
import { changeVolume, idOf, isRefused, keyOf, MESH, meshOf, protect, seedBytes, withCode } from './world.ts'

const { state: mesh, keys } = meshOf(4)
const [a = keyOf(0), b = keyOf(1), c = keyOf(2), d = keyOf(3)] = keys
const { state: alone, id } = protect(mesh, a)
const voter = (key: typeof a) => ({ node: idOf(key), role: 'full' as const, voter: true })
const none: CosignLocks = new Map()
const pair = changeVolume(alone, a, id, { members: [voter(a), voter(b)] }, [b])
const withC = { members: [voter(a), voter(b), voter(c)] }
const withD = { members: [voter(a), voter(b), voter(d)] }

describe('co-signing: voters agree to one step of a counter', () => {
  it('a voter locks what it signs, durably, and signs it again when asked again', () => {
    const open = openStep(pair, a, none, id, withC)
    const first = answerCosign(pair, none, b, open.request)
    assert.deepEqual([first.persist, first.reply.type], [true, 'cosigned'])
    const again = answerCosign(pair, first.locks, b, open.request)
    assert.equal(again.persist, false)
    assert.deepEqual(again.reply, first.reply)
  })

  it('another step of the same counter and attempt is refused with the locked one; nothing changes', () => {
    const locks = answerCosign(pair, none, b, openStep(pair, a, none, id, withC).request).locks
    const other = openStep(pair, a, none, id, withD)
    const answer = answerCosign(pair, locks, b, other.request)
    assert.ok(answer.reply.type === 'refused' && answer.reply.locked)
    assert.deepEqual([answer.persist, answer.locks], [false, locks])
  })

  it('an author that gave an attempt up asks for the next one, and is signed', () => {
    const own = answerCosign(pair, none, a, openStep(pair, a, none, id, withC).request).locks
    const locks = answerCosign(pair, none, b, openStep(pair, a, none, id, withC).request).locks
    const second = openStep(pair, a, own, id, withD)
    assert.equal(answerCosign(pair, locks, b, second.request).reply.type, 'cosigned')
  })

  it('an author that forgot completes what its voters have locked', () => {
    const forgotten = openStep(pair, a, none, id, withC)
    const locks = answerCosign(pair, none, b, forgotten.request).locks
    const refusal = answerCosign(pair, locks, b, openStep(pair, a, none, id, withD).request).reply
    assert.ok(refusal.type === 'refused' && refusal.locked)
    const adopted = adoptStep(pair, a, refusal.locked)
    const reply = answerCosign(pair, locks, b, adopted.request).reply
    const done = pair.merge(
      completeStep(
        pair,
        a,
        adopted,
        [cosignatureOf(idOf(b), reply)].flatMap((vote) => vote ?? []),
      ),
    ).state
    assert.deepEqual(done.volumeVoters(id), [idOf(a), idOf(b), idOf(c)])
  })

  it('who is not asked, lacks the entry before, or is asked for what the rules forbid, refuses', () => {
    const open = openStep(pair, a, none, id, withC)
    assert.equal(answerCosign(pair, none, d, open.request).reply.type, 'refused')
    assert.equal(answerCosign(alone, none, b, open.request).reply.type, 'refused')
    assert.equal(answerCosign(mesh, none, b, open.request).reply.type, 'refused')
    const rename = openStep(pair, a, none, id, { name: 'x' })
    assert.deepEqual(rename.ask, [])
    assert.equal(answerCosign(pair, none, b, rename.request).reply.type, 'refused')
    assert.throws(() => answerCosign(pair, none, b, seedBytes(0, 40)), withCode('HF_DECODE'))
  })

  it('only the author can have a step locked: another’s request is refused, and adopted by nobody', () => {
    const { body } = openStep(pair, a, none, id, withC)
    for (const key of [c, b]) {
      const forged = encodeCosignRequest({ body, signature: sign(key, LABELS.entryRequest, entryHash(body)) })
      const answer = answerCosign(pair, none, b, forged)
      assert.deepEqual([answer.persist, answer.reply.type], [false, 'refused'])
      assert.throws(() => adoptStep(pair, a, forged), isRefused)
    }
    const foreign = openStep(pair, a, none, id, withC).request
    assert.throws(() => adoptStep(pair, c, foreign), isRefused)
  })

  it('a request is no entry: an author that asked has not signed', () => {
    const { request, body } = openStep(pair, a, none, id, withC)
    const { signature } = decodeCosignRequest(request)
    const vote = cosignatureOf(idOf(b), answerCosign(pair, none, b, request).reply)
    assert.ok(vote)
    const entries = [{ body, signature, cosignatures: [vote] }]
    const bundle = encodeBundle({ mesh: MESH, head: pair.head().hash, versions: [], entries })
    assert.throws(() => pair.merge(bundle), isRefused)
  })

  it('locks of finished steps are dropped', () => {
    const locks = answerCosign(pair, none, b, openStep(pair, a, none, id, withC).request).locks
    const trio = changeVolume(pair, a, id, withC, [b])
    const other = protect(trio, c, { nonce: seedBytes(33, 16) })
    const open = openStep(other.state, c, none, other.id, { members: [voter(c), voter(b)] })
    assert.deepEqual(
      [...answerCosign(other.state, locks, b, open.request).locks.values()].map((lock) => lock.counter),
      [2],
    )
  })
})

describe('co-signing: the author', () => {
  it('names whom to ask, and knows when enough have agreed', () => {
    const open = openStep(pair, a, none, id, withC)
    assert.deepEqual(open.ask, [idOf(b), idOf(c)])
    const vote = (key: typeof a) => cosignatureOf(idOf(key), answerCosign(pair, none, key, open.request).reply)
    const [fromB, fromC] = [vote(b), vote(c)]
    assert.ok(fromB && fromC)
    assert.deepEqual(
      [isAgreed(open, idOf(a), []), isAgreed(open, idOf(a), [fromC]), isAgreed(open, idOf(a), [fromB])],
      [false, false, true],
    )
    assert.throws(() => completeStep(pair, a, open, [fromC]), isRefused)
    assert.ok(pair.merge(completeStep(pair, a, open, [fromC, fromB])).changed)
  })

  it('does not count what is no voter’s own signature, and does not stumble over it', () => {
    const open = openStep(pair, a, none, id, withC)
    const good = cosignatureOf(idOf(b), answerCosign(pair, none, b, open.request).reply)
    assert.ok(good)
    const bad = { node: idOf(c), signature: seedBytes(0, 64) }
    assert.equal(isAgreed(open, idOf(a), [bad, { ...good, signature: seedBytes(0, 64) }]), false)
    assert.ok(pair.merge(completeStep(pair, a, open, [good, bad, good])).changed)
  })

  it('only the primary changes a volume, and only one that there is', () => {
    assert.throws(() => openStep(pair, b, none, id, { name: 'x' }), withCode('HF_NOT_PRIMARY'))
    assert.throws(() => openStep(mesh, a, none, id, { name: 'x' }), withCode('HF_NOT_FOUND'))
  })
})

describe('co-signing: what is kept and sent', () => {
  it('locks and replies survive encoding', () => {
    const answer = answerCosign(pair, none, b, openStep(pair, a, none, id, withC).request)
    const decoded = decodeCosignLocks(encodeCosignLocks(answer.locks))
    assert.deepEqual([...decoded], [...answer.locks])
    assert.deepEqual(decodeCosignReply(encodeCosignReply(answer.reply)), answer.reply)
    const refusal = { type: 'refused' as const, reason: 'no', locked: seedBytes(0, 5) }
    assert.deepEqual(decodeCosignReply(encodeCosignReply(refusal)), refusal)
    assert.ok(equalBytes(encodeCosignLocks(none), encodeCosignLocks(decodeCosignLocks(encodeCosignLocks(none)))))
  })
})
