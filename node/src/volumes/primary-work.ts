import type { SigningKey } from '@holdfast/keys'
import { HoldfastError } from '@holdfast/ports'
import type { Clock, NodeId, Random } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Logger } from 'pino'
import type { Authority } from '../authority/index.ts'
import type { CaptureService, VolumeCapture } from '../capture/index.ts'
import type { IngestPool } from '../ingest/index.ts'
import { createPendingJournal, endPendingJournal, PendingRecords, repeatPending } from '../pending/index.ts'
import { baselineAtWalks, startCapture, type CapturingParts } from './capturing.ts'
import type { IndexStore } from './index-store.ts'
import type { PendingFrames } from './pending-frames.ts'
import type { Room } from './room.ts'
import { stopCapture, type Running } from './running.ts'
import { salvageAll } from './salvage.ts'
import { VolumeWriter, type VolumeWriterOptions } from './writer.ts'

export interface PrimaryWorkParts {
  readonly self: NodeId
  readonly signingKey: SigningKey
  readonly authority: Pick<Authority, 'directoryOf'>
  readonly store: PackStore
  readonly index: Pick<IndexStore, 'statStore' | 'isSalvaged' | 'setSalvaged'>
  readonly pool: IngestPool
  readonly capture: CaptureService
  readonly pending: PendingFrames
  readonly room: Room
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly isOpen: (running: Running) => boolean
}

/** What runs on an open volume whose primary this node is: in an epoch that it may write in, and in doubt. */
export class PrimaryWork {
  readonly #parts: PrimaryWorkParts
  /** What is beginning, or has begun; never rejects. */
  readonly #beginning = new WeakMap<Running, Promise<unknown>>()

  constructor(parts: PrimaryWorkParts) {
    this.#parts = parts
  }

  /** Writes in the volume's epoch: what waits to be recorded in it comes first, then capture runs. */
  begin(running: Running): Promise<void> {
    const begun = this.#begin(running)
    this.#beginning.set(
      running,
      begun.catch(() => undefined),
    )
    return begun
  }

  async #begin(running: Running): Promise<void> {
    const { log } = this.#parts
    const { volume } = running
    const { catalog } = volume.reader()
    const writer = this.#writer(running, {
      epoch: volume.epoch,
      log: volume.log,
      catalog,
      onCommitted: (frame, head, rows) => volume.committed(frame, head, rows),
    })
    running.writer = writer
    await salvageAll(this.#parts, running, writer)
    await this.#repeat(running, writer)
    if (!volume.entry.protected) return
    const directory = this.#directoryOf(running)
    if (directory === undefined) return
    await this.#capture(running, writer, directory, {
      stateSeq: () => catalog.applied.seq,
      onCovered: baselineAtWalks(
        catalog,
        () => writer.commitBaseline(),
        (error) => log.error({ err: error, volume: volume.name }, 'the baseline was not recorded yet'),
      ),
      recapture: true,
    })
    log.info({ volume: volume.name, directory }, 'capture runs')
  }

  /** Records on this node alone, while it may not write in the volume's epoch and the next one is not certified. */
  async beginPending(running: Running): Promise<void> {
    const { self, signingKey, store, log, clock, random } = this.#parts
    const { volume } = running
    // A pending journal is either being recorded in an epoch or written.
    await this.#beginning.get(running)
    if (!this.#parts.isOpen(running)) return
    if (!volume.entry.protected || running.capture !== undefined || running.writer !== undefined) return
    const directory = this.#directoryOf(running)
    if (directory === undefined) return
    const [opening, nonce] = [{ volume: volume.id, writer: self, epoch: volume.newestEpoch }, random.bytes(32)]
    const journal =
      running.pendingJournals.at(-1) ??
      (await createPendingJournal(store, signingKey, { ...opening, openedAtMs: clock.nowMs(), nonce }))
    running.pendingJournals = [...running.pendingJournals.slice(0, -1), journal]
    if (!this.#parts.isOpen(running)) return
    const records = new PendingRecords(volume.reader().catalog, running.pendingJournals)
    const writer = this.#writer(running, {
      epoch: journal.opening.epoch,
      log: journal.log,
      catalog: records,
      onCommitted: () => Promise.resolve(),
    })
    running.writer = writer
    running.pending = records
    await this.#capture(running, writer, directory, { stateSeq: () => records.stateSeq(), recapture: false })
    log.warn({ volume: volume.name, ...records.changes }, 'changes are recorded on this node alone for now')
  }

  async #capture(
    running: Running,
    writer: VolumeWriter,
    directory: string,
    own: Pick<CapturingParts, 'stateSeq' | 'recapture' | 'onCovered'>,
  ): Promise<void> {
    const { index, store, log, pool, capture: service } = this.#parts
    const { volume, warnings } = running
    const stats = index.statStore(volume.id)
    const parts = { volume, directory, sink: writer, pool, service, stats, store, log, warnings, ...own }
    await this.#take(running, writer, await startCapture(parts))
  }

  /** Ends what runs, after the commits under way. */
  async end(running: Running): Promise<void> {
    const { capture, writer } = running
    running.capture = undefined
    running.writer = undefined
    running.pending = undefined
    // A capture that is still starting finds nobody to hand its findings to.
    if (capture === undefined) writer?.leave()
    await stopCapture({ capture, writer }).catch((error: unknown) => {
      this.#parts.log.warn({ err: error }, 'capture did not stop cleanly')
    })
    writer?.leave()
  }

  /** Capture cannot run, for people. */
  failed(running: Running, error: unknown): void {
    // In doubt, and once the volume is opened anew, it was to end.
    if (!this.#parts.isOpen(running) || running.doubt !== undefined) return
    const message = error instanceof Error ? error.message : String(error)
    running.failure =
      error instanceof HoldfastError ? error : new HoldfastError('HF_INTERNAL', message, { cause: error })
    running.warnings.push(`capture does not run: ${message}`)
    this.#parts.log.error({ err: error, volume: running.volume.name }, 'capture does not run')
  }

  /** Doubt may have come up meanwhile, or the volume may be closed or not protected any more: then this writer captures nothing. */
  async #take(running: Running, writer: VolumeWriter, capture: VolumeCapture): Promise<void> {
    const isWanted = running.writer === writer && running.volume.entry.protected && this.#parts.isOpen(running)
    if (!isWanted) return capture.stop()
    running.capture = capture
  }

  #writer(
    { volume }: Running,
    options: Pick<VolumeWriterOptions, 'epoch' | 'log' | 'catalog' | 'onCommitted'>,
  ): VolumeWriter {
    const { signingKey, clock, pending, room } = this.#parts
    const { codec } = volume.reader()
    return new VolumeWriter({ volume: volume.id, codec, signingKey, clock, pending, room, ...options })
  }

  #directoryOf(running: Running): string | undefined {
    const directory = this.#parts.authority.directoryOf(running.volume.id)
    if (directory !== undefined) return directory
    const message = `this node does not know which directory it protects: holdfast protect DIR --name ${running.volume.name}`
    running.failure = new HoldfastError('HF_SOURCE_UNAVAILABLE', message)
    running.warnings.push(message)
    return undefined
  }

  async #repeat(running: Running, writer: VolumeWriter): Promise<void> {
    const { store, signingKey, log } = this.#parts
    const { volume } = running
    // Later, what members were to send is here or lost.
    const trustsMembers = running.startLength <= 1
    for (const journal of running.pendingJournals) {
      const { recorded, lost, awaited } = await repeatPending({ volume, writer, store, trustsMembers }, journal)
      // A journal that is not ended is compared again at the next start.
      if (lost + awaited === 0) await endPendingJournal(store, signingKey, journal)
      const counts = { recorded, lost, awaited }
      log.info({ volume: volume.name, epoch: volume.epoch, ...counts }, 'what waited is recorded in the epoch')
      if (lost > 0)
        running.warnings.push(
          `the content of ${lost} versions that this node recorded alone is not on its drive any more; run holdfast verify --read-data`,
        )
    }
    running.pendingJournals = []
  }
}
