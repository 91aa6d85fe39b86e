import {
  answerCharterMessage,
  decodeBallots,
  decodeCharterMessage,
  encodeBallots,
  encodeCharterMessage,
  hearCharterMessage,
  proposeVersion,
  startProposal,
  type CharterBallots,
  type CharterChange,
  type CharterMessage,
  type CharterState,
  type ProposalOutcome,
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
}

/** New charter versions: proposes them to the voters, and answers as a voter what others propose. */
export class CharterChanges {
  readonly #parts: CharterChangesParts
  readonly #self: NodeId
  #ballots: CharterBallots | undefined
  #changing: Promise<unknown> = Promise.resolve()

  constructor(parts: CharterChangesParts) {
    this.#parts = parts
    this.#self = asNodeId(parts.signingKey.publicKey)
    const kept = parts.home.readState('acceptor')
    this.#ballots = kept === undefined ? undefined : decodeBallots(kept)
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
      await new Promise<void>((resolve) => {
        clock.setTimer(random.fraction() * BALLOT_BACKOFF_MS, resolve)
      })
    }
    if (reasons.length > 0) throw new HoldfastError('HF_CHARTER_REFUSED', `the voters refuse: ${reasons.join('; ')}`)
    throw new HoldfastError(
      'HF_PEER_UNREACHABLE',
      'no majority of the nodes that vote on the charter could be reached; nothing was changed',
      {
        retryable: true,
        next: 'holdfast peers shows who is missing',
      },
    )
  }

  async #ballot(
    state: CharterState,
    proposed: ReturnType<typeof proposeVersion>,
    round: number,
  ): Promise<ProposalOutcome> {
    let { run, send } = startProposal(state, this.#self, proposed, round)
    while (send !== undefined) {
      const message: CharterMessage = send
      send = undefined
      const answers = await Promise.all(run.voters.map((voter) => this.#ask(voter, message)))
      for (const [index, answer] of answers.entries()) {
        const voter = run.voters[index]
        if (answer === undefined || voter === undefined) continue
        const step = hearCharterMessage(run, voter, answer)
        run = step.run
        send ??= step.send
        if (step.outcome !== undefined) return step.outcome
      }
    }
    return { type: 'failed', round: round + 1, otherHeads: [], reasons: [] }
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
    const { ballots, persist, reply } = answerCharterMessage(keeper.state, this.#ballots, signingKey, message, from)
    if (persist) {
      home.writeState('acceptor', encodeBallots(ballots))
      this.#ballots = ballots
    }
    return reply
  }
}
