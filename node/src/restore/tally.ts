import { HoldfastError } from '@holdfast/ports'
import type { RestoreProblem, RestoreProgress } from './types.ts'

/** Problems that are named in the report. */
export const RESTORE_PROBLEMS_MAX = 100
/** Between two calls of `onProgress`, ms. */
const PROGRESS_INTERVAL_MS = 250

export interface TallyOptions {
  readonly onProgress?: ((progress: RestoreProgress) => void) | undefined
  readonly onError?: ((problem: RestoreProblem) => void) | undefined
}

/** What a restore has done so far, and what went wrong. */
export class Tally {
  readonly counts = {
    files: 0,
    directories: 0,
    symlinks: 0,
    specials: 0,
    bytes: 0,
    skipped: 0,
    deleted: 0,
    unsupported: 0,
    chunksFetched: 0,
    fetchedBytes: 0,
    errorCount: 0,
  }
  readonly problems: RestoreProblem[] = []
  /** Files that are planned, and neither written nor given up. */
  filesOpen = 0
  filesTotal = 0
  bytesTotal = 0
  readonly #options: TallyOptions
  #toldAtMs = 0

  constructor(options: TallyOptions) {
    this.#options = options
  }

  /** One path cannot be restored; the rest goes on. @throws the error if it is that of an abort */
  fail(path: Uint8Array, error: unknown): void {
    const known =
      error instanceof HoldfastError ? error : new HoldfastError('HF_INTERNAL', String(error), { cause: error })
    if (known.code === 'HF_ABORTED') throw known
    const problem = { path, code: known.code, message: known.message }
    this.counts.errorCount += 1
    if (this.problems.length < RESTORE_PROBLEMS_MAX) this.problems.push(problem)
    this.#options.onError?.(problem)
  }

  /** At most four times a second, or `now`. */
  tell(phase: RestoreProgress['phase'], now = false): void {
    const atMs = performance.now()
    if (!now && atMs - this.#toldAtMs < PROGRESS_INTERVAL_MS) return
    this.#toldAtMs = atMs
    const { files: filesDone, bytes: bytesDone, errorCount } = this.counts
    const { filesTotal, bytesTotal } = this
    this.#options.onProgress?.({ phase, filesDone, bytesDone, filesTotal, bytesTotal, errorCount })
  }
}
