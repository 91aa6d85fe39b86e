import { MIB, SECOND_MS } from '@holdfast/ports'
import type { Clock, Timer } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'

/** A checkpoint is made after so many bytes of packs or so much time, whichever comes first: it bounds what a start replays. */
export const CHECKPOINT_BYTES = 64 * MIB
export const CHECKPOINT_INTERVAL_MS = 30 * SECOND_MS
/** Between two looks at how much was written. */
const LOOK_INTERVAL_MS = SECOND_MS

export interface CheckpointParts {
  readonly store: PackStore
  readonly clock: Clock
  /** Makes durable what is derived from the packs. */
  readonly flush: () => Promise<void>
  readonly onProblem: (error: unknown) => void
  /** While there is none, no checkpoint is made: it is what would write the indexes into a full file system. */
  readonly hasRoom: () => boolean
}

/** Makes checkpoints while the node runs, and one at its end. Nothing is lost without them: a start only takes longer. */
export class Checkpoints {
  readonly #parts: CheckpointParts
  #timer: Timer | undefined
  #running: Promise<void> = Promise.resolve()
  #bytes = 0
  #atMs = 0

  constructor(parts: CheckpointParts) {
    this.#parts = parts
  }

  start(): void {
    this.#bytes = this.#parts.store.stats().storedBytes
    this.#atMs = this.#parts.clock.monotonicMs()
    this.#next()
  }

  /** Makes the last one. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#running
    if (this.#parts.hasRoom()) await this.#make()
  }

  #next(): void {
    this.#timer = this.#parts.clock.setTimer(LOOK_INTERVAL_MS, () => {
      this.#running = this.#look().finally(() => {
        if (this.#timer !== undefined) this.#next()
      })
    })
  }

  async #look(): Promise<void> {
    const { store, clock, onProblem, hasRoom } = this.#parts
    if (!hasRoom()) return
    const { storedBytes } = store.stats()
    const grown = storedBytes - this.#bytes
    if (grown <= 0) return
    if (grown < CHECKPOINT_BYTES && clock.monotonicMs() - this.#atMs < CHECKPOINT_INTERVAL_MS) return
    await this.#make().catch(onProblem)
  }

  async #make(): Promise<void> {
    const { store, clock, flush } = this.#parts
    this.#bytes = store.stats().storedBytes
    this.#atMs = clock.monotonicMs()
    await store.checkpoint(flush)
  }
}
