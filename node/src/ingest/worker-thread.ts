import { Worker } from 'node:worker_threads'
import { HoldfastError } from '@holdfast/ports'
import type { FrameEntry } from '@holdfast/store-pack'
import { WORKER_YOUNG_GENERATION_MIB } from './limits.ts'
import type { FromWorker, ToWorker, WorkerData } from './messages.ts'
import { holdfastError } from './messages.ts'

export interface CommitAnswer {
  readonly entries: readonly FrameEntry[]
  /** Chunk numbers that are durable now. */
  readonly durable: readonly number[]
}

interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: HoldfastError) => void
}

/** The pool's end of one worker: its thread, its commits, and what it was given to do. */
export class WorkerThread {
  readonly worker: number
  /** Resolves when the worker takes messages. @throws HF_INTERNAL if it dies before */
  readonly ready: Promise<void>
  /** Resolves when the thread has ended, by itself or not, with what to tell those who needed it. */
  readonly ended: Promise<HoldfastError>
  /** Batches it has and has not done, with their expected bytes. */
  readonly #batches: { readonly job: number; readonly bytes: number }[] = []
  readonly #thread: Worker
  readonly #commits = new Map<number, Waiter<CommitAnswer>>()
  #requests = 0
  #death: HoldfastError | undefined

  constructor(entry: URL, data: WorkerData, onMessage: (message: FromWorker) => void) {
    this.worker = data.worker
    this.#thread = new Worker(entry, {
      workerData: data,
      name: `ingest ${data.worker}`,
      resourceLimits: { maxYoungGenerationSizeMb: WORKER_YOUNG_GENERATION_MIB },
    })
    const death = new Promise<HoldfastError>((resolve) => {
      let cause: unknown
      this.#thread.on('error', (error) => (cause = error))
      this.#thread.on('exit', (code) => {
        const message = `ingest worker ${this.worker} died (exit code ${code})`
        resolve((this.#death = new HoldfastError('HF_INTERNAL', message, { cause })))
        for (const { reject } of this.#commits.values()) reject(this.#death)
        this.#commits.clear()
      })
    })
    this.ended = death
    const up = new Promise<void>((resolve) => {
      this.#thread.on('message', (message: FromWorker) => {
        if (message.type === 'ready') resolve()
        else if (message.type === 'batch-done') this.#batchDone(message.job)
        else if (message.type === 'committed') this.#answer(message.request)?.resolve(message)
        else if (message.type === 'refused') this.#answer(message.request)?.reject(holdfastError(message.error))
        onMessage(message)
      })
    })
    this.ready = Promise.race([up, death]).then((error) => {
      if (error !== undefined) throw error
    })
    // Where nobody waits for it, a death is learnt from `ended`.
    this.ready.catch(() => undefined)
  }

  /** Why it ended; undefined while it runs. */
  get death(): HoldfastError | undefined {
    return this.#death
  }

  get batchCount(): number {
    return this.#batches.length
  }

  get batchBytes(): number {
    return this.#batches.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  send(message: ToWorker): void {
    this.#thread.postMessage(message, [])
  }

  sendBatch(message: ToWorker & { type: 'batch' }, bytes: number): void {
    this.#batches.push({ job: message.batch.job, bytes })
    this.#thread.postMessage(message, [message.batch.pathBytes.buffer as ArrayBuffer])
  }

  commit(frames: readonly Uint8Array[]): Promise<CommitAnswer> {
    if (this.#death !== undefined) return Promise.reject(this.#death)
    const request = this.#requests++
    // Copies, since a view would take all of its buffer along.
    const copies = frames.map((frame) => new Uint8Array(frame))
    return new Promise((resolve, reject) => {
      this.#commits.set(request, { resolve, reject })
      this.#thread.postMessage(
        { type: 'commit', request, frames: copies } satisfies ToWorker,
        copies.map(({ buffer }) => buffer),
      )
    })
  }

  /** Ends the thread at once. */
  async terminate(): Promise<void> {
    await this.#thread.terminate()
  }

  /** Those of one job are done in order; an urgent job's before others. */
  #batchDone(job: number): void {
    const place = this.#batches.findIndex((batch) => batch.job === job)
    if (place >= 0) this.#batches.splice(place, 1)
  }

  #answer(request: number): Waiter<CommitAnswer> | undefined {
    const waiter = this.#commits.get(request)
    this.#commits.delete(request)
    return waiter
  }
}
