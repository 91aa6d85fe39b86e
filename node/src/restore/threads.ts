import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { ERROR_CODES, HoldfastError } from '@holdfast/ports'
import type { ErrorCode } from '@holdfast/ports'
import type { Unkept } from './attribute-writer.ts'
import type { RestoreReply, RestoreTask, RestoreThreadData } from './messages.ts'

/** Tasks under way or waiting per thread: enough to keep it busy while the next chunk is read, at most 512 KiB each. */
export const TASKS_PER_THREAD_MAX = 4
export const RESTORE_THREADS_MAX = 4
/** Tasks that wait for every thread before another is started: it takes 0.1 s of CPU to start, a chunk a few milliseconds. */
const TASKS_TO_START_ANOTHER = 3
/** Young heap of a thread, MiB: what a chunk leaves (its bytes as stored, decrypted and expanded) is freed after some of them. Left to
 *  itself it grows to 48, and the garbage of two threads to 150. */
const YOUNG_HEAP_MIB = 4

interface Waiting {
  readonly resolve: (different: readonly number[]) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
  dead: unknown
}

/** The threads of one restore, started as there is work for them. */
export class RestoreThreads {
  readonly #data: RestoreThreadData
  readonly #onUnkept: (unkept: Unkept) => void
  readonly #count = Math.max(1, Math.min(availableParallelism(), RESTORE_THREADS_MAX))
  readonly #threads: Thread[] = []
  readonly #room: (() => void)[] = []
  #nextId = 0

  constructor(data: RestoreThreadData, onUnkept: (unkept: Unkept) => void) {
    this.#data = data
    this.#onUnkept = onUnkept
  }

  /** Waits for a thread with room, and for the task; which pieces or files are not as they should be.
   *  @throws what the task threw, HF_INTERNAL if the thread died, HF_CLOSED after `stop` */
  async run(task: RestoreTask): Promise<readonly number[]> {
    for (;;) {
      const thread = this.#leastBusy()
      if (thread.dead !== undefined) throw thread.dead
      if (thread.waiting.size < TASKS_PER_THREAD_MAX) return this.#send(thread, task)
      await new Promise<void>((resolve) => this.#room.push(resolve))
    }
  }

  /** Waits for tasks that have begun. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#threads.map(async (thread) => {
        // The descriptors of a thread are the process's: nobody closes them after it.
        if (thread.dead === undefined) await this.#send(thread, { type: 'close' }).catch(() => undefined)
        await thread.worker.terminate()
      }),
    )
  }

  #leastBusy(): Thread {
    const [least] = this.#threads.toSorted((a, b) => a.waiting.size - b.waiting.size)
    if (least !== undefined && (least.waiting.size < TASKS_TO_START_ANOTHER || this.#threads.length >= this.#count))
      return least
    const started = this.#start()
    this.#threads.push(started)
    return started
  }

  #start(): Thread {
    // Descriptors come from the C library and are closed by Node: it must not keep its own account of them.
    const worker = new Worker(new URL('./restore-worker.js', import.meta.url), {
      workerData: this.#data,
      trackUnmanagedFds: false,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_HEAP_MIB },
    })
    const thread: Thread = { worker, waiting: new Map(), dead: undefined }
    worker.on('message', (reply: RestoreReply) => {
      const waiting = thread.waiting.get(reply.id)
      thread.waiting.delete(reply.id)
      if (reply.type === 'done') {
        reply.unkept.forEach(this.#onUnkept)
        waiting?.resolve(reply.different)
      } else waiting?.reject(errorOf(reply))
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

  #send(thread: Thread, task: RestoreTask): Promise<readonly number[]> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      thread.waiting.set(id, { resolve, reject })
      thread.worker.postMessage({ id, task }, transferred(task))
    })
  }
}

/** What goes over without a copy. */
function transferred(task: RestoreTask): ArrayBuffer[] {
  if (task.type === 'chunk') return [...transferable(task.stored), task.pieces.buffer]
  return task.type === 'verify' ? [task.pieces.buffer] : []
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
