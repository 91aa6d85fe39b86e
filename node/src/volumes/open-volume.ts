import type { VolumeEntry } from '@holdfast/charter'
import type { AppliedPosition, Catalog, CatalogRow } from '@holdfast/journal'
import type { JournalFrame, JournalLog, JournalStore, LogIdentity } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { ReplicatedVolume } from '../replication/index.ts'
import { readBlock } from './blocks.ts'
import { Volume, type ReadableParts } from './volume.ts'

/** Rows applied to the catalog in one call while it is brought up to the log: bounds memory (about 1 KiB a row). */
export const REPLAY_ROWS_MAX = 8192

export interface OpenVolumeOptions {
  readonly entry: VolumeEntry
  readonly identity: LogIdentity
  readonly role: ReplicatedVolume['role']
  readonly store: PackStore
  readonly journals: JournalStore
  readonly readable: ReadableParts | undefined
  /** Blocks that were complete at the last checkpoint: only later ones are looked at. 0 looks at all. */
  readonly completeLength: number
  /** Called when the catalog's rows are damaged, to forget everything that is derived of the volume. */
  readonly onDamage?: () => Promise<void>
  readonly onProgress?: (done: { blocks: number; of: number }) => void
}

/** What opening found that a person should know. */
export interface OpenFindings {
  /** Frames that were in the packs and not in the log. */
  readonly replayedBlocks: number
  /** The log holds more than the packs: frames were lost from the drive. */
  readonly lostBlocks: number
  /** The catalog was made anew. */
  readonly catalogRebuilt: boolean
}

/**
 * Opens a volume from what its packs hold: the log and the catalog are indexes and are brought up to the packs, from
 * wherever the last checkpoint or crash left them.
 */
export async function openVolume(options: OpenVolumeOptions): Promise<{ volume: Volume; findings: OpenFindings }> {
  const { entry, identity, role, store, journals, readable } = options
  const log = await journals.open(identity)
  const before = log.head().length
  await replayFrames(log, store.journalFrames(log.coreKey, before))
  const stored = store.journals().find((run) => Buffer.compare(run.coreKey, log.coreKey) === 0)?.length ?? 0
  const { length } = log.head()
  let catalogRebuilt = false
  if (readable !== undefined) {
    const { applied } = readable.catalog
    if (applied.epoch > identity.epoch || (applied.epoch === identity.epoch && applied.length > length)) {
      await readable.catalog.clear()
      catalogRebuilt = true
    }
    await replayRows(log, readable, identity.epoch, options.onProgress)
  }
  const volume = new Volume({ entry, role, epoch: identity.epoch, log, store, readable })
  const from = Math.min(options.completeLength, length)
  volume.completeness.startAt(from)
  let block = from
  for await (const bytes of log.read(from, length)) {
    await volume.completeness.addBlock(block, readBlock(bytes, undefined).refs)
    block += 1
  }
  return {
    volume,
    findings: { replayedBlocks: length - before, lostBlocks: Math.max(0, length - stored), catalogRebuilt },
  }
}

/** Appends stored frames that the log does not have; frames may overlap what it has. A frame that does not fit is the end: two
 *  commits were signed side by side, the power took the first and left the second, and what was signed in its place came
 *  later. It was never published, since commits are published in order. */
async function replayFrames(log: JournalLog, frames: AsyncIterable<JournalFrame>): Promise<void> {
  for await (const frame of frames) {
    const { length } = log.head()
    const known = length - frame.start
    if (known >= frame.blocks.length) continue
    const rest = { ...frame, start: length, blocks: frame.blocks.slice(known) }
    if (log.verify(rest) === undefined) return
    await log.append(rest)
  }
}

async function replayRows(
  log: JournalLog,
  { catalog, codec }: ReadableParts,
  epoch: number,
  onProgress: OpenVolumeOptions['onProgress'],
): Promise<void> {
  const { length } = log.head()
  const from = catalog.applied.epoch === epoch ? catalog.applied.length : 0
  const batch = new RowBatch(catalog)
  let blocks = from
  for await (const bytes of log.read(from, length)) {
    blocks += 1
    await batch.add(readBlock(bytes, codec).rows, { epoch, length: blocks })
    onProgress?.({ blocks: blocks - from, of: length - from })
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
