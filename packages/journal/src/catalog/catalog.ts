import { HoldfastError } from '@holdfast/ports'
import type { VolumeId } from '@holdfast/ports'
import { applyRows, freshRows, later } from './apply.ts'
import type { AnyLevel, Batch, Database } from './database.ts'
import { createDatabase } from './database.ts'
import { assertLinked, encodeSeq } from './links.ts'
import type { CatalogKeys } from './keys.ts'
import { createCatalogKeys } from './keys.ts'
import type { Meta } from './meta.ts'
import { decodeMeta, EMPTY_META, encodeMeta } from './meta.ts'
import type { View } from './moments.ts'
import { currentVersion, newestAt, resolveMoment, seqFor, versionAt } from './moments.ts'
import { compilePattern } from './pattern.ts'
import type {
  AppliedPosition,
  Catalog,
  CatalogApplied,
  CatalogCounts,
  CatalogDifference,
  CatalogRow,
  Moment,
  ResolvedMoment,
} from './types.ts'
import { childrenOf, differencesOf, logOf, newestOf, subtreeOf, versionsOf } from './views.ts'

/** Writes (`apply`, `flush`, `clear`) that may wait for the one before. Rows are the callers' memory. */
export const APPLY_BACKLOG_MAX = 64
/** Rows per batch: some 3 MiB of operations, and the most that a reader waits behind. */
const APPLY_ROWS_AT_ONCE = 4096

const ROOT = new Uint8Array(0)

/** Opens the catalog of one volume in a level that it may share with others. The level must be open, and stays the caller's.
 *  @throws HF_JOURNAL_DAMAGED: `clearCatalog`, and apply the journal anew */
export async function openCatalog<K, V>(options: { level: AnyLevel<K, V>; volume: VolumeId }): Promise<Catalog> {
  const database = createDatabase(options.level)
  const keys = createCatalogKeys(options.volume)
  const stored = await database.get(keys.meta)
  if (stored === undefined) return new LevelCatalog(database, keys, EMPTY_META)
  const meta = decodeMeta(stored)
  await assertLinked(database, keys, meta.applied.seq)
  return new LevelCatalog(database, keys, meta)
}

/** Removes a catalog without opening it: what to do about one that is damaged. */
export async function clearCatalog<K, V>(options: { level: AnyLevel<K, V>; volume: VolumeId }): Promise<void> {
  await createDatabase(options.level).clear(createCatalogKeys(options.volume).all)
}

class LevelCatalog implements Catalog {
  readonly #database: Database
  readonly #keys: CatalogKeys
  #meta: Meta
  #writes: Promise<unknown> = Promise.resolve()
  #backlog = 0
  #closing: Promise<void> | undefined

  constructor(database: Database, keys: CatalogKeys, meta: Meta) {
    this.#database = database
    this.#keys = keys
    this.#meta = meta
  }

  get applied(): CatalogApplied {
    return this.#meta.applied
  }

  get hasBaseline(): boolean {
    return this.#meta.earliestIs === 'baseline'
  }

  counts(): CatalogCounts {
    return this.#meta.counts
  }

  apply(rows: readonly CatalogRow[], position: AppliedPosition): Promise<void> {
    return this.#inTurn(async () => {
      const fresh = freshRows(rows, this.#meta.applied.seq)
      for (let start = 0; start < fresh.length; start += APPLY_ROWS_AT_ONCE) {
        const part = fresh.slice(start, start + APPLY_ROWS_AT_ONCE)
        const isLast = start + part.length === fresh.length
        await this.#applyPart(part, isLast ? position : this.#meta.applied)
      }
      if (fresh.length === 0) await this.#move(position)
    })
  }

  async #applyPart(rows: readonly CatalogRow[], position: AppliedPosition): Promise<void> {
    const paths = rows.map((row) => this.#keys.current(row.path))
    const stored = await this.#database.getMany(paths)
    const batch = this.#database.batch()
    const places = rows.map((_, place) => ({ key: paths[place] ?? ROOT, value: stored[place] }))
    const before = this.#meta.applied.seq
    const meta = applyRows(batch, this.#keys, this.#meta, rows, places, position)
    batch.put(this.#keys.link(meta.applied.seq), encodeSeq(before))
    await this.#write(batch, meta)
  }

  async #move(position: AppliedPosition): Promise<void> {
    const applied = { ...this.#meta.applied, ...later(this.#meta.applied, position) }
    await this.#write(this.#database.batch(), { ...this.#meta, applied })
  }

  async #write(batch: Batch, meta: Meta, sync = false): Promise<void> {
    batch.put(this.#keys.meta, encodeMeta(meta))
    await batch.write(sync)
    this.#meta = meta
  }

  flush(settledSeq = 0): Promise<void> {
    return this.#inTurn(async () => {
      const batch = this.#database.batch()
      if (settledSeq > 0) batch.put(this.#keys.settled, encodeSeq(settledSeq))
      await this.#write(batch, this.#meta, true)
      if (settledSeq > 0) await this.#database.clear(this.#keys.linksUpTo(settledSeq))
    })
  }

  clear(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#database.clear(this.#keys.all)
      this.#meta = EMPTY_META
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#writes.then(() => undefined)
    return this.#closing
  }

  get(path: Uint8Array, at?: Moment): Promise<CatalogRow | undefined> {
    return this.#ask(async (view) =>
      at === undefined ? currentVersion(view, path) : versionAt(view, path, await seqFor(view, path, at)),
    )
  }

  resolve(at?: Moment): Promise<ResolvedMoment | undefined> {
    return this.#ask((view) => resolveMoment(view, at))
  }

  seqAt(timeMs: number): Promise<{ seq: number; timeMs: number } | undefined> {
    return this.#ask((view) => newestAt(view, timeMs))
  }

  versions(path: Uint8Array): AsyncIterable<CatalogRow> {
    return this.#iterate((view) => versionsOf(view, path))
  }

  list(directory: Uint8Array, at?: Moment): AsyncIterable<CatalogRow> {
    return this.#iterate((view) => childrenOf(view, directory, at))
  }

  walk(path: Uint8Array, at?: Moment): AsyncIterable<CatalogRow> {
    return this.#iterate((view) => subtreeOf(view, path, at))
  }

  log(path: Uint8Array, limit = Infinity): AsyncIterable<CatalogRow> {
    return this.#iterate((view) => logOf(view, path), limit)
  }

  find(pattern: Uint8Array): AsyncIterable<CatalogRow> {
    const accepts = compilePattern(pattern)
    return this.#iterate((view) => newestOf(view, accepts))
  }

  diff(before: Moment, after: Moment, path: Uint8Array = ROOT): AsyncIterable<CatalogDifference> {
    return this.#iterate((view) => differencesOf(view, before, after, path))
  }

  /** One write after the other. */
  async #inTurn(write: () => Promise<void>): Promise<void> {
    this.#assertOpen()
    if (this.#backlog === APPLY_BACKLOG_MAX) {
      throw new HoldfastError('HF_BUSY', `${APPLY_BACKLOG_MAX} writes to the catalog wait already`, { retryable: true })
    }
    this.#backlog++
    const written = this.#writes.then(write)
    this.#writes = written.catch(() => undefined).finally(() => this.#backlog--)
    return written
  }

  async #ask<T>(question: (view: View) => Promise<T>): Promise<T> {
    const view = this.#view()
    try {
      return await question(view)
    } finally {
      await view.snapshot.close()
    }
  }

  async *#iterate<T>(rows: (view: View) => AsyncGenerator<T>, limit = Infinity): AsyncGenerator<T> {
    const view = this.#view()
    try {
      let count = 0
      if (limit < 1) return
      for await (const row of rows(view)) {
        yield row
        this.#assertOpen()
        if (++count >= limit) return
      }
    } finally {
      await view.snapshot.close()
    }
  }

  #view(): View {
    this.#assertOpen()
    return { database: this.#database, keys: this.#keys, meta: this.#meta, snapshot: this.#database.snapshot() }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new HoldfastError('HF_CLOSED', 'the catalog is closed')
  }
}
