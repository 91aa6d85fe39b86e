import { decodeKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { hasCode, HoldfastError, throwIfAborted } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import { createOpener, readRecipe } from '@holdfast/sealing'
import { pathText } from '../api/path-text.ts'
import { closeDestination, extraPaths, isIdentical, openDestination, sweepAsides } from './destination.ts'
import { Window, type PlannedChunk, type PlannedFile } from './plan.ts'
import { RestoreThreads } from './threads.ts'
import type { Attributes, FileAttributes } from './tree-writer.ts'
import type { RestoreExtent, RestoreOptions, RestoreProgress, RestoreReport, RestoreRow } from './types.ts'

/** Problems that are named in the report. */
export const RESTORE_PROBLEMS_MAX = 100
/** Paths sent to a thread at once. */
const BATCH_PATHS = 256
/** Between two calls of `onProgress`, ms. */
const PROGRESS_INTERVAL_MS = 250

/** Writes a past state of a tree to a directory. Chunks are read in the order in which they lie in the packs, each once a window;
 *  every file is written aside and named when it is whole and right. A killed restore is simply run again.
 *  @throws HF_CONFLICT (the destination holds other things), HF_DESTINATION (it cannot be written), HF_ABORTED */
export async function restoreTree(options: RestoreOptions): Promise<RestoreReport> {
  return new Restore(options).run()
}

class Restore {
  readonly #options: RestoreOptions
  readonly #base: Uint8Array
  readonly #counts = {
    files: 0,
    directories: 0,
    symlinks: 0,
    bytes: 0,
    skipped: 0,
    deleted: 0,
    unsupported: 0,
    chunksFetched: 0,
    fetchedBytes: 0,
    errorCount: 0,
  }
  readonly #problems: RestoreReport['problems'][number][] = []
  readonly #directories: { path: Uint8Array; row: RestoreRow }[] = []
  readonly #wanted = new Set<string>()
  readonly #keys: ReturnType<typeof deriveVolumeKeys>
  #threads: RestoreThreads | undefined
  #nextAside = 1
  #filesTotal = 0
  #bytesTotal = 0
  #phase: RestoreProgress['phase'] = 'planning'
  #toldAtMs = 0
  #links: { path: Uint8Array; row: RestoreRow }[] = []

  constructor(options: RestoreOptions) {
    this.#options = options
    const base = options.base ?? new Uint8Array(0)
    this.#base = base
    this.#keys = deriveVolumeKeys(decodeKeyRing(options.keyRing))
  }

  async run(): Promise<RestoreReport> {
    const { to, identity, inPlace = false, dryRun = false } = this.#options
    const { resumed } = openDestination(to, identity, inPlace, dryRun)
    const compare = resumed || inPlace
    if (resumed) sweepAsides(to)
    if (!dryRun) {
      const { keyRing, setuid = false } = this.#options
      this.#threads = new RestoreThreads({ to: Uint8Array.from(to), keyRing: Uint8Array.from(keyRing), setuid })
    }
    try {
      await this.#writeAll(compare)
      if (inPlace && this.#options.delete === true) await this.#deleteExtra()
      this.#tell('finishing', true)
      await this.#finishDirectories()
      if (!dryRun) {
        if (this.#counts.errorCount === 0) closeDestination(to)
        // The root's own time is not restored; removing the marker touches nothing else.
        await this.#threads?.run({ type: 'sync' })
      }
    } finally {
      await this.#threads?.stop()
    }
    return { ...this.#counts, resumed, problems: this.#problems, warnings: this.#warnings() }
  }

  #warnings(): string[] {
    const warnings: string[] = []
    if (process.getuid?.() !== 0 && this.#counts.files + this.#counts.symlinks > 0) {
      warnings.push('owners are not restored: only the superuser may set them')
    }
    if (this.#counts.unsupported > 0)
      warnings.push(`${this.#counts.unsupported} fifos, sockets or devices are not restored`)
    return warnings
  }

  async #writeAll(compare: boolean): Promise<void> {
    let window = new Window()
    let directories: Uint8Array[] = []
    const flushDirectories = async (): Promise<void> => {
      if (directories.length > 0) await this.#threads?.run({ type: 'directories', paths: directories })
      directories = []
    }
    for await (const row of this.#options.rows) {
      throwIfAborted(this.#options.signal)
      const path = this.#relative(row.path)
      if (this.#options.delete === true) this.#wanted.add(Buffer.from(path).toString('latin1'))
      if (row.type === 'directory') {
        this.#counts.directories += 1
        this.#directories.push({ path, row })
        directories.push(path)
        if (directories.length >= BATCH_PATHS) await flushDirectories()
        continue
      }
      if (row.type !== 'file' && row.type !== 'symlink') {
        this.#counts.unsupported += 1
        continue
      }
      if (compare && isIdentical(this.#options.to, path, row, this.#options.setuid ?? false)) {
        this.#counts.skipped += 1
        continue
      }
      if (row.type === 'symlink') {
        this.#links.push({ path, row })
        continue
      }
      await this.#plan(window, path, row)
      this.#tell('planning')
      if (!window.full) continue
      await flushDirectories()
      await this.#writeWindow(window)
      window = new Window()
    }
    await flushDirectories()
    await this.#writeWindow(window)
  }

  async #plan(window: Window, path: Uint8Array, row: RestoreRow): Promise<void> {
    this.#filesTotal += 1
    this.#bytesTotal += row.size
    try {
      window.add(this.#nextAside++, path, row, this.#options.dryRun === true ? [] : await this.#extentsOf(row))
    } catch (error) {
      this.#fail(path, error)
    }
  }

  async #extentsOf({ content, size }: RestoreRow): Promise<readonly RestoreExtent[]> {
    if (content?.recipe === undefined) return content?.inline ?? []
    const extents: RestoreExtent[] = []
    const source = { fetch: (id: ChunkId) => this.#fetch(id), opener: createOpener(this.#keys), size }
    for await (const extent of readRecipe(content.recipe, source)) extents.push(extent)
    return extents
  }

  async #writeWindow(window: Window): Promise<void> {
    const threads = this.#threads
    if (threads === undefined) {
      for (const { row } of window.files) this.#count(row)
      this.#countLinks()
      return
    }
    this.#tell('writing', true)
    await this.#writeEmpty(threads, window.files)
    const chunks = window.chunks((id) => this.#options.chunks.locate(this.#options.volume, id))
    const underWay = new Set<Promise<void>>()
    for (const chunk of chunks) {
      throwIfAborted(this.#options.signal)
      const { done } = await this.#writeChunk(threads, chunk)
      const tracked: Promise<void> = done.finally(() => underWay.delete(tracked))
      tracked.catch(() => undefined)
      underWay.add(tracked)
      if (underWay.size >= 16) await Promise.race(underWay)
    }
    await Promise.all(underWay)
    await this.#writeLinks(threads)
    if (this.#options.verify === true) await this.#verify(threads, window.files)
  }

  /** Reads one chunk and hands it to a thread; `done` once its pieces are written and whole files have their names. */
  async #writeChunk(threads: RestoreThreads, chunk: PlannedChunk): Promise<{ done: Promise<void> }> {
    const pieces = chunk.pieces.filter(({ file }) => !file.failed)
    if (pieces.length === 0) return { done: Promise.resolve() }
    let stored: Uint8Array
    try {
      stored = await this.#fetch(chunk.id)
    } catch (error) {
      if (hasCode(error, 'HF_ABORTED')) throw error
      for (const { file } of pieces) this.#failFile(file, error)
      return { done: Promise.resolve() }
    }
    const { done } = await threads.begin({
      type: 'chunk',
      stored,
      pieces: pieces.map(({ file, segment }) => ({
        aside: file.aside,
        path: file.path,
        offset: segment.offset,
        length: segment.length,
        fingerprint: segment.fingerprint,
        fileOffset: segment.fileOffset,
        ...(file.segments.length === 1 ? { whole: fileAttributesOf(file.row) } : {}),
      })),
    })
    return {
      done: done.then(
        () => this.#written(threads, pieces),
        (error: unknown) => this.#notWritten(pieces, error),
      ),
    }
  }

  async #written(threads: RestoreThreads, pieces: PlannedChunk['pieces']): Promise<void> {
    const whole: PlannedFile[] = []
    for (const { file, segment } of pieces) {
      file.left -= 1
      this.#counts.bytes += segment.length
      if (file.left > 0 || file.failed) continue
      this.#counts.files += 1
      if (file.segments.length > 1) whole.push(file)
    }
    if (whole.length > 0) {
      await threads.run({
        type: 'files',
        files: whole.map(({ path, aside, row }) => ({ path, aside, ...fileAttributesOf(row) })),
      })
    }
    this.#tell('writing')
  }

  #notWritten(pieces: PlannedChunk['pieces'], error: unknown): void {
    if (!hasCode(error, 'HF_CHUNK_CORRUPT') && !hasCode(error, 'HF_DECODE') && !hasCode(error, 'HF_WRONG_KEY'))
      throw error
    for (const { file } of pieces) this.#failFile(file, error)
  }

  async #writeEmpty(threads: RestoreThreads, files: readonly PlannedFile[]): Promise<void> {
    const empty = files.filter((file) => file.segments.length === 0 && !file.failed)
    for (const batch of batches(empty)) {
      await threads.run({
        type: 'files',
        files: batch.map(({ path, aside, row }) => ({ path, aside, ...fileAttributesOf(row) })),
      })
      this.#counts.files += batch.length
    }
    for (const file of files) {
      if (file.failed)
        this.#fail(
          file.path,
          new HoldfastError('HF_CHUNK_CORRUPT', `the segments of ${pathText(file.path)} do not add up to its size`),
        )
    }
  }

  async #writeLinks(threads: RestoreThreads): Promise<void> {
    for (const batch of batches(this.#links)) {
      await threads.run({
        type: 'links',
        links: batch.map(({ path, row }) => ({ path, target: row.target ?? new Uint8Array(0), ...attributesOf(row) })),
      })
    }
    this.#countLinks()
  }

  #countLinks(): void {
    this.#counts.symlinks += this.#links.length
    this.#links = []
  }

  async #verify(threads: RestoreThreads, files: readonly PlannedFile[]): Promise<void> {
    this.#tell('verifying', true)
    for (const batch of batches(files.filter((file) => !file.failed))) {
      const different = await threads.run({
        type: 'verify',
        files: batch.map(({ path, segments }) => ({ path, segments })),
      })
      for (const path of different) {
        this.#fail(path, new HoldfastError('HF_DESTINATION', `${pathText(path)} reads back other than it was written`))
      }
    }
  }

  async #finishDirectories(): Promise<void> {
    for (const batch of batches(this.#directories.toReversed())) {
      await this.#threads?.run({
        type: 'directory-attributes',
        directories: batch.map(({ path, row }) => ({ path, ...attributesOf(row) })),
      })
    }
  }

  async #deleteExtra(): Promise<void> {
    if (this.#options.dryRun === true && this.#filesTotal === 0) return
    const extra = [...extraPaths(this.#options.to, this.#wanted)]
    this.#counts.deleted = extra.length
    for (const batch of batches(extra)) await this.#threads?.run({ type: 'remove', paths: batch })
  }

  async #fetch(id: ChunkId): Promise<Uint8Array> {
    const { chunks, volume, signal = new AbortController().signal } = this.#options
    const local = chunks.locate(volume, id) !== undefined
    const stored = await chunks.get(volume, id, { signal })
    if (!local) {
      this.#counts.chunksFetched += 1
      this.#counts.fetchedBytes += stored.byteLength
    }
    return stored
  }

  #failFile(file: PlannedFile, error: unknown): void {
    if (file.failed) return
    file.failed = true
    void this.#threads?.run({ type: 'drop', files: [{ path: file.path, aside: file.aside }] }).catch(() => undefined)
    this.#fail(file.path, error)
  }

  #fail(path: Uint8Array, error: unknown): void {
    const known =
      error instanceof HoldfastError ? error : new HoldfastError('HF_INTERNAL', String(error), { cause: error })
    if (known.code === 'HF_ABORTED') throw known
    const problem = { path, code: known.code, message: known.message }
    this.#counts.errorCount += 1
    if (this.#problems.length < RESTORE_PROBLEMS_MAX) this.#problems.push(problem)
    this.#options.onError?.(problem)
  }

  #count(row: RestoreRow): void {
    this.#counts.files += 1
    this.#counts.bytes += row.size
  }

  #relative(path: Uint8Array): Uint8Array {
    const cut = this.#base.byteLength === 0 ? 0 : this.#base.byteLength + 1
    return path.subarray(cut)
  }

  #tell(phase: RestoreProgress['phase'], now = false): void {
    this.#phase = phase
    const atMs = performance.now()
    if (!now && atMs - this.#toldAtMs < PROGRESS_INTERVAL_MS) return
    this.#toldAtMs = atMs
    this.#options.onProgress?.({
      phase: this.#phase,
      filesDone: this.#counts.files,
      bytesDone: this.#counts.bytes,
      filesTotal: this.#filesTotal,
      bytesTotal: this.#bytesTotal,
      errorCount: this.#counts.errorCount,
    })
  }
}

const attributesOf = ({ mode, uid, gid, mtimeNs }: RestoreRow): Attributes => ({ mode, uid, gid, mtimeNs })

const fileAttributesOf = (row: RestoreRow): FileAttributes => ({ ...attributesOf(row), size: row.size })

function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += BATCH_PATHS) yield items.slice(start, start + BATCH_PATHS)
}
