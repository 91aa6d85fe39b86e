import { bytesOfKey, keyOf } from '@holdfast/capture'
import { UNREADABLE_PATHS_MAX } from './limits.ts'

/** Paths that are there and cannot be read, by the walk during or after which that was found. */
export class UnreadablePaths {
  /** Number of the walk under way or done last, when the path was met. */
  readonly #paths = new Map<string, { walk: number; readonly listed: boolean }>()
  /** Met beyond the number that is kept by name, since the last walk began. */
  #more = 0

  get count(): number {
    return this.#paths.size + this.#more
  }

  paths(): Uint8Array[] {
    return [...this.#paths.keys()].map(bytesOfKey)
  }

  /** `listed`: by the walk itself; otherwise when the file was read. True if it was not known to be unreadable. */
  add(path: Uint8Array, walk: number, listed: boolean): boolean {
    const key = keyOf(path)
    const known = this.#paths.get(key)
    if (known !== undefined) {
      known.walk = walk
      return false
    }
    if (this.#paths.size < UNREADABLE_PATHS_MAX) this.#paths.set(key, { walk, listed })
    else this.#more++
    return true
  }

  remove(path: Uint8Array): void {
    if (this.#paths.size > 0) this.#paths.delete(keyOf(path))
  }

  /** The walk is done: what it should have met again and did not is not there, or is readable. */
  walked(walk: number): void {
    for (const [key, met] of this.#paths) if (met.walk < (met.listed ? walk : walk - 1)) this.#paths.delete(key)
    this.#more = 0
  }
}
