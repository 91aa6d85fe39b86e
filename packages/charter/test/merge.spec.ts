import assert from 'node:assert/strict'
import { equalBytes, hexOf } from '@holdfast/ports'
import * as fc from 'fast-check'
import { encodeBundle } from '../src/bundle.ts'
import { signEntry } from '../src/authoring.ts'
import { announceAddresses, addInvitation, CharterState } from '../src/index.ts'
import {
  change,
  changeVolume,
  found,
  idOf,
  isRefused,
  join,
  keyOf,
  MESH,
  meshOf,
  NOW,
  operatorKey,
  protect,
  seedBytes,
  strangerKey,
  withCode,
} from './world.ts'

/** A history of one mesh: every state that its nodes went through, and states that parted for a while. */
function history(): CharterState[] {
  const { state, keys } = meshOf(3)
  const [a = keyOf(0), b = keyOf(1), c = keyOf(2)] = keys
  const states = [found(), state]
  const add = (next: CharterState): CharterState => {
    states.push(next)
    return next
  }
  const addressed = add(state.merge(announceAddresses(state, a, ['a:1'])).state)
  add(state.merge(announceAddresses(state, b, ['b:1', 'b:2'])).state)
  add(addressed.merge(announceAddresses(addressed, a, ['a:2'])).state)
  // A node that lost its counter and said something else with the same one.
  add(state.merge(announceAddresses(state, a, ['a:other'])).state)
  add(
    state.merge(addInvitation(state, c, { oneTimeKey: seedBytes(3, 32), role: 'full', expiresAtMs: NOW + 1 }, NOW))
      .state,
  )
  const { state: protectedOnce, id } = protect(addressed, a)
  add(protectedOnce)
  const second = add(changeVolume(protectedOnce, a, id, { name: 'renamed' }))
  add(changeVolume(protectedOnce, a, id, { public: true }))
  const entry = second.volume(id)
  assert.ok(entry)
  const members = [...entry.members, { node: idOf(b), role: 'full' as const, voter: true }]
  const third = add(changeVolume(second, a, id, { members }, [b]))
  // The same counter without its voters: signed by an author that forgot.
  add(changeVolume(second, a, id, { protected: false }))
  add(protect(state, b, { nonce: seedBytes(50, 16), name: 'other' }).state)
  add(join(third, b, keys, { key: keyOf(20), name: 'late', role: 'learner' }))
  add(change(state, keys, [{ type: 'remove', node: idOf(c) }], operatorKey))
  return states
}

const merged = (left: CharterState, right: CharterState): CharterState => {
  const result = left.merge(right.encodeBundle())
  assert.equal(result.gap, false)
  return result.state
}
const same = (left: CharterState, right: CharterState): void =>
  assert.equal(hexOf(left.digest()), hexOf(right.digest()))

describe('charter: merge', () => {
  // The two last states add and remove a node in one version number each; only one of them can have been certified.
  const all = history()
  const chain = all.slice(0, -1)
  const pick = fc.constantFrom(...chain)

  it('is commutative', () => fc.assert(fc.property(pick, pick, (x, y) => same(merged(x, y), merged(y, x)))))

  it('is associative', () =>
    fc.assert(
      fc.property(pick, pick, pick, (x, y, z) => same(merged(merged(x, y), z), merged(x, merged(y, z)))),
    )).timeout(30_000)

  it('is idempotent, and gives the very same state when nothing is new', () =>
    fc.assert(
      fc.property(pick, pick, (x, y) => {
        const both = merged(x, y)
        for (const known of [x, y, both]) {
          const again = both.merge(known.encodeBundle())
          assert.equal(again.state, both)
          assert.equal(again.changed, false)
        }
      }),
    ))

  it('any order of any bundles ends in one state, which opens from its own bundle', () => {
    const whole = chain.reduce(merged)
    fc.assert(
      fc.property(fc.shuffledSubarray(chain, { minLength: chain.length }), (order) => {
        same(order.reduce(merged), whole)
      }),
      { numRuns: 20 },
    )
    same(CharterState.open(whole.encodeBundle(), { mesh: MESH, charterHash: found().head().hash }), whole)
  })

  it('says what changed, and what was signed in two ways', () => {
    const whole = chain.reduce(merged)
    const { changes } = found().merge(whole.encodeBundle())
    assert.deepEqual(changes.versions, [2, 3, 4])
    assert.equal(changes.volumes.length, 2)
    const conflicts = chain.flatMap((x) => chain.flatMap((y) => x.merge(y.encodeBundle()).changes.conflicts))
    assert.ok(conflicts.some((text) => text.includes('two addresses')))
    assert.ok(conflicts.some((text) => text.includes('two entries')))
  })

  it('of two entries with one counter, the one that voters agreed to stands', () => {
    const whole = chain.reduce(merged)
    const data = whole.volumes().find((volume) => volume.counter === 3)
    assert.equal(data?.members.length, 2)
    assert.equal(data?.protected, true)
  })

  it('versions that cannot both be certified are refused, and nothing changes', () => {
    const [late, removed] = all.slice(-2)
    assert.ok(late && removed)
    assert.throws(() => late.merge(removed.encodeBundle()), isRefused)
    assert.throws(() => removed.merge(late.encodeBundle()), isRefused)
  })
})

describe('charter: parts of it on the wire', () => {
  const states = history().slice(0, -1)
  const whole = states.reduce(merged)

  it('a delta brings who knew the older state to the newer one', () => {
    for (const older of states) {
      const newer = merged(older, whole)
      const result = older.merge(newer.encodeDelta(older))
      assert.equal(result.gap, false)
      same(result.state, newer)
    }
  })

  it('a delta on something unknown is a gap, and nothing of it is taken', () => {
    const late = states.at(-1)
    assert.ok(late)
    const result = found().merge(late.encodeDelta(late))
    assert.deepEqual([result.gap, result.changed], [true, false])
  })

  it('an entry that does not follow what is known is a gap', () => {
    const { state, id } = protect(found(), keyOf(0))
    const next = changeVolume(changeVolume(state, keyOf(0), id, { name: 'x' }), keyOf(0), id, { name: 'y' })
    const older = changeVolume(state, keyOf(0), id, { name: 'x' })
    assert.equal(state.merge(next.encodeDelta(older)).gap, true)
  })

  it('a bundle since a known head leaves out the versions before it', () => {
    const since = whole.encodeBundle(whole.head())
    assert.ok(since.length < whole.encodeBundle().length)
    assert.equal(whole.merge(since).changed, false)
    assert.ok(equalBytes(whole.encodeBundle({ version: 9, hash: seedBytes(0, 32) }), whole.encodeBundle()))
  })
})

describe('charter: entries of nodes', () => {
  const { state, keys } = meshOf(2)
  const [a = keyOf(0), b = keyOf(1)] = keys
  const forged = (
    entry: Parameters<typeof signEntry>[1],
    key = a,
    more: Partial<ReturnType<typeof signEntry>> = {},
  ): Uint8Array =>
    encodeBundle({
      mesh: MESH,
      head: state.head().hash,
      versions: [],
      entries: [{ ...signEntry(key, entry), ...more }],
    })
  const addresses = { type: 'addresses' as const, mesh: MESH, author: idOf(a), counter: 1, addresses: ['a:1'] }

  it('count for their author: signed by another, by a stranger or for another mesh they are refused', () => {
    assert.equal(state.merge(forged(addresses)).changed, true)
    const other = found()
      .mesh()
      .id.map((byte) => byte ^ 1)
    const bundles = [
      forged(addresses, b),
      forged({ ...addresses, author: idOf(strangerKey) }, strangerKey),
      forged({ ...addresses, mesh: asMesh(other) }),
      forged({ ...addresses, counter: 0 }),
      forged(addresses, a, { operatorSignature: seedBytes(0, 64) }),
      forged({
        type: 'invitations',
        mesh: MESH,
        author: idOf(a),
        counter: 9,
        invitations: [1, 1].map(() => ({ oneTimeKey: seedBytes(1, 32), role: 'full' as const, expiresAtMs: 1 })),
      }),
    ]
    for (const bundle of bundles) {
      assert.throws(() => state.merge(bundle), isRefused)
      assert.deepEqual(state.addressesOf(idOf(a)), [])
    }
  })

  it('an older counter changes nothing', () => {
    const second = state.merge(forged({ ...addresses, counter: 2, addresses: ['new'] })).state
    assert.equal(second.merge(forged(addresses)).changed, false)
    assert.deepEqual(second.addressesOf(idOf(a)), ['new'])
  })

  it('one bad entry refuses the whole bundle', () => {
    const entries = [
      signEntry(a, addresses),
      { ...signEntry(b, { ...addresses, author: idOf(b) }), signature: seedBytes(0, 64) },
    ]
    assert.throws(
      () => state.merge(encodeBundle({ mesh: MESH, head: state.head().hash, versions: [], entries })),
      isRefused,
    )
    assert.deepEqual(state.addressesOf(idOf(a)), [])
  })

  it('of a removed node are still verified by all, but its addresses are not given out', () => {
    const addressed = state.merge(announceAddresses(state, b, ['b:1'])).state
    const removed = change(addressed, keys, [{ type: 'remove', node: idOf(b) }], operatorKey)
    assert.deepEqual(removed.addressesOf(idOf(b)), [])
    assert.equal(merged(found(), removed).node(idOf(b)), undefined)
  })

  it('too many or too long addresses are refused before they are signed', () => {
    assert.throws(
      () =>
        announceAddresses(
          state,
          a,
          Array.from({ length: 9 }, () => 'a:1'),
        ),
      withCode('HF_BAD_INPUT'),
    )
    assert.throws(() => announceAddresses(state, a, ['x'.repeat(300)]), withCode('HF_BAD_INPUT'))
  })

  it('bytes of any kind are HF_DECODE or HF_CHARTER_REFUSED, never another error', () => {
    const bundle = state.encodeBundle()
    fc.assert(
      fc.property(fc.nat(bundle.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
        const altered = cut ? bundle.slice(0, at) : bundle.with(at, value)
        try {
          const result = state.merge(altered)
          assert.ok(!result.changed)
        } catch (error) {
          assert.ok(coded(error), String(error))
        }
      }),
      { numRuns: 500 },
    )
  })
})

const coded = (error: unknown): boolean => isRefused(error) || withCode('HF_DECODE')(error)
const asMesh = (bytes: Uint8Array): typeof MESH => bytes as typeof MESH
