import { asCoreKey, hexOf } from '@holdfast/ports'
import type { VolumeId } from '@holdfast/ports'
import type { JournalRun } from './types.ts'

/** Frames beyond a gap that are remembered per core, about 100 bytes each. What is dropped is found in the index at the next start. */
export const JOURNAL_FRAMES_AHEAD_MAX = 4096

interface Run {
  readonly volume: VolumeId
  readonly coreKey: Uint8Array
  length: number
  /** Ends by starts of frames that lie beyond a gap. */
  readonly ahead: Map<number, number>
}

/** The longest run without a gap, from block 0, of each core. */
export class JournalRuns {
  readonly #runs = new Map<string, Run>()

  /** Takes in blocks `start` to `end`. The length of the run if it grew or is new. */
  add(volume: VolumeId, coreKey: Uint8Array, start: number, end: number): number | undefined {
    const unchanged = this.#runs.has(hexOf(coreKey)) ? undefined : 0
    const run = this.#run(volume, coreKey)
    if (start > run.length) {
      if (run.ahead.size < JOURNAL_FRAMES_AHEAD_MAX) run.ahead.set(start, Math.max(end, run.ahead.get(start) ?? 0))
      return unchanged
    }
    if (end <= run.length) return unchanged
    run.length = end
    while (this.#absorb(run)) continue
    return run.length
  }

  /** Blocks `start` to `end` are not whole any more. The new length of the run if it shrank. */
  cut(volume: VolumeId, coreKey: Uint8Array, start: number, end: number): number | undefined {
    const run = this.#run(volume, coreKey)
    run.ahead.delete(start)
    if (start >= run.length) return undefined
    if (end < run.length) run.ahead.set(end, run.length)
    run.length = start
    return run.length
  }

  /** Whether no more frames beyond the gap are remembered. */
  aheadIsFull(coreKey: Uint8Array): boolean {
    return (this.#runs.get(hexOf(coreKey))?.ahead.size ?? 0) >= JOURNAL_FRAMES_AHEAD_MAX
  }

  length(coreKey: Uint8Array): number {
    return this.#runs.get(hexOf(coreKey))?.length ?? 0
  }

  list(): JournalRun[] {
    return [...this.#runs.values()].map(({ volume, coreKey, length }) => ({
      volume,
      coreKey: asCoreKey(coreKey),
      length,
    }))
  }

  #run(volume: VolumeId, coreKey: Uint8Array): Run {
    const hex = hexOf(coreKey)
    let run = this.#runs.get(hex)
    if (run === undefined) this.#runs.set(hex, (run = { volume, coreKey, length: 0, ahead: new Map() }))
    return run
  }

  #absorb(run: Run): boolean {
    for (const [start, end] of run.ahead) {
      if (start > run.length) continue
      run.ahead.delete(start)
      run.length = Math.max(run.length, end)
      return true
    }
    return false
  }
}
