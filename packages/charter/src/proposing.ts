import { verify } from '@holdfast/keys'
import { equalBytes, hexOf, type NodeId } from '@holdfast/ports'
import { encodeBundle } from './bundle.ts'
import { majorityOf } from './chain.ts'
import { createProposal, hearAcceptance, hearPromise, valueOf, type Proposal } from './decree.ts'
import { LABELS, versionHash, voteBytes, type Vote } from './documents.ts'
import type { CharterState } from './state.ts'
import type { CharterMessage, ProposedVersion } from './voting.ts'

type Refusal = Extract<CharterMessage, { type: 'outbid' | 'other-head' | 'forbidden' }>

/** The proposer's side of a new charter version, for one ballot. Immutable: each step gives the next run. */
export interface ProposalRun {
  readonly state: CharterState
  readonly voters: readonly NodeId[]
  readonly proposal: Proposal<ProposedVersion>
  readonly votes: readonly Vote[]
  /** Voters that refused, by id in hex, with their refusal. */
  readonly refusals: ReadonlyMap<string, Refusal>
}

export type ProposalOutcome =
  /** Decided; `bundle` is to be merged and spread. `own` is false where an earlier proposal had to be finished first:
   *  then build the change anew on the new head. */
  | { readonly type: 'chosen'; readonly bundle: Uint8Array; readonly own: boolean }
  /** No majority can be had in this ballot. After the charters are exchanged with `otherHeads`, or some random time
   *  later, try again with at least `round`. `reasons` are for people; no retry helps if they are all there is. */
  | {
      readonly type: 'failed'
      readonly round: number
      readonly otherHeads: readonly NodeId[]
      readonly reasons: readonly string[]
    }

export interface ProposalStep {
  readonly run: ProposalRun
  /** To be sent to every voter, the own one included. */
  readonly send?: CharterMessage
  readonly outcome?: ProposalOutcome
}

/** Begins a ballot. `round` is 1 at first; see `ProposalOutcome`. */
export function startProposal(
  state: CharterState,
  self: NodeId,
  proposed: ProposedVersion,
  round: number,
): ProposalStep {
  const voters = state.voters()
  const ballot = { round, proposer: self }
  const proposal = createProposal(ballot, proposed, majorityOf(voters.length))
  const run = { state, voters, proposal, votes: [], refusals: new Map<string, Refusal>() }
  return { run, send: { type: 'prepare', previous: state.head().hash, ballot } }
}

/** Takes a voter's answer; answers to other ballots and of non-voters are ignored. */
export function hearCharterMessage(run: ProposalRun, from: NodeId, message: CharterMessage): ProposalStep {
  const { ballot } = run.proposal
  const voter = run.voters.some((candidate) => equalBytes(candidate, from))
  const mine = message.ballot.round === ballot.round && equalBytes(message.ballot.proposer, ballot.proposer)
  if (!voter || !mine || run.proposal.phase === 'chosen') return { run }
  switch (message.type) {
    case 'promise': {
      const proposal = hearPromise(run.proposal, from, message.accepted)
      const next = { ...run, proposal }
      if (proposal.phase === run.proposal.phase) return { run: next }
      const proposed = valueOf(proposal)
      return { run: next, send: { type: 'accept', previous: run.state.head().hash, ballot, proposed } }
    }
    case 'vote':
      return hearVote(run, from, message)
    case 'prepare':
    case 'accept':
      return { run }
    default:
      return hearRefusal(run, from, message)
  }
}

function hearVote(run: ProposalRun, from: NodeId, message: CharterMessage & { type: 'vote' }): ProposalStep {
  const { body, operatorSignature } = valueOf(run.proposal)
  const hash = versionHash(body)
  const { ballot } = run.proposal
  const proposal = hearAcceptance(run.proposal, from)
  if (proposal.acceptances.size === run.proposal.acceptances.size) return { run }
  if (!verify(from, LABELS.versionVote, voteBytes(ballot, hash), message.signature)) return { run }
  const votes = [...run.votes, { node: from, signature: message.signature }]
  const next = { ...run, proposal, votes }
  if (proposal.phase !== 'chosen') return { run: next }
  const certificate = {
    ballot,
    votes: votes.toSorted((a, b) => Buffer.compare(a.node, b.node)),
    ...(operatorSignature === undefined ? {} : { operatorSignature }),
  }
  const mesh = run.state.mesh().id
  const bundle = encodeBundle({ mesh, head: hash, versions: [{ body, certificate }], entries: [] })
  return { run: next, outcome: { type: 'chosen', bundle, own: equalBytes(body, run.proposal.wanted.body) } }
}

function hearRefusal(run: ProposalRun, from: NodeId, message: Refusal): ProposalStep {
  const refusals = new Map(run.refusals).set(hexOf(from), message)
  const next = { ...run, refusals }
  if (run.voters.length - refusals.size >= run.proposal.majority) return { run: next }
  return { run: next, outcome: giveUp(next) }
}

/** The end of a ballot in which nobody else will answer: what those who refused said. */
export function giveUp(run: ProposalRun): Extract<ProposalOutcome, { type: 'failed' }> {
  let round = run.proposal.ballot.round + 1
  const otherHeads: NodeId[] = []
  const reasons: string[] = []
  for (const voter of run.voters) {
    const refusal = run.refusals.get(hexOf(voter))
    if (refusal?.type === 'outbid') round = Math.max(round, refusal.promised.round + 1)
    if (refusal?.type === 'other-head') otherHeads.push(voter)
    if (refusal?.type === 'forbidden') reasons.push(refusal.reason)
  }
  return { type: 'failed', round, otherHeads, reasons }
}
