import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { ERROR_CODES, HoldfastError } from '@holdfast/ports'
import type { ErrorCode } from '@holdfast/ports'
import type { RestoreReply, RestoreTask, RestoreThreadData } from './messages.ts'

/** Tasks under way or waiting per thread: enough to keep it busy while the next chunk is read, at most 512 KiB each. */
export const TASKS_PER_THREAD_MAX = 4
export const RESTORE_THREADS_MAX = 4

interface Waiting {
  readonly resolve: (different: readonly Uint8Array[]) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
  dead: unknown
}

/** The threads of one restore. */
export class RestoreThreads {
  readonly #threads: readonly Thread[]
  readonly #room: (() => void)[] = []
  #nextId = 0

  constructor(data: RestoreThreadData) {
    const count = Math.max(1, Math.min(availableParallelism(), RESTORE_THREADS_MAX))
    this.#threads = Array.from({ length: count }, () => this.#start(data))
  }

  /** Resolves once a thread has room, with a promise for the task's end; what differs, for `verify`.
   *  @throws what the task threw, HF_INTERNAL if the thread died */
  async begin(task: RestoreTask): Promise<{ done: Promise<readonly Uint8Array[]> }> {
    for (;;) {
      const thread = this.#threads.reduce((best, each) => (each.waiting.size < best.waiting.size ? each : best))
      if (thread.dead !== undefined) throw thread.dead
      if (thread.waiting.size < TASKS_PER_THREAD_MAX) return { done: this.#send(thread, task) }
      await new Promise<void>((resolve) => this.#room.push(resolve))
    }
  }

  /** Waits for the task too. */
  async run(task: RestoreTask): Promise<readonly Uint8Array[]> {
    const { done } = await this.begin(task)
    return done
  }

  async stop(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
  }

  #start(data: RestoreThreadData): Thread {
    // Descriptors come from the C library and are closed by Node: it must not keep its own account of them.
    const worker = new Worker(new URL('./restore-worker.js', import.meta.url), {
      workerData: data,
      trackUnmanagedFds: false,
    })
    const thread: Thread = { worker, waiting: new Map(), dead: undefined }
    worker.on('message', (reply: RestoreReply) => {
      const waiting = thread.waiting.get(reply.id)
      thread.waiting.delete(reply.id)
      if (reply.type === 'done') waiting?.resolve(reply.different)
      else waiting?.reject(errorOf(reply))
      this.#room.shift()?.()
    })
    const die = (cause: unknown): void => {
      thread.dead ??=
        cause instanceof HoldfastError ? cause : new HoldfastError('HF_INTERNAL', 'a restore thread died', { cause })
      for (const { reject } of thread.waiting.values()) reject(thread.dead)
      thread.waiting.clear()
      for (const wake of this.#room.splice(0)) wake()
    }
    worker.on('error', (error: unknown) => die(destinationOf(error)))
    worker.on('exit', () => die(new HoldfastError('HF_CLOSED', 'the restore has ended')))
    return thread
  }

  #send(thread: Thread, task: RestoreTask): Promise<readonly Uint8Array[]> {
    const id = this.#nextId++
    const done = new Promise<readonly Uint8Array[]>((resolve, reject) => thread.waiting.set(id, { resolve, reject }))
    // The owner may look at it later: until then a failure is not unhandled.
    done.catch(() => undefined)
    thread.worker.postMessage({ id, task }, task.type === 'chunk' ? transferable(task.stored) : [])
    return done
  }
}

/** The buffer goes over without a copy if the bytes own all of it. */
function transferable(bytes: Uint8Array): ArrayBuffer[] {
  return bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength ? [bytes.buffer] : []
}

/** An error that a thread threw while it started has lost its class on the way. */
function destinationOf(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return typeof code === 'string' && code in ERROR_CODES
    ? errorOf({ code, message: String(message), next: undefined })
    : error
}

function errorOf({ code, message, next }: { code: string; message: string; next: string | undefined }): HoldfastError {
  const known: ErrorCode = code in ERROR_CODES ? (code as ErrorCode) : 'HF_INTERNAL'
  return new HoldfastError(known, message, next === undefined ? {} : { next })
}
