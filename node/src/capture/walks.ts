import { bytesOfKey, keyOf } from '@holdfast/capture'
import type { WalkEnd } from '@holdfast/capture'
import type { Clock } from '@holdfast/ports'
import type { Generations } from './generations.ts'
import {
  REST_RATIO,
  RETRY_MS,
  SECOND_WALK_MS,
  TREES_MAX,
  WALK_INTERVAL_MS_MIN,
  WALK_INTERVAL_RATIO,
  YOUNG_MS,
} from './limits.ts'
import type { VolumeLink } from './volume-link.ts'

/** Someone who waits until everything that a walk saw is captured. */
export interface Waiter {
  resolve(coverageMs: number): void
  reject(error: unknown): void
}

/** One moment on both clocks. */
interface Moment {
  readonly wallMs: number
  readonly monotonicMs: number
}

interface Under {
  readonly id: number
  /** Of the whole tree. */
  readonly whole: boolean
  /** Counts the walks of the whole tree. */
  readonly number: number
  readonly began: Moment
  readonly waiters: readonly Waiter[]
}

/** A walk that is done, while what it found is not. */
interface Open {
  readonly generation: number
  readonly number: number
  readonly began: Moment
  readonly waiters: readonly Waiter[]
}

export interface WalksParts {
  readonly clock: Clock
  readonly link: VolumeLink
  readonly generations: Generations
  readonly onEnd: (end: WalkEnd, whole: boolean) => void
  /** Coverage has advanced; `closed`: beyond what was missed, which is all captured now. */
  readonly onCovered: (closed: boolean) => void
}

/** When one volume is walked, one walk at a time; and up to when it is known to be captured: that only a walk of the whole tree can tell. */
export class Walks {
  readonly #parts: WalksParts
  #under: Under | undefined
  #waiters: Waiter[] = []
  readonly #trees = new Set<string>()
  readonly #open: Open[] = []
  /** Monotonic; Infinity while a walk of the whole tree is under way and nobody has asked for the next. */
  #nextMs = 0
  /** Monotonic: a walk that makes up for lost events does not begin before. */
  #restedMs = 0
  /** Monotonic: a walk that begins from then on is thorough. */
  #thoroughMs = 0
  /** When the newest walk began whose findings are all captured. */
  #covered: Moment | undefined
  /** Number of the walk that was begun last when something was missed. */
  #missed: number | undefined
  #closed = false
  /** Walks of the whole tree that began. */
  count = 0
  lastMs: number | undefined

  constructor(parts: WalksParts) {
    this.#parts = parts
  }

  get walking(): boolean {
    return this.#under !== undefined
  }

  /** The moment of coverage on the wall clock as it goes now. Its age is kept, not its date: a clock that was set back must not
   *  make an old walk seem to have seen what changed since. */
  get coverageMs(): number | undefined {
    return this.#covered && this.#wallOf(this.#covered)
  }

  /** Not a check. */
  isWalk(id: number): boolean {
    return this.#under?.id === id
  }

  isWhole(id: number): boolean {
    return this.#under?.id === id && this.#under.whole
  }

  /** Monotonic time of the next walk; undefined while one is under way. */
  nextMs(): number | undefined {
    return this.#under === undefined ? this.#nextMs : undefined
  }

  /** Walk the whole tree within this time. */
  within(delayMs: number): void {
    this.#nextMs = Math.min(this.#nextMs, this.#parts.clock.monotonicMs() + delayMs)
  }

  /** Resolves when what a walk saw that is yet to begin is captured. */
  wait(waiter: Waiter): void {
    this.#waiters.push(waiter)
    this.within(0)
  }

  /** The waiter is not interested any more. */
  leave(waiter: Waiter): void {
    this.#waiters = this.#waiters.filter((other) => other !== waiter)
  }

  /** This directory must be walked; all of the tree after some rest, lest a storm of lost events keeps a core busy with walks. */
  addTree(path: Uint8Array): void {
    if (path.byteLength > 0) this.#trees.add(keyOf(path))
    if (path.byteLength > 0 && this.#trees.size <= TREES_MAX) return
    this.#trees.clear()
    this.within(Math.max(0, this.#restedMs - this.#parts.clock.monotonicMs()))
  }

  /** Changes may have been missed: only a walk that is yet to begin tells. False if that was so before. */
  missed(): boolean {
    const isNew = this.#missed === undefined
    this.#missed = this.count
    return isNew
  }

  /** Nothing can be concluded from what was seen so far; tries again later. */
  fail(error: unknown): void {
    for (const waiter of [
      ...this.#waiters,
      ...this.#open.flatMap(({ waiters }) => waiters),
      ...(this.#under?.waiters ?? []),
    ])
      waiter.reject(error)
    this.#waiters = []
    this.#open.length = 0
    if (this.#under !== undefined) this.#under = { ...this.#under, whole: false, waiters: [] }
    this.#trees.clear()
    this.#nextMs = this.#parts.clock.monotonicMs() + RETRY_MS
  }

  close(error: unknown): void {
    this.#closed = true
    this.fail(error)
  }

  /** Begins what is due; true if that is a walk of the whole tree. */
  pump(): boolean {
    if (this.#under !== undefined || this.#closed) return false
    const { clock, link } = this.#parts
    if (this.#nextMs <= clock.monotonicMs()) {
      // What a tree's walk would find, this one finds.
      this.#trees.clear()
      this.count++
      const waiters = this.#waiters
      this.#waiters = []
      // Who asks from now on asks for the next one: this one may have passed by already.
      this.#nextMs = Infinity
      const thorough = this.#thoroughMs <= clock.monotonicMs()
      if (thorough) this.#thoroughMs = clock.monotonicMs() + YOUNG_MS
      this.#begin(link.walk(new Uint8Array(0), thorough), {
        whole: true,
        number: this.count,
        began: now(clock),
        waiters,
      })
      return true
    }
    for (const key of this.#trees) {
      this.#trees.delete(key)
      this.#begin(link.walk(bytesOfKey(key), false), { whole: false, number: 0, began: now(clock), waiters: [] })
      break
    }
    return false
  }

  /** Tells of the walks whose findings are all captured by now. */
  settle(): void {
    for (let first = this.#open[0]; first !== undefined; first = this.#open[0]) {
      if (!this.#parts.generations.isDone(first.generation)) return
      this.#open.shift()
      this.#covered = first.began
      const closed = this.#missed !== undefined && this.#missed < first.number
      if (closed) this.#missed = undefined
      this.#parts.onCovered(closed)
      for (const waiter of first.waiters) waiter.resolve(this.#wallOf(first.began))
    }
  }

  #begin(walk: ReturnType<VolumeLink['walk']>, under: Omit<Under, 'id'>): void {
    this.#under = { ...under, id: walk.id }
    void walk.ended.then(({ end, durationMs }) => {
      // What is known now, not then: it may have been given up meanwhile.
      const ended = this.#under ?? under
      this.#under = undefined
      if (ended.whole && end.type === 'done') this.#wholeDone(ended, durationMs)
      else this.#waiters.push(...ended.waiters)
      this.#parts.onEnd(end, ended.whole)
    })
  }

  #wholeDone({ number, began, waiters }: Omit<Under, 'id'>, durationMs: number): void {
    this.lastMs = durationMs
    this.#restedMs = this.#parts.clock.monotonicMs() + REST_RATIO * durationMs
    const isFirst = this.#covered === undefined && this.#open.length === 0
    const pauseMs = Math.max(WALK_INTERVAL_MS_MIN, WALK_INTERVAL_RATIO * durationMs)
    this.within(isFirst ? SECOND_WALK_MS : pauseMs)
    this.#open.push({ generation: this.#parts.generations.advance(), number, began, waiters })
  }

  #wallOf({ wallMs, monotonicMs }: Moment): number {
    const { clock } = this.#parts
    const steppedMs = clock.nowMs() - clock.monotonicMs() - (wallMs - monotonicMs)
    return Math.abs(steppedMs) < STEP_MS ? wallMs : Math.floor(wallMs + steppedMs)
  }
}

/** The two clocks are read one after the other and rounded: they seem to part by less than this though nobody has set any. */
const STEP_MS = 2

const now = (clock: Clock): Moment => ({ wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() })
