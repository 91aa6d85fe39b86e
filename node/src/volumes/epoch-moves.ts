import { rmSync } from 'node:fs'
import type { EpochRecord } from '@holdfast/failover'
import { equalBytes, hexOf } from '@holdfast/ports'
import type { Clock, JournalStore, NodeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Logger } from 'pino'
import type { Authority } from '../authority/index.ts'
import type { Cut, EpochService, VoterRecords } from '../epochs/index.ts'
import type { Home } from '../home/index.ts'
import type { MemberHead, Replication } from '../replication/index.ts'
import { copyJournal } from './copying.ts'
import { reasonOfDoubt, reasonOfHead, resolveDoubt, type DoubtParts } from './doubt.ts'
import { reaches } from './open-volume.ts'
import type { Running } from './running.ts'

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
      learned.set(hexOf(volume.id), [...(learned.get(hexOf(volume.id)) ?? []), ...newer])
      log.info({ volume: volume.name, epoch }, 'a later epoch of the volume is known')
      await this.#parts.reopen(running)
    } finally {
      running.moving = false
    }
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
    const { records, log } = this.#parts
    const { volume } = running
    running.doubt = `this node may have lost what it wrote: ${reason}`
    log.warn({ volume: volume.name, epoch: volume.epoch }, running.doubt)
    records.doubt(volume.id, volume.newestEpoch)
    running.writer?.leave()
    await running.capture?.stop().catch(() => undefined)
    await running.writer?.settled()
    running.capture = undefined
    running.writer = undefined
    while (this.#parts.isOpen(running)) {
      const outcome = await resolveDoubt(this.#doubtParts(running), volume)
      if (outcome.type === 'stopped') return
      if (outcome.type === 'certified') {
        log.info({ volume: volume.name, epoch: outcome.record.claim.epoch }, 'the next epoch is certified')
        return this.#parts.begin(running, outcome.record)
      }
      const { head } = outcome
      await this.#copy(running, head.member, head).catch((error: unknown) =>
        log.warn({ err: error, volume: volume.name }, 'the blocks of a member could not be taken; trying again'),
      )
    }
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
