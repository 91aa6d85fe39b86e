import { BATCH_PATHS } from './batches.ts'
import { PieceWriter } from './pieces.ts'
import { isOfOnePath } from './problems.ts'
import type { RestoreThreads } from './threads.ts'
import type { RestoreExtent, RestoreRow } from './types.ts'

/** Segments that a thread reads in one task: some 64 MiB of a large file. */
const SEGMENTS_PER_TASK = 1024
/** Tasks under way before their answers are waited for. */
const TASKS_AT_ONCE = 8
/** Files whose answer is not told yet. */
const FILES_AHEAD_MAX = TASKS_AT_ONCE * BATCH_PATHS

/** The extents of a file in order, from its record or its recipe. */
export type Extents = Iterable<RestoreExtent> | AsyncIterable<RestoreExtent>

/** A file that may have the version's bytes. */
export interface FileToRead {
  /** Relative to the destination. */
  readonly path: Uint8Array
  readonly size: number
  readonly content: RestoreRow['content']
  /** False: it is not read, and told as different. */
  readonly mayBeSame: boolean
}

export interface ReadResult<File> {
  readonly file: File
  readonly isSame: boolean
  /** Its content could not be looked up. */
  readonly error?: unknown
}

/** Part of what one thread is asked to compare. */
class ReadTask<File extends FileToRead> {
  readonly files: File[] = []
  readonly #pieces = new PieceWriter()
  #segments = 0

  get full(): boolean {
    return this.#segments >= SEGMENTS_PER_TASK || this.files.length >= BATCH_PATHS
  }

  /** What is added next is of this file. */
  begin(file: File): void {
    this.files.push(file)
  }

  add({ length, fingerprint }: RestoreExtent, fileOffset: number): void {
    const aside = this.files.length - 1
    this.#pieces.add({ aside, path: NO_PATH, offset: 0, length, fingerprint, fileOffset, sparse: false })
    this.#segments += 1
  }

  /** Those that differ. */
  async run(threads: Pick<RestoreThreads, 'run'>): Promise<File[]> {
    const files = this.files.map(({ path, size }) => ({ path, size }))
    const places = await threads.run({ type: 'verify', files, pieces: this.#pieces.take() })
    return places.flatMap((place) => this.files[place] ?? [])
  }
}

const NO_PATH = new Uint8Array(0)

/** Compares files on disk with a version's fingerprints, some segments at a time: memory does not grow with a file. Tells each file some
 *  time after it was given, in order. @throws HF_ABORTED, HF_INTERNAL */
export async function* readBack<File extends FileToRead>(
  files: AsyncIterable<File> | Iterable<File>,
  threads: Pick<RestoreThreads, 'run'>,
  extentsOf: (file: FileToRead) => Extents,
): AsyncGenerator<ReadResult<File>> {
  const different = new Set<File>()
  let task = new ReadTask<File>()
  let running: Promise<void>[] = []
  let ahead: ReadResult<File>[] = []

  /** Sends the task; whether nothing is under way any more. */
  const send = async (settle: boolean): Promise<boolean> => {
    const sent = task
    task = new ReadTask()
    if (sent.files.length > 0)
      running.push(sent.run(threads).then((found) => found.forEach((file) => different.add(file))))
    if (!settle && running.length < TASKS_AT_ONCE) return false
    const answers = running
    running = []
    await Promise.all(answers)
    return true
  }
  const told = (): ReadResult<File>[] => {
    const results = ahead.map((result) => ({ ...result, isSame: result.isSame && !different.delete(result.file) }))
    ahead = []
    return results
  }

  for await (const file of files) {
    let error: unknown
    if (file.mayBeSame) {
      task.begin(file)
      let fileOffset = 0
      try {
        for await (const extent of extentsOf(file)) {
          if (task.full) {
            if (await send(false)) yield* told()
            task.begin(file)
          }
          task.add(extent, fileOffset)
          fileOffset += extent.length
        }
      } catch (cause) {
        if (!isOfOnePath(cause)) throw cause
        error = cause
      }
    }
    ahead.push({ file, isSame: file.mayBeSame && error === undefined, error })
    const idle = task.files.length === 0 && running.length === 0
    const settle = ahead.length >= FILES_AHEAD_MAX
    if (idle || ((settle || task.full) && (await send(settle)))) yield* told()
  }
  await send(true)
  yield* told()
}
