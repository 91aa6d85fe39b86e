import type { Catalog, CatalogRow, FileState, RecordCodec, RecordFields } from '@holdfast/journal'
import { encodeBlock } from '@holdfast/journal'
import { signRaw } from '@holdfast/keys'
import type { SigningKey } from '@holdfast/keys'
import { HoldfastError, KIB, MIB } from '@holdfast/ports'
import type { ChunkId, Clock, JournalFrame, JournalLog, LogHead, LogProposal, VolumeId } from '@holdfast/ports'
import { encodeJournalFrame } from '@holdfast/store-pack'
import type { CaptureBatch, CaptureSink } from '../capture/types.ts'
import type { PendingFrames } from './pending-frames.ts'
import { stateOfDraft } from './records.ts'

/** Records in one block, at most: a reader decodes a block as a whole. */
export const BLOCK_RECORDS_MAX = 1024
/** Bytes of records after which a block is closed; one record may go beyond. */
export const BLOCK_BYTES_TARGET = 512 * KIB
/** Bytes of blocks after which a commit is split over several frames: a frame is read and sent whole. */
export const FRAME_BYTES_TARGET = 8 * MIB

export interface VolumeWriterOptions {
  readonly volume: VolumeId
  readonly epoch: number
  readonly log: JournalLog
  readonly catalog: Catalog
  readonly codec: RecordCodec
  readonly signingKey: SigningKey
  readonly clock: Clock
  readonly pending: PendingFrames
  /** Called in the order of the commits, once they are durable and in log and catalog. */
  readonly onCommitted: (frame: JournalFrame, head: LogHead, rows: readonly CatalogRow[]) => Promise<void>
}

interface Signed {
  readonly frame: JournalFrame
  readonly rows: readonly CatalogRow[]
  readonly needs: readonly ChunkId[]
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
    const signing = this.#signing.then(() => this.#sign(batch))
    this.#signing = signing.catch(() => undefined)
    const publishing = signing.then((signed) =>
      this.#publishAll(batch.group?.worker ?? 0, signed, batch.group !== undefined),
    )
    await publishing
    return { lastSeq: this.#options.catalog.applied.seq }
  }

  /** Resolves when every commit begun before has been published or has failed. */
  async settled(): Promise<void> {
    await this.#signing
    await this.#published.catch(() => undefined)
  }

  async #publishAll(worker: number, signed: readonly Signed[], hasGroup: boolean): Promise<void> {
    const { volume, pending } = this.#options
    const durable =
      signed.length === 0 && hasGroup
        ? [pending.makeDurable(worker, [], [])]
        : signed.map(({ frame, needs }) => pending.makeDurable(worker, [encodeJournalFrame(volume, frame)], needs))
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
    await published
  }

  async #publish({ frame, rows }: Signed): Promise<void> {
    const { log, catalog, epoch, onCommitted } = this.#options
    const head = await log.append(frame)
    await catalog.apply(rows, { epoch, length: head.length })
    await onCommitted(frame, head, rows)
  }

  async #sign(batch: CaptureBatch): Promise<readonly Signed[]> {
    // After a failure it is unknown which signed frames reached the drive: only recovery from the packs can tell, so
    // nothing more is signed before the volume is opened again.
    if (this.#failure !== undefined) {
      throw new HoldfastError('HF_DRIVE_FAILED', 'an earlier commit of this volume failed', {
        cause: this.#failure,
        next: 'mend the drive, then restart the node',
      })
    }
    const frames: Signed[] = []
    let builder = new FrameBuilder()
    const add = (record: Uint8Array, row: CatalogRow, needs: readonly ChunkId[]): void => {
      builder.add(record, row, needs)
      if (builder.byteLength < FRAME_BYTES_TARGET) return
      frames.push(this.#signFrame(builder))
      builder = new FrameBuilder()
    }
    for (const draft of batch.drafts) {
      const state = stateOfDraft(draft)
      if (state === undefined) continue
      const fields = this.#nextFields('put')
      const refs = draft.refs.map(({ id, storedBytes }) => ({ id, storedBytes }))
      const record = this.#options.codec.seal(fields, state, refs)
      const role = draft.recipe === undefined ? 'content' : 'recipe'
      add(record, rowOf(fields, state, refs, role), draft.needs)
    }
    for (const path of batch.deletions) {
      const before = await this.#options.catalog.get(path)
      const fields = this.#nextFields('delete')
      const state: FileState = {
        path,
        type: before?.type ?? 'other',
        mode: before?.mode ?? 0,
        uid: before?.uid ?? 0,
        gid: before?.gid ?? 0,
        mtimeNs: before?.mtimeNs ?? 0n,
        size: before?.size ?? 0,
        ...(before?.target === undefined ? {} : { target: before.target }),
        torn: false,
        content: { type: 'none' },
      }
      add(this.#options.codec.seal(fields, state), rowOf(fields, state, [], 'content'), [])
    }
    if (builder.byteLength > 0) frames.push(this.#signFrame(builder))
    return frames
  }

  #nextFields(kind: 'put' | 'delete'): RecordFields {
    this.#seq += 1
    this.#timeMs = Math.max(this.#timeMs, this.#options.clock.nowMs())
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

/** Gathers records into blocks of one frame. */
class FrameBuilder {
  readonly rows: CatalogRow[] = []
  readonly needs: ChunkId[] = []
  readonly #blocks: Uint8Array[] = []
  #records: Uint8Array[] = []
  #recordBytes = 0
  byteLength = 0

  add(record: Uint8Array, row: CatalogRow, needs: readonly ChunkId[]): void {
    this.rows.push(row)
    this.needs.push(...needs)
    this.#records.push(record)
    this.#recordBytes += record.byteLength
    this.byteLength += record.byteLength
    if (this.#records.length >= BLOCK_RECORDS_MAX || this.#recordBytes >= BLOCK_BYTES_TARGET) this.#closeBlock()
  }

  blocks(): Uint8Array[] {
    if (this.#records.length > 0) this.#closeBlock()
    return this.#blocks
  }

  #closeBlock(): void {
    this.#blocks.push(encodeBlock(this.#records))
    this.#records = []
    this.#recordBytes = 0
  }
}

function rowOf(
  fields: RecordFields,
  state: FileState,
  refs: readonly { id: ChunkId; storedBytes: number }[],
  role: 'content' | 'recipe',
): CatalogRow {
  return { ...state, ...fields, refs: refs.map((ref) => ({ ...ref, role })) }
}
