import { firstClaim, decodeEpochRecord, type EpochRecord, type VolumeBirth } from '@holdfast/failover'
import { decodeBlock } from '@holdfast/journal'
import { equalBytes, hasCode, hexOf } from '@holdfast/ports'
import type { CoreKey, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import { copyKey, epochOf, JOURNAL_COPIES_MAX, type Epoch } from '../epochs/epoch.ts'

/** Journals of a volume that no epoch of its history counts, whole or from some block on: kept, and shown to people. */
export interface Branch {
  readonly epoch: number
  readonly coreKey: CoreKey
  readonly storedKey: CoreKey
  /** Blocks that are stored under the key. */
  readonly length: number
}

export interface EpochChain {
  /** From epoch 1 to the newest, each cut by the next. */
  readonly epochs: readonly Epoch[]
  readonly branches: readonly Branch[]
}

export interface ReadEpochsOptions {
  readonly store: Pick<PackStore, 'journals' | 'journalFrames'>
  readonly birth: VolumeBirth
  /** Epochs that members told and that no block is stored of yet; verified. */
  readonly learned: readonly EpochRecord[]
}

interface Found {
  readonly record: EpochRecord
  readonly coreKey: CoreKey
  readonly storedKey: CoreKey
  readonly copy: number
  readonly length: number
}

/** The epochs of a volume, from block 0 of each log in the packs. What is there was verified before it was stored, so only the
 *  links between the epochs are looked at: a charter that came back older must not undo an epoch. */
export async function readEpochs({ store, birth, learned }: ReadEpochsOptions): Promise<EpochChain> {
  const found = [...(await findStored(store, birth.volume)), ...learned.map(unstored)]
  const first = unstored({ claim: firstClaim(birth), votes: [] })
  found.push(first)
  const newestFirst = found.toSorted((a, b) => b.record.claim.epoch - a.record.claim.epoch || b.copy - a.copy)
  for (const newest of newestFirst) {
    const path = pathTo(newest, newestFirst, first.coreKey)
    if (path === undefined) continue
    const epochs = path.map(({ record, storedKey }, index) =>
      withCut(epochOf(record, storedKey), path[index + 1]?.record),
    )
    return {
      epochs,
      branches: found.filter((each) => each.length > 0 && !path.some((one) => isSame(one, each))).map(branchOf),
    }
  }
  return { epochs: [epochOf(first.record)], branches: [] }
}

const branchOf = ({ record, coreKey, storedKey, length }: Found): Branch => ({
  epoch: record.claim.epoch,
  coreKey,
  storedKey,
  length,
})
const isSame = (a: Found, b: Found): boolean => equalBytes(a.storedKey, b.storedKey)

function unstored(record: EpochRecord): Found {
  const { coreKey } = epochOf(record)
  return { record, coreKey, storedKey: coreKey, copy: 0, length: 0 }
}

function withCut(epoch: Epoch, next: EpochRecord | undefined): Epoch {
  if (next === undefined) return epoch
  return { ...epoch, cut: { length: next.claim.cutLength, treeHash: next.claim.cutTreeHash } }
}

/** From epoch 1 to this one, of each log the newest copy; undefined if a log between is unknown. */
function pathTo(newest: Found, newestFirst: readonly Found[], firstKey: CoreKey): Found[] | undefined {
  const path = [newest]
  for (let at = newest; !equalBytes(at.coreKey, firstKey);) {
    const { previousCoreKey, epoch } = at.record.claim
    if (previousCoreKey === undefined) return undefined
    const before = newestFirst.find(
      (each) => each.record.claim.epoch < epoch && equalBytes(each.coreKey, previousCoreKey),
    )
    if (before === undefined) return undefined
    path.unshift(before)
    at = before
  }
  return path
}

async function findStored(store: ReadEpochsOptions['store'], volume: VolumeId): Promise<Found[]> {
  const found: Found[] = []
  for (const run of store.journals()) {
    if (!equalBytes(run.volume, volume) || run.length === 0) continue
    const record = await recordOf(store, run.coreKey)
    if (record === undefined || !equalBytes(record.claim.volume, volume)) continue
    const { coreKey } = epochOf(record)
    const copy = copyNumber(coreKey, run.coreKey)
    if (copy !== undefined) found.push({ record, coreKey, storedKey: run.coreKey, copy, length: run.length })
  }
  return found
}

async function recordOf(store: ReadEpochsOptions['store'], storedKey: CoreKey): Promise<EpochRecord | undefined> {
  for await (const frame of store.journalFrames(storedKey, 0)) {
    const [block] = frame.blocks
    if (block === undefined || frame.start !== 0) return undefined
    try {
      const decoded = decodeBlock(block)
      return decoded.type === 'epoch' ? decodeEpochRecord(decoded.record) : undefined
    } catch (error) {
      if (!hasCode(error, 'HF_DECODE')) throw error
      return undefined
    }
  }
  return undefined
}

function copyNumber(coreKey: CoreKey, storedKey: CoreKey): number | undefined {
  for (let number = 0; number <= JOURNAL_COPIES_MAX; number++)
    if (equalBytes(copyKey(coreKey, number), storedKey)) return number
  return undefined
}

/** Under which keys the logs are stored that are not stored under their own: what is derived from them is of just these. */
export const copiesOf = (epochs: readonly Epoch[]): string =>
  epochs
    .filter((epoch) => !equalBytes(epoch.coreKey, epoch.storedKey))
    .map((epoch) => hexOf(epoch.storedKey))
    .join(' ')

/** What is stored of a volume and does not count, for people: it stays where it is. */
export function keptSentences({ epochs, branches }: EpochChain, store: Pick<PackStore, 'journals'>): string[] {
  const runs = new Map(store.journals().map((run) => [hexOf(run.coreKey), run.length]))
  const sentences = branches.map(
    ({ epoch, length }) =>
      `epoch ${epoch} was written twice (a home brought back from an older copy?); the other version, ${length} journal blocks, is kept in the packs of this node and is not part of the history`,
  )
  for (const { identity, storedKey, cut } of epochs) {
    const beyond = (runs.get(hexOf(storedKey)) ?? 0) - (cut?.length ?? Number.POSITIVE_INFINITY)
    if (beyond > 0)
      sentences.push(
        `${beyond} journal blocks beyond the end of epoch ${identity.epoch} are kept in the packs of this node and are not part of the history`,
      )
  }
  return sentences
}
