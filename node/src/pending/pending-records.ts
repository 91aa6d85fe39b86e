import type { AppliedPosition, Catalog, CatalogApplied, CatalogRow } from '@holdfast/journal'
import { PENDING_SEQ_BASE, type PendingJournal } from './pending-journal.ts'

/** What waits to be recorded in an epoch, for people. */
export interface PendingChanges {
  readonly count: number
  /** Time of the oldest, ms since 1970; undefined while there is none. */
  readonly sinceMs: number | undefined
}

/**
 * Stands where a writer has the catalog, while it writes to pending journals: it counts the records and keeps none of them.
 * The catalog itself stays as the epochs made it, since numbers of pending records are not those that they will get.
 */
export class PendingRecords implements Pick<Catalog, 'applied' | 'apply' | 'get'> {
  readonly #catalog: Pick<Catalog, 'applied' | 'get'>
  readonly #baseSeq: number
  #applied: CatalogApplied
  #sinceMs: number | undefined

  constructor(catalog: Pick<Catalog, 'applied' | 'get'>, journals: readonly PendingJournal[]) {
    this.#catalog = catalog
    this.#baseSeq = catalog.applied.seq
    const count = journals.reduce((sum, journal) => sum + journal.changeCount, 0)
    const newestMs = journals.reduce((newest, journal) => Math.max(newest, journal.newestMs ?? 0), 0)
    const timeMs = Math.max(catalog.applied.timeMs, newestMs)
    this.#applied = { epoch: 0, length: 0, seq: PENDING_SEQ_BASE + count, timeMs }
    this.#sinceMs = journals.find(({ sinceMs }) => sinceMs !== undefined)?.sinceMs
  }

  get applied(): CatalogApplied {
    return this.#applied
  }

  get changes(): PendingChanges {
    return { count: this.#applied.seq - PENDING_SEQ_BASE, sinceMs: this.#sinceMs }
  }

  /** Names the state of the volume that the stat store describes: the catalog's as it was at the start with all pending records over
   *  it. Without any it is the catalog's own; with some it is like none of the catalog's, so that the next epoch compares. */
  stateSeq(): number {
    return this.#applied.seq === PENDING_SEQ_BASE ? this.#baseSeq : this.#applied.seq
  }

  get(path: Uint8Array): Promise<CatalogRow | undefined> {
    return this.#catalog.get(path)
  }

  apply(rows: readonly CatalogRow[], position: AppliedPosition): Promise<void> {
    const { seq, timeMs } = rows.at(-1) ?? this.#applied
    this.#sinceMs ??= rows[0]?.timeMs
    this.#applied = { ...position, seq, timeMs }
    return Promise.resolve()
  }
}
