import { sign, verify, type SigningKey } from '@holdfast/keys'
import { asNodeId, equalBytes, hexOf, HoldfastError, type NodeId, type VolumeId } from '@holdfast/ports'
import { bundleOf, signEntry } from './authoring.ts'
import { refused } from './chain.ts'
import { decodeCosignRequest, encodeCosignRequest, type CosignLocks } from './cosigning.ts'
import {
  decodeEntry,
  encodeEntry,
  entryHash,
  LABELS,
  volumeIdOf,
  zeroHash,
  type Vote,
  type VolumeStep,
} from './documents.ts'
import type { CharterState } from './state.ts'
import type { NodeInfo, SealedKeyRing, VolumeEntry, VolumeMember } from './types.ts'
import { checkUnsigned } from './volume-chain.ts'
import { isMajority, votersOfVolume, votersWanted } from './volume-rules.ts'
import { requireOperatorKey } from './voting.ts'

/** The primary's side of a volume's entries: make a step, gather what it needs, sign it last. Until the author has signed,
 *  a step is nothing; once it has, and the charter is durable, there is no other step of that counter. */

export interface NewVolume {
  /** 16 random bytes; `volumeIdOf(mesh, author, nonce)` is the volume's id. */
  readonly nonce: Uint8Array
  readonly name: string
  readonly copies: number
  readonly public: boolean
  /** The key ring, sealed to this node and to the operator key. */
  readonly sealedKeys: readonly SealedKeyRing[]
  readonly createdAtMs: number
}

/** Adds a volume with this node as its primary, only member and only voter. The result is a bundle: merge it, make the
 *  charter durable, then spread it. @throws HF_CHARTER_REFUSED */
export function addVolume(state: CharterState, key: SigningKey, volume: NewVolume): Uint8Array {
  const author = asNodeId(key.publicKey)
  const mesh = state.mesh().id
  const step: VolumeStep = {
    type: 'volume',
    mesh,
    author,
    counter: 1,
    volume: volumeIdOf(mesh, author, volume.nonce),
    previous: zeroHash(),
    attempt: 1,
    ...volume,
    protected: true,
    primary: author,
    members: [{ node: author, role: 'full', voter: true }],
    keyEpoch: 1,
    charterHash: state.head().hash,
  }
  checkUnsigned(undefined, step, state.context())
  return bundleOf(state, signEntry(key, step))
}

/** What a step may change. */
export type VolumeChange = Partial<
  Pick<VolumeEntry, 'name' | 'copies' | 'public' | 'protected' | 'members' | 'keyEpoch' | 'sealedKeys'>
>

/** A step that is no entry yet. */
export interface OpenStep {
  /** What voters are asked with, and the author's own lock is taken with (`answerCosign`). */
  readonly request: Uint8Array
  readonly body: Uint8Array
  /** Whether `completeStep` needs the operator key. */
  readonly operator: boolean
  /** The other voters that are to be asked; empty if none is needed. */
  readonly ask: readonly NodeId[]
  readonly voterSets: readonly (readonly NodeId[])[]
}

/** Makes the next step of one of this node's volumes. `locks` are this node's own: if voters are to be asked, it locks the
 *  step before it asks them, so that a try that was given up is numbered past.
 *  @throws HF_NOT_FOUND, HF_NOT_PRIMARY, HF_CHARTER_REFUSED if no key could allow it */
export function openStep(
  state: CharterState,
  key: SigningKey,
  locks: CosignLocks,
  volume: VolumeId,
  change: VolumeChange,
): OpenStep {
  const last = state.volumeChain(volume).at(-1)
  if (last === undefined) throw new HoldfastError('HF_NOT_FOUND', 'there is no such volume')
  if (!equalBytes(last.step.author, key.publicKey)) {
    throw new HoldfastError('HF_NOT_PRIMARY', 'only its primary changes a volume')
  }
  const counter = last.step.counter + 1
  const lock = locks.get(hexOf(volume))
  const attempt = lock?.counter === counter ? lock.attempt + 1 : 1
  const body = encodeEntry({ ...last.step, ...change, counter, previous: last.hash, attempt })
  const signature = sign(key, LABELS.entryRequest, entryHash(body))
  return adoptStep(state, key, encodeCosignRequest({ body, signature }))
}

/** The request that a voter has locked, to be completed instead of a new one: this author made it and has forgotten it.
 *  @throws HF_CHARTER_REFUSED if it is not this author's or no longer the next step, HF_DECODE */
export function adoptStep(state: CharterState, key: SigningKey, request: Uint8Array): OpenStep {
  const { body, signature } = decodeCosignRequest(request)
  const step = decodeEntry(body)
  if (step.type !== 'volume' || !equalBytes(step.author, key.publicKey))
    throw refused('this is not a step of this node')
  if (!verify(step.author, LABELS.entryRequest, entryHash(body), signature))
    throw refused('this node did not ask for this step')
  const needs = checkUnsigned(state.volumeChain(step.volume).at(-1), step, state.context())
  const ask = [...new Map(needs.voterSets.flat().map((voter) => [hexOf(voter), voter])).values()]
  return {
    request,
    body,
    operator: needs.operator,
    ask: ask.filter((voter) => !equalBytes(voter, step.author)),
    voterSets: needs.voterSets,
  }
}

/** Whether these co-signatures, with the author's signature, are enough; invalid ones are not counted. */
export function isAgreed(open: OpenStep, author: NodeId, cosignatures: readonly Vote[]): boolean {
  const signers = new Set(validOf(open, cosignatures).map((vote) => hexOf(vote.node))).add(hexOf(author))
  return open.voterSets.every((voters) => isMajority(voters, signers))
}

/** Signs the step as its author and gives the bundle: merge it and make the charter durable before it is spread.
 *  @throws HF_OPERATOR_KEY if it needs the operator key, HF_CHARTER_REFUSED if co-signatures are lacking */
export function completeStep(
  state: CharterState,
  key: SigningKey,
  open: OpenStep,
  cosignatures: readonly Vote[],
  operatorKey?: SigningKey,
): Uint8Array {
  if (open.operator) requireOperatorKey(state, operatorKey)
  if (!isAgreed(open, asNodeId(key.publicKey), cosignatures)) throw refused('too few voters of the volume agreed')
  const hash = entryHash(open.body)
  const bundle = bundleOf(state, {
    body: open.body,
    signature: sign(key, LABELS.entryAuthor, hash),
    cosignatures: validOf(open, cosignatures),
    ...(operatorKey === undefined ? {} : { operatorSignature: sign(operatorKey, LABELS.entryOperator, hash) }),
  })
  state.merge(bundle)
  return bundle
}

/** The valid ones, each node's once, in ascending order of nodes. */
function validOf(open: OpenStep, cosignatures: readonly Vote[]): Vote[] {
  const hash = entryHash(open.body)
  const valid = cosignatures.filter((vote) => verify(vote.node, LABELS.entryVoter, hash, vote.signature))
  const byNode = new Map(valid.map((vote) => [hexOf(vote.node), vote]))
  return [...byNode.values()].toSorted((x, y) => Buffer.compare(x.node, y.node))
}

/** The members with one more. It gets a vote if its role may have one and the volume is not at `votersWanted` yet. */
export function withMember(entry: VolumeEntry, node: NodeInfo): readonly VolumeMember[] {
  const voter =
    votersOfVolume(entry).length < votersWanted(entry.copies) && node.role !== 'learner' && node.role !== 'vault'
  return [...entry.members, { node: node.id, role: node.role, voter }]
}
