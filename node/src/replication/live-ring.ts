import { LIVE_CHUNKS_MAX, LIVE_CHUNK_BYTES_MAX, LIVE_RING_BYTES } from '@holdfast/replication'
import type { LiveCommit } from './types.ts'

/** The newest commits of one volume, gap-free up to its head, for followers at the tail. */
export class LiveRing {
  /** By first block, oldest first. */
  readonly #commits = new Map<number, { readonly commit: LiveCommit; readonly byteLength: number }>()
  #byteLength = 0
  #end = 0

  /** A commit that was appended just now. Too many chunks to travel along are left to be fetched. */
  add(live: LiveCommit): void {
    const { frame } = live
    if (frame.start !== this.#end) this.#clear()
    this.#end = frame.start + frame.blocks.length
    const chunkBytes = sum(live.chunks.map((c) => c.bytes.byteLength))
    const travels = chunkBytes <= LIVE_CHUNK_BYTES_MAX && live.chunks.length <= LIVE_CHUNKS_MAX
    const byteLength = sum(frame.blocks.map((b) => b.byteLength)) + (travels ? chunkBytes : 0)
    this.#commits.set(frame.start, { commit: travels ? live : { frame, chunks: [] }, byteLength })
    this.#byteLength += byteLength
    for (const [start, oldest] of this.#commits) {
      if (this.#byteLength <= LIVE_RING_BYTES) break
      this.#byteLength -= oldest.byteLength
      this.#commits.delete(start)
    }
  }

  /** The commit that begins with this block. */
  at(start: number): LiveCommit | undefined {
    return this.#commits.get(start)?.commit
  }

  #clear(): void {
    this.#commits.clear()
    this.#byteLength = 0
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
