import { hexOf } from '@holdfast/ports'
import type { Ballot } from './documents.ts'

/** One decision by a majority of acceptors, however many propose and whatever messages are lost: Paxos for one value.
 *  Source: L. Lamport, Paxos Made Simple, 2001. All transitions of both roles are here; what a value is, who signs and who
 *  counts is the caller's. An acceptor's new record must be durable before its answer leaves. */

/** What an acceptor must never forget. */
export interface AcceptorRecord<V> {
  /** It takes part in no lower ballot. */
  readonly promised?: Ballot
  readonly accepted?: AcceptedValue<V>
}

export interface AcceptedValue<V> {
  readonly ballot: Ballot
  readonly value: V
}

/** Rounds are bounded so that a hostile ballot cannot use up the numbers. */
export const BALLOT_ROUND_MAX = 2 ** 48

/** Negative if `a` is the lower ballot. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.round === b.round ? Buffer.compare(a.proposer, b.proposer) : a.round - b.round
}

export type AcceptorAnswer<V> =
  | { readonly type: 'promised'; readonly record: AcceptorRecord<V>; readonly accepted?: AcceptedValue<V> }
  | { readonly type: 'accepted'; readonly record: AcceptorRecord<V> }
  | { readonly type: 'refused'; readonly promised: Ballot }

/** First phase: promise to take part in no lower ballot, and say what was accepted. A ballot is promised once: a proposer
 *  that forgot its ballot and begins it again with another value is refused. */
export function prepare<V>(record: AcceptorRecord<V>, ballot: Ballot): AcceptorAnswer<V> {
  if (record.promised !== undefined && compareBallots(ballot, record.promised) <= 0) {
    return { type: 'refused', promised: record.promised }
  }
  const { accepted } = record
  return { type: 'promised', record: { ...record, promised: ballot }, ...(accepted === undefined ? {} : { accepted }) }
}

/** Second phase: accept the value unless a higher ballot was promised. */
export function accept<V>(record: AcceptorRecord<V>, ballot: Ballot, value: V): AcceptorAnswer<V> {
  if (record.promised !== undefined && compareBallots(ballot, record.promised) < 0) {
    return { type: 'refused', promised: record.promised }
  }
  return { type: 'accepted', record: { promised: ballot, accepted: { ballot, value } } }
}

/** What a proposer has heard in one ballot. Immutable. */
export interface Proposal<V> {
  readonly ballot: Ballot
  readonly wanted: V
  readonly majority: number
  readonly phase: 'preparing' | 'accepting' | 'chosen'
  readonly promises: ReadonlySet<string>
  readonly highest?: AcceptedValue<V>
  readonly acceptances: ReadonlySet<string>
}

export function createProposal<V>(ballot: Ballot, wanted: V, majority: number): Proposal<V> {
  return { ballot, wanted, majority, phase: 'preparing', promises: new Set(), acceptances: new Set() }
}

/** The value that the second phase must ask for: what may have been chosen already, else the own one. */
export const valueOf = <V>(proposal: Proposal<V>): V => proposal.highest?.value ?? proposal.wanted

/** A promise came; the phase becomes `accepting` once a majority promised. */
export function hearPromise<V>(
  proposal: Proposal<V>,
  from: Uint8Array,
  accepted: AcceptedValue<V> | undefined,
): Proposal<V> {
  if (proposal.phase !== 'preparing') return proposal
  const promises = new Set(proposal.promises).add(hexOf(from))
  const higher =
    accepted !== undefined &&
    (proposal.highest === undefined || compareBallots(accepted.ballot, proposal.highest.ballot) > 0)
  return {
    ...proposal,
    promises,
    ...(higher ? { highest: accepted } : {}),
    phase: promises.size >= proposal.majority ? 'accepting' : 'preparing',
  }
}

/** An acceptance came; the phase becomes `chosen` once a majority accepted. */
export function hearAcceptance<V>(proposal: Proposal<V>, from: Uint8Array): Proposal<V> {
  if (proposal.phase !== 'accepting') return proposal
  const acceptances = new Set(proposal.acceptances).add(hexOf(from))
  return { ...proposal, acceptances, phase: acceptances.size >= proposal.majority ? 'chosen' : 'accepting' }
}
