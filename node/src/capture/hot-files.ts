import { keyOf } from '@holdfast/capture'
import { HOT_BYTES_PER_MS, HOT_FILES_MAX, HOT_INTERVAL_MS, HOT_QUIET_MS } from './limits.ts'

interface Hot {
  readonly path: Uint8Array
  size: number
  quietSinceMs: number
  nextMs: number
}

/** Files that change while they are held open, so that no watcher tells: looked at again and again until they have been quiet for a while. */
export class HotFiles {
  readonly #files = new Map<string, Hot>()

  /** A change was found that nobody told of. Ignored while there are too many. */
  add(path: Uint8Array, size: number, nowMs: number): void {
    const key = keyOf(path)
    if (!this.#files.has(key) && this.#files.size >= HOT_FILES_MAX) return
    this.#files.set(key, { path, size, quietSinceMs: nowMs, nextMs: nowMs + intervalOf(size) })
  }

  /** The path changed (again), however that was found. */
  changed(path: Uint8Array, size: number, nowMs: number): void {
    if (this.#files.size === 0) return
    const hot = this.#files.get(keyOf(path))
    if (hot === undefined) return
    hot.size = size
    hot.quietSinceMs = nowMs
  }

  /** Those to be looked at now. */
  due(nowMs: number): Uint8Array[] {
    const due: Uint8Array[] = []
    for (const [key, hot] of this.#files) {
      if (nowMs - hot.quietSinceMs >= HOT_QUIET_MS) {
        this.#files.delete(key)
      } else if (hot.nextMs <= nowMs) {
        due.push(hot.path)
        hot.nextMs = nowMs + intervalOf(hot.size)
      }
    }
    return due
  }

  nextMs(): number | undefined {
    let nextMs: number | undefined
    for (const hot of this.#files.values()) nextMs = Math.min(nextMs ?? Infinity, hot.nextMs)
    return nextMs
  }
}

const intervalOf = (size: number): number => Math.max(HOT_INTERVAL_MS, size / HOT_BYTES_PER_MS)
