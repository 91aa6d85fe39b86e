import assert from 'node:assert/strict'
import type { SigningKey } from '@holdfast/keys'
import { asVolumeId, equalBytes } from '@holdfast/ports'
import { signEntry } from '../src/authoring.ts'
import { encodeBundle } from '../src/bundle.ts'
import { LABELS, entryHash, type VolumeStep } from '../src/documents.ts'
import { sign } from '@holdfast/keys'
import { addVolume, votersWanted, withMember, type CharterState, type VolumeMember } from '../src/index.ts'
import {
  idOf,
  isRefused,
  keyOf,
  MESH,
  meshOf,
  newVolume,
  operatorKey,
  protect,
  seedBytes,
  strangerKey,
  withCode,
  changeVolume,
} from './world.ts'

const { state: mesh, keys } = meshOf(6)
const [a = keyOf(0), b = keyOf(1), c = keyOf(2), d = keyOf(3)] = keys
const member = (key: SigningKey, voter: boolean, role: VolumeMember['role'] = 'full'): VolumeMember => ({
  node: idOf(key),
  role,
  voter,
})
const node = (key: SigningKey, role: VolumeMember['role']) => ({ id: idOf(key), name: 'x', region: 'r', role })
const { state: first, id } = protect(mesh, a)

/** The last entry of the volume, with changes, signed by whoever the test wants. */
function forge(
  state: CharterState,
  changes: Partial<VolumeStep>,
  signers: { author?: SigningKey; voters?: readonly SigningKey[]; operator?: SigningKey } = {},
): Uint8Array {
  const last = state.volumeChain(id).at(-1)
  assert.ok(last)
  const step: VolumeStep = { ...last.step, counter: last.step.counter + 1, previous: last.hash, attempt: 1, ...changes }
  const signed = signEntry(signers.author ?? a, step)
  const hash = entryHash(signed.body)
  const cosignatures = (signers.voters ?? []).map((key) => ({
    node: idOf(key),
    signature: sign(key, LABELS.entryVoter, hash),
  }))
  const entry = {
    ...signed,
    cosignatures: cosignatures.toSorted((x, y) => Buffer.compare(x.node, y.node)),
    ...(signers.operator === undefined
      ? {}
      : { operatorSignature: sign(signers.operator, LABELS.entryOperator, hash) }),
  }
  return encodeBundle({ mesh: MESH, head: state.head().hash, versions: [], entries: [entry] })
}

const allowed = (state: CharterState, bundle: Uint8Array): CharterState => {
  const result = state.merge(bundle)
  assert.equal(result.changed, true)
  return result.state
}
const forbidden = (state: CharterState, bundle: Uint8Array): void => {
  const before = state.digest()
  assert.throws(() => state.merge(bundle), isRefused)
  assert.ok(equalBytes(state.digest(), before))
}

const two = allowed(first, forge(first, { members: [member(a, true), member(b, true)] }, { voters: [b] }))
const three = allowed(
  two,
  forge(two, { members: [member(a, true), member(b, true), member(c, true)] }, { voters: [b] }),
)

describe('volume entries: birth', () => {
  it('has its author as primary, only member and only voter', () => {
    const entry = first.volume(id)
    assert.ok(entry)
    assert.deepEqual(
      [entry.name, entry.copies, entry.counter, entry.protected, entry.keyEpoch],
      ['data', 3, 1, true, 1],
    )
    assert.deepEqual(entry.members, [member(a, true)])
    assert.ok(equalBytes(entry.charterHash, mesh.head().hash))
    assert.equal(first.volumeBirth(id), entry)
  })

  it('its id belongs to its author: another node cannot add it', () => {
    const last = first.volumeChain(id)[0]?.step
    assert.ok(last)
    const stolen = {
      ...last,
      author: idOf(b),
      primary: idOf(b),
      members: [member(b, true)],
      sealedKeys: newVolume(b).sealedKeys,
    }
    const bundle = (step: VolumeStep, key: SigningKey) =>
      encodeBundle({ mesh: MESH, head: mesh.head().hash, versions: [], entries: [signEntry(key, step)] })
    for (const state of [mesh, first]) forbidden(state, bundle(stolen, b))
    forbidden(mesh, bundle({ ...last, volume: asVolumeId(seedBytes(0, 16)) }, a))
    forbidden(mesh, bundle({ ...last, charterHash: seedBytes(0, 32) }, a))
    forbidden(mesh, bundle({ ...last, members: [member(a, true), member(b, true)] }, a))
    forbidden(mesh, bundle({ ...last, members: [member(a, false)] }, a))
    forbidden(mesh, bundle({ ...last, protected: false }, a))
    forbidden(mesh, bundle({ ...last, keyEpoch: 2 }, a))
    forbidden(mesh, bundle({ ...last, previous: seedBytes(0, 32) }, a))
    forbidden(mesh, bundle(last, b))
  })

  it('names and counts are checked before anything is signed', () => {
    for (const overrides of [
      { name: '' },
      { name: 'a/b' },
      { name: 'a:b' },
      { copies: 0 },
      { copies: 33 },
      { sealedKeys: [] },
    ]) {
      assert.throws(() => addVolume(mesh, a, newVolume(a, overrides)), isRefused)
    }
    assert.throws(() => addVolume(mesh, strangerKey, newVolume(strangerKey)), isRefused)
  })
})

describe('volume entries: what the primary does alone', () => {
  const cases: Record<string, Partial<VolumeStep>> = {
    'rename it': { name: 'other' },
    'make it public': { public: true },
    'end its protection': { protected: false },
    'add a learner': { members: [member(a, true), member(b, false, 'learner')] },
    'add full members without a vote, up to the copies': {
      members: [member(a, true), member(b, false), member(c, false, 'blind')],
    },
    'give a new reader the keys': {
      members: [member(a, true), member(b, false)],
      sealedKeys: [...(first.volume(id)?.sealedKeys ?? []), { to: b.publicKey, sealed: seedBytes(0, 100) }],
    },
  }
  for (const [title, changes] of Object.entries(cases)) it(title, () => void allowed(first, forge(first, changes)))
})

describe('volume entries: one voter more needs majorities of the old and the new voters', () => {
  const withB = { members: [member(a, true), member(b, true)] }
  const withC = { members: [member(a, true), member(b, true), member(c, true)] }

  it('the second voter must agree itself', () => {
    forbidden(first, forge(first, withB))
    forbidden(first, forge(first, withB, { voters: [c, d] }))
    allowed(first, forge(first, withB, { voters: [b] }))
  })

  it('the third may be absent when the second agrees, not the other way round', () => {
    allowed(two, forge(two, withC, { voters: [b] }))
    forbidden(two, forge(two, withC, { voters: [c] }))
    forbidden(two, forge(two, withC))
  })

  it('a member without a vote may be given one', () => {
    const joined = allowed(first, forge(first, { members: [member(a, true), member(b, false)] }))
    forbidden(joined, forge(joined, withB))
    allowed(joined, forge(joined, withB, { voters: [b] }))
  })

  it('two at once, or more than are wanted, need the operator key as well', () => {
    forbidden(first, forge(first, withC, { voters: [b, c] }))
    allowed(first, forge(first, withC, { voters: [b, c], operator: operatorKey }))
    const four = { copies: 4, members: [...(three.volume(id)?.members ?? []), member(d, true)] }
    forbidden(three, forge(three, four, { voters: [b, c] }))
    assert.deepEqual([1, 2, 3, 4, 5, 9].map(votersWanted), [1, 2, 3, 3, 5, 5])
  })
})

describe('volume entries: what needs the operator key', () => {
  const base = three
  const members = base.volume(id)?.members ?? []
  const cases: Record<string, Partial<VolumeStep>> = {
    'removing a member': { members: members.slice(0, 2) },
    'taking a vote away': { members: [member(a, true), member(b, true), member(c, false)] },
    'changing a role': { members: [member(a, true), member(b, true), member(c, true, 'blind')] },
    'raising the copies': { copies: 4 },
    'lowering the copies': { copies: 2 },
    'a member beyond the copies': { members: [...members, member(d, false)] },
    'a witness': { members: [...members, member(d, false, 'witness')] },
    'a new key epoch': { keyEpoch: 2 },
  }
  for (const [title, changes] of Object.entries(cases)) {
    it(title, () => {
      const voters = [b, c]
      forbidden(base, forge(base, changes, { voters }))
      forbidden(base, forge(base, changes, { voters, operator: strangerKey }))
      allowed(base, forge(base, changes, { voters, operator: operatorKey }))
    })
  }

  it('the operator key does not stand in for the voters', () => {
    forbidden(base, forge(base, { members: members.slice(0, 2) }, { operator: operatorKey }))
  })

  it('a commander is told: HF_OPERATOR_KEY', () => {
    assert.throws(() => changeVolume(base, a, id, { copies: 4 }), withCode('HF_OPERATOR_KEY'))
    assert.throws(() => changeVolume(base, a, id, { copies: 4 }, [], strangerKey), withCode('HF_OPERATOR_KEY'))
    assert.equal(changeVolume(base, a, id, { copies: 4 }, [], operatorKey).volume(id)?.copies, 4)
  })
})

describe('volume entries: what nothing allows', () => {
  const base = two
  const sealedKeys = base.volume(id)?.sealedKeys ?? []
  const cases: Record<string, Partial<VolumeStep>> = {
    'another author': { author: idOf(b), primary: idOf(b) },
    'a primary that is not the author': { primary: idOf(b) },
    'a primary without a vote': { members: [member(a, false), member(b, true)] },
    'a primary that is blind': { members: [member(a, true, 'blind'), member(b, true)] },
    'another birth': { createdAtMs: 1 },
    'another charter hash': { charterHash: seedBytes(0, 32) },
    'another nonce': { nonce: seedBytes(0, 16) },
    'a skipped counter': { counter: 9 },
    'no attempt': { attempt: 0 },
    'another entry before it': { previous: seedBytes(0, 32), counter: 3 },
    'a member twice': { members: [member(a, true), member(b, true), member(b, true)] },
    'a member from outside': { members: [member(a, true), member(b, true), member(strangerKey, false)] },
    'a learner with a vote': { members: [member(a, true), member(b, true), member(c, true, 'learner')] },
    'a vault with a vote': { members: [member(a, true), member(b, true), member(c, true, 'vault')] },
    'a key epoch taken back': { keyEpoch: 0 },
    'keys not sealed to the operator': { sealedKeys: sealedKeys.slice(1) },
    'keys sealed to a stranger': {
      sealedKeys: [...sealedKeys, { to: strangerKey.publicKey, sealed: seedBytes(0, 90) }],
    },
    'keys sealed to one twice': { sealedKeys: [...sealedKeys, ...sealedKeys] },
    'sealed keys replaced without a new epoch': {
      sealedKeys: sealedKeys.map(({ to }) => ({ to, sealed: seedBytes(0, 90) })),
    },
    'keys sealed to a blind member': {
      members: [member(a, true), member(b, true), member(c, false, 'blind')],
      sealedKeys: [...sealedKeys, { to: c.publicKey, sealed: seedBytes(0, 90) }],
    },
  }
  for (const [title, changes] of Object.entries(cases)) {
    it(title, () => {
      const bundle = forge(base, changes, {
        voters: [b, c],
        operator: operatorKey,
        ...(title === 'another author' ? { author: b } : {}),
      })
      const gaps = ['a skipped counter', 'another entry before it']
      if (gaps.includes(title)) assert.deepEqual([base.merge(bundle).gap, base.merge(bundle).changed], [true, false])
      else forbidden(base, bundle)
    })
  }

  it('co-signatures that are forged, repeated or out of order', () => {
    const members = [member(a, true), member(b, true), member(c, true)]
    const good = forge(two, { members }, { voters: [b, c] })
    allowed(two, good)
    forbidden(two, forge(two, { members }, { voters: [b, b] }))
    forbidden(two, forge(two, { members }, { voters: [{ ...strangerKey, publicKey: b.publicKey }] }))
    forbidden(two, forge(two, { members, name: 'x' }, { author: strangerKey, voters: [b, c] }))
  })
})

describe('volume entries: the next member', () => {
  it('gets a vote while votes are wanted and its role may have one', () => {
    const entry = two.volume(id)
    const full = three.volume(id)
    assert.ok(entry && full)
    assert.equal(withMember(entry, node(c, 'full')).at(-1)?.voter, true)
    assert.equal(withMember(entry, node(c, 'blind')).at(-1)?.voter, true)
    assert.equal(withMember(entry, node(c, 'learner')).at(-1)?.voter, false)
    assert.equal(withMember(entry, node(c, 'vault')).at(-1)?.voter, false)
    assert.equal(withMember(full, node(d, 'full')).at(-1)?.voter, false)
  })
})
