import { keyOf } from '@holdfast/capture'
import { HOT_BYTES_PER_MS, HOT_FILES_MAX, HOT_INTERVAL_MS, HOT_QUIET_MS, HOT_TOLD_MS } from './limits.ts'

interface Hot {
  readonly path: Uint8Array
  /** Square root of its size. */
  weight: number
  readonly sinceMs: number
  quietSinceMs: number
  nextMs: number
}

/**
 * Files that change while they are held open, so that no watcher tells: looked at again and again until they have been quiet
 * for a while. Reading all of them takes a bounded part of the time; shared out so that what changes waits the least on
 * average, which is by the square root of what each costs (the square-root rule of polling).
 */
export class HotFiles {
  readonly #files = new Map<string, Hot>()
  #weight = 0

  /** A change was found that nobody told of. Ignored while there are too many. */
  add(path: Uint8Array, size: number, nowMs: number): void {
    const key = keyOf(path)
    const known = this.#files.get(key)
    if (known === undefined && this.#files.size >= HOT_FILES_MAX) return
    const hot = known ?? { path, weight: 0, sinceMs: nowMs, quietSinceMs: nowMs, nextMs: 0 }
    this.#files.set(key, hot)
    this.#note(hot, size, nowMs)
    hot.nextMs = nowMs + this.#intervalOf(hot)
  }

  /** The path changed (again), however that was found. */
  changed(path: Uint8Array, size: number, nowMs: number): void {
    if (this.#files.size === 0) return
    const hot = this.#files.get(keyOf(path))
    if (hot !== undefined) this.#note(hot, size, nowMs)
  }

  /** A watcher tells of the file. Soon after it was added, it was not held open for long: a walk had come while it was written. Looked
   *  at each second, the next writing of it would be met half-way. */
  told(path: Uint8Array, nowMs: number): void {
    if (this.#files.size === 0) return
    const key = keyOf(path)
    const hot = this.#files.get(key)
    if (hot === undefined || nowMs - hot.sinceMs > HOT_TOLD_MS) return
    this.#files.delete(key)
    this.#weight -= hot.weight
  }

  /** Those to be looked at now. */
  due(nowMs: number): Uint8Array[] {
    const due: Uint8Array[] = []
    for (const [key, hot] of this.#files) {
      if (nowMs - hot.quietSinceMs >= HOT_QUIET_MS) {
        this.#files.delete(key)
        this.#weight -= hot.weight
      } else if (hot.nextMs <= nowMs) {
        due.push(hot.path)
        hot.nextMs = nowMs + this.#intervalOf(hot)
      }
    }
    return due
  }

  paths(): Uint8Array[] {
    return [...this.#files.values()].map(({ path }) => path)
  }

  nextMs(): number | undefined {
    let nextMs: number | undefined
    for (const hot of this.#files.values()) nextMs = Math.min(nextMs ?? Infinity, hot.nextMs)
    return nextMs
  }

  #note(hot: Hot, size: number, nowMs: number): void {
    const weight = Math.sqrt(size)
    this.#weight += weight - hot.weight
    hot.weight = weight
    hot.quietSinceMs = nowMs
  }

  #intervalOf({ weight }: Hot): number {
    return Math.max(HOT_INTERVAL_MS, (weight * this.#weight) / HOT_BYTES_PER_MS)
  }
}
