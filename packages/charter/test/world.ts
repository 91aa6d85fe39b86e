import { createKeyRing, sealTo, signingKeyFromSeed, type SigningKey } from '@holdfast/keys'
import { asMeshId, asNodeId, hexOf, type NodeId, type VolumeId } from '@holdfast/ports'
import {
  addInvitation,
  addVolume,
  answerCharterMessage,
  answerCosign,
  answerJoinRequest,
  completeStep,
  cosignatureOf,
  createJoinRequest,
  encodeJoinToken,
  decodeJoinToken,
  foundCharter,
  hearCharterMessage,
  openStep,
  proposeVersion,
  startProposal,
  volumeIdOf,
  type CharterBallots,
  type CharterChange,
  type CharterMessage,
  type CharterState,
  type CosignLocks,
  type NewVolume,
  type ProposedVersion,
  type Role,
  type VolumeChange,
} from '../src/index.ts'

/** A mesh without a network: every node's keys, and one charter that all of them know. Keys come from small numbers. */

export const MESH = asMeshId(seedBytes(200, 16))
export const NOW = 1_800_000_000_000

export function seedBytes(first: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => (first + index) & 255)
}

export const keyOf = (number: number): SigningKey => signingKeyFromSeed(seedBytes(number, 32))
export const idOf = (key: SigningKey): NodeId => asNodeId(key.publicKey)
export const operatorKey = keyOf(150)
export const strangerKey = keyOf(151)

export function found(key: SigningKey = keyOf(0)): CharterState {
  return foundCharter({
    mesh: MESH,
    name: 'test-mesh',
    node: { id: idOf(key), name: 'node-0', region: 'eu-1', role: 'full' },
    nodeKey: key,
    operatorKey,
    timeMs: NOW,
  })
}

/** Asks these voters for the version and gives the certified bundle. */
export function certify(
  state: CharterState,
  proposer: SigningKey,
  voters: readonly SigningKey[],
  proposed: ProposedVersion,
): Uint8Array {
  const ballots = new Map<string, CharterBallots>()
  let step = startProposal(state, idOf(proposer), proposed, 1)
  let messages: CharterMessage[] = step.send === undefined ? [] : [step.send]
  while (messages.length > 0) {
    const next: CharterMessage[] = []
    for (const message of messages) {
      for (const voter of voters) {
        const answer = answerCharterMessage(state, ballots.get(hexOf(voter.publicKey)), voter, message, idOf(proposer))
        ballots.set(hexOf(voter.publicKey), answer.ballots)
        step = hearCharterMessage(step.run, idOf(voter), answer.reply)
        if (step.outcome?.type === 'chosen') return step.outcome.bundle
        if (step.send !== undefined) next.push(step.send)
      }
    }
    messages = next
  }
  throw new Error(`no majority: ${JSON.stringify([...step.run.refusals.values()])}`)
}

/** The changes certified by these voters, merged. */
export function change(
  state: CharterState,
  voters: readonly SigningKey[],
  changes: readonly CharterChange[],
  operator?: SigningKey,
): CharterState {
  const [proposer = keyOf(0)] = voters
  return state.merge(certify(state, proposer, voters, proposeVersion(state, changes, NOW, operator))).state
}

export interface Joiner {
  readonly key: SigningKey
  readonly name: string
  readonly region?: string
  readonly role?: Role
}

/** Invites, joins and certifies a node as commands do, with all given voters present. */
export function join(
  state: CharterState,
  inviter: SigningKey,
  voters: readonly SigningKey[],
  joiner: Joiner,
): CharterState {
  const oneTime = signingKeyFromSeed(joiner.key.publicKey)
  const role = joiner.role ?? 'full'
  const invitation = { oneTimeKey: oneTime.publicKey, role, expiresAtMs: NOW + 1000 }
  const invited = state.merge(addInvitation(state, inviter, invitation, NOW)).state
  const token = decodeJoinToken(
    encodeJoinToken(
      {
        mesh: MESH,
        charterHash: invited.head().hash,
        inviter: idOf(inviter),
        addresses: ['127.0.0.1:4747'],
        expiresAtMs: NOW + 1000,
        role,
        seed: joiner.key.publicKey,
      },
      inviter,
    ),
  )
  const request = createJoinRequest(token, joiner.key, {
    name: joiner.name,
    region: joiner.region ?? 'eu-1',
    addresses: [],
  })
  const answer = answerJoinRequest(invited, inviter, request, NOW)
  if (answer.type !== 'admit') throw new Error('was in already')
  const marked = invited.merge(answer.bundle).state
  return change(marked, voters, answer.changes)
}

/** A mesh of `count` full nodes, keys `keyOf(0)` and on, one region each. */
export function meshOf(count: number): { state: CharterState; keys: SigningKey[] } {
  const keys = [keyOf(0)]
  let state = found()
  for (let number = 1; number < count; number++) {
    const key = keyOf(number)
    state = join(state, keyOf(0), keys, { key, name: `node-${number}`, region: `region-${number}` })
    keys.push(key)
  }
  return { state, keys }
}

export function newVolume(
  author: SigningKey,
  overrides: Partial<NewVolume> = {},
): NewVolume & { readonly id: VolumeId } {
  const nonce = overrides.nonce ?? seedBytes(77, 16)
  const id = volumeIdOf(MESH, idOf(author), nonce)
  const ring = createKeyRing(id, seedBytes(9, 32)).encode()
  const sealedKeys = [operatorKey.publicKey, author.publicKey].map((to) => ({ to, sealed: sealTo(to, ring) }))
  return { id, nonce, name: 'data', copies: 3, public: false, sealedKeys, createdAtMs: NOW, ...overrides }
}

/** Adds a volume of this author and merges it. */
export function protect(
  state: CharterState,
  author: SigningKey,
  overrides: Partial<NewVolume> = {},
): { state: CharterState; id: VolumeId } {
  const volume = newVolume(author, overrides)
  return { state: state.merge(addVolume(state, author, volume)).state, id: volume.id }
}

/** Changes a volume as its author, with these keys as voters that answer. */
export function changeVolume(
  state: CharterState,
  author: SigningKey,
  id: VolumeId,
  volumeChange: VolumeChange,
  cosigners: readonly SigningKey[] = [],
  operator?: SigningKey,
): CharterState {
  const none: CosignLocks = new Map()
  const open = openStep(state, author, none, id, volumeChange)
  const cosignatures = cosigners.flatMap(
    (key) => cosignatureOf(idOf(key), answerCosign(state, none, key, open.request).reply) ?? [],
  )
  return state.merge(completeStep(state, author, open, cosignatures, operator)).state
}

export const isRefused = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'HF_CHARTER_REFUSED'
export const withCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof Error && 'code' in error && error.code === code
