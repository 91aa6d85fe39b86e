import type { CatalogRow, RecordCodec } from '@holdfast/journal'
import type { PackStore } from '@holdfast/store-pack'
import { readBlock } from '../volumes/blocks.ts'
import { isSameVersion } from '../volumes/same-version.ts'
import type { Volume } from '../volumes/volume.ts'
import type { VolumeWriter } from '../volumes/writer.ts'
import { pendingRows, type PendingJournal } from './pending-journal.ts'

/** Records of one commit while a pending journal is recorded in an epoch: about 1 KiB of memory each. */
const REPEAT_RECORDS_MAX = 1024

export interface RepeatingParts {
  readonly volume: Pick<Volume, 'id' | 'reader' | 'log' | 'earlier'>
  readonly writer: Pick<VolumeWriter, 'commitAgain'>
  readonly store: Pick<PackStore, 'journals' | 'journalFrames' | 'has'>
  /** Whether a version counts as there before its content is: right after the epoch began, members are still sending it. */
  readonly trustsMembers: boolean
  /** @default REPEAT_RECORDS_MAX */
  readonly recordsPerCommit?: number
}

export interface Repeated {
  /** Records that the epoch has got. */
  readonly recorded: number
  /** Records whose content is not on the drive any more: they are left out, and the walk takes what exists now. */
  readonly lost: number
  /** Records that were left out because members have them, whose content is not here yet: the journal must stay until it is. */
  readonly awaited: number
}

/**
 * Records a pending journal in the epoch that was certified, in its order and with its times, with new numbers: before
 * anything else is recorded there. What the epochs before have already (fetched from members meanwhile) is left out. It may be
 * broken off anywhere and done again: the records of the epochs since are compared with the journal first.
 */
export async function repeatPending(parts: RepeatingParts, journal: PendingJournal): Promise<Repeated> {
  const { volume, writer, store, trustsMembers, recordsPerCommit = REPEAT_RECORDS_MAX } = parts
  const { catalog, codec } = volume.reader()
  const isHeld = (row: CatalogRow): boolean => row.refs.every(({ id }) => store.has(volume.id, id))
  const done = await countDone(parts, journal, codec)
  let [index, recorded, lost, awaited] = [0, 0, 0, 0]
  let batch: CatalogRow[] = []
  const newest = new Map<string, CatalogRow>()

  /** Whether a version of the history stands for the row. */
  const stands = (version: CatalogRow, row: CatalogRow): boolean => {
    if (!isSameVersion(version, row)) return false
    if (isHeld(version)) return true
    if (trustsMembers) awaited += 1
    return trustsMembers
  }
  const isKnown = async (row: CatalogRow): Promise<boolean> => {
    for await (const version of catalog.versions(row.path)) if (stands(version, row)) return true
    return false
  }
  const isCurrent = async (row: CatalogRow): Promise<boolean> => {
    const current = newest.get(keyOf(row)) ?? (await catalog.get(row.path))
    if (row.kind === 'delete') return current === undefined || current.kind === 'delete'
    return current !== undefined && stands(current, row)
  }
  const commit = async (): Promise<void> => {
    if (batch.length > 0) await writer.commitAgain(batch)
    recorded += batch.length
    batch = []
    newest.clear()
  }

  for await (const rows of pendingRows(store, journal, codec)) {
    for (const row of rows) {
      index += 1
      const isOver = index <= done
      if (isOver ? row.kind === 'delete' || (await isKnown(row)) : await isCurrent(row)) continue
      if (!isHeld(row)) {
        lost += 1
        continue
      }
      batch.push(row)
      newest.set(keyOf(row), row)
      if (batch.length >= recordsPerCommit) await commit()
    }
  }
  await commit()
  return { recorded, lost, awaited }
}

const keyOf = ({ path }: CatalogRow): string => Buffer.from(path).toString('latin1')

/** Up to which record of the journal an earlier try came. What it recorded is the beginning of the epochs since the journal was
 *  opened, in the journal's order, with records left out here and there. */
async function countDone(
  parts: Pick<RepeatingParts, 'volume' | 'store'>,
  journal: PendingJournal,
  codec: RecordCodec,
): Promise<number> {
  const recorded = laterRows(parts, journal.opening.epoch, codec)
  let [index, done] = [0, 0]
  try {
    let next = await recorded.next()
    for await (const rows of pendingRows(parts.store, journal, codec)) {
      for (const row of rows) {
        if (next.done === true) return done
        index += 1
        if (!isSameVersion(row, next.value)) continue
        done = index
        next = await recorded.next()
      }
    }
    return done
  } finally {
    await recorded.return(undefined)
  }
}

/** Records of the epochs after this one. */
async function* laterRows(
  { volume, store }: Pick<RepeatingParts, 'volume' | 'store'>,
  epoch: number,
  codec: RecordCodec,
): AsyncGenerator<CatalogRow> {
  for (const earlier of volume.earlier) {
    if (earlier.epoch <= epoch) continue
    let next = 0
    for await (const { start, blocks } of store.journalFrames(earlier.storedKey, 0)) {
      for (const block of blocks.slice(Math.max(0, next - start))) {
        if (next >= earlier.length) break
        next += 1
        yield* withPath(readBlock(block, codec).rows)
      }
    }
  }
  const { log } = volume
  if (log.identity.epoch <= epoch) return
  for await (const block of log.read(0, log.head().length)) yield* withPath(readBlock(block, codec).rows)
}

const withPath = (rows: readonly CatalogRow[]): CatalogRow[] => rows.filter((row) => row.kind !== 'baseline')
