import { encodeStat, keyOf, STAT_WORDS } from '@holdfast/capture'
import type { StatKey } from '@holdfast/capture'
import { equalBytes } from '@holdfast/ports'
import type { Draft, SealedGroup } from '../ingest/types.ts'
import type { Change } from './change-queue.ts'
import { digestOf } from './digest.ts'
import { CAPTURE_COMMITS_MAX, RACY_MS } from './limits.ts'
import type { CaptureBatch, CaptureSink, StatRow, StatStore } from './types.ts'
import type { TreeNote, VolumeLink } from './volume-link.ts'

/** What became of a change: the status that was captured, if it can be relied on. */
export interface Settled {
  readonly change: Change
  readonly captured: Uint32Array | undefined
}

export interface CommitterParts {
  readonly sink: CaptureSink
  readonly stats: StatStore
  readonly link: VolumeLink
}

/** A draft to be recorded or, if it is as the history has it, only noted. */
interface Kept {
  readonly draft: Draft
  readonly row: StatRow
  readonly changed: boolean
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

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.#commits === 0
  }

  /** Records what differs from the history. `readMs`: wall clock before the reading began. Of `changes` all drafts' paths are.
   *  @throws what the sink or the stat store threw */
  async put(
    group: SealedGroup,
    drafts: readonly Draft[],
    changes: ReadonlyMap<string, Change>,
    readMs: number,
  ): Promise<Settled[]> {
    const kept = await this.#compare(drafts, changes, readMs)
    const others = drafts.filter(({ type }) => type === 'other')
    const deletions = await this.#known(
      others.map(({ path }) => path),
      changes,
    )
    const changed = kept.filter((one) => one.changed).map(({ draft }) => draft)
    const rows = kept.map(({ row }) => row)
    await this.#commit({ group, drafts: changed, deletions }, rows, deletions)
    const notes = rows.map(({ path, words, racy }): TreeNote => ({ path, words, racy, ignored: false }))
    for (const { path, stat } of others) notes.push({ path, words: wordsOf(stat), racy: false, ignored: true })
    this.#parts.link.note(notes)
    await this.#parts.link.reach()
    return notes.flatMap((note) => settledOf(note, changes))
  }

  /** Records that these are gone, children before parents. @throws as `put` */
  async remove(changes: readonly Change[]): Promise<Settled[]> {
    const byKey = new Map(changes.map((change) => [change.key, change]))
    const paths = await this.#known(
      changes.map(({ path }) => path),
      byKey,
    )
    paths.sort((a, b) => Buffer.compare(b, a))
    await this.#commit({ drafts: [], deletions: paths }, [], paths)
    this.#parts.link.forget(changes.map(({ path }) => path))
    await this.#parts.link.reach()
    return changes.map((change) => ({ change, captured: undefined }))
  }

  /** Notes that the stat store describes the catalog at this seq; only while idle. */
  async noteSeq(seq: number): Promise<void> {
    await this.#inOrder(() => this.#parts.stats.apply([], [], seq))
  }

  /** Resolves when everything handed over is noted, or has failed. */
  async settled(): Promise<void> {
    while (!this.idle) await new Promise<void>((resolve) => this.#idlers.push(resolve))
    await this.#noted.catch(() => undefined)
  }

  async #compare(drafts: readonly Draft[], changes: ReadonlyMap<string, Change>, readMs: number): Promise<Kept[]> {
    const real = drafts.filter(isRecorded)
    const known = real.map(({ path }) => path).filter((path) => changes.get(keyOf(path))?.known === true)
    const before = new Map<string, StatRow>()
    const rows = known.length === 0 ? [] : await this.#parts.stats.rows(known)
    for (const row of rows) if (row !== undefined) before.set(keyOf(row.path), row)
    return real.map((draft) => {
      const digest = digestOf(draft)
      const last = before.get(keyOf(draft.path))
      return {
        draft,
        row: { path: draft.path, words: wordsOf(draft.stat), racy: isRacy(draft, readMs), digest },
        changed: draft.torn || last === undefined || !equalBytes(last.digest, digest),
      }
    })
  }

  /** Those of the paths that the history has. */
  async #known(paths: readonly Uint8Array[], changes: ReadonlyMap<string, Change>): Promise<Uint8Array[]> {
    const maybe = paths.filter((path) => changes.get(keyOf(path))?.known === true)
    if (maybe.length === 0) return []
    const rows = await this.#parts.stats.rows(maybe)
    return maybe.filter((_, index) => rows[index] !== undefined)
  }

  async #commit(batch: CaptureBatch, puts: readonly StatRow[], deletes: readonly Uint8Array[]): Promise<void> {
    const isEmpty = batch.drafts.length + batch.deletions.length + (batch.group?.entries.length ?? 0) === 0
    if (isEmpty && puts.length === 0) return
    await this.#enter()
    try {
      const committed = isEmpty ? Promise.resolve(undefined) : this.#parts.sink.commit(batch)
      // Heard of in its turn.
      committed.catch(() => undefined)
      await this.#inOrder(async () => this.#parts.stats.apply(puts, deletes, (await committed)?.lastSeq))
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

  #inOrder(note: () => Promise<void>): Promise<void> {
    const noted = this.#noted.then(note)
    this.#noted = noted
    // Each caller hears of its own failure; those behind it fail too, since nothing may be noted past a gap.
    noted.catch(() => undefined)
    return noted
  }
}

const isRecorded = ({ type }: Draft): boolean => type === 'file' || type === 'directory' || type === 'symlink'

/** An equal status proves nothing if the change was so young when the file was read that another one can have the same times. */
function isRacy({ type, torn, stat }: Draft, readMs: number): boolean {
  if (type !== 'file') return false
  if (torn || stat === undefined) return true
  const youngest = stat.mtimeNs > stat.ctimeNs ? stat.mtimeNs : stat.ctimeNs
  return youngest >= BigInt(Math.floor(readMs - RACY_MS)) * 1_000_000n
}

function settledOf({ path, words, racy }: TreeNote, changes: ReadonlyMap<string, Change>): Settled[] {
  const change = changes.get(keyOf(path))
  return change === undefined ? [] : [{ change, captured: racy ? undefined : words }]
}

function wordsOf(stat: StatKey | undefined): Uint32Array | undefined {
  if (stat === undefined) return undefined
  const words = new Uint32Array(STAT_WORDS)
  encodeStat(stat, words)
  return words
}
