import { rmSync } from 'node:fs'
import { mayRead, type VolumeEntry } from '@holdfast/charter'
import { createRecordCodec, encodeEpochBlock, openCatalog } from '@holdfast/journal'
import { decodeKeyRing, deriveVolumeKeys, signRaw } from '@holdfast/keys'
import { equalBytes, hasCode, hexOf, HoldfastError, SECOND_MS } from '@holdfast/ports'
import type { Clock, JournalStore, NodeId, Random, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Logger } from 'pino'
import type { Authority } from '../authority/index.ts'
import type { CaptureService, VolumeCapture } from '../capture/index.ts'
import type { Home } from '../home/index.ts'
import type { IngestPool } from '../ingest/index.ts'
import type { MemberHead, Replication } from '../replication/index.ts'
import { startCapture } from './capturing.ts'
import { firstEpoch } from './epochs.ts'
import type { IndexStore } from './index-store.ts'
import { openVolume } from './open-volume.ts'
import type { PendingFrames } from './pending-frames.ts'
import { Volume, type ReadableParts } from './volume.ts'
import type { Volumes } from './volumes.ts'
import { VolumeWriter } from './writer.ts'

/** What a starting primary waits for its members to say how far they are, ms, before it writes. */
export const MEMBERS_WAIT_MS = 3 * SECOND_MS
/** What it then waits for the frames that they hold and it does not, ms. */
export const CATCH_UP_WAIT_MS = 60 * SECOND_MS

export interface VolumeManagerParts {
  readonly home: Home
  readonly self: NodeId
  readonly authority: Authority
  readonly volumes: Volumes
  readonly store: PackStore
  readonly openJournals: () => Promise<JournalStore>
  readonly index: IndexStore
  readonly replication: Replication
  readonly pool: IngestPool
  readonly capture: CaptureService
  readonly pending: PendingFrames
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

interface Running {
  readonly volume: Volume
  writer: VolumeWriter | undefined
  capture: VolumeCapture | undefined
  readonly warnings: string[]
}

/** Opens the volumes that the charter makes this node a member of, and captures those whose primary it is. */
export class VolumeManager {
  readonly #parts: VolumeManagerParts
  readonly #running = new Map<string, Running>()
  #journals: JournalStore | undefined
  /** Volumes whose packs hold less than their log did: frames were lost from the drive. */
  readonly #doubtful = new Set<string>()
  #work: Promise<void> = Promise.resolve()
  #stopped = false
  #starting = true

  constructor(parts: VolumeManagerParts) {
    this.#parts = parts
  }

  /** Opens everything that the charter names; volumes of this node begin to be captured in the background. */
  async start(): Promise<void> {
    this.#journals = await this.#openJournals()
    this.#parts.authority.keeper.onChange(() => {
      // A failure is logged where the work is queued; the next change tries again.
      this.#later(() => this.#reconcile()).catch(() => undefined)
    })
    this.#parts.replication.onHead((head) => {
      void this.#compare(head)
    })
    await this.#later(() => this.#reconcile())
    // What the packs do not hold is not there: the logs are made anew, and what is lacking is asked of the members.
    if (this.#doubtful.size > 0) await this.rebuild()
    this.#starting = false
  }

  /** Resolves once everything asked for so far is open. */
  settled(): Promise<void> {
    return this.#work
  }

  captureOf(volume: VolumeId): VolumeCapture | undefined {
    return this.#running.get(hexOf(volume))?.capture
  }

  warningsOf(volume: VolumeId): readonly string[] {
    return this.#running.get(hexOf(volume))?.warnings ?? []
  }

  /** Makes logs and catalogs durable up to what the packs hold; part of a checkpoint. */
  async flush(): Promise<void> {
    await this.#journals?.flush()
    for (const { volume } of this.#running.values()) {
      await volume.readable?.catalog.flush()
      await this.#parts.index.setCompleteLength(volume.id, volume.epoch, volume.completeLength())
    }
  }

  /** Closes every volume, makes logs and catalogs anew from the packs, and opens everything again. */
  async rebuild(): Promise<{ versions: number; journalBlocks: number }> {
    await this.#later(async () => {
      await this.#closeAll()
      await this.#journals?.close()
      rmSync(this.#parts.home.journalDirectory, { recursive: true, force: true })
      this.#journals = await this.#parts.openJournals()
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
      return await this.#parts.openJournals()
    } catch (error) {
      if (!hasCode(error, 'HF_JOURNAL_DAMAGED')) throw error
      this.#parts.log.warn({ err: error }, 'the journal index is damaged; it is made anew from the packs')
      rmSync(this.#parts.home.journalDirectory, { recursive: true, force: true })
      return this.#parts.openJournals()
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
        else this.#update(running, entry)
      } catch (error) {
        log.error({ err: error, volume: entry.name }, 'a volume could not be opened')
        if (this.#starting) throw error
      }
    }
    authority.place()
  }

  #update(running: Running, entry: VolumeEntry): void {
    running.volume.updateEntry(entry)
    this.#parts.volumes.changed()
    if (!entry.protected && running.capture !== undefined) {
      const { capture } = running
      running.capture = undefined
      void capture
        .stop()
        .catch((error: unknown) => this.#parts.log.warn({ err: error }, 'capture did not stop cleanly'))
    }
  }

  async #open(entry: VolumeEntry): Promise<void> {
    const { authority, self, store, index, log, volumes } = this.#parts
    const journals = this.#journals
    if (journals === undefined) throw new HoldfastError('HF_CLOSED', 'the node is stopping')
    const birth = authority.state.volumeBirth(entry.volume) ?? entry
    const { identity, record } = firstEpoch(birth)
    const primary = equalBytes(entry.primary, self)
    const readable = await this.#openReadable(entry)
    const { volume, findings } = await openVolume({
      entry,
      identity,
      role: primary ? 'primary' : readable === undefined ? 'blind' : 'follower',
      store,
      journals,
      readable,
      completeLength: await index.completeLength(entry.volume, identity.epoch),
      onDamage: () => index.clear(entry.volume),
    })
    if (primary && volume.log.head().length === 0) await this.#begin(volume, encodeEpochBlock(record))
    const running: Running = { volume, writer: undefined, capture: undefined, warnings: [] }
    this.#running.set(hexOf(entry.volume), running)
    volumes.add(volume)
    log.info({ volume: entry.name, length: volume.log.head().length, ...findings }, 'volume open')
    if (findings.lostBlocks > 0) {
      this.#doubtful.add(hexOf(volume.id))
      return
    }
    if (primary && entry.protected)
      void this.#capture(running).catch((error: unknown) => this.#captureFailed(running, error))
  }

  /** Block 0 of a new log: the record that opened the epoch. */
  async #begin(volume: Volume, block: Uint8Array): Promise<void> {
    const proposal = volume.log.propose([block])
    const signature = signRaw(this.#parts.home.signingKey, proposal.signable)
    await volume.accept({ coreKey: volume.coreKey, start: 0, blocks: [block], signature }, [])
  }

  async #openReadable(entry: VolumeEntry): Promise<ReadableParts | undefined> {
    const { authority, self, index, random } = this.#parts
    const member = entry.members.find(({ node }) => equalBytes(node, self))
    if (member === undefined || !mayRead(member.role)) return undefined
    const ring = decodeKeyRing(authority.keyRing(entry))
    const keys = deriveVolumeKeys(ring)
    const catalog = await openCatalog({ level: index.catalogLevel(entry.volume), volume: entry.volume })
    return { ring, keys, codec: createRecordCodec(keys, entry.volume, random), catalog }
  }

  async #capture(running: Running): Promise<void> {
    const { authority, home, clock, pending, log, pool, index } = this.#parts
    const { volume } = running
    await this.#catchUp(running)
    if (this.#stopped || !this.#running.has(hexOf(volume.id))) return
    const directory = authority.directoryOf(volume.id)
    if (directory === undefined) {
      running.warnings.push('this node does not know which directory it protects; protect it again')
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
      onCommitted: (frame, head, rows) => volume.committed(frame, head, rows),
    })
    running.writer = writer
    running.capture = await startCapture({
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
    log.info({ volume: volume.name, directory }, 'capture runs')
  }

  /** A member that holds other blocks under the same numbers: this node, or a copy of it, has signed twice. */
  async #compare(head: MemberHead): Promise<void> {
    const running = this.#running.get(hexOf(head.volume))
    if (running === undefined || !equalBytes(head.coreKey, running.volume.coreKey)) return
    const own = await running.volume.log.treeHashAt(head.length).catch(() => undefined)
    if (own === undefined || equalBytes(own, head.treeHash)) return
    const name = this.#parts.authority.nameOf(head.member)
    const warning = `${name} holds other journal blocks than this node under the same numbers: the primary has signed twice (a home brought back from an older copy?); both are kept`
    if (running.warnings.includes(warning)) return
    running.warnings.push(warning)
    this.#parts.log.error({ volume: running.volume.name, member: name, length: head.length }, warning)
  }

  #captureFailed(running: Running, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    running.warnings.push(`capture does not run: ${message}`)
    this.#parts.log.error({ err: error, volume: running.volume.name }, 'capture does not run')
  }

  /** A writer that comes back asks its members how far they are and takes what it lacks, before it signs anything new: no
   *  length may be signed twice. Members that cannot be reached are not waited for beyond `MEMBERS_WAIT_MS`. */
  async #catchUp({ volume, warnings }: Running): Promise<void> {
    const { self, replication } = this.#parts
    const others = volume.members.filter(({ node }) => !equalBytes(node, self))
    if (others.length === 0) return
    const heads = () => replication.heads(volume.id).filter((head) => equalBytes(head.coreKey, volume.coreKey))
    const heardFrom = ({ node }: { node: NodeId }): boolean => heads().some((head) => equalBytes(head.member, node))
    const heardFromAll = (): boolean => others.every(heardFrom)
    const heardAll = (): boolean =>
      others.every(
        (member) =>
          heardFrom(member) ||
          replication.peers().some((peer) => equalBytes(peer.peer, member.node) && peer.failures > 0),
      )
    const doubtful = this.#doubtful.has(hexOf(volume.id))
    if (doubtful)
      warnings.push('the drive has lost journal frames; capture waits until every member has said what it holds')
    const heard = await this.#until(
      doubtful ? heardFromAll : heardAll,
      doubtful ? Number.POSITIVE_INFINITY : MEMBERS_WAIT_MS,
    )
    if (doubtful && !heard) return
    const longest = Math.max(0, ...heads().map((head) => head.length))
    if (volume.log.head().length >= longest) return
    this.#parts.log.warn(
      { volume: volume.name, own: volume.log.head().length, longest },
      'a member holds more than this node; fetching it',
    )
    if (await this.#until(() => volume.log.head().length >= longest, CATCH_UP_WAIT_MS)) return
    warnings.push(
      `a member holds ${longest} journal blocks, this node ${volume.log.head().length}; capture waits for them`,
    )
    while (!this.#stopped && volume.log.head().length < longest)
      await this.#until(() => volume.log.head().length >= longest, CATCH_UP_WAIT_MS)
    warnings.length = 0
  }

  /** Whether the condition came true in time; looked at ten times a second. */
  async #until(condition: () => boolean, limitMs: number): Promise<boolean> {
    const { clock } = this.#parts
    const endMs = clock.monotonicMs() + limitMs
    while (!condition()) {
      if (this.#stopped || clock.monotonicMs() >= endMs) return false
      await new Promise<void>((resolve) => {
        clock.setTimer(100, resolve)
      })
    }
    return true
  }

  async #closeCaptures(): Promise<void> {
    for (const running of this.#running.values()) {
      await running.capture?.stop()
      await running.writer?.settled()
      running.capture = undefined
      running.writer = undefined
    }
  }

  async #closeAll(): Promise<void> {
    await this.#closeCaptures()
    for (const running of this.#running.values()) await this.#closeOne(running)
  }

  async #closeOne(running: Running): Promise<void> {
    await running.capture?.stop()
    await running.writer?.settled()
    this.#running.delete(hexOf(running.volume.id))
    this.#parts.volumes.remove(running.volume.id)
    await running.volume.close()
  }
}
