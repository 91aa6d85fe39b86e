import type { WatchLoss, WatchOptions } from '@holdfast/capture'
import { bytes, text } from './temp.ts'

/** Fails a test that waits for an event that never comes. */
const PATIENCE_MS = 10_000

/** What a watcher told, and a way to wait for it. */
export class Watched {
  readonly dirty = new Set<string>()
  readonly created = new Set<string>()
  readonly trees = new Set<string>()
  readonly lost: { path: string; reason: WatchLoss }[] = []
  /** How often it said that everything is watched. */
  watched = 0
  #check: () => void = () => undefined

  options(root: string, exclude: string[] = []): WatchOptions {
    return {
      root: bytes(root),
      exclude: exclude.map(bytes),
      events: {
        onDirty: (paths) => this.#note(this.dirty, paths),
        onCreated: (paths) => this.#note(this.created, paths),
        onTree: (path) => this.#note(this.trees, [path]),
        onWatched: () => {
          this.watched++
          this.#check()
        },
        onLost: (path, reason) => {
          this.lost.push({ path: text(path), reason })
          this.#check()
        },
      },
    }
  }

  /** Whether someone who follows the contract looks at the path. */
  covers(path: string): boolean {
    if (this.dirty.has(path) || this.created.has(path)) return true
    const above = (top: string): boolean => top === '' || path === top || path.startsWith(`${top}/`)
    return [...this.trees].some(above) || this.lost.some((loss) => above(loss.path))
  }

  /** Whether the directory was announced to be walked. */
  announced(path: string): boolean {
    return [...this.trees].some((top) => top === '' || path === top || path.startsWith(`${top}/`))
  }

  async until(what: string, reached: () => boolean): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), PATIENCE_MS)
        this.#check = () => (reached() ? resolve() : undefined)
        this.#check()
      })
    } finally {
      clearTimeout(timer)
      this.#check = () => undefined
    }
  }

  forget(): void {
    this.dirty.clear()
    this.created.clear()
    this.trees.clear()
    this.lost.length = 0
  }

  #note(set: Set<string>, paths: readonly Uint8Array[]): void {
    for (const path of paths) set.add(text(path))
    this.#check()
  }
}
