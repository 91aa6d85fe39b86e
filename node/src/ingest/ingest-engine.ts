import { createSource } from '@holdfast/capture'
import { createArena } from '@holdfast/chunker'
import type { Clock } from '@holdfast/ports'
import { HoldfastError } from '@holdfast/ports'
import type { SharedSegmentTable } from '@holdfast/sealing'
import type { PackWriter } from '@holdfast/store-pack'
import { ChunkWriter } from './chunk-writer.ts'
import { chunksState, completeDraft } from './drafts.ts'
import { ExtentList } from './extent-list.ts'
import type { AnnouncedFrame } from './group-codec.ts'
import { encodeGroup } from './group-codec.ts'
import {
  GROUP_DRAFTS_MAX,
  GROUP_MS,
  GROUP_XATTR_BYTES_MAX,
  GROUPS_IN_FLIGHT_MAX,
  READ_ATTEMPTS_MAX,
  WORK_SLICE_MS,
} from './limits.ts'
import type { Batch, FromWorker, ToWorker } from './messages.ts'
import { pathsOf, plainError } from './messages.ts'
import { Parents } from './parents.ts'
import type { Found, ReadTarget } from './read-path.ts'
import { readPath } from './read-path.ts'
import type { Draft } from './types.ts'
import type { VolumeContext } from './volume-context.ts'
import { createVolumeContext } from './volume-context.ts'

export interface EngineOptions {
  readonly worker: number
  readonly table: SharedSegmentTable
  readonly packs: PackWriter
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Sends a message; the listed buffers go with it. */
  readonly post: (message: FromWorker, transfer?: ArrayBuffer[]) => void
  /** Resolves after the messages that wait have been received. */
  readonly breathe: () => Promise<void>
}

/** A path to read, and how often it was read because its chunks were lost. */
interface Errand {
  readonly target: ReadTarget
  readonly volume: string
  readonly attempt: number
}

/** A file whose chunks have no names yet. */
interface PendingDraft {
  readonly errand: Errand
  readonly found: Found
  readonly extents: ExtentList
}

interface EngineJob {
  readonly id: number
  /** Its tasks go between the pieces of one that is not. */
  readonly isUrgent: boolean
  /** `failed`: it waits to be cancelled. */
  state: 'open' | 'failed' | 'cancelled'
  pending: PendingDraft[]
  ready: Draft[]
  again: Errand[]
  /** No more batches will come. */
  isFinishing: boolean
  /** A task to finish it is queued. */
  isQueued: boolean
}

type Task =
  | { readonly type: 'batch'; readonly job: EngineJob; readonly batch: Batch }
  | { readonly type: 'finish'; readonly job: EngineJob }

/**
 * What one worker does: reads the paths of its batches one after the other, and hands back groups. One runner does the work, in slices;
 * between them messages come in. A commit is answered between slices too, since it touches nothing but the pack.
 */
export class IngestEngine {
  readonly #options: EngineOptions
  readonly #arena = createArena()
  readonly #source = createSource()
  readonly #chunks: ChunkWriter
  readonly #contexts = new Map<string, VolumeContext>()
  readonly #jobs = new Map<number, EngineJob>()
  readonly #tasks: Task[] = []
  readonly #urgentTasks: Task[] = []
  /** Chunk numbers of announced frames that no sync has covered. */
  readonly #unsynced: number[] = []
  #runner: Promise<void> | undefined
  #groupCount = 0
  #groupsInFlight = 0
  #onTaken: (() => void) | undefined
  #pathsInGroup = 0
  #xattrBytesInGroup = 0
  #groupStartedAtMs = 0
  #sliceStartedAtMs = 0
  #isStopping = false

  constructor(options: EngineOptions) {
    this.#options = options
    this.#chunks = new ChunkWriter(options)
  }

  receive(message: ToWorker): void {
    switch (message.type) {
      case 'volume':
        this.#contexts.set(message.volume, createVolumeContext(message.keyRing, this.#arena))
        break
      case 'batch':
        this.#add({ type: 'batch', job: this.#job(message.batch.job, message.batch.isUrgent), batch: message.batch })
        break
      case 'finish':
        this.#addFinish(this.#job(message.job))
        break
      case 'cancel':
        this.#cancel(this.#job(message.job))
        break
      case 'taken':
        this.#groupsInFlight--
        this.#onTaken?.()
        break
      case 'announced':
        for (const job of this.#jobs.values()) if (job.isFinishing) this.#addFinish(job)
        break
      case 'commit':
        void this.#commit(message.request, message.frames)
        break
      case 'stop':
        void this.#stop()
        break
    }
  }

  #job(id: number, isUrgent = false): EngineJob {
    const known = this.#jobs.get(id)
    if (known !== undefined) return known
    const state = this.#isStopping ? 'cancelled' : 'open'
    const job: EngineJob = {
      id,
      isUrgent,
      state,
      pending: [],
      ready: [],
      again: [],
      isFinishing: false,
      isQueued: false,
    }
    this.#jobs.set(id, job)
    return job
  }

  #add(task: Task): void {
    if (task.job.isUrgent) this.#urgentTasks.push(task)
    else this.#tasks.push(task)
    this.#runner ??= this.#run()
  }

  #addFinish(job: EngineJob): void {
    job.isFinishing = true
    if (job.isQueued) return
    job.isQueued = true
    this.#add({ type: 'finish', job })
  }

  #cancel(job: EngineJob): void {
    job.state = 'cancelled'
    forget(job)
    this.#addFinish(job)
  }

  async #run(): Promise<void> {
    // So that the runner is known before it begins.
    await Promise.resolve()
    const nowMs = this.#options.clock.monotonicMs()
    this.#sliceStartedAtMs = nowMs
    if (this.#pathsInGroup === 0) this.#groupStartedAtMs = nowMs
    const next = (): Task | undefined => this.#urgentTasks.shift() ?? this.#tasks.shift()
    for (let task = next(); task !== undefined; task = next()) await this.#perform(task)
    this.#runner = undefined
  }

  async #perform(task: Task): Promise<void> {
    const { job } = task
    const parents = new Parents(this.#source)
    try {
      if (task.type === 'batch') await this.#readBatch(job, task.batch, parents)
      else await this.#finish(job, parents)
    } catch (error) {
      this.#fail(job, error)
    }
    parents.close()
    if (task.type === 'batch') this.#options.post({ type: 'batch-done', job: job.id })
    else this.#leave(job)
  }

  /** A live edit does not wait until a large file is read: its tasks are done between two pieces of it, which finds the arena and the
   *  volume as they were. */
  async #letUrgentIn(): Promise<void> {
    if (this.#urgentTasks.length === 0) return
    const held = this.#arena.bytes.slice()
    for (let task = this.#urgentTasks.shift(); task !== undefined; task = this.#urgentTasks.shift())
      await this.#perform(task)
    this.#arena.bytes.set(held)
  }

  async #readBatch(job: EngineJob, batch: Batch, parents: Parents): Promise<void> {
    const { volume, root, rootIdentity } = batch
    for (const path of pathsOf(batch)) {
      if (job.state !== 'open') return
      await this.#read(job, { target: { root, rootIdentity, path }, volume, attempt: 1 }, parents)
    }
  }

  async #read(job: EngineJob, errand: Errand, parents: Parents): Promise<void> {
    const context = this.#use(errand)
    const extents = new ExtentList()
    const sink = {
      restart: () => extents.clear(),
      segment: (bytes: Uint8Array) => {
        this.#chunks.add(bytes, extents)
        return this.#chunks.isGroupFull
      },
    }
    const parts = { source: this.#source, parents, arena: this.#arena, cutter: context.cutter }
    const steps = readPath(errand.target, parts, sink)
    let step = steps.next()
    while (step.done !== true) {
      await this.#pause(job)
      this.#use(errand)
      // Ending it early closes the file.
      step = job.state === 'open' ? steps.next() : steps.return(undefined)
    }
    const found = step.value
    if (found === undefined) return
    if (found.type === 'file') job.pending.push({ errand, found, extents })
    else job.ready.push(withoutContent(found))
    this.#pathsInGroup++
    for (const { name, value } of found.xattrs ?? []) this.#xattrBytesInGroup += name.byteLength + value.byteLength
    await this.#pause(job)
  }

  /** The volume of what is read or sealed next. */
  #use({ volume }: Errand): VolumeContext {
    const context = this.#contexts.get(volume)
    if (context === undefined) throw new HoldfastError('HF_INTERNAL', 'paths of a volume without its keys')
    this.#chunks.use(context)
    return context
  }

  /** Between two pieces of work: ends the group if it is time, lets messages in, waits while too many groups are on their way. */
  async #pause(job: EngineJob): Promise<void> {
    const { clock, breathe } = this.#options
    const nowMs = clock.monotonicMs()
    const isOld = nowMs - this.#groupStartedAtMs >= GROUP_MS
    if (this.#xattrBytesInGroup >= GROUP_XATTR_BYTES_MAX) {
      this.#chunks.sealAll()
      this.#emit(job)
    } else if (isOld || this.#pathsInGroup >= GROUP_DRAFTS_MAX || this.#chunks.isGroupFull) {
      if (isOld) this.#chunks.sealAged()
      this.#emit(job)
    }
    if (nowMs - this.#sliceStartedAtMs >= WORK_SLICE_MS) {
      await breathe()
      this.#sliceStartedAtMs = clock.monotonicMs()
    }
    if (this.#groupsInFlight >= GROUPS_IN_FLIGHT_MAX) await this.#room()
    if (!job.isUrgent) await this.#letUrgentIn()
  }

  async #room(): Promise<void> {
    while (this.#groupsInFlight >= GROUPS_IN_FLIGHT_MAX && !this.#isStopping) {
      await new Promise<void>((resolve) => {
        this.#onTaken = resolve
      })
    }
    this.#onTaken = undefined
    this.#sliceStartedAtMs = this.#options.clock.monotonicMs()
  }

  /** Seals what is open, so that nobody waits for it, and hands over the job's drafts. Those that wait for other workers stay: the next
   *  `announced` comes back here. */
  async #finish(job: EngineJob, parents: Parents): Promise<void> {
    job.isQueued = false
    do {
      for (const errand of job.again.splice(0)) if (job.state === 'open') await this.#read(job, errand, parents)
      this.#chunks.sealAll()
      this.#emit(job)
      await this.#room()
    } while (job.again.length > 0)
  }

  /** Ends the group: the job's drafts that can be completed, and every frame written since the last. */
  #emit(job: EngineJob): void {
    this.#settle(job)
    this.#chunks.flush()
    this.#pathsInGroup = 0
    this.#xattrBytesInGroup = 0
    this.#groupStartedAtMs = this.#options.clock.monotonicMs()
    let frames = this.#chunks
      .takeWritten()
      .map(({ entry, ticket }): AnnouncedFrame => ({ entry, number: ticket.number }))
    for (const { number } of frames) if (number !== undefined) this.#unsynced.push(number)
    while (frames.length > 0 || job.ready.length > 0) {
      const drafts = job.ready.splice(0, GROUP_DRAFTS_MAX)
      const content = encodeGroup({ group: this.#groupCount++, drafts, frames })
      this.#groupsInFlight++
      this.#options.post({ type: 'group', job: job.id, content }, [content])
      frames = []
    }
  }

  #settle(job: EngineJob): void {
    const waiting: PendingDraft[] = []
    for (const draft of job.pending) {
      const { errand, found, extents } = draft
      // Nodes of its recipe are sealed for its volume, whichever was read last.
      this.#use(errand)
      const state = chunksState(extents, this.#chunks)
      if (state === 'waiting') waiting.push(draft)
      else if (state === 'named') job.ready.push(completeDraft(found, extents, this.#chunks))
      else if (errand.attempt < READ_ATTEMPTS_MAX) job.again.push({ ...errand, attempt: errand.attempt + 1 })
      else job.ready.push(givenUp(found))
    }
    job.pending = waiting
  }

  #fail(job: EngineJob, error: unknown): void {
    this.#chunks.abandon()
    forget(job)
    if (job.state !== 'open') return
    job.state = 'failed'
    this.#options.post({ type: 'failed', job: job.id, error: plainError(error) })
  }

  #leave(job: EngineJob): void {
    if (job.pending.length > 0 || job.state === 'failed' || !this.#jobs.delete(job.id)) return
    this.#options.post({ type: 'finished', job: job.id })
  }

  async #commit(request: number, frames: readonly Uint8Array[]): Promise<void> {
    const { packs, post, table } = this.#options
    try {
      const [only] = frames
      const entries = packs.write(frames.length === 1 && only !== undefined ? only : Buffer.concat(frames))
      const covered = this.#unsynced.splice(0)
      try {
        await packs.sync()
      } catch (error) {
        for (const chunk of covered) table.markLost(chunk)
        throw error
      }
      post({ type: 'committed', request, entries, durable: covered })
    } catch (error) {
      post({ type: 'refused', request, error: plainError(error) })
    }
  }

  async #stop(): Promise<void> {
    this.#isStopping = true
    for (const job of this.#jobs.values()) this.#cancel(job)
    this.#onTaken?.()
    while (this.#runner !== undefined) await this.#runner
    // An error here loses nothing that was acknowledged: that was synced before.
    await this.#options.packs.close().catch(() => undefined)
    this.#options.post({ type: 'stopped' })
  }
}

const withoutContent = (found: Found): Draft => ({ ...found, refs: [], needs: [] })

function givenUp(found: Found): Draft {
  const message = `${Buffer.from(found.path).toString()}: what was read could not be stored`
  return withoutContent({ ...found, type: 'unreadable', error: { code: 'HF_UNREADABLE', message } })
}

function forget(job: EngineJob): void {
  job.pending = []
  job.ready = []
  job.again = []
}
