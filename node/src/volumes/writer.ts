import type { Catalog, CatalogRow, ChunkRef, FileState, RecordCodec, RecordFields } from '@holdfast/journal'
import { encodeBlocks, rowOf } from '@holdfast/journal'
import { signRaw } from '@holdfast/keys'
import type { SigningKey } from '@holdfast/keys'
import { hasCode, HoldfastError, MIB } from '@holdfast/ports'
import type { ChunkId, Clock, JournalFrame, JournalLog, LogHead, LogProposal, VolumeId } from '@holdfast/ports'
import { encodeJournalFrame } from '@holdfast/store-pack'
import type { CaptureBatch, CaptureSink } from '../capture/types.ts'
import type { PendingFrames } from './pending-frames.ts'
import { NO_STATE, stateOfDraft, stateOfRow } from './records.ts'
import type { Room } from './room.ts'

/** Bytes of records after which a commit goes on in a further frame: half of what a frame may have, so that the last record
 *  fits in any case. */
export const FRAME_RECORD_BYTES_TARGET = 2 * MIB

export interface VolumeWriterOptions {
  readonly volume: VolumeId
  readonly epoch: number
  readonly log: Pick<JournalLog, 'coreKey' | 'propose' | 'append'>
  readonly catalog: Pick<Catalog, 'applied' | 'apply' | 'get'>
  readonly codec: RecordCodec
  readonly signingKey: SigningKey
  readonly clock: Clock
  readonly pending: PendingFrames
  readonly room: Pick<Room, 'untilJournal' | 'refused'>
  /** Called in the order of the commits, once they are durable and in log and catalog. */
  readonly onCommitted: (frame: JournalFrame, head: LogHead, rows: readonly CatalogRow[]) => Promise<void>
}

interface Signed {
  readonly frame: JournalFrame
  readonly rows: readonly CatalogRow[]
  readonly needs: ReadonlySet<ChunkId>
}

/**
 * The one place where records of a volume are made, on its primary. A commit is signed first, then its frame and every
 * chunk it names are made durable, and only then does the log take it, do readers and members see it, is it acknowledged.
 * Commits are signed and synced side by side and published in order.
 */
export class VolumeWriter implements CaptureSink {
  readonly #options: VolumeWriterOptions
  #seq: number
  #timeMs: number
  #proposal: LogProposal | undefined
  /** Signing, in the order of the calls. */
  #signing: Promise<unknown> = Promise.resolve()
  /** Publishing, in the order of signing. */
  #published: Promise<void> = Promise.resolve()
  #failure: unknown
  /** Ends every wait for room. */
  readonly #waiting = new AbortController()

  constructor(options: VolumeWriterOptions) {
    this.#options = options
    this.#seq = options.catalog.applied.seq
    this.#timeMs = options.catalog.applied.timeMs
  }

  /** Highest seq given out. */
  get seq(): number {
    return this.#seq
  }

  async commit(batch: CaptureBatch): Promise<{ lastSeq: number }> {
    const { group } = batch
    return this.#commit((frames) => this.#addBatch(frames, batch), group?.worker)
  }

  /** Records that the first complete walk of the volume ends here: earlier moments mean this one. */
  async commitBaseline(): Promise<void> {
    await this.#commit((frames) => {
      const fields = this.#nextFields('baseline')
      frames.add(this.#options.codec.seal(fields), rowFor(fields, undefined, []), [])
      return Promise.resolve()
    }, undefined)
  }

  /** Records versions and deletions of another journal of this node once more, with the times that they have there; their chunks
   *  are durable. */
  async commitAgain(rows: readonly CatalogRow[]): Promise<void> {
    await this.#commit((frames) => {
      for (const row of rows) {
        const fields = this.#nextFields(row.kind, row.timeMs)
        const state = stateOfRow(row)
        frames.add(this.#options.codec.seal(fields, state, row.refs), rowFor(fields, state, row.refs), [])
      }
      return Promise.resolve()
    }, undefined)
  }

  /** The epoch is over for this writer: nothing more is signed. */
  leave(): void {
    this.#failure ??= new HoldfastError('HF_EPOCH_STALE', `epoch ${this.#options.epoch} of the volume is over`)
    this.giveUpWaiting()
  }

  /** Commits that wait for room on the drive fail from now on: the volume is about to be closed. */
  giveUpWaiting(): void {
    this.#waiting.abort(new HoldfastError('HF_CLOSED', 'the volume is being closed'))
  }

  /** Resolves when every commit begun before has been published or has failed. */
  async settled(): Promise<void> {
    await this.#signing
    await this.#published.catch(() => undefined)
  }

  async #commit(fill: (frames: Frames) => Promise<void>, worker: number | undefined): Promise<{ lastSeq: number }> {
    const signing = this.#signing.then(async () => {
      this.#assertWorking()
      const frames = new Frames((builder) => this.#signFrame(builder))
      await fill(frames)
      return frames.finish()
    })
    this.#signing = signing.catch(() => undefined)
    const signed = await signing
    await this.#makeSafe(signed, worker)
    return { lastSeq: this.#options.catalog.applied.seq }
  }

  /** Makes the frames durable side by side, then publishes them behind every commit signed before. */
  #makeSafe(signed: readonly Signed[], worker: number | undefined): Promise<void> {
    const { volume } = this.#options
    const durable = signed.map(({ frame, needs }) =>
      this.#makeDurable(worker ?? 0, [encodeJournalFrame(volume, frame)], needs),
    )
    if (durable.length === 0 && worker !== undefined) durable.push(this.#makeDurable(worker, [], []))
    const before = this.#published
    const published = (async () => {
      // Wait for all of them, so that a failure leaves no sync behind that nobody owns.
      const results = await Promise.allSettled([before, ...durable])
      for (const result of results) if (result.status === 'rejected') throw result.reason
      for (const each of signed) await this.#publish(each)
    })()
    this.#published = published
    published.catch((error: unknown) => {
      this.#failure ??= error
    })
    return published
  }

  /** A full drive makes a commit wait, signed as it is: nothing of it was written, and what was signed beside it may have been, so no
   *  other commit may take its place. Those who commit wait with it, at most `CAPTURE_COMMITS_MAX`. */
  async #makeDurable(worker: number, frames: readonly Uint8Array[], needs: Iterable<ChunkId>): Promise<void> {
    const { pending, room } = this.#options
    for (;;) {
      await room.untilJournal(this.#waiting.signal)
      try {
        return await pending.makeDurable(worker, frames, needs)
      } catch (error) {
        if (!hasCode(error, 'HF_DRIVE_FULL')) throw error
        room.refused(error)
      }
    }
  }

  async #publish({ frame, rows }: Signed): Promise<void> {
    const { log, catalog, epoch, onCommitted } = this.#options
    const head = await log.append(frame)
    await catalog.apply(rows, { epoch, length: head.length })
    await onCommitted(frame, head, rows)
  }

  /** After a failure it is unknown which signed frames reached the drive: only recovery from the packs can tell, so nothing
   *  more is signed before the volume is opened again. */
  #assertWorking(): void {
    if (this.#failure === undefined) return
    throw new HoldfastError(
      'HF_DRIVE_FAILED',
      'an earlier commit of this volume failed; what was acknowledged is safe',
      {
        cause: this.#failure,
        next: 'mend the drive, then restart the node: it goes on from what its packs hold',
      },
    )
  }

  async #addBatch(frames: Frames, batch: CaptureBatch): Promise<void> {
    const { codec, catalog } = this.#options
    for (const draft of batch.drafts) {
      const state = stateOfDraft(draft)
      if (state === undefined) continue
      const fields = this.#nextFields('put')
      const role = draft.recipe === undefined ? 'content' : 'recipe'
      const refs = draft.refs.map(({ id, storedBytes }) => ({ id, storedBytes, role }) as const)
      frames.add(codec.seal(fields, state, refs), rowFor(fields, state, refs), draft.needs)
    }
    for (const path of batch.deletions) {
      const state = deletedState(path, await catalog.get(path))
      const fields = this.#nextFields('delete')
      frames.add(codec.seal(fields, state), rowFor(fields, state, []), [])
    }
  }

  #nextFields(kind: RecordFields['kind'], nowMs = this.#options.clock.nowMs()): RecordFields {
    this.#seq += 1
    this.#timeMs = Math.max(this.#timeMs, nowMs)
    return { seq: this.#seq, epoch: this.#options.epoch, timeMs: this.#timeMs, kind }
  }

  #signFrame(builder: FrameBuilder): Signed {
    const { log, signingKey } = this.#options
    const blocks = builder.blocks()
    const proposal = log.propose(blocks, this.#proposal)
    this.#proposal = proposal
    const signature = signRaw(signingKey, proposal.signable)
    const frame: JournalFrame = { coreKey: log.coreKey, start: proposal.start, blocks, signature }
    return { frame, rows: builder.rows, needs: builder.needs }
  }
}

/** Signs a frame each time enough records have gathered. */
class Frames {
  readonly #sign: (builder: FrameBuilder) => Signed
  readonly #signed: Signed[] = []
  #builder = new FrameBuilder()

  constructor(sign: (builder: FrameBuilder) => Signed) {
    this.#sign = sign
  }

  add(record: Uint8Array, row: CatalogRow, needs: readonly ChunkId[]): void {
    this.#builder.add(record, row, needs)
    if (this.#builder.byteLength >= FRAME_RECORD_BYTES_TARGET) this.#close()
  }

  finish(): readonly Signed[] {
    if (this.#builder.byteLength > 0) this.#close()
    return this.#signed
  }

  #close(): void {
    this.#signed.push(this.#sign(this.#builder))
    this.#builder = new FrameBuilder()
  }
}

/** Gathers the records of one frame. */
class FrameBuilder {
  readonly rows: CatalogRow[] = []
  /** Drafts of one group share their ids, so this keeps most of them once. */
  readonly needs = new Set<ChunkId>()
  readonly #records: Uint8Array[] = []
  byteLength = 0

  add(record: Uint8Array, row: CatalogRow, needs: readonly ChunkId[]): void {
    this.rows.push(row)
    for (const id of needs) this.needs.add(id)
    this.#records.push(record)
    this.byteLength += record.byteLength
  }

  blocks(): Uint8Array[] {
    return encodeBlocks(this.#records)
  }
}

/** The row that every member's catalog will have of the record. */
function rowFor(fields: RecordFields, state: FileState | undefined, refs: readonly ChunkRef[]): CatalogRow {
  const row = rowOf({ public: { ...fields, refs }, state })
  if (row === undefined) throw new TypeError(`a record of kind ${fields.kind} has no row`)
  return row
}

/** What a deletion says: what was there, for people. */
function deletedState(path: Uint8Array, before: CatalogRow | undefined): FileState {
  return {
    ...NO_STATE,
    path,
    ...(before === undefined
      ? {}
      : {
          type: before.type,
          mode: before.mode,
          uid: before.uid,
          gid: before.gid,
          mtimeNs: before.mtimeNs,
          size: before.size,
        }),
    ...(before?.target === undefined ? {} : { target: before.target }),
  }
}
