import { rmSync } from 'node:fs'
import type { VolumeEntry } from '@holdfast/charter'
import type { EpochRecord } from '@holdfast/failover'
import { equalBytes, hasCode, hexOf, HoldfastError, throwIfAborted } from '@holdfast/ports'
import type { Clock, JournalStore, NodeId, Random, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Logger } from 'pino'
import type { Authority } from '../authority/index.ts'
import type { CaptureService, VolumeCapture } from '../capture/index.ts'
import { epochOf, type EpochService, type VoterRecords } from '../epochs/index.ts'
import type { Home } from '../home/index.ts'
import type { IngestPool } from '../ingest/index.ts'
import { findPendingJournals, type PendingChanges } from '../pending/index.ts'
import type { Replication } from '../replication/index.ts'
import { pause } from './doubt.ts'
import { keptSentences, readEpochs } from './epoch-chain.ts'
import { EpochMoves } from './epoch-moves.ts'
import { writeFirstBlock } from './first-block.ts'
import type { IndexStore } from './index-store.ts'
import { openReadable } from './open-readable.ts'
import { openVolume } from './open-volume.ts'
import type { PendingFrames } from './pending-frames.ts'
import { flushDerived } from './flushing.ts'
import { PrimaryWork } from './primary-work.ts'
import { goOnWithRoom, type Running } from './running.ts'
import type { Room } from './room.ts'
import type { Volumes } from './volumes.ts'
import { watchedJournals } from './watched-journals.ts'

/** Between two looks at whether a capture runs, ms. */
const CAPTURING_LOOK_MS = 100
/** Times that damaged logs are made anew from the packs while the node runs. More means that their disk cannot be trusted. */
export const MENDS_MAX = 3

export interface VolumeManagerParts {
  readonly home: Home
  readonly self: NodeId
  readonly authority: Authority
  readonly volumes: Volumes
  readonly store: PackStore
  readonly openJournals: (directory: string) => Promise<JournalStore>
  readonly index: IndexStore
  readonly replication: Replication
  readonly epochs: EpochService
  readonly records: VoterRecords
  readonly pool: IngestPool
  readonly capture: CaptureService
  readonly pending: PendingFrames
  readonly room: Room
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** Opens the volumes that the charter makes this node a member of, and captures those whose primary it is. */
export class VolumeManager {
  readonly #parts: VolumeManagerParts
  readonly #running = new Map<string, Running>()
  #journals: JournalStore | undefined
  /** Epochs that members told, until blocks of them are stored. */
  readonly #learned = new Map<string, readonly EpochRecord[]>()
  /** What was found missing on the drive since this node started, for people. */
  readonly #lost = new Map<string, readonly string[]>()
  readonly #moves: EpochMoves
  readonly #work: PrimaryWork
  /** A log holds what the packs do not: all are to be made anew, and all that is derived with them. */
  #isStale = false
  /** A log cannot be read or written: all are to be made anew. */
  #isDamaged = false
  #mendCount = 0
  #mending: Promise<void> | undefined
  #queue: Promise<void> = Promise.resolve()
  #stopped = false
  #starting = true

  constructor(parts: VolumeManagerParts) {
    this.#parts = parts
    const isOpen = (running: Running): boolean => this.#isOpen(running)
    this.#work = new PrimaryWork({ ...parts, signingKey: parts.home.signingKey, isOpen })
    this.#moves = new EpochMoves({
      ...parts,
      learned: this.#learned,
      isOpen,
      reopen: (running) => this.#reopen(running),
      begin: (running, record) => this.#beginEpoch(running, record),
      rebuild: () => this.rebuild(),
      endWork: (running) => this.#work.end(running),
      beginPending: (running) => this.#work.beginPending(running),
    })
  }

  /** Opens everything that the charter names; volumes of this node begin to be captured in the background. */
  async start(): Promise<void> {
    this.#journals = await this.#openJournals()
    this.#parts.authority.keeper.onChange(() => {
      // A failure is logged where the work is queued; the next change tries again.
      this.#reconcileAll().catch(() => undefined)
    })
    this.#parts.replication.onHead((head) => {
      const running = this.#running.get(hexOf(head.volume))
      if (running === undefined) return
      this.#moves.onHead(running, head).catch((error: unknown) => {
        this.#parts.log.warn({ err: error }, 'what a member told of a volume was not taken in')
      })
    })
    goOnWithRoom(this.#parts, () => this.#running.values())
    await this.#reconcileAll()
    this.#starting = false
  }

  /** Resolves once everything asked for so far is open. */
  settled(): Promise<void> {
    return this.#queue
  }

  /** The directory of a volume whose primary this node is has become known: its capture can begin. */
  async directoryKnown(volume: VolumeId): Promise<void> {
    const running = this.#running.get(hexOf(volume))
    if (running !== undefined && running.capture === undefined) await this.#reopen(running)
  }

  captureOf(volume: VolumeId): VolumeCapture | undefined {
    return this.#running.get(hexOf(volume))?.capture
  }

  /** The capture of a volume whose primary this node is, once it runs; undefined for one that is not protected any more.
   *  @throws HF_ABORTED, and why it cannot run */
  async capturing(volume: VolumeId, signal: AbortSignal): Promise<VolumeCapture | undefined> {
    for (;;) {
      throwIfAborted(signal)
      const running = this.#running.get(hexOf(volume))
      if (running?.capture !== undefined) return running.capture
      if (running?.failure !== undefined) throw running.failure
      if (running?.volume.entry.protected === false) return undefined
      await pause(this.#parts.clock, CAPTURING_LOOK_MS)
    }
  }

  /** What is recorded on this node alone, while that is all it may do; undefined on a volume that goes its way. */
  pendingOf(volume: VolumeId): PendingChanges | undefined {
    return this.#running.get(hexOf(volume))?.pending?.changes
  }

  warningsOf(volume: VolumeId): readonly string[] {
    const running = this.#running.get(hexOf(volume))
    if (running === undefined) return []
    return running.doubt === undefined ? running.warnings : [running.doubt, ...running.warnings]
  }

  /** Makes logs and catalogs durable up to what the packs hold; part of a checkpoint. */
  async flush(): Promise<void> {
    await this.#journals?.flush()
    await flushDerived(
      this.#parts.index,
      [...this.#running.values()].map(({ volume }) => volume),
    )
  }

  /** Closes every volume, makes logs and catalogs anew from the packs, and opens everything again. */
  async rebuild(): Promise<{ versions: number; journalBlocks: number }> {
    await this.#renew(async () => {
      for (const entry of this.#parts.authority.volumes()) await this.#parts.index.clear(entry.volume)
    })
    let [versions, journalBlocks] = [0, 0]
    for (const { volume } of this.#running.values()) {
      versions += volume.readable?.catalog.counts().versions ?? 0
      journalBlocks += volume.log.head().length
    }
    return { versions, journalBlocks }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#queue
    for (const running of this.#running.values()) await this.#work.end(running)
  }

  /** After the last checkpoint. */
  async close(): Promise<void> {
    await this.#closeAll()
    await this.#journals?.close()
  }

  #later(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(work)
    this.#queue = done.catch((error: unknown) => {
      this.#parts.log.error({ err: error }, 'a volume could not be opened')
    })
    return done
  }

  async #openJournals(): Promise<JournalStore> {
    const { openJournals, home, log } = this.#parts
    const open = async (): Promise<JournalStore> =>
      watchedJournals(await openJournals(home.journalDirectory), (error) => this.#damaged(error))
    try {
      return await open()
    } catch (error) {
      if (!hasCode(error, 'HF_JOURNAL_DAMAGED')) throw error
      log.warn({ err: error }, 'the journal index is damaged; it is made anew from the packs')
      rmSync(home.journalDirectory, { recursive: true, force: true })
      return open()
    }
  }

  /** Whoever met the damage has the error; here it is mended. */
  #damaged(error: unknown): void {
    if (this.#isDamaged || this.#stopped) return
    this.#isDamaged = true
    this.#parts.log.warn({ err: error }, 'a journal index is damaged')
    // What is under way in the queue sees to it at its end.
    this.#reconcileAll().catch((failure: unknown) => {
      this.#parts.log.error({ err: failure }, 'the journal index could not be made anew')
    })
  }

  /** The catalogs stay at first: they are made of the same frames. From the second time on they are made anew, too. */
  async #mend(): Promise<void> {
    while (this.#isDamaged && this.#mendCount < MENDS_MAX && !this.#stopped) {
      this.#mendCount += 1
      if (this.#mendCount === 1) await this.#renew(() => Promise.resolve())
      else await this.rebuild()
    }
    if (!this.#isDamaged || this.#stopped) return
    throw new HoldfastError(
      'HF_JOURNAL_DAMAGED',
      'the journal index is damaged again and again; the packs are untouched',
      {
        next: 'check the disk of the home, then start the node again',
      },
    )
  }

  /** Closes every volume, makes the logs anew from the packs, and opens everything again. */
  #renew(clear: () => Promise<void>): Promise<void> {
    return this.#later(async () => {
      this.#isStale = false
      this.#isDamaged = false
      await this.#closeAll()
      // One that is damaged may not close well; it goes all the same.
      await this.#journals
        ?.close()
        .catch((error: unknown) => this.#parts.log.warn({ err: error }, 'logs did not close'))
      rmSync(this.#parts.home.journalDirectory, { recursive: true, force: true })
      this.#journals = await this.#openJournals()
      await clear()
      await this.#reconcile()
    })
  }

  async #reconcile(): Promise<void> {
    if (this.#stopped) return
    const { authority, self, log } = this.#parts
    for (const entry of authority.volumes()) {
      const member = entry.members.find(({ node }) => equalBytes(node, self))
      const running = this.#running.get(hexOf(entry.volume))
      if (member === undefined || member.role === 'witness') {
        if (running !== undefined) await this.#closeOne(running)
        continue
      }
      try {
        if (running === undefined) await this.#open(entry)
        else await this.#update(running, entry)
      } catch (error) {
        log.error({ err: error, volume: entry.name }, 'a volume could not be opened')
        if (hasCode(error, 'HF_JOURNAL_DAMAGED')) this.#isDamaged = true
        else if (this.#starting) throw error
      }
    }
    authority.place()
  }

  async #update(running: Running, entry: VolumeEntry): Promise<void> {
    if (entry.protected && !running.volume.entry.protected) {
      await this.#closeOne(running)
      return this.#open(entry)
    }
    running.volume.updateEntry(entry)
    this.#parts.volumes.changed()
    if (!entry.protected && running.capture !== undefined) await this.#work.end(running)
  }

  async #open(entry: VolumeEntry): Promise<void> {
    const { authority, self, home, store, index, log, volumes, epochs: service, records } = this.#parts
    const journals = this.#openedJournals()
    const birth = authority.state.volumeBirth(entry.volume) ?? entry
    const learned = this.#learned.get(hexOf(entry.volume)) ?? []
    const chain = await readEpochs({ store, birth, learned })
    const primary = equalBytes(entry.primary, self)
    const [first] = chain.epochs
    if (primary && first !== undefined) await writeFirstBlock(store, journals, home.signingKey, first)
    const readable = await openReadable(this.#parts, entry)
    const { volume, findings } = await openVolume({
      entry,
      epochs: chain.epochs,
      role: primary ? 'primary' : readable === undefined ? 'blind' : 'follower',
      store,
      journals,
      readable,
      completeLength: (epoch) => index.completeLength(entry.volume, epoch),
      derived: {
        copies: () => index.copies(entry.volume),
        cleared: (copies) => index.noteCopies(entry.volume, copies),
      },
      rules: service.rules,
      room: this.#parts.room,
    })
    const startLength = volume.log.head().length
    const warnings = [...keptSentences(chain, store), ...(this.#lost.get(hexOf(entry.volume)) ?? [])]
    const running: Running = {
      volume,
      startLength,
      writer: undefined,
      capture: undefined,
      pending: undefined,
      pendingJournals: primary ? await findPendingJournals(store, entry.volume, self) : [],
      warnings,
      branches: chain.branches,
      doubt: undefined,
      failure: undefined,
      moving: false,
    }
    this.#running.set(hexOf(entry.volume), running)
    volumes.add(volume)
    log.info({ volume: entry.name, epoch: volume.epoch, length: startLength, ...findings }, 'volume open')
    if (findings.lostBlocks > 0) {
      if (primary) records.doubt(volume.id, volume.newestEpoch)
      this.#lost.set(hexOf(volume.id), [
        `${findings.lostBlocks} journal blocks that this node held are not on its drive any more; what members hold of them is fetched`,
      ])
      this.#isStale = true
      return
    }
    this.#moves.moveOn(running)
    volume.onHead(() => this.#moves.moveOn(running))
    if (primary && (entry.protected || running.pendingJournals.length > 0))
      void this.#begin(running).catch((error: unknown) => this.#work.failed(running, error))
  }

  #openedJournals(): JournalStore {
    if (this.#journals !== undefined) return this.#journals
    throw new HoldfastError('HF_CLOSED', 'the node is stopping')
  }

  async #begin(running: Running): Promise<void> {
    const reason = await this.#moves.reasonOfDoubt(running)
    if (!this.#isOpen(running)) return
    if (reason !== undefined) return this.#moves.resolveDoubt(running, reason)
    await this.#work.begin(running)
  }

  async #reconcileAll(): Promise<void> {
    await this.#later(() => this.#reconcile())
    if (this.#stopped) return
    // What the packs do not hold is not there: the logs are made anew, and what is lacking is asked of the members.
    if (this.#isStale) await this.rebuild()
    if (!this.#isDamaged) return
    this.#mending ??= this.#mend().finally(() => {
      this.#mending = undefined
    })
    await this.#mending
  }

  async #reopen(running: Running): Promise<void> {
    await this.#later(async () => {
      if (this.#isOpen(running)) await this.#closeOne(running)
    })
    await this.#reconcileAll()
  }

  async #beginEpoch(running: Running, record: EpochRecord): Promise<void> {
    const { store, home, log } = this.#parts
    await this.#later(() => writeFirstBlock(store, this.#openedJournals(), home.signingKey, epochOf(record)))
    log.info({ volume: running.volume.name, epoch: record.claim.epoch }, 'a new epoch begins')
    await this.#reopen(running)
  }

  #isOpen(running: Running): boolean {
    return !this.#stopped && this.#running.get(hexOf(running.volume.id)) === running
  }

  async #closeAll(): Promise<void> {
    for (const running of this.#running.values()) await this.#work.end(running)
    for (const running of this.#running.values()) await this.#closeOne(running)
  }

  async #closeOne(running: Running): Promise<void> {
    await this.#work.end(running)
    this.#running.delete(hexOf(running.volume.id))
    this.#parts.volumes.remove(running.volume.id)
    await running.volume.close()
  }
}
