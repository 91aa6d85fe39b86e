import type { CatalogRow } from '@holdfast/journal'
import { equalBytes } from '@holdfast/ports'
import type { JournalFrame } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Logger } from 'pino'
import { readBlock } from './blocks.ts'
import type { Branch } from './epoch-chain.ts'
import type { IndexStore } from './index-store.ts'
import type { Running } from './running.ts'
import type { Volume } from './volume.ts'
import type { VolumeWriter } from './writer.ts'

interface SalvageParts {
  readonly volume: Volume
  readonly writer: Pick<VolumeWriter, 'commitAgain'>
  readonly store: Pick<PackStore, 'journalFrames' | 'has'>
}

/** Salvages each journal of the volume that does not count, once. */
export async function salvageAll(
  parts: { readonly index: IndexStore; readonly store: PackStore; readonly log: Logger },
  { volume, branches }: Pick<Running, 'volume' | 'branches'>,
  writer: VolumeWriter,
): Promise<void> {
  const { index, store, log } = parts
  for (const branch of branches) {
    if (await index.isSalvaged(volume.id, branch.storedKey)) continue
    const versions = await salvage({ volume, writer, store }, branch)
    await index.setSalvaged(volume.id, branch.storedKey)
    log.warn(
      { volume: volume.name, epoch: branch.epoch, versions },
      'versions of a journal that does not count are recorded again',
    )
  }
}

/**
 * Versions that this node recorded in a journal that does not count, because it had signed the same numbers before, are
 * recorded again at the end of the one that does: they were acknowledged as safe here. What the history has already is left
 * out, so a salvage that was broken off is simply done again. Deletions are not repeated: the next walk finds what is gone.
 * @returns how many versions were recorded
 */
async function salvage(parts: SalvageParts, branch: Branch): Promise<number> {
  const { volume, writer, store } = parts
  const { catalog, codec } = volume.reader()
  const counted = await countedFrames(parts, branch)
  let [salvaged, parted] = [0, false]
  for await (const frame of store.journalFrames(branch.storedKey, 0)) {
    const rows: CatalogRow[] = []
    for (const [offset, block] of frame.blocks.entries()) {
      parted ||= !(await counted.has(frame.start + offset, block))
      if (!parted) continue
      for (const row of readBlock(block, codec).rows) {
        if (row.kind !== 'put' || !row.refs.every(({ id }) => store.has(volume.id, id))) continue
        if (!(await isKnown(row, catalog.versions(row.path)))) rows.push(row)
      }
    }
    if (rows.length > 0) await writer.commitAgain(rows)
    salvaged += rows.length
  }
  await counted.close()
  return salvaged
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
  for await (const version of versions) if (version.kind === 'put' && isSameState(version, row)) return true
  return false
}

function isSameState(a: CatalogRow, b: CatalogRow): boolean {
  const isSame = a.type === b.type && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid
  if (!isSame || a.mtimeNs !== b.mtimeNs || a.size !== b.size || a.refs.length !== b.refs.length) return false
  if (!equalBytes(a.target ?? new Uint8Array(0), b.target ?? new Uint8Array(0))) return false
  return a.refs.every(({ id }, index) => equalBytes(id, b.refs[index]?.id ?? new Uint8Array(0)))
}
