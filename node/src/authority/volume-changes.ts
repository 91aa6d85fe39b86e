import {
  adoptStep,
  answerCosign,
  completeStep,
  cosignatureOf,
  decodeCosignLocks,
  decodeCosignReply,
  encodeCosignLocks,
  encodeCosignReply,
  isAgreed,
  openStep,
  type CosignLocks,
  type OpenStep,
  type VolumeChange,
  type VolumeEntry,
  type Vote,
} from '@holdfast/charter'
import type { SigningKey } from '@holdfast/keys'
import { asNodeId, HoldfastError } from '@holdfast/ports'
import type { NodeId, VolumeId } from '@holdfast/ports'
import type { Home } from '../home/index.ts'
import type { Replication } from '../replication/index.ts'
import type { CharterKeeper } from './charter-keeper.ts'

/** Method by which voters of a volume are asked to agree to a change of voters. */
export const COSIGN_METHOD = 'charter/cosign'
export const COSIGN_TIMEOUT_MS = 5000
/** Tries of one change: the first may have to finish a step that was forgotten. */
export const STEP_TRIES_MAX = 3

export interface VolumeChangesParts {
  readonly keeper: CharterKeeper
  readonly home: Pick<Home, 'readState' | 'writeState'>
  readonly signingKey: SigningKey
  readonly replication: Pick<Replication, 'call' | 'onCall'>
  readonly onRecordLost: (error: unknown) => void
}

/** Changes of the volumes whose primary this node is, and this node's agreement to changes of others. */
export class VolumeChanges {
  readonly #parts: VolumeChangesParts
  readonly #self: NodeId
  #locks: CosignLocks = new Map()
  /** The record of co-signatures cannot be read. It stays as it is, and nothing is co-signed, until a person says so. */
  #lost = false
  #changing: Promise<unknown> = Promise.resolve()

  constructor(parts: VolumeChangesParts) {
    this.#parts = parts
    this.#self = asNodeId(parts.signingKey.publicKey)
    try {
      const kept = parts.home.readState('votes')
      if (kept !== undefined) this.#locks = decodeCosignLocks(kept)
    } catch (error) {
      this.#lost = true
      parts.onRecordLost(error)
    }
    parts.replication.onCall(COSIGN_METHOD, (request) => Promise.resolve(encodeCosignReply(this.#cosign(request))))
  }

  /** Brings a change of one volume into force; `changeOf` is asked for the newest entry and gives undefined if nothing is to be done.
   *  @throws HF_NOT_FOUND, HF_NOT_PRIMARY, HF_OPERATOR_KEY, HF_CHARTER_REFUSED, HF_PEER_UNREACHABLE if too few voters agree */
  change(
    volume: VolumeId,
    changeOf: (entry: VolumeEntry) => VolumeChange | undefined,
    operatorKey?: SigningKey,
  ): Promise<void> {
    const done = this.#changing.then(() => this.#change(volume, changeOf, operatorKey))
    this.#changing = done.catch(() => undefined)
    return done
  }

  async #change(
    volume: VolumeId,
    changeOf: (entry: VolumeEntry) => VolumeChange | undefined,
    operatorKey: SigningKey | undefined,
  ): Promise<void> {
    const { keeper, signingKey } = this.#parts
    let said = ''
    for (let attempt = 0; attempt < STEP_TRIES_MAX; attempt++) {
      const entry = keeper.state.volume(volume)
      if (entry === undefined) throw new HoldfastError('HF_NOT_FOUND', 'there is no such volume in the charter')
      const change = changeOf(entry)
      if (change === undefined) return
      const open = openStep(keeper.state, signingKey, this.#locks, volume, change)
      const { votes, locked, reasons } = await this.#gather(open)
      said = reasons.length === 0 ? '' : ` (${[...new Set(reasons)].join('; ')})`
      if (isAgreed(open, this.#self, votes)) {
        keeper.apply(completeStep(keeper.state, signingKey, open, votes, operatorKey))
        return
      }
      if (locked === undefined) break
      await this.#finishForgotten(locked, operatorKey)
    }
    throw new HoldfastError(
      'HF_PEER_UNREACHABLE',
      `too few voters of the volume agreed in time${said}; its members stay as they are`,
      {
        retryable: true,
        next: 'holdfast peers shows who is missing',
      },
    )
  }

  /** A step that this node made and forgot (a home of an older copy): its voters hold on to it, so it is completed first. */
  async #finishForgotten(request: Uint8Array, operatorKey: SigningKey | undefined): Promise<void> {
    const { keeper, signingKey } = this.#parts
    const open = adoptStep(keeper.state, signingKey, request)
    const { votes } = await this.#gather(open)
    if (!isAgreed(open, this.#self, votes)) return
    keeper.apply(completeStep(keeper.state, signingKey, open, votes, operatorKey))
  }

  async #gather(open: OpenStep): Promise<{ votes: Vote[]; reasons: string[]; locked?: Uint8Array }> {
    const { replication, keeper } = this.#parts
    // The own lock first, durably: if this try is given up, the next one is numbered past it, and voters let go of this one.
    if (open.ask.length > 0) {
      if (this.#lost) throw recordLost()
      this.#cosign(open.request)
    }
    const votes: Vote[] = []
    const reasons: string[] = []
    let locked: Uint8Array | undefined
    await Promise.all(
      open.ask.map(async (voter) => {
        try {
          const reply = decodeCosignReply(
            await replication.call(voter, COSIGN_METHOD, open.request, { timeoutMs: COSIGN_TIMEOUT_MS }),
          )
          const vote = cosignatureOf(voter, reply)
          if (vote !== undefined) votes.push(vote)
          if (reply.type !== 'refused') return
          locked ??= reply.locked
          reasons.push(`${keeper.nameOf(voter)}: ${reply.reason}`)
        } catch {
          // A voter that does not answer has not agreed; whether enough did is judged by the caller.
        }
      }),
    )
    return { votes, reasons, ...(locked === undefined ? {} : { locked }) }
  }

  #cosign(request: Uint8Array): ReturnType<typeof answerCosign>['reply'] {
    const { keeper, signingKey, home } = this.#parts
    if (this.#lost) return { type: 'refused', reason: recordLost().message }
    const { locks, persist, reply } = answerCosign(keeper.state, this.#locks, signingKey, request)
    if (persist) {
      home.writeState('votes', encodeCosignLocks(locks))
      this.#locks = locks
    }
    return reply
  }
}

const recordLost = (): HoldfastError =>
  new HoldfastError('HF_DECODE', 'the record of co-signatures (the file votes) of this home is damaged', {
    next: 'if this home was not brought back from an older copy, remove that file and restart the node',
  })
