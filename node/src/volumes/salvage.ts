import type { CatalogRow } from '@holdfast/journal'
import { equalBytes } from '@holdfast/ports'
import type { JournalFrame } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Logger } from 'pino'
import { readBlock } from './blocks.ts'
import type { Branch } from './epoch-chain.ts'
import type { IndexStore } from './index-store.ts'
import type { Running } from './running.ts'
import { isSameVersion } from './same-version.ts'
import type { Volume } from './volume.ts'
import type { VolumeWriter } from './writer.ts'

interface SalvageParts {
  readonly volume: Volume
  readonly writer: Pick<VolumeWriter, 'commitAgain'>
  readonly store: Pick<PackStore, 'journalFrames' | 'has'>
}

/** Salvages each journal of the volume that does not count, once. */
export async function salvageAll(
  parts: {
    readonly index: Pick<IndexStore, 'isSalvaged' | 'setSalvaged'>
    readonly store: PackStore
    readonly log: Logger
  },
  { volume, branches }: Pick<Running, 'volume' | 'branches'>,
  writer: VolumeWriter,
): Promise<void> {
  const { index, store, log } = parts
  for (const branch of branches) {
    if (await index.isSalvaged(volume.id, branch.storedKey)) continue
    const { recorded, lost } = await salvage({ volume, writer, store }, branch)
    // What is missing now may be found later: it is looked for again at the next start.
    if (lost === 0) await index.setSalvaged(volume.id, branch.storedKey)
    log.warn(
      { volume: volume.name, epoch: branch.epoch, versions: recorded, lost },
      'versions of a journal that does not count are recorded again',
    )
  }
}

interface Salvaged {
  /** Versions that were recorded again. */
  readonly recorded: number
  /** Versions that were left out, since their content is not held. */
  readonly lost: number
}

/**
 * Versions that this node recorded in a journal that does not count, because it had signed the same numbers before, are
 * recorded again at the end of the one that does: they were acknowledged as safe here. What the history has already is left
 * out, so a salvage that was broken off is simply done again. Deletions are not repeated: the next walk finds what is gone.
 */
async function salvage(parts: SalvageParts, branch: Branch): Promise<Salvaged> {
  const { volume, writer, store } = parts
  const { catalog, codec } = volume.reader()
  const counted = await countedFrames(parts, branch)
  let [recorded, lost, parted] = [0, 0, false]
  for await (const frame of store.journalFrames(branch.storedKey, 0)) {
    const rows: CatalogRow[] = []
    for (const [offset, block] of frame.blocks.entries()) {
      parted ||= !(await counted.has(frame.start + offset, block))
      if (!parted) continue
      for (const row of readBlock(block, codec).rows) {
        if (row.kind !== 'put' || (await isKnown(row, catalog.versions(row.path)))) continue
        if (row.refs.every(({ id }) => store.has(volume.id, id))) rows.push(row)
        else lost += 1
      }
    }
    if (rows.length > 0) await writer.commitAgain(rows)
    recorded += rows.length
  }
  await counted.close()
  return { recorded, lost }
}

/** The frames that count of the branch's log, read along with it. */
async function countedFrames(
  { volume, store }: SalvageParts,
  branch: Branch,
): Promise<{ has: (index: number, block: Uint8Array) => Promise<boolean>; close: () => Promise<void> }> {
  const storedKey = volume.earlier.find((log) => equalBytes(log.coreKey, branch.coreKey))?.storedKey
  const frames = storedKey && store.journalFrames(storedKey, 0)[Symbol.asyncIterator]()
  let frame: JournalFrame | undefined
  const has = async (index: number, block: Uint8Array): Promise<boolean> => {
    if (frames === undefined) return false
    while (frame === undefined || frame.start + frame.blocks.length <= index) {
      const next = await frames.next()
      if (next.done === true) return false
      frame = next.value
    }
    const other = frame.blocks[index - frame.start]
    return other !== undefined && equalBytes(other, block)
  }
  const close = async (): Promise<void> => {
    await frames?.return?.()
  }
  return { has, close }
}

async function isKnown(row: CatalogRow, versions: AsyncIterable<CatalogRow>): Promise<boolean> {
  for await (const version of versions) if (isSameVersion(version, row)) return true
  return false
}
