import { Worker } from 'node:worker_threads'
import { HoldfastError } from '@holdfast/ports'
import type { Clock } from '@holdfast/ports'
import { STOP_MS, YOUNG_GENERATION_MIB } from './limits.ts'
import type { FromWalker, FromWatcher, ToWalker, ToWatcher } from './messages.ts'

/** What one volume hears from the threads. */
export interface ThreadListener {
  onWalker(message: FromWalker): void
  onWatcher(message: FromWatcher): void
  /** A thread has died; nothing comes any more. */
  onDeath(error: HoldfastError): void
}

/** The two threads of capture, shared by all volumes of the node. */
export class CaptureThreads {
  readonly #listeners = new Map<number, ThreadListener>()
  #walker: Worker | undefined
  #watcher: Worker | undefined
  readonly #ended: Promise<void>[] = []
  readonly #clock: Clock
  #volumes = 0
  #death: HoldfastError | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  start(): void {
    if (this.#walker !== undefined) return
    this.#walker = this.#thread('walk')
    this.#walker.on('message', (message: FromWalker) => this.#listeners.get(message.volume)?.onWalker(message))
    this.#watcher = this.#thread('watch')
    this.#watcher.on('message', (message: FromWatcher) => this.#listeners.get(message.volume)?.onWatcher(message))
  }

  async stop(): Promise<void> {
    this.#death ??= new HoldfastError('HF_CLOSED', 'capture is stopped')
    this.#listeners.clear()
    this.toWalker({ type: 'stop' })
    this.toWatcher({ type: 'stop' })
    const timer = this.#clock.setTimer(STOP_MS, () => {
      void this.#walker?.terminate()
      void this.#watcher?.terminate()
    })
    await Promise.all(this.#ended)
    timer.cancel()
  }

  /** A number for the volume, under which its messages come. @throws what ended the threads */
  add(listener: ThreadListener): number {
    if (this.#death !== undefined) throw this.#death
    const volume = this.#volumes++
    this.#listeners.set(volume, listener)
    return volume
  }

  remove(volume: number): void {
    this.#listeners.delete(volume)
    this.toWalker({ type: 'close', volume })
    this.toWatcher({ type: 'close', volume })
  }

  toWalker(message: ToWalker, transfer: readonly ArrayBuffer[] = []): void {
    this.#walker?.postMessage(message, transfer)
  }

  toWatcher(message: ToWatcher): void {
    this.#watcher?.postMessage(message)
  }

  #thread(name: string): Worker {
    const thread = new Worker(new URL(`./${name}-worker.js`, import.meta.url), {
      name: `capture ${name}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    })
    let cause: unknown
    this.#ended.push(new Promise((resolve) => thread.on('exit', () => resolve())))
    thread.on('error', (error) => (cause = error))
    thread.on('exit', (code) => {
      const message = `the ${name} thread of capture died (exit code ${code})`
      this.#death ??= new HoldfastError('HF_INTERNAL', message, { cause, next: 'restart the node' })
      // A copy: who hears of it may leave.
      const listeners = Array.from(this.#listeners.values())
      for (const listener of listeners) listener.onDeath(this.#death)
    })
    return thread
  }
}
