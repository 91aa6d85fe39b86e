import { rmSync } from 'node:fs'
import { claimHash, type Claim, type EpochRecord } from '@holdfast/failover'
import { equalBytes, hexOf, SECOND_MS } from '@holdfast/ports'
import type { Clock, JournalStore, NodeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Logger } from 'pino'
import type { Authority } from '../authority/index.ts'
import type { Cut, EpochService, VoterRecords } from '../epochs/index.ts'
import type { Home } from '../home/index.ts'
import type { MemberHead, Replication } from '../replication/index.ts'
import { copyJournal } from './copying.ts'
import { CLAIM_INTERVAL_MS, pause, reasonOfDoubt, reasonOfHead, resolveDoubt, type DoubtParts } from './doubt.ts'
import { reaches } from './open-volume.ts'
import type { Running } from './running.ts'

/** How long a primary in doubt waits for its next epoch before it records on its own drive alone, ms: members that are there
 *  answer within a second or two, and what is recorded meanwhile is recorded twice. */
export const PENDING_AFTER_MS = 3 * SECOND_MS

export interface EpochMovesParts {
  readonly self: NodeId
  readonly home: Pick<Home, 'scratchDirectory'>
  readonly authority: Authority
  readonly epochs: EpochService
  readonly records: VoterRecords
  readonly replication: Replication
  readonly store: PackStore
  readonly openJournals: (directory: string) => Promise<JournalStore>
  readonly clock: Clock
  readonly log: Logger
  /** Epochs that members told, by volume. */
  readonly learned: Map<string, readonly EpochRecord[]>
  readonly isOpen: (running: Running) => boolean
  /** Closes the volume and opens it from its packs and what was learnt. */
  readonly reopen: (running: Running) => Promise<void>
  /** Writes the first block of an epoch of this node's own, then opens the volume in it. */
  readonly begin: (running: Running, record: EpochRecord) => Promise<void>
  /** Makes logs and catalogs anew. */
  readonly rebuild: () => Promise<unknown>
  /** Ends what captures and writes on this volume. */
  readonly endWork: (running: Running) => Promise<void>
  /** Records on this node alone from now on. */
  readonly beginPending: (running: Running) => Promise<void>
}

/** How volumes go from one epoch to the next, on its writer and on the other members. */
export class EpochMoves {
  readonly #parts: EpochMovesParts

  constructor(parts: EpochMovesParts) {
    this.#parts = parts
  }

  /** What a member's head means: epochs that this node does not know, or doubt about what it has written. */
  async onHead(running: Running, head: MemberHead): Promise<void> {
    const { volume } = running
    if (!volume.members.some(({ node }) => equalBytes(node, head.member))) return
    if (head.epoch > volume.newestEpoch) return this.#learn(running, head.member)
    if (volume.cut !== undefined) return this.moveOn(running)
    const isPrimary = volume.role === 'primary'
    const length = isPrimary && running.writer === undefined ? running.startLength : volume.log.head().length
    const reason = await reasonOfHead(volume, head, isPrimary ? length : Number.POSITIVE_INFINITY)
    if (reason === undefined || !this.#parts.isOpen(running)) return
    const sentence = `${this.#parts.authority.nameOf(head.member)} ${reason}`
    if (isPrimary) return this.resolveDoubt(running, sentence)
    if (running.warnings.includes(sentence)) return
    running.warnings.push(sentence)
    this.#parts.log.error({ volume: volume.name, length: head.length }, sentence)
  }

  /** Takes in later epochs that a member knows, and opens the volume anew. */
  async #learn(running: Running, member: NodeId): Promise<void> {
    if (running.moving) return
    running.moving = true
    const { volume } = running
    try {
      const { epochs, records, log, learned } = this.#parts
      const newer = await epochs.newerEpochs(volume, member)
      const newest = newer.at(-1)
      if (newest === undefined || !this.#parts.isOpen(running)) return
      const { epoch } = newest.claim
      if (volume.role === 'primary') records.doubt(volume.id, epoch)
      else records.fence(volume.id, epoch)
      const before = learned.get(hexOf(volume.id)) ?? []
      const fresh = newer.filter(({ claim }) => !before.some((known) => isSameClaim(known.claim, claim)))
      // Opened anew with them, the volume stayed where it was: they do not continue what this node holds.
      if (fresh.length === 0) return this.#warnOf(running, epoch)
      learned.set(hexOf(volume.id), [...before, ...fresh])
      log.info({ volume: volume.name, epoch }, 'a later epoch of the volume is known')
      await this.#parts.reopen(running)
    } finally {
      running.moving = false
    }
  }

  #warnOf(running: Running, epoch: number): void {
    const sentence = `members are in epoch ${epoch}, which does not follow from what this node holds; nothing of it is taken`
    if (running.warnings.includes(sentence)) return
    running.warnings.push(sentence)
    this.#parts.log.error({ volume: running.volume.name, epoch }, sentence)
  }

  /** A volume whose log is cut goes on to the next epoch when it has the blocks below the cut. */
  moveOn(running: Running): void {
    const { volume } = running
    const { cut } = volume
    if (cut === undefined || running.moving || volume.log.head().length < cut.length) return
    running.moving = true
    const move = async (): Promise<void> => {
      if (await reaches(volume.log, cut)) return this.#parts.reopen(running)
      const inLater = this.#parts.replication.heads(volume.id).find((head) => head.epoch > volume.epoch)
      if (inLater !== undefined) await this.#copy(running, inLater.member, cut)
    }
    move()
      .catch((error: unknown) => this.#parts.log.warn({ err: error, volume: volume.name }, 'the next epoch waits'))
      .finally(() => {
        running.moving = false
      })
  }

  /** A member's blocks take the place of this node's, which stay as a branch; logs and catalogs are made anew. */
  async #copy(running: Running, member: NodeId, until: Cut): Promise<void> {
    const { home, store, epochs, log, openJournals } = this.#parts
    const { volume } = running
    log.warn(
      { volume: volume.name, epoch: volume.epoch },
      'this node holds other journal blocks than count; both are kept',
    )
    rmSync(home.scratchDirectory, { recursive: true, force: true })
    const scratch = await openJournals(home.scratchDirectory)
    try {
      await copyJournal(
        { service: epochs, store, scratch, isOpen: () => this.#parts.isOpen(running) },
        volume,
        member,
        until,
      )
    } finally {
      await scratch.close()
      rmSync(home.scratchDirectory, { recursive: true, force: true })
    }
    if (this.#parts.isOpen(running)) await this.#parts.rebuild()
  }

  /** Stops writing in this epoch, for good, and gets the next one. */
  async resolveDoubt(running: Running, reason: string): Promise<void> {
    if (running.doubt !== undefined) return
    const { records, log, clock } = this.#parts
    const { volume } = running
    // Nothing more is signed in this epoch, whatever fails below.
    running.doubt = `this node may have lost what it wrote: ${reason}`
    running.writer?.leave()
    log.warn({ volume: volume.name, epoch: volume.epoch }, running.doubt)
    await this.#parts.endWork(running)
    const pending = this.#pendingSoon(running)
    for (; this.#parts.isOpen(running); await pause(clock, CLAIM_INTERVAL_MS)) {
      try {
        records.doubt(volume.id, volume.newestEpoch)
        if (await this.#nextEpoch(running)) break
      } catch (error) {
        log.warn({ err: error, volume: volume.name }, 'the next epoch waits; trying again')
      }
    }
    await pending
  }

  async #pendingSoon(running: Running): Promise<void> {
    const { clock, log, isOpen, beginPending, endWork } = this.#parts
    await pause(clock, PENDING_AFTER_MS)
    for (; isOpen(running); await pause(clock, PENDING_AFTER_MS)) {
      try {
        return await beginPending(running)
      } catch (error) {
        log.warn({ err: error, volume: running.volume.name }, 'changes cannot be recorded on this node; trying again')
        await endWork(running)
      }
    }
  }

  /** True once there is nothing more to do for this doubt. */
  async #nextEpoch(running: Running): Promise<boolean> {
    const outcome = await resolveDoubt(this.#doubtParts(running), running.volume)
    if (outcome.type === 'stopped') return true
    if (outcome.type === 'other-blocks') {
      await this.#copy(running, outcome.head.member, outcome.head)
      return false
    }
    const { epoch } = outcome.record.claim
    this.#parts.log.info({ volume: running.volume.name, epoch }, 'the next epoch is certified')
    await this.#parts.begin(running, outcome.record)
    return true
  }

  /** Why a starting primary must not go on in its epoch; undefined if it may. */
  reasonOfDoubt(running: Running): Promise<string | undefined> {
    return reasonOfDoubt(this.#doubtParts(running), running.volume, running.startLength)
  }

  #doubtParts(running: Running): DoubtParts {
    const { self, authority, epochs, records, replication, clock } = this.#parts
    return {
      self,
      authority,
      service: epochs,
      records,
      replication,
      clock,
      stopped: () => !this.#parts.isOpen(running),
      say: (sentence) => {
        running.doubt = sentence
      },
    }
  }
}

const isSameClaim = (a: Claim, b: Claim): boolean => equalBytes(claimHash(a), claimHash(b))
