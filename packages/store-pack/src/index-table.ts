/**
 * One generation of the index: rows in level under an overlay of those not written yet. What is put is seen at once; batches
 * follow as fast as level takes them, one at a time. Nothing here is the truth: every row can be made anew from the packs.
 *
 * LevelDB keeps no order between unsynced batches and a later synced one when its log rolls over in between. So the row that says
 * a pack is complete goes in one batch with all rows of that pack, and a start reads every pack that is not complete again.
 */
import { asChunkId, HoldfastError, JOURNAL_FRAME_BLOCKS_MAX } from '@holdfast/ports'
import type { ChunkId, VolumeId } from '@holdfast/ports'
import { JournalRuns } from './journal-runs.ts'
import * as keys from './keys.ts'
import type { FrameRow, PackRow } from './keys.ts'
import type { FrameEntry, IndexDatabase, IndexOperation, JournalRun } from './types.ts'

/** Rows that may wait for level, about 300 bytes each: a gigabyte of chunks is 2,000. Commits wait beyond, and fail if level does. */
export const INDEX_BACKLOG_MAX = 65_536
/** Rows of one batch: large enough to be fast, small enough for LevelDB's write buffer. */
const BATCH_ROWS_MAX = 4096

/** What `add` did with a frame: it is new, it is the one known, or an equal one is known elsewhere and stays. */
export type Added = 'new' | 'known' | 'duplicate'

interface Waiting {
  readonly key: Uint8Array
  readonly value: Uint8Array
  /** What the row changes in the number of good chunks, until a batch has counted it. */
  chunks: number
}

export class IndexTable {
  readonly generation: number
  readonly packs = new Map<number, PackRow>()
  readonly #db: IndexDatabase
  readonly #onWriteFailed: (cause: unknown) => void
  readonly #runs = new JournalRuns()
  /** By the key as Latin-1 text. */
  readonly #overlay = new Map<string, Waiting>()
  readonly #scratch = Buffer.alloc(keys.CHUNK_KEY_BYTES)
  /** Good chunks in all rows; in those that are written; and what the next batch adds to that. */
  #chunkCount = 0
  #writtenChunks = 0
  #uncountedChunks = 0
  #batches: Promise<void> = Promise.resolve()
  #draining: Promise<void> | undefined
  #writeFailure: unknown

  constructor(db: IndexDatabase, generation: number, onWriteFailed: (cause: unknown) => void) {
    this.#db = db
    this.generation = generation
    this.#onWriteFailed = onWriteFailed
  }

  /** Reads what is kept in memory. False if a row is not as it should be. */
  async load(): Promise<boolean> {
    for await (const [key, value] of this.#db.iterator(keys.kindRange(this.generation, 'pack'))) {
      const row = keys.decodePackRow(value)
      if (row === undefined) return false
      this.packs.set(keys.packOfKey(key), row)
    }
    for await (const [key, value] of this.#db.iterator(keys.kindRange(this.generation, 'run'))) {
      const row = keys.decodeRunRow(value)
      if (row === undefined) return false
      this.#runs.add(row.volume, keys.coreOfRunKey(key), 0, row.length)
    }
    const summary = this.#db.getSync(keys.summaryKey(this.generation))
    if (summary !== undefined) this.#writtenChunks = keys.decodeSummaryRow(summary)?.chunks ?? 0
    this.#chunkCount = this.#writtenChunks
    return true
  }

  get chunkCount(): number {
    return this.#chunkCount
  }

  chunk(volume: VolumeId, id: Uint8Array): FrameRow | undefined {
    keys.writeChunkKey(this.#scratch, this.generation, volume, id)
    const value = this.#value(this.#scratch)
    return value && keys.decodeFrameRow(value)
  }

  journal(coreKey: Uint8Array, start: number): FrameRow | undefined {
    const value = this.#value(keys.journalKey(this.generation, coreKey, start))
    return value && keys.decodeFrameRow(value)
  }

  /** The row of a frame's chunk or blocks, whether or not it points at this frame. */
  rowOf(entry: FrameEntry): FrameRow | undefined {
    return entry.kind === 'chunk' ? this.chunk(entry.volume, entry.id) : this.journal(entry.id, entry.start)
  }

  /** Takes in a durable frame. Of two chunks a good one stays. Of two journal frames with one start the later one counts: the
   *  earlier was signed beside a commit that the power took, was never published, and what was signed in its place came later. */
  add(entry: FrameEntry): Added {
    const row = this.rowOf(entry)
    if (row !== undefined && isAt(row, entry)) return 'known'
    if (row !== undefined && !row.bad) {
      if (entry.kind === 'chunk' || !isAfter(entry, row)) return 'duplicate'
      this.#runs.cut(entry.volume, entry.id, entry.start, entry.start + row.blockCount)
    }
    this.set(entry, false)
    return 'new'
  }

  /** Points the row at this frame, and says whether the frame is bad. */
  set(entry: FrameEntry, bad: boolean): void {
    const { kind, volume, id, start, blockCount, pack, offset, bodyBytes } = entry
    const before = kind === 'chunk' ? this.chunk(volume, id) : undefined
    const value = keys.encodeFrameRow({ pack, offset, bodyBytes, bad, volume, blockCount })
    if (kind === 'chunk') {
      const change = Number(!bad) - Number(before !== undefined && !before.bad)
      this.#chunkCount += change
      this.#put(this.#keyOf(entry), value, change)
      return
    }
    this.#put(this.#keyOf(entry), value, 0)
    const length = bad
      ? this.#runs.cut(volume, id, start, start + blockCount)
      : this.#runs.add(volume, id, start, start + blockCount)
    if (length !== undefined) this.#putRun(volume, id, length)
  }

  /** What is now known of a pack that is not complete. */
  setPack(pack: number, row: PackRow): void {
    this.packs.set(pack, row)
    this.#put(keys.packKey(this.generation, pack), keys.encodePackRow(row), 0)
  }

  journals(): JournalRun[] {
    return this.#runs.list()
  }

  /** The row of the frame that holds block `index`, with its start. */
  async journalHolding(coreKey: Uint8Array, index: number): Promise<{ start: number; row: FrameRow } | undefined> {
    const exact = this.journal(coreKey, index)
    if (exact !== undefined && !exact.bad) return { start: index, row: exact }
    await this.flush()
    const from = Math.max(0, index - JOURNAL_FRAME_BLOCKS_MAX + 1)
    const range = keys.journalRange(this.generation, coreKey, from, index)
    for await (const [key, value] of this.#db.iterator({ ...range, reverse: true })) {
      const row = keys.decodeFrameRow(value)
      const start = keys.startOfJournalKey(key)
      if (row !== undefined && !row.bad && start + row.blockCount > index) return { start, row }
    }
    return undefined
  }

  /** Good chunks of a volume in ascending order, as they are when this begins. */
  async *chunks(volume: VolumeId): AsyncGenerator<ChunkId> {
    await this.flush()
    for await (const [key, value] of this.#db.iterator(keys.chunkRange(this.generation, volume))) {
      const row = keys.decodeFrameRow(value)
      if (row !== undefined && !row.bad) yield asChunkId(keys.chunkIdOfKey(key))
    }
  }

  /** Lengthens the runs by what the index holds beyond them: after a start, and after packs were read in any order. */
  async extendRuns(): Promise<void> {
    await this.flush()
    for (const { volume, coreKey, length } of this.#runs.list()) {
      const from = Math.max(0, length - JOURNAL_FRAME_BLOCKS_MAX)
      const range = keys.journalRange(this.generation, coreKey, from, Number.MAX_SAFE_INTEGER)
      let reached = length
      for await (const [key, value] of this.#db.iterator(range)) {
        const row = keys.decodeFrameRow(value)
        const start = keys.startOfJournalKey(key)
        if (row === undefined || row.bad) continue
        if (start > this.#runs.length(coreKey) && this.#runs.aheadIsFull(coreKey)) break
        reached = this.#runs.add(volume, coreKey, start, start + row.blockCount) ?? reached
      }
      if (reached !== length) this.#putRun(volume, coreKey, reached)
    }
  }

  /** Resolves when there is room for more. @throws HF_DRIVE_FULL, HF_DRIVE_FAILED if there is none because level does not write */
  async settled(): Promise<void> {
    if (this.#overlay.size < INDEX_BACKLOG_MAX) return
    await this.#drain()
    if (this.#overlay.size < INDEX_BACKLOG_MAX) return
    throw this.#writeError()
  }

  /** Everything put so far is in level; durable if `sync`. @throws HF_DRIVE_FULL, HF_DRIVE_FAILED */
  async flush(sync = false): Promise<void> {
    while (this.#overlay.size > 0) {
      await this.#drain()
      if (this.#writeFailure !== undefined) throw this.#writeError()
    }
    if (sync) await this.#batch([], true)
  }

  /** Says in one batch that the pack is complete and where its frames are; they have been added. Durable if `sync`. */
  async completePack(pack: number, row: PackRow, entries: readonly FrameEntry[], sync: boolean): Promise<void> {
    const operations: IndexOperation[] = []
    const cores = new Map<string, FrameEntry>()
    for (const entry of entries) {
      const key = this.#keyOf(entry)
      const value = this.#value(key)
      const known = this.rowOf(entry)
      if (value === undefined || known === undefined || !isAt(known, entry)) continue
      operations.push({ type: 'put', key, value })
      if (entry.kind === 'journal') cores.set(latin1(entry.id), entry)
    }
    for (const { volume, id } of cores.values()) {
      const value = keys.encodeRunRow({ volume, length: this.#runs.length(id) })
      operations.push({ type: 'put', key: keys.runKey(this.generation, id), value })
    }
    this.packs.set(pack, row)
    this.#overlay.delete(latin1(keys.packKey(this.generation, pack)))
    const value = keys.encodePackRow(row)
    operations.push({ type: 'put', key: keys.packKey(this.generation, pack), value })
    await this.#batch(operations, sync)
  }

  #putRun(volume: VolumeId, coreKey: Uint8Array, length: number): void {
    this.#put(keys.runKey(this.generation, coreKey), keys.encodeRunRow({ volume, length }), 0)
  }

  #keyOf(entry: FrameEntry): Uint8Array {
    return entry.kind === 'chunk'
      ? keys.chunkKey(this.generation, entry.volume, entry.id)
      : keys.journalKey(this.generation, entry.id, entry.start)
  }

  #value(key: Uint8Array): Uint8Array | undefined {
    const waiting = this.#overlay.size === 0 ? undefined : this.#overlay.get(latin1(key))
    if (waiting !== undefined) return waiting.value
    try {
      return this.#db.getSync(key)
    } catch (cause) {
      throw new HoldfastError('HF_DRIVE_FAILED', 'the index cannot be read', { cause, next: REPAIR })
    }
  }

  #put(key: Uint8Array, value: Uint8Array, chunks: number): void {
    const text = latin1(key)
    const before = this.#overlay.get(text)
    this.#overlay.set(text, { key, value, chunks: chunks + (before?.chunks ?? 0) })
    void this.#drain()
  }

  /** Writes until nothing waits or level refuses; never rejects. */
  #drain(): Promise<void> {
    this.#draining ??= this.#writeOverlay().finally(() => {
      this.#draining = undefined
    })
    return this.#draining
  }

  async #writeOverlay(): Promise<void> {
    // What is put in the same turn goes in one batch.
    await Promise.resolve()
    while (this.#overlay.size > 0) {
      const rows: [string, Waiting][] = []
      for (const row of this.#overlay) {
        if (rows.push(row) === BATCH_ROWS_MAX) break
      }
      for (const [, row] of rows) {
        this.#uncountedChunks += row.chunks
        row.chunks = 0
      }
      try {
        await this.#batch(
          rows.map(([, { key, value }]) => ({ type: 'put', key, value })),
          false,
        )
        this.#writeFailure = undefined
      } catch (cause) {
        this.#writeFailure = cause
        this.#onWriteFailed(cause)
        return
      }
      for (const [text, row] of rows) if (this.#overlay.get(text) === row) this.#overlay.delete(text)
    }
  }

  /** One batch after the other, each with the count that is right once its rows are there. */
  #batch(operations: IndexOperation[], sync: boolean): Promise<void> {
    const batch = this.#batches.then(async () => {
      const uncounted = this.#uncountedChunks
      this.#uncountedChunks = 0
      try {
        this.#writtenChunks += uncounted
        const value = keys.encodeSummaryRow({ chunks: this.#writtenChunks })
        const summary: IndexOperation = { type: 'put', key: keys.summaryKey(this.generation), value }
        await this.#db.batch([...operations, summary], { sync })
      } catch (cause) {
        this.#writtenChunks -= uncounted
        this.#uncountedChunks += uncounted
        throw cause
      }
    })
    this.#batches = batch.catch(() => {})
    return batch
  }

  #writeError(): HoldfastError {
    const cause = this.#writeFailure
    const full = /no space|ENOSPC|quota/i.test(String(cause instanceof Error ? (cause.cause ?? cause) : cause))
    return new HoldfastError(full ? 'HF_DRIVE_FULL' : 'HF_DRIVE_FAILED', 'the index cannot be written', {
      cause,
      retryable: full,
    })
  }
}

const REPAIR = 'holdfast repair index'

/** Whether the frame was written after the one of the row: packs are numbered as they are opened, a core has one writer. */
const isAfter = (entry: FrameEntry, row: FrameRow): boolean =>
  entry.pack === row.pack ? entry.offset > row.offset : entry.pack > row.pack

export function isAt(row: FrameRow, entry: FrameEntry): boolean {
  return row.pack === entry.pack && row.offset === entry.offset
}

function latin1(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
