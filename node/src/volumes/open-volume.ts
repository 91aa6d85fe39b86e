import type { VolumeEntry } from '@holdfast/charter'
import { equalBytes, hexOf } from '@holdfast/ports'
import type { JournalLog, JournalStore } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Epoch } from '../epochs/epoch.ts'
import type { ReplicatedVolume } from '../replication/index.ts'
import { readBlock } from './blocks.ts'
import { copiesOf } from './epoch-chain.ts'
import { replayFrames, replayRows, type OpenedLog } from './replay.ts'
import { Volume, type EarlierLog, type ReadableParts, type VolumeParts, type VolumeRules } from './volume.ts'

export interface OpenVolumeOptions {
  readonly entry: VolumeEntry
  /** From epoch 1 to the newest. */
  readonly epochs: readonly Epoch[]
  readonly role: ReplicatedVolume['role']
  readonly store: PackStore
  readonly journals: JournalStore
  readonly readable: ReadableParts | undefined
  /** Blocks of an epoch's log that were complete at the last checkpoint: only later ones are looked at. 0 looks at all. */
  readonly completeLength: (epoch: number) => Promise<number>
  /** What the catalog was made from, as `copiesOf` says it, and how to say so durably. Without it every catalog is trusted. */
  readonly derived?: DerivedState
  readonly rules?: VolumeRules
  readonly room?: VolumeParts['room']
}

export interface DerivedState {
  /** Of which copies the catalog is. */
  copies(): Promise<string>
  /** The catalog was cleared: what else is derived of the volume is forgotten too, and the new copies are noted, durably. */
  cleared(copies: string): Promise<void>
}

/** What opening found that a person should know. */
export interface OpenFindings {
  /** Frames that were in the packs and not in the log. */
  readonly replayedBlocks: number
  /** A log holds more than the packs, or other blocks: frames were lost from the drive, or another copy counts now. */
  readonly lostBlocks: number
  /** The catalog was made anew. */
  readonly catalogRebuilt: boolean
}

/**
 * Opens a volume from what its packs hold: logs and catalog are indexes and are brought up to the packs, from wherever the
 * last checkpoint or crash left them. The log that stays open is the first one that is not whole up to its cut, else the
 * newest: a member goes through the epochs in order.
 */
export async function openVolume(options: OpenVolumeOptions): Promise<{ volume: Volume; findings: OpenFindings }> {
  const { entry, epochs, role, store, readable } = options
  const { opened, replayedBlocks, lostBlocks } = await openLogs(options)
  const working = opened.at(-1)
  if (working === undefined) throw new TypeError('a volume has at least one epoch')
  const catalogRebuilt = readable === undefined ? false : await refreshCatalog(options, readable, opened)
  const earlier = opened.slice(0, -1).map(({ epoch, length }): EarlierLog => {
    const { coreKey, storedKey, identity, cut } = epoch
    return { epoch: identity.epoch, coreKey, storedKey, length, treeHash: cut?.treeHash ?? new Uint8Array(32) }
  })
  const volume = new Volume({
    entry,
    role,
    epoch: working.epoch,
    newestEpoch: epochs.at(-1)?.identity.epoch ?? 1,
    records: epochs.map(({ record }) => record),
    log: working.log,
    store,
    readable,
    earlier,
    ...(options.rules === undefined ? {} : { rules: options.rules }),
    ...(options.room === undefined ? {} : { room: options.room }),
  })
  await findMissing(options, volume, opened)
  for (const { log } of opened.slice(0, -1)) await log.close()
  return { volume, findings: { replayedBlocks, lostBlocks, catalogRebuilt } }
}

async function openLogs({ epochs, journals, store }: OpenVolumeOptions): Promise<{
  opened: OpenedLog[]
  replayedBlocks: number
  lostBlocks: number
}> {
  const stored = new Map(store.journals().map((run) => [hexOf(run.coreKey), run.length]))
  const opened: OpenedLog[] = []
  let [replayedBlocks, lostBlocks] = [0, 0]
  for (const epoch of epochs) {
    const log = await journals.open(epoch.identity)
    const before = log.head().length
    const differs = await isOfAnotherCopy(log, epoch, store)
    if (!differs) await replayFrames(log, store.journalFrames(epoch.storedKey, before))
    const length = Math.min(log.head().length, epoch.cut?.length ?? Number.POSITIVE_INFINITY)
    replayedBlocks += log.head().length - before
    lostBlocks += differs ? before : Math.max(0, length - (stored.get(hexOf(epoch.storedKey)) ?? 0))
    const whole = epoch.cut !== undefined && (await reaches(log, epoch.cut))
    opened.push({ epoch, log, length: whole ? length : log.head().length })
    if (!whole) break
  }
  return { opened, replayedBlocks, lostBlocks }
}

/** Whether the log is at least as long as the cut and has its tree there. */
export async function reaches(log: JournalLog, cut: NonNullable<Epoch['cut']>): Promise<boolean> {
  const treeHash = await log.treeHashAt(cut.length)
  return treeHash !== undefined && equalBytes(treeHash, cut.treeHash)
}

/** Whether the log still is what another copy said: blocks are sealed with random nonces, so that no two of them are equal. */
async function isOfAnotherCopy(log: JournalLog, epoch: Epoch, store: PackStore): Promise<boolean> {
  const { length } = log.head()
  if (length === 0 || equalBytes(epoch.coreKey, epoch.storedKey)) return false
  for await (const frame of store.journalFrames(epoch.storedKey, length - 1)) {
    const stored = frame.blocks[length - 1 - frame.start]
    const held = await log.get(length - 1)
    return stored === undefined || held === undefined || !equalBytes(stored, held)
  }
  return true
}

/** Brings the catalog up to the logs. One that has rows beyond a cut, or of other copies, is made anew; whether that was so. */
async function refreshCatalog(
  { derived, epochs }: OpenVolumeOptions,
  { catalog, codec }: ReadableParts,
  opened: readonly OpenedLog[],
): Promise<boolean> {
  const copies = copiesOf(epochs)
  const { applied } = catalog
  const at = opened.find(({ epoch }) => epoch.identity.epoch === applied.epoch)
  const fits = applied.epoch === 0 || (at !== undefined && applied.length <= at.length)
  const isOfThese = derived === undefined || (await derived.copies()) === copies
  if (!fits || !isOfThese) {
    await catalog.clear()
    await derived?.cleared(copies)
  }
  for (const log of opened) await replayRows(log, catalog, codec)
  return !fits || !isOfThese
}

async function findMissing(
  { completeLength }: OpenVolumeOptions,
  volume: Volume,
  opened: readonly OpenedLog[],
): Promise<void> {
  const starts: number[] = []
  for (const { epoch, length } of opened) starts.push(Math.min(await completeLength(epoch.identity.epoch), length))
  volume.completeness.startAt(starts.at(-1) ?? 0)
  for (const [index, { log, length }] of opened.entries()) {
    let block = starts[index] ?? 0
    for await (const bytes of log.read(block, length)) {
      const { refs } = readBlock(bytes, undefined)
      if (index < opened.length - 1) await volume.completeness.addEarlier(refs)
      else await volume.completeness.addBlock(block, refs)
      block += 1
    }
  }
}
