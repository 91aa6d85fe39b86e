import { encodeStat, sameShown, STAT_WORDS } from '@holdfast/capture'
import { equalBytes } from '@holdfast/ports'
import type { Draft, SealedGroup } from '../ingest/types.ts'
import type { Change } from './change-queue.ts'
import { contentKeyOf } from './content-key.ts'
import { AHEAD_MS, CAPTURE_COMMITS_MAX, RACY_MS, YOUNG_MS } from './limits.ts'
import type { CaptureBatch, CaptureSink, StatRow, StatStore } from './types.ts'
import type { TreeNote, VolumeLink } from './volume-link.ts'

/** A draft with the change that it was read for. */
export interface Read {
  readonly change: Change
  readonly draft: Draft
}

/** What became of a change: the status that was captured, if it can be relied on. */
export interface Settled {
  readonly change: Change
  readonly captured: Uint32Array | undefined
}

export interface CommitterParts {
  readonly sink: CaptureSink
  readonly stats: StatStore
  readonly link: VolumeLink
  /** False after a commit failed: the catalog may hold what the stat store lacks, so that the store must not claim to describe it. The next
   *  start compares them. */
  readonly complete: boolean
}

/**
 * Hands drafts and deletions to the sink, then notes what was captured: first in the stat store, in the order of the
 * commits, so that it never claims what the catalog lacks; then in the walker's tree; and only when the walker has seen
 * that are the paths free again, so that nothing it said before can be taken for news.
 */
export class Committer {
  readonly #parts: CommitterParts
  /** Commits that wait for one of the `CAPTURE_COMMITS_MAX` places, and those who wait until none is taken. */
  readonly #waiting: (() => void)[] = []
  #idlers: (() => void)[] = []
  #commits = 0
  #noted: Promise<void> = Promise.resolve()

  constructor(parts: CommitterParts) {
    this.#parts = parts
  }

  /** Records what differs from the history. `readMs`: wall clock before the reading began.
   *  @throws what the sink or the stat store threw */
  async put(group: SealedGroup, reads: readonly Read[], readMs: number): Promise<Settled[]> {
    const kept = reads.filter(({ draft }) => !isSocket(draft))
    const others = reads.filter(({ draft }) => isSocket(draft))
    const rows = kept.map(({ draft }) => rowOf(draft, readMs))
    const drafts = await this.#changed(kept, rows)
    const deletions = (await this.#known(others.map(({ change }) => change))).map(({ path }) => path)
    await this.#commit({ group, drafts, deletions }, rows, deletions)
    const notes = rows.map((row): TreeNote => ({ ...row, ignored: false }))
    for (const { draft } of others) notes.push({ ...rowOf(draft, readMs), racy: false, young: false, ignored: true })
    this.#parts.link.note(notes)
    await this.#parts.link.reach()
    return [...kept, ...others].map(({ change }, index) => settledOf(change, notes[index]))
  }

  /** Records that these are gone, children before parents. @throws as `put` */
  async remove(changes: readonly Change[]): Promise<Settled[]> {
    const paths = (await this.#known(changes)).map(({ path }) => path).toSorted((a, b) => Buffer.compare(b, a))
    await this.#commit({ drafts: [], deletions: paths }, [], paths)
    this.#parts.link.forget(changes.map(({ path }) => path))
    await this.#parts.link.reach()
    return changes.map((change) => ({ change, captured: undefined }))
  }

  /** Notes that the stat store describes the catalog at this seq; only when settled. */
  async noteSeq(seq: number): Promise<void> {
    await this.#inOrder(() => this.#note([], [], seq))
  }

  /** Resolves when everything handed over is noted, or has failed. */
  async settled(): Promise<void> {
    while (this.#commits > 0) await new Promise<void>((resolve) => this.#idlers.push(resolve))
    await this.#noted.catch(() => undefined)
  }

  /** The drafts that are not as the history has them. */
  async #changed(reads: readonly Read[], rows: readonly StatRow[]): Promise<Draft[]> {
    const before = new Map<string, StatRow>()
    for (const { key, row } of await this.#known(reads.map(({ change }) => change))) before.set(key, row)
    const changed = reads.filter(({ change, draft }, index) => {
      const last = before.get(change.key)
      const row = rows[index]
      if (draft.torn || last === undefined || row === undefined) return true
      return !sameShown(last.words, row.words) || !equalBytes(last.content, row.content)
    })
    return changed.map(({ draft }) => draft)
  }

  /** Those that the history has, with what it has. */
  async #known(changes: readonly Change[]): Promise<{ key: string; path: Uint8Array; row: StatRow }[]> {
    const maybe = changes.filter(({ known }) => known)
    if (maybe.length === 0) return []
    const rows = await this.#parts.stats.rows(maybe.map(({ path }) => path))
    return maybe.flatMap(({ key, path }, index) => {
      const row = rows[index]
      return row === undefined ? [] : [{ key, path, row }]
    })
  }

  async #commit(batch: CaptureBatch, puts: readonly StatRow[], deletes: readonly Uint8Array[]): Promise<void> {
    const isEmpty = batch.drafts.length + batch.deletions.length + (batch.group?.entries.length ?? 0) === 0
    if (isEmpty && puts.length === 0) return
    await this.#enter()
    try {
      const committed = isEmpty ? Promise.resolve(undefined) : this.#parts.sink.commit(batch)
      // Heard of in its turn.
      committed.catch(() => undefined)
      await this.#inOrder(async () => this.#note(puts, deletes, (await committed)?.lastSeq))
    } finally {
      this.#leave()
    }
  }

  async #enter(): Promise<void> {
    // A place that is given up is handed on, so the count stays.
    if (this.#commits >= CAPTURE_COMMITS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#commits++
  }

  #leave(): void {
    const next = this.#waiting.shift()
    if (next !== undefined) {
      next()
      return
    }
    this.#commits--
    if (this.#commits > 0) return
    const idlers = this.#idlers
    this.#idlers = []
    for (const resolve of idlers) resolve()
  }

  #note(puts: readonly StatRow[], deletes: readonly Uint8Array[], seq: number | undefined): Promise<void> {
    return this.#parts.stats.apply(puts, deletes, this.#parts.complete ? seq : undefined)
  }

  #inOrder(note: () => Promise<void>): Promise<void> {
    const noted = this.#noted.then(note)
    this.#noted = noted
    // Each caller hears of its own failure; those behind it fail too, since nothing may be noted past a gap.
    noted.catch(() => undefined)
    return noted
  }
}

/** What is left out of the history. */
export const isSocket = ({ type, special }: Draft): boolean => type === 'other' && special === undefined

function rowOf(draft: Draft, readMs: number): StatRow {
  const { path, stat } = draft
  const words = new Uint32Array(STAT_WORDS)
  if (stat !== undefined) encodeStat(stat, words)
  const doubt = { racy: isRacy(draft, readMs), young: isYoung(draft, readMs) }
  return { path, words, keyed: stat !== undefined, ...doubt, content: contentKeyOf(draft) }
}

/** An equal status proves nothing if the change was so young when the file was read that another one can have the same times. */
function isRacy({ torn, stat }: Draft, readMs: number): boolean {
  if (torn || stat === undefined) return true
  return isRecent(stat.mtimeNs, readMs, RACY_MS) || isRecent(stat.ctimeNs, readMs, RACY_MS)
}

/** Pages that were changed through a memory map then may have been changed once more without a new time. */
const isYoung = ({ stat }: Draft, readMs: number): boolean =>
  stat?.type === 'file' && stat.size > 0 && isRecent(stat.mtimeNs, readMs, YOUNG_MS)

/** Within `withinMs` before the reading, or after it: on another machine's clock, or on one that was set back since. */
function isRecent(timeNs: bigint, readMs: number, withinMs: number): boolean {
  const ageMs = readMs - Number(timeNs / 1_000_000n)
  return ageMs <= withinMs && ageMs >= -AHEAD_MS
}

const settledOf = (change: Change, note: TreeNote | undefined): Settled => ({
  change,
  captured: note === undefined || note.racy || !note.keyed ? undefined : note.words,
})
