import { sign, verify, type SigningKey } from '@holdfast/keys'
import { asNodeId, equalBytes, hexOf, HoldfastError, type NodeId } from '@holdfast/ports'
import {
  bytes,
  decodeVersioned,
  encodeVersioned,
  fixed,
  list,
  optional,
  plain,
  signature64,
  struct,
  text,
  uint,
  union,
} from '@holdfast/codec'
import { decodeEntry, entryHash, LABELS, type Vote, type VolumeStep } from './documents.ts'
import { DOCUMENT_BYTES_MAX, VOLUMES_PER_AUTHOR_MAX } from './limits.ts'
import type { CharterState } from './state.ts'
import { checkUnsigned } from './volume-chain.ts'
import { REASON_BYTES_MAX } from './voting-codec.ts'

/** The voter's side of a volume's entry that changes voters. A voter locks the step that it signs: it signs another one of
 *  that counter only if the author says that it is a later attempt, so it knows of the former one and gave it up unsigned.
 *  An author that forgot (a home restored from a copy) is answered with the locked request, which it then completes. The
 *  author signs its requests, so that nobody else can lock a step, and it recognises its own. */

/** What this node co-signed, per volume in hex; durable before any co-signature leaves. */
export type CosignLocks = ReadonlyMap<string, CosignLock>

export interface CosignLock {
  readonly counter: number
  readonly attempt: number
  /** The author's request, as `encodeCosignRequest` gives it. */
  readonly request: Uint8Array
}

/** A step that its author wants co-signed. */
export interface CosignRequest {
  /** The encoded step. */
  readonly body: Uint8Array
  /** By the author over the step's hash; not the signature that makes it an entry. */
  readonly signature: Uint8Array
}

/** Volumes of which a voter keeps a lock; the locks of finished steps are dropped first. */
export const COSIGN_LOCKS_MAX = VOLUMES_PER_AUTHOR_MAX * 4

export type CosignReply =
  | { readonly type: 'cosigned'; readonly signature: Uint8Array }
  /** `locked` is the request to complete instead, if that is why. */
  | { readonly type: 'refused'; readonly reason: string; readonly locked?: Uint8Array }

export interface CosignAnswer {
  readonly locks: CosignLocks
  /** Whether `locks` differ from those given and must be durable before `reply` leaves. */
  readonly persist: boolean
  readonly reply: CosignReply
}

/** Answers an author's request for a co-signature. Pure. @throws HF_DECODE for bytes that are no request */
export function answerCosign(
  state: CharterState,
  locks: CosignLocks,
  key: SigningKey,
  request: Uint8Array,
): CosignAnswer {
  const refuse = (reason: string, locked?: Uint8Array): CosignAnswer => ({
    locks,
    persist: false,
    reply: { type: 'refused', reason, ...(locked === undefined ? {} : { locked }) },
  })
  const { body, signature } = decodeCosignRequest(request)
  const step = decodeEntry(body)
  if (step.type !== 'volume') return refuse('this is not an entry of a volume')
  const hash = entryHash(body)
  if (!verify(step.author, LABELS.entryRequest, hash, signature)) return refuse('the author did not ask for this')
  const reason = reasonAgainst(state, asNodeId(key.publicKey), step)
  if (reason !== undefined) return refuse(reason)
  const id = hexOf(step.volume)
  const lock = locks.get(id)
  const cosigned: CosignReply = { type: 'cosigned', signature: sign(key, LABELS.entryVoter, hash) }
  if (lock?.counter === step.counter) {
    if (equalBytes(lock.request, request)) return { locks, persist: false, reply: cosigned }
    if (lock.attempt >= step.attempt) return refuse('another step of this counter was co-signed', lock.request)
  }
  const kept = dropFinished(state, locks)
  if (kept.size >= COSIGN_LOCKS_MAX && !kept.has(id)) return refuse('too many volumes are changing')
  const { counter, attempt } = step
  return { locks: kept.set(id, { counter, attempt, request }), persist: true, reply: cosigned }
}

function reasonAgainst(state: CharterState, self: NodeId, step: VolumeStep): string | undefined {
  try {
    const needs = checkUnsigned(state.volumeChain(step.volume).at(-1), step, state.context())
    const asked = needs.voterSets.flat().some((voter) => equalBytes(voter, self))
    return asked ? undefined : 'this node is not asked for this step'
  } catch (error) {
    if (error instanceof HoldfastError) return error.message
    throw error
  }
}

function dropFinished(state: CharterState, locks: CosignLocks): Map<string, CosignLock> {
  const open = ([id, lock]: [string, CosignLock]): boolean => {
    const counter = state.volume(Buffer.from(id, 'hex'))?.counter ?? 0
    return lock.counter > counter
  }
  return new Map([...locks].filter(open))
}

/** The vote that `completeStep` takes, from a reply. */
export function cosignatureOf(node: NodeId, reply: CosignReply): Vote | undefined {
  return reply.type === 'cosigned' ? { node, signature: reply.signature } : undefined
}

const FORMAT = 1
/** An entry and its signature. */
const REQUEST_BYTES_MAX = DOCUMENT_BYTES_MAX + 128
const requestCodec = struct<CosignRequest>({ body: bytes(DOCUMENT_BYTES_MAX), signature: signature64 })
const replyCodec = union<CosignReply>({
  cosigned: struct({ signature: signature64 }),
  refused: struct<{ reason: string; locked?: Uint8Array }>({
    reason: text(REASON_BYTES_MAX),
    locked: optional(bytes(REQUEST_BYTES_MAX)),
  }),
})
interface KeptLock extends CosignLock {
  readonly volume: Uint8Array
}
const locksCodec = list(
  struct<KeptLock>({ volume: fixed(16, plain), counter: uint, attempt: uint, request: bytes(REQUEST_BYTES_MAX) }),
  COSIGN_LOCKS_MAX,
)

export const encodeCosignRequest = (request: CosignRequest): Uint8Array =>
  encodeVersioned(FORMAT, requestCodec, request)
/** @throws HF_DECODE */
export const decodeCosignRequest = (encoded: Uint8Array): CosignRequest =>
  decodeVersioned(FORMAT, requestCodec, encoded, 'request for a co-signature')

export const encodeCosignReply = (reply: CosignReply): Uint8Array => encodeVersioned(FORMAT, replyCodec, reply)
/** @throws HF_DECODE */
export const decodeCosignReply = (encoded: Uint8Array): CosignReply =>
  decodeVersioned(FORMAT, replyCodec, encoded, 'co-signature')

export function encodeCosignLocks(locks: CosignLocks): Uint8Array {
  const kept = [...locks].map(([id, lock]) => ({ volume: Buffer.from(id, 'hex'), ...lock }))
  return encodeVersioned(
    FORMAT,
    locksCodec,
    kept.toSorted((a, b) => Buffer.compare(a.volume, b.volume)),
  )
}

/** @throws HF_DECODE */
export function decodeCosignLocks(encoded: Uint8Array): CosignLocks {
  const kept = decodeVersioned(FORMAT, locksCodec, encoded, 'record of co-signatures')
  return new Map(kept.map(({ volume, ...lock }) => [hexOf(volume), lock]))
}
