/**
 * What the packs of a drive hold: their files, and the index over them with the ways to make it true again. A start reads every
 * pack that the index does not know as complete, makes what it finds durable and the pack definite, and only then serves it:
 * what a process that died had written may be in the page cache alone.
 */
import { HoldfastError } from '@holdfast/ports'
import { isWholeBody } from './frame.ts'
import { IndexTable, isAt } from './index-table.ts'
import {
  decodeMeta,
  encodeMeta,
  entryOf,
  EVERYTHING,
  GENERATION_FIRST,
  generationRange,
  META_KEY,
  nextGeneration,
} from './keys.ts'
import { PackFiles } from './pack-files.ts'
import { createPackNumbers, packNumberClaims } from './pack-numbers.ts'
import { endOf, scanFooter, scanPack } from './pack-scan.ts'
import type { PackScan } from './pack-scan.ts'
import type {
  BadFrame,
  FrameEntry,
  IndexDatabase,
  PackStoreOptions,
  RebuildReport,
  StoreProblem,
  StoreProgress,
} from './types.ts'

export class PackCatalog {
  readonly files: PackFiles
  readonly packNumbers: SharedArrayBuffer
  readonly claimPackNumber: () => number
  readonly #index: IndexDatabase
  readonly #onProblem: (problem: StoreProblem) => void
  /** Packs from this number on are this run's: their writers may be at work. */
  readonly #firstOfRun: number
  #table: IndexTable
  /** The generation that a rebuild fills, while it runs. */
  #next: IndexTable | undefined

  private constructor(options: PackStoreOptions, files: PackFiles, table: IndexTable, firstPackOfRun: number) {
    this.#index = options.index
    this.#onProblem = options.onProblem ?? (() => {})
    this.files = files
    this.#table = table
    this.#firstOfRun = firstPackOfRun
    this.packNumbers = createPackNumbers(firstPackOfRun)
    this.claimPackNumber = packNumberClaims(this.packNumbers)
  }

  static async open(options: PackStoreOptions): Promise<PackCatalog> {
    const files = new PackFiles(options.drive)
    await files.prepare()
    await options.index.open()
    const packs = files.list()
    const { table, damage } = await loadTable(options, packs)
    const known = Math.max(0, packs.at(-1) ?? 0, ...table.packs.keys())
    const catalog = new PackCatalog(options, files, table, known + 1)
    try {
      if (damage === undefined) await catalog.#recover(packs)
      else await catalog.#remake(damage, packs.length)
    } catch (error) {
      files.close()
      throw error
    }
    return catalog
  }

  get table(): IndexTable {
    return this.#table
  }

  /** Takes in durable frames. */
  adopt(entries: readonly FrameEntry[]): void {
    const ends = new Map<number, number>()
    for (const table of this.#tables()) {
      for (const entry of entries) {
        table.add(entry)
        ends.set(entry.pack, Math.max(endOf(entry), ends.get(entry.pack) ?? 0))
      }
      for (const [pack, end] of ends) {
        const row = table.packs.get(pack)
        if (row?.complete === true || end <= (row?.durableBytes ?? 0)) continue
        table.setPack(pack, { complete: false, durableBytes: end, fileBytes: end })
      }
    }
  }

  /** The body, or why it cannot be read. @throws HF_DRIVE_FAILED if the pack cannot be opened for another reason than its absence */
  async readBody(place: FrameEntry): Promise<Uint8Array | Error> {
    try {
      return await this.files.readBody(place)
    } catch (error) {
      const atOpening =
        error instanceof HoldfastError && error.code === 'HF_DRIVE_FAILED' && !this.files.isOpen(place.pack)
      if (!(error instanceof HoldfastError) || error.code === 'HF_CLOSED' || atOpening) throw error
      return error
    }
  }

  /** Says that the frame is bad, wherever a row points at it, and reports it. */
  markBad(entry: FrameEntry, reason: BadFrame['reason']): void {
    for (const table of this.#tables()) {
      const row = table.rowOf(entry)
      if (row !== undefined && isAt(row, entry) && !row.bad) table.set(entry, true)
    }
    this.#onProblem({ type: 'bad-frame', frame: { pack: entry.pack, offset: entry.offset, reason, entry } })
  }

  /** Takes in a frame that was just read and found whole. True if the index did not know it, or thought it bad. */
  confirm(entry: FrameEntry): boolean {
    let isNew = false
    for (const table of this.#tables()) {
      const row = table.rowOf(entry)
      if (row?.bad === true && isAt(row, entry)) table.set(entry, false)
      else if (table.add(entry) !== 'new') continue
      isNew = true
    }
    return isNew
  }

  /** Bytes of a pack that may be looked at, and whether it gets no more. Undefined if its writer has not handed over anything. */
  extent(pack: number): { bytes: number; durableBytes: number; complete: boolean } | undefined {
    const row = this.#table.packs.get(pack)
    if (pack >= this.#firstOfRun && row?.complete !== true) {
      return row && { bytes: row.durableBytes, durableBytes: row.durableBytes, complete: false }
    }
    return { bytes: this.files.file(pack).size(), durableBytes: row?.durableBytes ?? 0, complete: true }
  }

  async scan(pack: number): Promise<PackScan | undefined> {
    const extent = this.extent(pack)
    if (extent === undefined) return undefined
    const { bytes: size, durableBytes } = extent
    return this.files.withFile(pack, (file) => scanPack(file, { pack, size, durableBytes }))
  }

  /** Everything adopted so far is in the index, durably; packs that were sealed since are complete. */
  async checkpoint(): Promise<void> {
    const table = this.#table
    for (const [pack, row] of table.packs) {
      if (row.complete) continue
      const scan = await this.files.withFile(pack, (file) => scanFooter(file, pack))
      if (scan === undefined) continue
      this.adopt(scan.entries)
      await complete(table, pack, this.files.file(pack).size(), scan, true)
    }
    await table.flush(true)
  }

  /** Fills a new generation from the packs while the present one serves, then lets it take over. */
  async rebuild(onProgress?: (progress: StoreProgress) => void): Promise<RebuildReport> {
    const previous = this.#table
    const table = this.#newTable(nextGeneration(previous.generation))
    await this.#index.clear(generationRange(table.generation))
    this.#next = table
    try {
      const report = await this.#fill(table, previous, onProgress)
      await this.#serve(table)
      await this.#index.clear(generationRange(previous.generation))
      return report
    } finally {
      this.#next = undefined
    }
  }

  close(): void {
    this.files.close()
  }

  #tables(): IndexTable[] {
    return this.#next === undefined ? [this.#table] : [this.#table, this.#next]
  }

  #newTable(generation: number): IndexTable {
    return newTable(this.#index, generation, this.#onProblem)
  }

  /** At a start with an index in order: reads the packs that it does not know as complete. */
  async #recover(packs: readonly number[]): Promise<void> {
    for (const pack of packs) {
      if (this.#table.packs.get(pack)?.complete !== true) await this.#takeIn(this.#table, pack)
    }
    await this.#table.extendRuns()
    await this.#table.flush(true)
  }

  /** At a start without one. */
  async #remake(reason: string, packCount: number): Promise<void> {
    await this.#index.clear(EVERYTHING)
    this.#table = this.#newTable(GENERATION_FIRST)
    const report = await this.#fill(this.#table, undefined)
    await this.#serve(this.#table)
    if (packCount > 0) this.#onProblem({ type: 'index-rebuilt', reason, report })
  }

  async #fill(
    table: IndexTable,
    previous: IndexTable | undefined,
    onProgress?: (progress: StoreProgress) => void,
  ): Promise<RebuildReport> {
    const packs = this.files.list().map((pack) => ({ pack, bytes: this.extent(pack)?.bytes ?? 0 }))
    const totalBytes = packs.reduce((sum, { bytes }) => sum + bytes, 0)
    const report = { chunks: 0, journalFrames: 0, badFrames: 0 }
    let doneBytes = 0
    for (const { pack, bytes } of packs) {
      const scan = await this.#takeIn(table, pack, previous)
      for (const entry of scan?.entries ?? []) report[entry.kind === 'chunk' ? 'chunks' : 'journalFrames']++
      report.badFrames += scan?.bad.length ?? 0
      doneBytes += bytes
      onProgress?.({ doneBytes, totalBytes })
    }
    await table.extendRuns()
    return report
  }

  /** Puts a pack's frames into a table. An old pack gets a footer if it lacks one, and is complete. */
  async #takeIn(table: IndexTable, pack: number, previous?: IndexTable): Promise<PackScan | undefined> {
    const scan = await this.scan(pack)
    if (scan === undefined) return undefined
    for (const frame of scan.bad) this.#onProblem({ type: 'bad-frame', frame })
    const isOld = pack < this.#firstOfRun
    if (isOld && !scan.sealed) await this.files.sealRecovered(pack, scan)
    for (const entry of scan.entries) {
      if (table.add(entry) === 'duplicate') await this.#decide(table, entry)
      if (previous !== undefined && wasBad(previous, entry)) table.set(entry, true)
    }
    await table.settled()
    if (isOld || scan.sealed) await complete(table, pack, this.files.file(pack).size(), scan, false)
    else {
      // Its writer may have handed over more while it was read.
      const durableBytes = Math.max(scan.framesEnd, table.packs.get(pack)?.durableBytes ?? 0)
      table.setPack(pack, { complete: false, durableBytes, fileBytes: durableBytes })
    }
    return scan
  }

  /** Two frames hold the same: the known one stays if it is whole. */
  async #decide(table: IndexTable, entry: FrameEntry): Promise<void> {
    const row = table.rowOf(entry)
    if (row === undefined) return
    const known = entryOf(entry.kind, entry.id, entry.start, row)
    const body = await this.readBody(known)
    if (!(body instanceof Uint8Array) || !isWholeBody(known, body)) table.set(entry, false)
  }

  async #serve(table: IndexTable): Promise<void> {
    await table.flush()
    const value = encodeMeta(table.generation)
    await this.#index.batch([{ type: 'put', key: META_KEY, value }], { sync: true })
    this.#table = table
    this.#next = undefined
  }
}

/** Whether the generation before knew the frame as bad; one that cannot be read knew nothing. */
function wasBad(previous: IndexTable, entry: FrameEntry): boolean {
  try {
    const row = previous.rowOf(entry)
    return row?.bad === true && isAt(row, entry)
  } catch {
    return false
  }
}

/** The generation that serves, or why there is none that can. */
async function loadTable(
  options: PackStoreOptions,
  packs: readonly number[],
): Promise<{ table: IndexTable; damage: string | undefined }> {
  const onProblem = options.onProblem ?? (() => {})
  let table = newTable(options.index, GENERATION_FIRST, onProblem)
  try {
    const meta = options.index.getSync(META_KEY)
    const generation = meta && decodeMeta(meta)
    if (generation === undefined) return { table, damage: 'there was none' }
    table = newTable(options.index, generation, onProblem)
    if (!(await table.load())) return { table, damage: 'it was damaged' }
  } catch (error) {
    return { table, damage: `it could not be read: ${String(error)}` }
  }
  const onDrive = new Set(packs)
  const missing = [...table.packs.keys()].find((pack) => !onDrive.has(pack))
  return { table, damage: missing === undefined ? undefined : `it knew pack ${missing}, which is not on the drive` }
}

function newTable(index: IndexDatabase, generation: number, onProblem: (problem: StoreProblem) => void): IndexTable {
  return new IndexTable(index, generation, (cause) => onProblem({ type: 'index-write-failed', cause }))
}

async function complete(
  table: IndexTable,
  pack: number,
  fileBytes: number,
  scan: PackScan,
  sync: boolean,
): Promise<void> {
  await table.completePack(pack, { complete: true, durableBytes: scan.framesEnd, fileBytes }, scan.entries, sync)
}
