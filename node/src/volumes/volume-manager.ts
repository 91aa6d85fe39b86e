import { rmSync } from 'node:fs'
import { mayRead, type VolumeEntry } from '@holdfast/charter'
import type { EpochRecord } from '@holdfast/failover'
import { createRecordCodec, openCatalog } from '@holdfast/journal'
import { decodeKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { equalBytes, hasCode, hexOf, HoldfastError, throwIfAborted } from '@holdfast/ports'
import type { Clock, JournalStore, NodeId, Random, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Logger } from 'pino'
import type { Authority } from '../authority/index.ts'
import type { CaptureService, VolumeCapture } from '../capture/index.ts'
import { epochOf, type EpochService, type VoterRecords } from '../epochs/index.ts'
import type { Home } from '../home/index.ts'
import type { IngestPool } from '../ingest/index.ts'
import type { Replication } from '../replication/index.ts'
import { startCapture } from './capturing.ts'
import { pause } from './doubt.ts'
import { keptSentences, readEpochs } from './epoch-chain.ts'
import { EpochMoves } from './epoch-moves.ts'
import { writeFirstBlock } from './first-block.ts'
import type { IndexStore } from './index-store.ts'
import { openVolume } from './open-volume.ts'
import type { PendingFrames } from './pending-frames.ts'
import { goOnWithRoom, stopCapture, type Running } from './running.ts'
import type { Room } from './room.ts'
import { salvageAll } from './salvage.ts'
import type { ReadableParts } from './volume.ts'
import type { Volumes } from './volumes.ts'
import { VolumeWriter } from './writer.ts'

/** Between two looks at whether a capture runs, ms. */
const CAPTURING_LOOK_MS = 100

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
  /** A log holds what the packs do not: all are to be made anew. */
  #stale = false
  #work: Promise<void> = Promise.resolve()
  #stopped = false
  #starting = true

  constructor(parts: VolumeManagerParts) {
    this.#parts = parts
    this.#moves = new EpochMoves({
      ...parts,
      learned: this.#learned,
      isOpen: (running) => this.#isOpen(running),
      reopen: (running) => this.#reopen(running),
      begin: (running, record) => this.#begin(running, record),
      rebuild: () => this.rebuild(),
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
    return this.#work
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

  warningsOf(volume: VolumeId): readonly string[] {
    const running = this.#running.get(hexOf(volume))
    if (running === undefined) return []
    return running.doubt === undefined ? running.warnings : [running.doubt, ...running.warnings]
  }

  /** Makes logs and catalogs durable up to what the packs hold; part of a checkpoint. */
  async flush(): Promise<void> {
    await this.#journals?.flush()
    for (const { volume } of this.#running.values()) {
      const complete = volume.completeLength()
      await this.#parts.index.setCompleteLength(volume.id, volume.epoch, complete)
      for (const { epoch, length } of complete === 0 ? [] : volume.earlier)
        await this.#parts.index.setCompleteLength(volume.id, epoch, length)
      // Synced, with what was put before.
      await volume.readable?.catalog.flush()
    }
  }

  /** Closes every volume, makes logs and catalogs anew from the packs, and opens everything again. */
  async rebuild(): Promise<{ versions: number; journalBlocks: number }> {
    await this.#later(async () => {
      this.#stale = false
      await this.#closeAll()
      await this.#journals?.close()
      rmSync(this.#parts.home.journalDirectory, { recursive: true, force: true })
      this.#journals = await this.#parts.openJournals(this.#parts.home.journalDirectory)
      for (const entry of this.#parts.authority.volumes()) await this.#parts.index.clear(entry.volume)
      await this.#reconcile()
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
    await this.#work
    await this.#closeCaptures()
  }

  /** After the last checkpoint. */
  async close(): Promise<void> {
    await this.#closeAll()
    await this.#journals?.close()
  }

  #later(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work)
    this.#work = done.catch((error: unknown) => {
      this.#parts.log.error({ err: error }, 'a volume could not be opened')
    })
    return done
  }

  async #openJournals(): Promise<JournalStore> {
    try {
      return await this.#parts.openJournals(this.#parts.home.journalDirectory)
    } catch (error) {
      if (!hasCode(error, 'HF_JOURNAL_DAMAGED')) throw error
      this.#parts.log.warn({ err: error }, 'the journal index is damaged; it is made anew from the packs')
      rmSync(this.#parts.home.journalDirectory, { recursive: true, force: true })
      return this.#parts.openJournals(this.#parts.home.journalDirectory)
    }
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
        if (this.#starting) throw error
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
    const { capture } = running
    if (entry.protected || capture === undefined) return
    running.capture = undefined
    await capture.stop().catch((error: unknown) => this.#parts.log.warn({ err: error }, 'capture did not stop cleanly'))
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
    const readable = await this.#openReadable(entry)
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
      this.#stale = true
      return
    }
    this.#moves.moveOn(running)
    volume.onHead(() => this.#moves.moveOn(running))
    if (primary && entry.protected)
      void this.#capture(running).catch((error: unknown) => this.#captureFailed(running, error))
  }

  #openedJournals(): JournalStore {
    if (this.#journals !== undefined) return this.#journals
    throw new HoldfastError('HF_CLOSED', 'the node is stopping')
  }

  async #openReadable(entry: VolumeEntry): Promise<ReadableParts | undefined> {
    const { authority, self, index, random } = this.#parts
    const member = entry.members.find(({ node }) => equalBytes(node, self))
    if (member === undefined || !mayRead(member.role)) return undefined
    const ring = decodeKeyRing(authority.keyRing(entry))
    const keys = deriveVolumeKeys(ring)
    const catalog = await openCatalog({ level: index.catalogLevel, volume: entry.volume })
    return { ring, keys, codec: createRecordCodec(keys, entry.volume, random), catalog }
  }

  async #capture(running: Running): Promise<void> {
    const { authority, home, clock, pending, room, log, pool, index } = this.#parts
    const { volume } = running
    const reason = await this.#moves.reasonOfDoubt(running)
    if (!this.#isOpen(running)) return
    if (reason !== undefined) return this.#moves.resolveDoubt(running, reason)
    const directory = authority.directoryOf(volume.id)
    if (directory === undefined) {
      const message = `this node does not know which directory it protects: holdfast protect DIR --name ${volume.name}`
      running.failure = new HoldfastError('HF_SOURCE_UNAVAILABLE', message)
      running.warnings.push(message)
      return
    }
    const { catalog, codec } = volume.reader()
    const writer = new VolumeWriter({
      volume: volume.id,
      epoch: volume.epoch,
      log: volume.log,
      catalog,
      codec,
      signingKey: home.signingKey,
      clock,
      pending,
      room,
      onCommitted: (frame, head, rows) => volume.committed(frame, head, rows),
    })
    running.writer = writer
    await salvageAll(this.#parts, running, writer)
    const capture = await startCapture({
      volume,
      directory,
      writer,
      pool,
      service: this.#parts.capture,
      stats: index.statStore(volume.id),
      store: this.#parts.store,
      log,
      warnings: running.warnings,
    })
    // Doubt may have come up meanwhile, or the volume may have been closed: then nothing may be captured here.
    if (running.writer !== writer || !this.#isOpen(running)) return capture.stop()
    running.capture = capture
    log.info({ volume: volume.name, directory }, 'capture runs')
  }

  async #reconcileAll(): Promise<void> {
    await this.#later(() => this.#reconcile())
    // What the packs do not hold is not there: the logs are made anew, and what is lacking is asked of the members.
    if (this.#stale && !this.#stopped) await this.rebuild()
  }

  async #reopen(running: Running): Promise<void> {
    await this.#later(async () => {
      if (this.#isOpen(running)) await this.#closeOne(running)
    })
    await this.#reconcileAll()
  }

  async #begin(running: Running, record: EpochRecord): Promise<void> {
    const { store, home, log } = this.#parts
    await this.#later(() => writeFirstBlock(store, this.#openedJournals(), home.signingKey, epochOf(record)))
    log.info({ volume: running.volume.name, epoch: record.claim.epoch }, 'a new epoch begins')
    await this.#reopen(running)
  }

  #isOpen(running: Running): boolean {
    return !this.#stopped && this.#running.get(hexOf(running.volume.id)) === running
  }

  #captureFailed(running: Running, error: unknown): void {
    if (!this.#isOpen(running) || hasCode(error, 'HF_EPOCH_STALE')) return
    const message = error instanceof Error ? error.message : String(error)
    running.failure =
      error instanceof HoldfastError ? error : new HoldfastError('HF_INTERNAL', message, { cause: error })
    running.warnings.push(`capture does not run: ${message}`)
    this.#parts.log.error({ err: error, volume: running.volume.name }, 'capture does not run')
  }

  async #closeCaptures(): Promise<void> {
    for (const running of this.#running.values()) {
      await stopCapture(running)
      running.capture = undefined
      running.writer = undefined
    }
  }

  async #closeAll(): Promise<void> {
    await this.#closeCaptures()
    for (const running of this.#running.values()) await this.#closeOne(running)
  }

  async #closeOne(running: Running): Promise<void> {
    await stopCapture(running)
    this.#running.delete(hexOf(running.volume.id))
    this.#parts.volumes.remove(running.volume.id)
    await running.volume.close()
  }
}
