import { sign, type SigningKey } from '@holdfast/keys'
import { equalBytes, HoldfastError, type NodeId } from '@holdfast/ports'
import { checkProposal, OPERATOR_LEAP } from './chain.ts'
import {
  accept,
  BALLOT_ROUND_MAX,
  compareBallots,
  prepare,
  type AcceptedValue,
  type AcceptorAnswer,
  type AcceptorRecord,
} from './decree.ts'
import { encodeVersion, LABELS, versionHash, voteBytes, type Ballot, type CharterChange } from './documents.ts'
import type { CharterState } from './state.ts'

/** The voter's side of a new charter version. One decision per version: `decree.ts` over proposals, checked against the
 *  rules of the chain before they are accepted. */

/** A version that is proposed, with the operator's signature where it needs one. */
export interface ProposedVersion {
  readonly body: Uint8Array
  readonly operatorSignature?: Uint8Array
}

/** What this node promised about the version after `previous`; durable before any answer leaves. */
export interface CharterBallots extends AcceptorRecord<ProposedVersion> {
  /** Hash of the version that the next one follows. */
  readonly previous: Uint8Array
}

export type CharterMessage =
  | { readonly type: 'prepare'; readonly previous: Uint8Array; readonly ballot: Ballot }
  | {
      readonly type: 'accept'
      readonly previous: Uint8Array
      readonly ballot: Ballot
      readonly proposed: ProposedVersion
    }
  | { readonly type: 'promise'; readonly ballot: Ballot; readonly accepted?: AcceptedValue<ProposedVersion> }
  | { readonly type: 'vote'; readonly ballot: Ballot; readonly hash: Uint8Array; readonly signature: Uint8Array }
  /** A higher ballot is under way. */
  | { readonly type: 'outbid'; readonly ballot: Ballot; readonly promised: Ballot }
  /** The two heads differ: exchange charters, then try again. */
  | { readonly type: 'other-head'; readonly ballot: Ballot; readonly head: Uint8Array }
  /** The rules forbid it. */
  | { readonly type: 'forbidden'; readonly ballot: Ballot; readonly reason: string }

export interface BallotAnswer {
  readonly ballots: CharterBallots
  /** Whether `ballots` differ from those given and must be durable before `reply` leaves. */
  readonly persist: boolean
  readonly reply: CharterMessage
}

/** Answers a proposer's `prepare` or `accept` as the voter `key`. `from` is the peer that sent it: ballots are a proposer's own.
 *  Pure. @throws HF_PEER_PROTOCOL for other messages */
export function answerCharterMessage(
  state: CharterState,
  held: CharterBallots | undefined,
  key: SigningKey,
  message: CharterMessage,
  from: NodeId,
): BallotAnswer {
  if (message.type !== 'prepare' && message.type !== 'accept') {
    throw new HoldfastError('HF_PEER_PROTOCOL', `a proposer does not send ${message.type}`)
  }
  const head = state.head().hash
  const ballots: CharterBallots = held !== undefined && equalBytes(held.previous, head) ? held : { previous: head }
  const { ballot } = message
  const unchanged = (reply: CharterMessage): BallotAnswer => ({ ballots, persist: false, reply })
  if (!equalBytes(message.previous, head)) return unchanged({ type: 'other-head', ballot, head })
  const reason = reasonAgainst(state, ballots, key, message, from)
  if (reason !== undefined) return unchanged({ type: 'forbidden', ballot, reason })
  const answer = message.type === 'prepare' ? prepare(ballots, ballot) : accept(ballots, ballot, message.proposed)
  if (answer.type === 'refused') return unchanged({ type: 'outbid', ballot, promised: answer.promised })
  return { ballots: { ...answer.record, previous: head }, persist: true, reply: replyTo(answer, message, key) }
}

function reasonAgainst(
  state: CharterState,
  ballots: CharterBallots,
  key: SigningKey,
  message: CharterMessage & { ballot: Ballot },
  from: NodeId,
): string | undefined {
  if (!state.voters().some((voter) => equalBytes(voter, key.publicKey))) return 'this node has no vote'
  if (state.node(message.ballot.proposer) === undefined) return 'the proposer is not in the mesh'
  if (!equalBytes(message.ballot.proposer, from)) return 'the ballot is not of the node that sent it'
  if (message.ballot.round < 1 || message.ballot.round > BALLOT_ROUND_MAX) return 'the ballot is out of range'
  if (message.type !== 'accept') return undefined
  if (isSecondValue(ballots, message.ballot, message.proposed)) return 'this ballot has another proposal'
  try {
    const { version } = checkProposal(state.headLink(), message.proposed.body, message.proposed.operatorSignature)
    return version.number === state.head().version + OPERATOR_LEAP ? 'a leap is not voted on' : undefined
  } catch (error) {
    if (error instanceof HoldfastError) return error.message
    throw error
  }
}

/** A ballot has one value: a proposer that sends two would make two versions of one number. */
function isSecondValue({ accepted }: CharterBallots, ballot: Ballot, proposed: ProposedVersion): boolean {
  if (accepted === undefined || compareBallots(accepted.ballot, ballot) !== 0) return false
  return !equalBytes(accepted.value.body, proposed.body)
}

function replyTo(
  answer: Exclude<AcceptorAnswer<ProposedVersion>, { type: 'refused' }>,
  message: CharterMessage & { ballot: Ballot },
  key: SigningKey,
): CharterMessage {
  const { ballot } = message
  if (answer.type === 'promised') {
    return { type: 'promise', ballot, ...(answer.accepted === undefined ? {} : { accepted: answer.accepted }) }
  }
  const hash = versionHash(answer.record.accepted?.value.body ?? new Uint8Array())
  return { type: 'vote', ballot, hash, signature: sign(key, LABELS.versionVote, voteBytes(ballot, hash)) }
}

/** The next version with these changes. The operator key signs it if given. @throws HF_CHARTER_REFUSED if the rules forbid it,
 *  HF_OPERATOR_KEY if it needs the operator key and none is given, or another mesh's */
export function proposeVersion(
  state: CharterState,
  changes: readonly CharterChange[],
  timeMs: number,
  operatorKey?: SigningKey,
): ProposedVersion {
  const { version, hash } = state.head()
  const body = encodeVersion({ mesh: state.mesh().id, number: version + 1, previous: hash, timeMs, changes })
  const needs = changes.some((change) => change.type !== 'admit')
  if (needs) requireOperatorKey(state, operatorKey)
  const signed =
    operatorKey === undefined ? {} : { operatorSignature: sign(operatorKey, LABELS.versionOperator, versionHash(body)) }
  checkProposal(state.headLink(), body, signed.operatorSignature)
  return { body, ...signed }
}

/** @throws HF_OPERATOR_KEY if there is none, or it is another mesh's */
export function requireOperatorKey(
  state: CharterState,
  operatorKey: SigningKey | undefined,
): asserts operatorKey is SigningKey {
  const next = 'give the recovery sheet with --operator-key FILE'
  if (operatorKey === undefined)
    throw new HoldfastError('HF_OPERATOR_KEY', 'this change needs the operator key', { next })
  if (equalBytes(operatorKey.publicKey, state.mesh().operatorKey)) return
  throw new HoldfastError('HF_OPERATOR_KEY', 'this is the operator key of another mesh', { next })
}
