import type { AppliedPosition, Catalog, CatalogRow, RecordCodec } from '@holdfast/journal'
import type { JournalFrame, JournalLog } from '@holdfast/ports'
import type { Epoch } from '../epochs/epoch.ts'
import { readBlock } from './blocks.ts'

/** Rows applied to the catalog in one call while it is brought up to the log: bounds memory (about 1 KiB a row). */
export const REPLAY_ROWS_MAX = 8192

/** The log of one epoch, with its blocks that count. */
export interface OpenedLog {
  readonly epoch: Epoch
  readonly log: JournalLog
  readonly length: number
}

/** Appends stored frames that the log does not have, and gives them; frames may overlap what it has. A frame that does not fit is
 *  the end: two commits were signed side by side, the power took the first and left the second, and what was signed in its
 *  place came later. It was never published, since commits are published in order. */
export async function* appendFrames(
  log: Pick<JournalLog, 'coreKey' | 'head' | 'verify' | 'append'>,
  frames: AsyncIterable<JournalFrame>,
): AsyncGenerator<JournalFrame> {
  for await (const frame of frames) {
    const { length } = log.head()
    const known = length - frame.start
    if (known >= frame.blocks.length) continue
    const rest = { ...frame, coreKey: log.coreKey, start: length, blocks: frame.blocks.slice(known) }
    if (log.verify(rest) === undefined) return
    await log.append(rest)
    yield rest
  }
}

/** Appends all of them. */
export async function replayFrames(log: JournalLog, frames: AsyncIterable<JournalFrame>): Promise<void> {
  for await (const _ of appendFrames(log, frames)) continue
}

/** Applies the rows of one epoch that the catalog does not have. */
export async function replayRows(
  { epoch, log, length }: OpenedLog,
  catalog: Catalog,
  codec: RecordCodec,
): Promise<void> {
  const number = epoch.identity.epoch
  const { applied } = catalog
  if (applied.epoch > number) return
  const from = applied.epoch === number ? applied.length : 0
  const batch = new RowBatch(catalog)
  let blocks = from
  for await (const bytes of log.read(from, length)) {
    blocks += 1
    await batch.add(readBlock(bytes, codec).rows, { epoch: number, length: blocks })
  }
  await batch.flush()
}

class RowBatch {
  readonly #catalog: Catalog
  #rows: CatalogRow[] = []
  #position: AppliedPosition | undefined

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  async add(rows: readonly CatalogRow[], position: AppliedPosition): Promise<void> {
    this.#rows.push(...rows)
    this.#position = position
    if (this.#rows.length >= REPLAY_ROWS_MAX) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#position === undefined) return
    await this.#catalog.apply(this.#rows, this.#position)
    this.#rows = []
    this.#position = undefined
  }
}
