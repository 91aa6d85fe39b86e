import { HoldfastError, SECOND_MS, throwIfAborted } from '@holdfast/ports'
import type { Clock, Timer } from '@holdfast/ports'
import { journalReserveOf, reserveBytesOf, reserveReached } from '@holdfast/store-pack'

/** Between two looks at how full the file systems are, ms: a call of the system each. */
export const ROOM_LOOK_MS = SECOND_MS
/** After the system itself refused a write it is not asked again for so long, ms: a quota shows in no measurement. */
export const ROOM_RETRY_MS = 5 * SECOND_MS
/** So much of the reserve must be free beyond a floor before work goes on, so that it does not stop again at once. */
export const ROOM_MARGIN_RATIO = 0.25

/** `enough`: everything goes on. `low`: no new content. `none`: no journal either. */
export type RoomState = 'enough' | 'low' | 'none'

/** A file system that the node writes. */
export interface RoomPlace {
  /** As a person knows it, to begin a sentence with. */
  readonly name: string
  readonly space: () => { readonly freeBytes: number; readonly totalBytes: number }
}

export interface RoomParts {
  readonly places: readonly RoomPlace[]
  readonly clock: Clock
}

/** What a place allows, given what it allowed before: what has stopped goes on only with some room to spare. */
export function roomAt(before: RoomState, freeBytes: number, totalBytes: number): RoomState {
  const reserveBytes = reserveBytesOf(totalBytes)
  const marginBytes = reserveBytes * ROOM_MARGIN_RATIO
  if (freeBytes < journalReserveOf(reserveBytes) + (before === 'none' ? marginBytes : 0)) return 'none'
  if (freeBytes < reserveBytes + (before === 'enough' ? 0 : marginBytes)) return 'low'
  return 'enough'
}

/**
 * Watches how much room the node's file systems have, tells who must stop, and when to go on. Nothing here is a promise: another
 * program may fill a file system between two looks, and a refused write is answered by who made it.
 */
export class Room {
  readonly #parts: RoomParts
  readonly #listeners = new Set<(state: RoomState) => void>()
  readonly #states = new Map<RoomPlace, RoomState>()
  #state: RoomState = 'enough'
  #problem: HoldfastError | undefined
  #refusal: { readonly state: 'low' | 'none'; readonly error: HoldfastError; readonly untilMs: number } | undefined
  #timer: Timer | undefined
  #stopped = false

  constructor(parts: RoomParts) {
    this.#parts = parts
  }

  get state(): RoomState {
    return this.#state
  }

  /** Why not everything goes on; undefined while there is enough room. */
  get problem(): HoldfastError | undefined {
    return this.#problem
  }

  start(): void {
    this.look()
    this.#arm()
  }

  /** Whoever waits goes on waiting, until its own signal. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** Called at each change. */
  onChange(listener: (state: RoomState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A write found no room, whatever was measured: one of content (`low`) or of the journal (`none`). */
  refused(error: HoldfastError, state: 'low' | 'none' = 'none'): void {
    this.#refusal = { state, error, untilMs: this.#parts.clock.monotonicMs() + ROOM_RETRY_MS }
    this.look()
  }

  /** Resolves when journal frames may be written. @throws HF_ABORTED */
  async untilJournal(signal: AbortSignal): Promise<void> {
    this.look()
    while (this.#state === 'none') {
      throwIfAborted(signal)
      await new Promise<void>((resolve) => {
        const end = (): void => {
          off()
          signal.removeEventListener('abort', end)
          resolve()
        }
        const off = this.onChange(end)
        signal.addEventListener('abort', end, { once: true })
      })
    }
  }

  look(): void {
    if (this.#refusal !== undefined && this.#refusal.untilMs <= this.#parts.clock.monotonicMs())
      this.#refusal = undefined
    let [state, problem]: [RoomState, HoldfastError | undefined] = ['enough', undefined]
    for (const place of this.#parts.places) {
      const found = this.#lookAt(place)
      if (RANKS[found.state] <= RANKS[state]) continue
      state = found.state
      problem = found.problem
    }
    if (this.#refusal !== undefined && RANKS[state] < RANKS[this.#refusal.state])
      [state, problem] = [this.#refusal.state, this.#refusal.error]
    const isSame = this.#state === state
    this.#state = state
    this.#problem = problem
    if (!isSame) for (const listener of this.#listeners) listener(state)
  }

  #lookAt(place: RoomPlace): { state: RoomState; problem: HoldfastError | undefined } {
    const before = this.#states.get(place) ?? 'enough'
    let space
    try {
      space = place.space()
    } catch {
      // A file system that cannot be measured is reported by who writes it.
      return { state: before, problem: before === 'enough' ? undefined : this.#problem }
    }
    const { freeBytes, totalBytes } = space
    const state = roomAt(before, freeBytes, totalBytes)
    this.#states.set(place, state)
    const reserveBytes = reserveBytesOf(totalBytes)
    return { state, problem: state === 'enough' ? undefined : reserveReached(place.name, freeBytes, reserveBytes) }
  }

  #arm(): void {
    this.#timer = this.#parts.clock.setTimer(ROOM_LOOK_MS, () => {
      this.look()
      if (!this.#stopped) this.#arm()
    })
  }
}

const RANKS: Readonly<Record<RoomState, number>> = { enough: 0, low: 1, none: 2 }
