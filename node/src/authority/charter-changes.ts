import {
  answerCharterMessage,
  decodeBallots,
  decodeCharterMessage,
  encodeBallots,
  encodeCharterMessage,
  giveUp,
  hearCharterMessage,
  proposeVersion,
  startProposal,
  type CharterBallots,
  type CharterChange,
  type CharterMessage,
  type CharterState,
  type ProposalOutcome,
  type ProposalRun,
  type ProposalStep,
} from '@holdfast/charter'
import type { SigningKey } from '@holdfast/keys'
import { asNodeId, equalBytes, HoldfastError } from '@holdfast/ports'
import type { Clock, NodeId, Random } from '@holdfast/ports'
import type { Home } from '../home/index.ts'
import type { Replication } from '../replication/index.ts'
import type { CharterKeeper } from './charter-keeper.ts'

/** Method by which voters are asked. */
export const CHARTER_VOTE_METHOD = 'charter/vote'
/** Ballots tried for one change: enough to get past a rival, few enough to say soon that no majority can be had. */
export const BALLOTS_MAX = 6
/** What one voter may take to answer, ms. */
export const VOTE_TIMEOUT_MS = 5000
/** Longest random wait between two ballots, ms: rivals must not meet again. */
export const BALLOT_BACKOFF_MS = 400

export interface CharterChangesParts {
  readonly keeper: CharterKeeper
  readonly home: Pick<Home, 'readState' | 'writeState'>
  readonly signingKey: SigningKey
  readonly replication: Pick<Replication, 'call' | 'onCall'>
  readonly clock: Clock
  readonly random: Random
  readonly onRecordLost: (error: unknown) => void
}

/** How a ballot ended; `silent` if some voters did not answer, so that another try may do better. */
type BallotEnd = ProposalOutcome & { readonly silent: boolean }

/** New charter versions: proposes them to the voters, and answers as a voter what others propose. */
export class CharterChanges {
  readonly #parts: CharterChangesParts
  readonly #self: NodeId
  #ballots: CharterBallots | undefined
  /** The head at which the record of ballots could not be read. What was promised about the version after it is not known. */
  #lostAt: Uint8Array | undefined
  #changing: Promise<unknown> = Promise.resolve()

  constructor(parts: CharterChangesParts) {
    this.#parts = parts
    this.#self = asNodeId(parts.signingKey.publicKey)
    try {
      const kept = parts.home.readState('acceptor')
      this.#ballots = kept === undefined ? undefined : decodeBallots(kept)
    } catch (error) {
      this.#lostAt = parts.keeper.state.head().hash
      parts.onRecordLost(error)
    }
    parts.replication.onCall(CHARTER_VOTE_METHOD, (body, from) =>
      Promise.resolve(encodeCharterMessage(this.#answer(decodeCharterMessage(body), from))),
    )
  }

  /** Brings a version with these changes into force. `changesOf` is asked again when another version came first.
   *  @throws HF_PEER_UNREACHABLE if no majority of the voters answers, HF_CHARTER_REFUSED, HF_OPERATOR_KEY */
  change(changesOf: (state: CharterState) => readonly CharterChange[], operatorKey?: SigningKey): Promise<void> {
    const done = this.#changing.then(() => this.#change(changesOf, operatorKey))
    this.#changing = done.catch(() => undefined)
    return done
  }

  async #change(changesOf: (state: CharterState) => readonly CharterChange[], operatorKey?: SigningKey): Promise<void> {
    const { keeper, clock, random } = this.#parts
    let round = 1
    let reasons: readonly string[] = []
    let behind = false
    let silent = false
    for (let ballot = 0; ballot < BALLOTS_MAX; ballot++) {
      const { state } = keeper
      const changes = changesOf(state)
      if (changes.length === 0) return
      const outcome = await this.#ballot(state, proposeVersion(state, changes, clock.nowMs(), operatorKey), round)
      if (outcome.type === 'chosen') {
        keeper.apply(outcome.bundle)
        if (outcome.own) return
        continue
      }
      round = outcome.round
      reasons = outcome.reasons
      behind = outcome.otherHeads.length > 0
      silent = outcome.silent
      await new Promise<void>((resolve) => {
        clock.setTimer(random.fraction() * BALLOT_BACKOFF_MS, resolve)
      })
    }
    const said = reasons.join('; ')
    if (reasons.length > 0 && !silent) throw new HoldfastError('HF_CHARTER_REFUSED', `the voters refuse: ${said}`)
    const why = behind
      ? 'the nodes that vote on the charter know another version of it and are exchanging theirs'
      : 'no majority of the nodes that vote on the charter could be reached'
    throw new HoldfastError('HF_PEER_UNREACHABLE', `${why}${said === '' ? '' : ` (${said})`}; nothing was changed`, {
      retryable: true,
      next: behind ? 'try again in a moment' : 'holdfast peers shows who is missing',
    })
  }

  async #ballot(state: CharterState, proposed: ReturnType<typeof proposeVersion>, round: number): Promise<BallotEnd> {
    let step = startProposal(state, this.#self, proposed, round)
    while (step.send !== undefined) step = await this.#askAll(step.run, step.send)
    return step.outcome === undefined ? { ...giveUp(step.run), silent: true } : { ...step.outcome, silent: false }
  }

  /** Asks every voter; resolves as soon as the answers lead on, so that one that is stalled holds nobody up. */
  #askAll(run: ProposalRun, message: CharterMessage): Promise<ProposalStep> {
    return new Promise((resolve, reject) => {
      let heard: ProposalStep = { run }
      const hear = (voter: NodeId, answer: CharterMessage | undefined): void => {
        if (answer === undefined || heard.send !== undefined || heard.outcome !== undefined) return
        heard = hearCharterMessage(heard.run, voter, answer)
        if (heard.send !== undefined || heard.outcome !== undefined) resolve(heard)
      }
      const asked = run.voters.map(async (voter) => hear(voter, await this.#ask(voter, message)))
      Promise.all(asked).then(() => resolve(heard), reject)
    })
  }

  /** Undefined if the voter does not answer in time. */
  async #ask(voter: NodeId, message: CharterMessage): Promise<CharterMessage | undefined> {
    if (equalBytes(voter, this.#self)) return this.#answer(message, this.#self)
    try {
      const { replication } = this.#parts
      const answer = await replication.call(voter, CHARTER_VOTE_METHOD, encodeCharterMessage(message), {
        timeoutMs: VOTE_TIMEOUT_MS,
      })
      return decodeCharterMessage(answer)
    } catch {
      return undefined
    }
  }

  #answer(message: CharterMessage, from: NodeId): CharterMessage {
    const { keeper, signingKey, home } = this.#parts
    if (this.#abstains() && (message.type === 'prepare' || message.type === 'accept'))
      return { type: 'forbidden', ballot: message.ballot, reason: 'the record of ballots of this voter is damaged' }
    const { ballots, persist, reply } = answerCharterMessage(keeper.state, this.#ballots, signingKey, message, from)
    if (persist) {
      home.writeState('acceptor', encodeBallots(ballots))
      this.#ballots = ballots
    }
    return reply
  }

  /** A lost record matters for one version only: once that is in force, there is nothing left to break. A lone voter has itself
   *  made every version there is. */
  #abstains(): boolean {
    if (this.#lostAt === undefined) return false
    const { state } = this.#parts.keeper
    if (state.voters().length > 1 && equalBytes(state.head().hash, this.#lostAt)) return true
    this.#lostAt = undefined
    return false
  }
}
