import { randomBytes } from 'node:crypto'
import { decodeKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { hasCode, HoldfastError, throwIfAborted } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import { createOpener, readRecipe } from '@holdfast/sealing'
import type { Opener } from '@holdfast/sealing'
import { pathText } from '../api/path-text.ts'
import { asides, closeDestination, createComparison, extraPaths, openDestination } from './destination.ts'
import type { Piece } from './messages.ts'
import { Window, WINDOW_FILES_MAX, type PlannedChunk, type PlannedFile } from './plan.ts'
import { RestoreThreads } from './threads.ts'
import type { Attributes, FileAttributes } from './tree-writer.ts'
import type { RestoreExtent, RestoreOptions, RestoreProgress, RestoreReport, RestoreRow } from './types.ts'

/** Problems that are named in the report. */
export const RESTORE_PROBLEMS_MAX = 100
/** Chunks of a window that are fetched, opened or written at once, each at most 521 KiB: hides the way to another member. */
export const CHUNKS_UNDER_WAY_MAX = 16
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
  readonly #opener: Opener
  /** Ends what is still under way after a failure. */
  readonly #giveUp = new AbortController()
  readonly #signal: AbortSignal
  #isIdentical: ReturnType<typeof createComparison> | undefined
  #readBack = false
  #threads: RestoreThreads | undefined
  #nextAside = 1
  #filesTotal = 0
  #bytesTotal = 0
  #toldAtMs = 0
  #links: { path: Uint8Array; row: RestoreRow }[] = []

  constructor(options: RestoreOptions) {
    this.#options = options
    this.#base = options.base ?? new Uint8Array(0)
    this.#opener = createOpener(deriveVolumeKeys(decodeKeyRing(options.keyRing)))
    const { signal: giveUp } = this.#giveUp
    this.#signal = options.signal === undefined ? giveUp : AbortSignal.any([options.signal, giveUp])
  }

  async run(): Promise<RestoreReport> {
    const { to, identity, inPlace = false, dryRun = false, setuid = false, verify = false } = this.#options
    const { resumed } = openDestination(to, identity, inPlace, dryRun)
    if (!dryRun) {
      this.#threads = new RestoreThreads({
        to: Uint8Array.from(to),
        keyRing: Uint8Array.from(this.#options.keyRing),
        setuid,
        run: randomBytes(4).toString('hex'),
      })
    }
    if (resumed || inPlace) this.#isIdentical = createComparison(to, setuid)
    // After a power loss a file may have its name and size, and not its bytes.
    this.#readBack = !dryRun && (resumed || verify)
    try {
      if (resumed) await this.#remove(asides(to))
      await this.#writeAll()
      if (inPlace && this.#options.delete === true)
        this.#counts.deleted = await this.#remove(extraPaths(to, this.#wanted))
      this.#tell('finishing', true)
      await this.#finishDirectories()
      await this.#threads?.run({ type: 'sync' })
      // The root's own time is not restored; removing the marker touches nothing else.
      if (!dryRun && this.#counts.errorCount === 0) closeDestination(to)
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

  async #writeAll(): Promise<void> {
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
      const identical = this.#isIdentical?.(path, row) === true
      if (identical && !(row.type === 'file' && this.#readBack)) {
        this.#counts.skipped += 1
        continue
      }
      if (row.type === 'symlink') this.#links.push({ path, row })
      else await this.#plan(window, path, row, identical)
      this.#tell('planning')
      if (!window.full && this.#links.length < WINDOW_FILES_MAX) continue
      await flushDirectories()
      await this.#writeWindow(window)
      window = new Window()
    }
    await flushDirectories()
    await this.#writeWindow(window)
  }

  async #plan(window: Window, path: Uint8Array, row: RestoreRow, candidate: boolean): Promise<void> {
    this.#filesTotal += 1
    this.#bytesTotal += row.size
    if (this.#options.dryRun === true) {
      this.#counts.files += 1
      this.#counts.bytes += row.size
      return
    }
    try {
      window.add(this.#nextAside++, path, row, await this.#extentsOf(row), candidate)
    } catch (error) {
      this.#fail(path, error)
    }
  }

  async #extentsOf({ content, size }: RestoreRow): Promise<readonly RestoreExtent[]> {
    if (content?.recipe === undefined) return content?.inline ?? []
    const extents: RestoreExtent[] = []
    const source = { fetch: (id: ChunkId) => this.#fetch(id), opener: this.#opener, size }
    for await (const extent of readRecipe(content.recipe, source)) extents.push(extent)
    return extents
  }

  async #writeWindow(window: Window): Promise<void> {
    const threads = this.#threads
    if (threads === undefined) return this.#countLinks()
    this.#tell('writing', true)
    await this.#skipIdentical(threads, window.files)
    await this.#nameFiles(
      threads,
      window.files.filter(({ state, left }) => state === 'planned' && left === 0),
    )
    await this.#writeChunks(
      threads,
      window.chunks((id) => this.#options.chunks.locate(this.#options.volume, id)),
    )
    await this.#writeLinks(threads)
    const failed = window.files.filter(({ state }) => state === 'failed')
    for (const batch of batches(failed))
      await threads.run({ type: 'drop', files: batch.map(({ path, aside }) => ({ path, aside })) })
    if (window.files.some(({ state }) => state === 'planned')) {
      throw new HoldfastError('HF_INTERNAL', 'a file was planned and neither written nor given up')
    }
    if (this.#options.verify === true) await this.#verify(threads, window.files)
  }

  /** Reads files that look identical; those that are need not be written. */
  async #skipIdentical(threads: RestoreThreads, files: readonly PlannedFile[]): Promise<void> {
    const candidates = files.filter(({ candidate }) => candidate)
    const different = new Set(await this.#different(threads, candidates))
    for (const file of candidates) {
      if (different.has(file)) continue
      file.state = 'identical'
      this.#counts.skipped += 1
    }
  }

  /** Chunk after chunk, some side by side; the first failure that is not just some files' ends it. */
  async #writeChunks(threads: RestoreThreads, chunks: readonly PlannedChunk[]): Promise<void> {
    const underWay = new Set<Promise<void>>()
    const failures: unknown[] = []
    for (const chunk of chunks) {
      if (failures.length > 0 || this.#signal.aborted) break
      const work: Promise<void> = this.#writeChunk(threads, chunk)
        .catch((error: unknown) => {
          failures.push(error)
          this.#giveUp.abort(error)
        })
        .finally(() => underWay.delete(work))
      underWay.add(work)
      if (underWay.size >= CHUNKS_UNDER_WAY_MAX) await Promise.race(underWay)
    }
    await Promise.all(underWay)
    throwIfAborted(this.#options.signal)
    if (failures.length > 0) throw failures[0]
  }

  /** Reads one chunk, writes its pieces, and names the files that are whole then. */
  async #writeChunk(threads: RestoreThreads, chunk: PlannedChunk): Promise<void> {
    const pieces = chunk.pieces.filter(({ file }) => file.state === 'planned')
    if (pieces.length === 0) return
    let different: readonly number[]
    try {
      const stored = await this.#fetch(chunk.id)
      different = await threads.run({ type: 'chunk', stored, pieces: pieces.map(pieceOf) })
    } catch (error) {
      if (hasCode(error, 'HF_ABORTED') || hasCode(error, 'HF_DESTINATION') || hasCode(error, 'HF_INTERNAL')) throw error
      for (const { file } of pieces) this.#failFile(file, error)
      return
    }
    for (const index of different) {
      const file = pieces[index]?.file
      if (file === undefined) continue
      const message = `a segment of ${pathText(file.path)} does not match its fingerprint`
      this.#failFile(file, new HoldfastError('HF_CHUNK_CORRUPT', message))
    }
    const whole: PlannedFile[] = []
    for (const { file, segment } of pieces) {
      if (file.state !== 'planned') continue
      file.left -= 1
      this.#counts.bytes += segment.length
      if (file.left > 0) continue
      if (file.segments.length > 1) whole.push(file)
      else this.#written(file)
    }
    await this.#nameFiles(threads, whole)
    this.#tell('writing')
  }

  /** Gives files whose bytes are all written, or that have none, their attributes and names. */
  async #nameFiles(threads: RestoreThreads, files: readonly PlannedFile[]): Promise<void> {
    for (const batch of batches(files)) {
      await threads.run({
        type: 'files',
        files: batch.map(({ path, aside, row }) => ({ path, aside, ...fileAttributesOf(row) })),
      })
      for (const file of batch) this.#written(file)
    }
  }

  #written(file: PlannedFile): void {
    file.state = 'written'
    this.#counts.files += 1
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
    const written = files.filter(({ state }) => state === 'written')
    for (const { path } of await this.#different(threads, written)) {
      this.#fail(path, new HoldfastError('HF_DESTINATION', `${pathText(path)} reads back other than it was written`))
    }
  }

  /** The files whose bytes on disk are not the version's. */
  async #different(threads: RestoreThreads, files: readonly PlannedFile[]): Promise<PlannedFile[]> {
    const found: PlannedFile[] = []
    for (const batch of batches(files)) {
      throwIfAborted(this.#options.signal)
      const different = await threads.run({
        type: 'verify',
        files: batch.map(({ path, row, segments }) => ({ path, size: row.size, segments })),
      })
      for (const index of different) found.push(...batch.slice(index, index + 1))
    }
    return found
  }

  async #finishDirectories(): Promise<void> {
    for (const batch of batches(this.#directories.toReversed())) {
      await this.#threads?.run({
        type: 'directory-attributes',
        directories: batch.map(({ path, row }) => ({ path, ...attributesOf(row) })),
      })
    }
  }

  /** Removes these; a dry run only counts them. */
  async #remove(paths: Iterable<Uint8Array>): Promise<number> {
    const all = [...paths]
    for (const batch of batches(all)) await this.#threads?.run({ type: 'remove', paths: batch })
    return all.length
  }

  async #fetch(id: ChunkId): Promise<Uint8Array> {
    const { chunks, volume } = this.#options
    const local = chunks.locate(volume, id) !== undefined
    const stored = await chunks.get(volume, id, { signal: this.#signal })
    if (!local) {
      this.#counts.chunksFetched += 1
      this.#counts.fetchedBytes += stored.byteLength
    }
    return stored
  }

  #failFile(file: PlannedFile, error: unknown): void {
    if (file.state === 'failed') return
    file.state = 'failed'
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

  #relative(path: Uint8Array): Uint8Array {
    const cut = this.#base.byteLength === 0 ? 0 : this.#base.byteLength + 1
    return path.subarray(cut)
  }

  #tell(phase: RestoreProgress['phase'], now = false): void {
    const atMs = performance.now()
    if (!now && atMs - this.#toldAtMs < PROGRESS_INTERVAL_MS) return
    this.#toldAtMs = atMs
    this.#options.onProgress?.({
      phase,
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

const pieceOf = ({ file, segment }: PlannedChunk['pieces'][number]): Piece => ({
  aside: file.aside,
  path: file.path,
  offset: segment.offset,
  length: segment.length,
  fingerprint: segment.fingerprint,
  fileOffset: segment.fileOffset,
  ...(file.segments.length === 1 ? { whole: fileAttributesOf(file.row) } : {}),
})

function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += BATCH_PATHS) yield items.slice(start, start + BATCH_PATHS)
}
