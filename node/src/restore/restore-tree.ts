import { randomBytes } from 'node:crypto'
import { decodeKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { HoldfastError, throwIfAborted } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import { createOpener, readRecipe } from '@holdfast/sealing'
import type { Opener } from '@holdfast/sealing'
import { pathText } from '../api/path-text.ts'
import { batches, BATCH_PATHS } from './batches.ts'
import { ALL_ABILITIES, Fitting, isPrivileged, keptXattrs, unkept, type Abilities } from './abilities.ts'
import type { Attributes } from './attribute-writer.ts'
import { closeDestination, createComparison, openDestination, probeDestination } from './destination.ts'
import { asides, extraPaths } from './extra-paths.ts'
import { HardLinks, leaderFailed, type LinkLeader } from './hard-links.ts'
import { openingKeysOf, type OpeningKeys } from './opening-keys.ts'
import { endPlan, Window, type PlannedFile } from './plan.ts'
import { isOfOnePath } from './problems.ts'
import { readBack, type Extents, type FileToRead } from './read-back.ts'
import { Tally } from './tally.ts'
import { RestoreThreads } from './threads.ts'
import type { RestoreOptions, RestoreReport, RestoreRow } from './types.ts'
import { failFile, WindowWriter } from './window-writer.ts'

/** Writes a past state of a tree to a directory. Chunks are read in the order in which they lie in the packs, each once a window;
 *  every file is written aside and named when it is whole and right. A killed restore is simply run again.
 *  @throws HF_CONFLICT (the destination holds other things), HF_DESTINATION (it cannot be written), HF_ABORTED */
export async function restoreTree(options: RestoreOptions): Promise<RestoreReport> {
  return new Restore(options).run()
}

/** A file of the version that is not known to be there. */
interface WantedFile extends FileToRead {
  readonly row: RestoreRow
  readonly leader: LinkLeader | undefined
}

class Restore {
  readonly #options: RestoreOptions
  readonly #base: Uint8Array
  readonly #tally: Tally
  readonly #directories: (Attributes & { path: Uint8Array })[] = []
  readonly #opener: Opener
  readonly #keys: OpeningKeys
  /** Ends what is still under way after a failure. */
  readonly #giveUp = new AbortController()
  readonly #signal: AbortSignal
  #failure: unknown
  #isIdentical: ReturnType<typeof createComparison> | undefined
  #readFirst = false
  #threads: RestoreThreads | undefined
  #writer: WindowWriter | undefined
  #nextAside = 1
  /** What is being planned, and what is being written meanwhile. */
  #window: Window
  #windowCount = 0
  #writing: Promise<void> = Promise.resolve()
  #newDirectories: Uint8Array[] = []
  #abilities: Abilities = ALL_ABILITIES
  #fitting = new Fitting(ALL_ABILITIES)
  readonly #hardLinks = new HardLinks()
  readonly #warnings: string[] = []
  /** Devices, setuid bits and file capabilities that were left out. */
  #unasked = 0

  constructor(options: RestoreOptions) {
    this.#options = options
    this.#base = options.base ?? new Uint8Array(0)
    this.#tally = new Tally(options)
    const ring = decodeKeyRing(options.keyRing)
    const keys = deriveVolumeKeys(ring)
    this.#opener = createOpener(keys)
    this.#keys = openingKeysOf(ring, keys)
    this.#window = new Window(0, options.windowPlanBytesMax)
    const { signal: giveUp } = this.#giveUp
    this.#signal = options.signal === undefined ? giveUp : AbortSignal.any([options.signal, giveUp])
  }

  async run(): Promise<RestoreReport> {
    const { to, identity, inPlace = false, dryRun = false, privileged = false, verify = false } = this.#options
    const { resumed } = openDestination(to, identity, inPlace, dryRun)
    if (!dryRun) await this.#open(privileged)
    if (resumed || inPlace) this.#isIdentical = createComparison(to, this.#abilities, privileged)
    // After a power loss a file may have its name and size, and not its bytes.
    this.#readFirst = !dryRun && (resumed || verify)
    const { counts } = this.#tally
    try {
      if (resumed) await this.#remove(asides(to))
      for await (const file of this.#wantedFiles()) await this.#plan(file)
      await this.#handOver()
      await this.#writing
      await this.#writeHardLinks()
      if (this.#tally.filesOpen !== 0)
        throw new HoldfastError('HF_INTERNAL', 'a file was planned and neither written nor given up')
      if (inPlace && this.#options.deleteBy !== undefined)
        counts.deleted = await this.#remove(extraPaths(to, this.#options.deleteBy))
      this.#tally.tell('finishing', true)
      for (const directories of batches(this.#directories.toReversed()))
        await this.#threads?.run({ type: 'directory-attributes', directories })
      await this.#threads?.run({ type: 'sync' })
      // The root's own time is not restored; removing the marker touches nothing else.
      if (!dryRun && counts.errorCount === 0) closeDestination(to)
    } catch (error) {
      // What was ended by the failure of something else says less than that.
      throw this.#failure ?? error
    } finally {
      this.#giveUp.abort()
      await this.#writing.catch(() => undefined)
      await this.#threads?.stop()
    }
    return {
      ...counts,
      resumed,
      problems: this.#tally.problems,
      warnings: [...this.#warnings, ...this.#lateWarnings()],
    }
  }

  async #open(privileged: boolean): Promise<void> {
    const { to, chunks, volume } = this.#options
    const abilities = probeDestination(to, privileged)
    this.#abilities = abilities
    this.#fitting = new Fitting(abilities)
    const restorer = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, privileged }
    for await (const sentence of unkept(this.#options.rows, abilities, restorer)) {
      this.#warnings.push(sentence)
      this.#options.onWarning?.(sentence)
    }
    const run = randomBytes(4).toString('hex')
    const data = { to: Uint8Array.from(to), keys: this.#keys, privileged, abilities, run }
    this.#threads = new RestoreThreads(data, ({ path, name, code }) => {
      const message = `the attribute ${name} of ${pathText(path)} could not be set (${code}); the rest of it is restored`
      this.#tally.fail(path, new HoldfastError('HF_DESTINATION', message))
    })
    this.#writer = new WindowWriter({
      threads: this.#threads,
      fetch: (id) => this.#fetch(id),
      locate: (id) => chunks.locate(volume, id),
      tally: this.#tally,
      signal: this.#signal,
      giveUp: (error) => {
        this.#failure ??= error
        this.#giveUp.abort(error)
      },
    })
  }

  #lateWarnings(): string[] {
    const { unsupported } = this.#tally.counts
    const warnings: string[] = []
    if (this.#unasked > 0)
      warnings.push(
        `${this.#unasked} paths are restored without device, setuid bits or capabilities; --privileged restores them`,
      )
    if (unsupported > 0) warnings.push(`${unsupported} links, fifos or devices are not restored`)
    if (this.#hardLinks.forgotten > 0)
      warnings.push(`${this.#hardLinks.forgotten} hard links came back as files of their own: there are too many`)
    return warnings
  }

  /** The files that are not there as they should be; what else the version has is taken in on the way. */
  async *#wantedFiles(): AsyncGenerator<WantedFile> {
    const files = this.#unlikeFiles()
    if (this.#threads === undefined || !this.#readFirst) return yield* files
    for await (const { file, isSame } of readBack(files, this.#threads, this.#extentsOf)) {
      if (!isSame) yield file
      else {
        this.#tally.counts.skipped += 1
        if (file.leader !== undefined) file.leader.state = 'there'
      }
    }
  }

  /** The files that do not look as they should, and those that have to be read to know. */
  async *#unlikeFiles(): AsyncGenerator<WantedFile> {
    const { counts } = this.#tally
    for await (const row of this.#options.rows) {
      throwIfAborted(this.#options.signal)
      const path = this.#relative(row.path)
      const refusal = this.#fitting.refusal(path)
      if (this.#options.privileged !== true && isPrivileged(row)) this.#unasked += 1
      if (refusal !== undefined) this.#tally.fail(path, refusal)
      else if (row.type === 'directory') {
        counts.directories += 1
        await this.#addDirectory(path, row)
      } else if (!this.#canMake(row)) counts.unsupported += isDevice(row) && this.#options.privileged !== true ? 0 : 1
      else yield* this.#unlikeEntry(path, row)
      this.#tally.tell('planning')
    }
  }

  async *#unlikeEntry(path: Uint8Array, row: RestoreRow): AsyncGenerator<WantedFile> {
    const { counts } = this.#tally
    const { leader, isLink } = this.#planLink(path, row)
    if (isLink) return
    const mayBeSame = this.#isIdentical?.(path, row) === true
    if (mayBeSame && !(row.type === 'file' && this.#readFirst)) {
      counts.skipped += 1
      if (leader !== undefined) leader.state = 'there'
    } else if (row.type === 'file') yield { path, row, size: row.size, content: row.content, mayBeSame, leader }
    else await this.#addLink(path, row, leader)
  }

  /** Whether the destination can have it, and it was asked for. */
  #canMake({ type, special }: RestoreRow): boolean {
    const { lacks } = this.#abilities
    if (type === 'file') return true
    if (type === 'symlink') return !lacks.has('symlinks')
    if (special === undefined) return false
    if (!isDevice({ special })) return !lacks.has('fifos')
    return this.#options.privileged === true && !lacks.has('devices')
  }

  /** Whether the path is another name of one before, to be linked to it when that is there. */
  #planLink(path: Uint8Array, row: RestoreRow): ReturnType<HardLinks['plan']> {
    if (this.#abilities.lacks.has('hard-links')) return { isLink: false }
    const planned = this.#hardLinks.plan(path, row)
    if (planned.isLink && this.#options.dryRun === true) this.#tally.counts[countOf(row.type)] += 1
    return planned
  }

  /** Gives what is there the other names that it has in the version. */
  async #writeHardLinks(): Promise<void> {
    const threads = this.#threads
    if (threads === undefined) return
    for (const batch of batches(this.#hardLinks.takeReady())) {
      const links = batch.filter(({ leader }) => leader.state === 'there')
      for (const link of batch) if (link.leader.state === 'failed') this.#tally.fail(link.path, leaderFailed(link))
      const tasks = links.map(({ path, leader }) => ({ path, existing: leader.path }))
      const same = new Set(await threads.run({ type: 'hard-links', links: tasks }))
      for (const [index, { type }] of links.entries())
        this.#tally.counts[same.has(index) ? 'skipped' : countOf(type)] += 1
    }
  }

  async #addDirectory(path: Uint8Array, row: RestoreRow): Promise<void> {
    this.#directories.push({ path, ...this.#attributesOf(row) })
    this.#newDirectories.push(path)
    if (this.#newDirectories.length >= BATCH_PATHS) await this.#makeDirectories()
  }

  async #makeDirectories(): Promise<void> {
    const paths = this.#newDirectories
    this.#newDirectories = []
    if (paths.length > 0) await this.#threads?.run({ type: 'directories', paths })
  }

  /** A symbolic link, fifo or device. */
  async #addLink(path: Uint8Array, row: RestoreRow, leader: LinkLeader | undefined): Promise<void> {
    if (this.#options.dryRun === true) {
      this.#tally.counts[countOf(row.type)] += 1
      return
    }
    const what = row.special ?? row.target ?? new Uint8Array(0)
    this.#window.addLink({ link: { path, what, ...this.#attributesOf(row) }, leader })
    if (this.#window.full) await this.#handOver()
  }

  /** Puts a file into the plan. One with more segments than the window takes goes on in the next. */
  async #plan({ path, row, leader }: WantedFile): Promise<void> {
    const tally = this.#tally
    tally.filesTotal += 1
    tally.bytesTotal += row.size
    if (this.#options.dryRun === true) {
      tally.counts.files += 1
      tally.counts.bytes += row.size
      return
    }
    const file = this.#begin(path, row, leader)
    tally.filesOpen += 1
    this.#window.addFile(file)
    try {
      for await (const extent of this.#extentsOf(row)) {
        this.#window.add(file, extent)
        if (this.#window.full) {
          await this.#handOver()
          this.#window.addFile(file)
        }
        if (file.state === 'failed') return
      }
      endPlan(file)
    } catch (error) {
      if (!isOfOnePath(error)) throw error
      failFile(file, error, tally)
    }
    if (this.#window.full) await this.#handOver()
  }

  #begin(path: Uint8Array, row: RestoreRow, leader: LinkLeader | undefined): PlannedFile {
    const inline = row.content?.inline
    const attributes = this.#attributesOf(row)
    const isPlain = attributes.xattrs === undefined && row.sparse === undefined
    return {
      aside: this.#nextAside++,
      path,
      leader,
      attributes: { ...attributes, size: row.size, ...(row.sparse === true ? { sparse: true } : {}) },
      content: this.#options.verify === true ? row.content : undefined,
      isWhole: isPlain && inline?.length === 1 && inline[0]?.length === row.size,
      plannedBytes: 0,
      left: 0,
      state: 'planning',
    }
  }

  readonly #extentsOf = ({ content, size }: Pick<RestoreRow, 'content' | 'size'>): Extents => {
    if (content?.recipe === undefined) return content?.inline ?? []
    return readRecipe(content.recipe, { fetch: (id) => this.#fetch(id), opener: this.#opener, size })
  }

  /** Gives what is planned to the threads, once they have done the window before. */
  async #handOver(): Promise<void> {
    await this.#makeDirectories()
    const window = this.#window
    this.#windowCount += 1
    this.#window = new Window(this.#windowCount, this.#options.windowPlanBytesMax)
    await this.#writing
    this.#writing = this.#write(window)
    // It is awaited before the next, and at the end.
    this.#writing.catch(() => undefined)
  }

  async #write(window: Window): Promise<void> {
    await this.#writer?.write(window)
    await this.#writeHardLinks()
    if (this.#threads === undefined || this.#options.verify !== true) return
    this.#tally.tell('verifying', true)
    const written = window.files.filter(({ state }) => state === 'written')
    const files = written.map(({ path, attributes: { size }, content }) => ({ path, size, content, mayBeSame: true }))
    for await (const { file, isSame, error } of readBack(files, this.#threads, this.#extentsOf)) {
      if (isSame) continue
      const other = new HoldfastError('HF_DESTINATION', `${pathText(file.path)} reads back other than it was written`)
      this.#tally.fail(file.path, error ?? other)
    }
  }

  /** Removes these; a dry run only counts them. */
  async #remove(paths: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<number> {
    let count = 0
    let batch: Uint8Array[] = []
    const remove = async (): Promise<void> => {
      count += batch.length
      await this.#threads?.run({ type: 'remove', paths: batch })
      batch = []
    }
    for await (const path of paths) {
      throwIfAborted(this.#options.signal)
      batch.push(path)
      if (batch.length >= BATCH_PATHS) await remove()
    }
    if (batch.length > 0) await remove()
    return count
  }

  async #fetch(id: ChunkId): Promise<Uint8Array> {
    const { chunks, volume } = this.#options
    const local = chunks.locate(volume, id) !== undefined
    const stored = await chunks.get(volume, id, { signal: this.#signal })
    if (!local) {
      this.#tally.counts.chunksFetched += 1
      this.#tally.counts.fetchedBytes += stored.byteLength
    }
    return stored
  }

  /** As far as the destination keeps them; copies, since a view would take its whole row from thread to thread. */
  #attributesOf(row: RestoreRow): Attributes {
    const { mode, uid, gid, mtimeNs } = row
    const xattrs = keptXattrs(row, this.#abilities, this.#options.privileged === true)
    if (xattrs === undefined) return { mode, uid, gid, mtimeNs }
    const copies = xattrs.map(({ name, value }) => ({ name: Uint8Array.from(name), value: Uint8Array.from(value) }))
    return { mode, uid, gid, mtimeNs, xattrs: copies }
  }

  #relative(path: Uint8Array): Uint8Array {
    const cut = this.#base.byteLength === 0 ? 0 : this.#base.byteLength + 1
    return path.subarray(cut)
  }
}

const isDevice = ({ special }: Pick<RestoreRow, 'special'>): boolean => special !== undefined && special.kind !== 'fifo'

const countOf = (type: string): 'files' | 'symlinks' | 'specials' =>
  type === 'file' ? 'files' : type === 'symlink' ? 'symlinks' : 'specials'
