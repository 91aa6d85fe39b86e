import { availableParallelism } from 'node:os'
import { decodeKeyRing } from '@holdfast/keys'
import type { Clock } from '@holdfast/ports'
import { asChunkId, hexOf, HoldfastError, shortId, throwIfAborted } from '@holdfast/ports'
import type { SegmentTableOptions, SharedSegmentTable } from '@holdfast/sealing'
import { createSegmentTableMemory, openSegmentTable } from '@holdfast/sealing'
import type { FrameEntry } from '@holdfast/store-pack'
import type { PathBatch } from './batches.ts'
import { batches } from './batches.ts'
import { decodeGroup } from './group-codec.ts'
import { LearnedChunks } from './learned-chunks.ts'
import { BATCH_BYTES, JOBS_MAX, STOP_MS, WORKER_RESTARTS_MAX, WORKERS_MAX } from './limits.ts'
import type { FromWorker } from './messages.ts'
import { batchOf, holdfastError } from './messages.ts'
import type { IngestJob, IngestPool, KnownSegment, SealedGroup } from './types.ts'
import { WorkerThread } from './worker-thread.ts'

export interface IngestPoolOptions {
  /** Directory of the drive that the packs are on. */
  readonly driveDirectory: string
  /** Counter of pack numbers (`PackStore.packNumbers`). */
  readonly packNumbers: SharedArrayBuffer
  /** Bytes of the drive that the workers leave free (`PackWriterOptions.reserveBytes`). @default 0 */
  readonly reserveBytes?: number
  readonly clock: Clock
  /** Threads. More read and seal faster until the drive or the cores are busy; each has some 30 MiB of memory. @default cores, at most `WORKERS_MAX` */
  readonly workers?: number
  /** Size of the table of known segments. */
  readonly table?: SegmentTableOptions
  /** Module that a thread runs. @default the worker of this package */
  readonly entry?: URL
}

export function createIngestPool(options: IngestPoolOptions): IngestPool {
  return new Pool(options)
}

type OnGroup = (group: SealedGroup) => void | Promise<void>

interface Job {
  readonly id: number
  readonly volume: string
  readonly job: IngestJob
  readonly onGroup: OnGroup
  readonly batches: Iterator<PathBatch>
  /** The batch to send next. */
  next: PathBatch | undefined
  /** Workers that have had batches of it and have not said `finished`. */
  readonly workers: Set<WorkerThread>
  /** Groups that were delivered and not taken. */
  untaken: number
  error: unknown
  readonly settle: () => void
}

/** Gives batches to workers, groups to their jobs, and answers for workers that die. */
class Pool implements IngestPool {
  readonly #options: IngestPoolOptions
  readonly #table: SharedSegmentTable
  readonly #learned: LearnedChunks
  readonly #volumes = new Map<string, Uint8Array>()
  readonly #threads = new Map<number, WorkerThread>()
  readonly #jobs = new Map<number, Job>()
  /** Jobs with batches to send, the next first. */
  readonly #waiting: Job[] = []
  #state: 'new' | 'open' | 'closed' = 'new'
  #jobCount = 0
  #workerCount = 0
  #restarts = 0
  #stopping: Promise<void> | undefined

  constructor(options: IngestPoolOptions) {
    this.#options = options
    this.#table = openSegmentTable(createSegmentTableMemory(options.table))
    this.#learned = new LearnedChunks(this.#table)
  }

  async start(): Promise<void> {
    if (this.#state === 'closed') throw closed()
    if (this.#state === 'new') {
      this.#state = 'open'
      const count = this.#options.workers ?? Math.min(availableParallelism(), WORKERS_MAX)
      for (let index = 0; index < count; index++) this.#spawn()
    }
    await Promise.all([...this.#threads.values()].map(({ ready }) => ready))
  }

  addVolume({ volume, keyRing }: { readonly volume: IngestJob['volume']; readonly keyRing: Uint8Array }): void {
    const key = hexOf(volume)
    if (hexOf(decodeKeyRing(keyRing).volume) !== key) throw new TypeError('the key ring of another volume')
    // A copy, since a view would take all of its buffer along to the threads.
    const copy = new Uint8Array(keyRing)
    this.#volumes.set(key, copy)
    for (const thread of this.#threads.values()) thread.send({ type: 'volume', volume: key, keyRing: copy })
  }

  learn(segments: Iterable<KnownSegment>): void {
    for (const segment of segments) this.#learned.add(segment)
  }

  async ingest(job: IngestJob, onGroup: OnGroup, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    if (this.#state !== 'open') throw closed()
    const volume = hexOf(job.volume)
    if (!this.#volumes.has(volume)) throw new HoldfastError('HF_NOT_FOUND', `no key of volume ${shortId(job.volume)}`)
    if (this.#jobs.size >= JOBS_MAX) {
      throw new HoldfastError('HF_BUSY', `${JOBS_MAX} ingest jobs are under way`, { retryable: true })
    }
    if (this.#threads.size === 0) throw new HoldfastError('HF_INTERNAL', 'every ingest worker has died')
    const order = batches(job.paths)
    const next = order.next().value ?? undefined
    if (next === undefined) return
    await this.#run(volume, job, onGroup, order, next, signal)
  }

  async commit(worker: number, frames: readonly Uint8Array[]): Promise<readonly FrameEntry[]> {
    if (this.#state !== 'open') throw closed()
    const thread = this.#threads.get(worker)
    if (thread === undefined) {
      throw new HoldfastError('HF_INTERNAL', `ingest worker ${worker} has died; what it wrote was not synced`)
    }
    const { entries, durable } = await thread.commit(frames)
    for (const chunk of durable) this.#table.markDurable(chunk)
    return entries
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#state = 'closed'
    for (const job of this.#jobs.values()) this.#fail(job, closed())
    await Promise.all([...this.#threads.values()].map((thread) => this.#end(thread)))
  }

  async #end(thread: WorkerThread): Promise<void> {
    const timer = this.#options.clock.setTimer(STOP_MS, () => void thread.terminate())
    thread.send({ type: 'stop' })
    await thread.ended
    timer.cancel()
  }

  #run(
    volume: string,
    job: IngestJob,
    onGroup: OnGroup,
    order: Iterator<PathBatch>,
    next: PathBatch,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void =>
        this.#fail(running, new HoldfastError('HF_ABORTED', 'aborted', { cause: signal?.reason }))
      const settle = (): void => {
        signal?.removeEventListener('abort', abort)
        if (running.error === undefined) resolve()
        else reject(running.error)
      }
      const id = this.#jobCount++
      const workers = new Set<WorkerThread>()
      const running: Job = {
        id,
        volume,
        job,
        onGroup,
        batches: order,
        next,
        workers,
        untaken: 0,
        error: undefined,
        settle,
      }
      this.#jobs.set(id, running)
      this.#waiting.push(running)
      signal?.addEventListener('abort', abort, { once: true })
      this.#dispatch()
    })
  }

  /** Gives out batches, one of each job in turn, to the workers that have least to do: one to work on, and while that is small a second
   *  one so that no worker waits for the next. */
  #dispatch(): void {
    for (const job of this.#waiting.filter(({ job: { isUrgent } }) => isUrgent === true)) this.#sendAll(job)
    for (;;) {
      const job = this.#waiting[0]
      const thread = [...this.#threads.values()]
        .filter(({ batchCount, batchBytes }) => batchCount === 0 || (batchCount === 1 && batchBytes < BATCH_BYTES))
        .toSorted((a, b) => a.batchCount - b.batchCount || a.batchBytes - b.batchBytes)[0]
      if (job?.next === undefined || thread === undefined) return
      this.#waiting.shift()
      this.#sendBatch(job, job.next, thread)
      if (job.next !== undefined) this.#waiting.push(job)
    }
  }

  /** Every batch of an urgent job goes to the worker that has least to do, whatever that is. */
  #sendAll(job: Job): void {
    const thread = [...this.#threads.values()].toSorted((a, b) => a.batchBytes - b.batchBytes)[0]
    if (thread === undefined) return
    this.#waiting.splice(this.#waiting.indexOf(job), 1)
    while (job.next !== undefined) this.#sendBatch(job, job.next, thread)
  }

  #sendBatch(job: Job, { paths, bytes }: PathBatch, thread: WorkerThread): void {
    const { root, rootIdentity, isUrgent = false } = job.job
    const batch = batchOf({ job: job.id, isUrgent, volume: job.volume, rootIdentity }, root, paths)
    thread.sendBatch({ type: 'batch', batch }, bytes)
    job.workers.add(thread)
    job.next = job.batches.next().value ?? undefined
    if (job.next !== undefined) return
    for (const worker of job.workers) worker.send({ type: 'finish', job: job.id })
  }

  #receive(thread: WorkerThread, message: FromWorker): void {
    switch (message.type) {
      case 'group':
        this.#deliver(thread, message.job, message.content)
        break
      case 'finished':
        this.#finished(thread, message.job)
        break
      case 'failed': {
        const job = this.#jobs.get(message.job)
        if (job !== undefined) this.#fail(job, holdfastError(message.error))
        // Chunks may have been lost with it.
        this.#announce(thread)
        break
      }
      case 'batch-done':
        this.#dispatch()
        break
      case 'ready':
      case 'committed':
      case 'refused':
      case 'stopped':
        break
    }
  }

  /** Only when the receiver has taken note of the frames do their chunks get names in the table: from then on another worker's draft may
   *  need them, and whoever commits that draft must know that they are not durable yet. */
  #deliver(thread: WorkerThread, jobId: number, content: ArrayBuffer): void {
    const { group, drafts, frames } = decodeGroup(content)
    const job = this.#jobs.get(jobId)
    let taken: void | Promise<void> = undefined
    try {
      if (job === undefined) throw new HoldfastError('HF_INTERNAL', 'a group of no job')
      taken = job.onGroup({ worker: thread.worker, group, drafts, entries: frames.map(({ entry }) => entry) })
      for (const { number, entry } of frames) {
        if (number === undefined) continue
        this.#table.setChunk(number, { id: asChunkId(entry.id), storedBytes: entry.bodyBytes })
      }
    } catch (error) {
      for (const { number } of frames) if (number !== undefined) this.#table.markLost(number)
      if (job !== undefined) this.#fail(job, error)
    }
    if (frames.length > 0) this.#announce(thread)
    if (job === undefined) {
      thread.send({ type: 'taken' })
      return
    }
    job.untaken++
    const finish = (): void => {
      job.untaken--
      thread.send({ type: 'taken' })
      this.#settle(job)
    }
    Promise.resolve(taken).then(finish, (error: unknown) => {
      this.#fail(job, error)
      finish()
    })
  }

  /** Tells the other workers that chunks of this one were named or lost, as far as they have drafts that may wait for them. */
  #announce(source: WorkerThread): void {
    const busy = new Set([...this.#jobs.values()].flatMap(({ workers }) => [...workers]))
    for (const thread of busy) if (thread !== source) thread.send({ type: 'announced' })
  }

  #finished(thread: WorkerThread, jobId: number): void {
    const job = this.#jobs.get(jobId)
    job?.workers.delete(thread)
    if (job !== undefined) this.#settle(job)
  }

  /** The job ends with this error, once every worker has let go of it: until then groups come, since their frames may be needed by others. */
  #fail(job: Job, error: unknown): void {
    if (job.error !== undefined) return
    job.error = error
    job.next = undefined
    const index = this.#waiting.indexOf(job)
    if (index >= 0) this.#waiting.splice(index, 1)
    for (const thread of job.workers) thread.send({ type: 'cancel', job: job.id })
    this.#settle(job)
  }

  #settle(job: Job): void {
    if (job.workers.size > 0 || job.next !== undefined || job.untaken > 0 || !this.#jobs.delete(job.id)) return
    job.settle()
  }

  #spawn(): void {
    const { driveDirectory, packNumbers, reserveBytes = 0, entry = DEFAULT_ENTRY } = this.#options
    const worker = this.#workerCount++
    const data = { worker, table: this.#table.memory, driveDirectory, packNumbers, reserveBytes }
    const thread = new WorkerThread(entry, data, (message) => this.#receive(thread, message))
    this.#threads.set(worker, thread)
    for (const [volume, keyRing] of this.#volumes) thread.send({ type: 'volume', volume, keyRing })
    void thread.ended.then((death) => this.#bury(thread, death))
  }

  /** What the worker had written and not synced is lost, its jobs end; another one, with a number of its own, takes its place. */
  #bury(thread: WorkerThread, death: HoldfastError): void {
    this.#threads.delete(thread.worker)
    this.#table.markOwnerLost(thread.worker)
    if (this.#state === 'open' && this.#restarts < WORKER_RESTARTS_MAX) {
      this.#restarts++
      this.#spawn()
    }
    for (const job of this.#jobs.values()) {
      const isConcerned = job.workers.delete(thread) || this.#threads.size === 0
      if (isConcerned) this.#fail(job, death)
      this.#settle(job)
    }
    this.#announce(thread)
    this.#dispatch()
  }
}

const DEFAULT_ENTRY = new URL('./ingest-worker.js', import.meta.url)

const closed = (): HoldfastError => new HoldfastError('HF_CLOSED', 'the ingest pool is not running')
