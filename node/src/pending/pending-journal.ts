/**
 * What a primary records while it may not write in its epoch and the next one is not certified: in doubt, with its voters out
 * of reach. A pending journal is a log of its own in the packs of this node, made by the same pipeline as every commit:
 * what is in it is durable here and known to nobody else. Its records become those of the next epoch once that is
 * certified (`repeating.ts`); then a last block says so. It has no index: it is read from the packs at each start.
 */
import { createTreeLog, decodeBlock, decodePublicRecord, encodePendingBlock, encodePendingEnd } from '@holdfast/journal'
import type { CatalogRow, RecordCodec, TreeLog } from '@holdfast/journal'
import { signRaw, type SigningKey } from '@holdfast/keys'
import { equalBytes, hasCode } from '@holdfast/ports'
import type { CoreKey, NodeId, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import { readBlock } from '../volumes/blocks.ts'
import { appendFrames } from '../volumes/replay.ts'
import { decodePendingOpening, encodePendingOpening, pendingIdentityOf, type PendingOpening } from './opening.ts'

/** Number of the first record of the first pending journal, less one. No record of an epoch gets that far, so the numbers of the two
 *  are never equal, in what is sealed nor where a state of the volume is named by its newest number. */
export const PENDING_SEQ_BASE = 2 ** 52

export interface PendingJournal {
  readonly opening: PendingOpening
  /** At the end of what is stored. */
  readonly log: TreeLog
  /** Records in it. */
  readonly changeCount: number
  /** Time of its first and of its newest record, ms since 1970; undefined while there is none. */
  readonly sinceMs: number | undefined
  readonly newestMs: number | undefined
}

type Frames = Pick<PackStore, 'journals' | 'journalFrames'>

/** The pending journals of this writer that are not yet recorded in an epoch, oldest first. Costs reading each of them. */
export async function findPendingJournals(
  store: Frames,
  volume: VolumeId,
  writer: NodeId,
): Promise<readonly PendingJournal[]> {
  const found: PendingJournal[] = []
  for (const run of store.journals()) {
    if (!equalBytes(run.volume, volume) || run.length === 0) continue
    const opening = await openingOf(store, run.coreKey)
    if (opening === undefined || !equalBytes(opening.volume, volume) || !equalBytes(opening.writer, writer)) continue
    const journal = await readPendingJournal(store, run.coreKey, opening)
    if (journal !== undefined) found.push(journal)
  }
  return found.toSorted((a, b) => a.opening.openedAtMs - b.opening.openedAtMs)
}

/** Makes a new one; durable once this resolves. @throws HF_DRIVE_FULL, HF_DRIVE_FAILED */
export async function createPendingJournal(
  store: Pick<PackStore, 'commit'>,
  key: SigningKey,
  opening: PendingOpening,
): Promise<PendingJournal> {
  const log = createTreeLog(pendingIdentityOf(opening))
  await appendBlock(store, key, log, encodePendingBlock(encodePendingOpening(opening)))
  return { opening, log, changeCount: 0, sinceMs: undefined, newestMs: undefined }
}

/** Notes, durably, that every record of the journal is recorded in an epoch. @throws HF_DRIVE_FULL, HF_DRIVE_FAILED */
export const endPendingJournal = (
  store: Pick<PackStore, 'commit'>,
  key: SigningKey,
  { log }: PendingJournal,
): Promise<void> => appendBlock(store, key, log, encodePendingEnd())

/** Its records, frame by frame, in order; each frame's signature is checked anew. */
export async function* pendingRows(
  store: Frames,
  { opening }: PendingJournal,
  codec: RecordCodec,
): AsyncGenerator<readonly CatalogRow[]> {
  const log = createTreeLog(pendingIdentityOf(opening))
  for await (const frame of appendFrames(log, store.journalFrames(log.coreKey, 0)))
    yield frame.blocks.flatMap((block) => readBlock(block, codec).rows)
}

async function appendBlock(
  store: Pick<PackStore, 'commit'>,
  key: SigningKey,
  log: TreeLog,
  block: Uint8Array,
): Promise<void> {
  const { start, signable } = log.propose([block])
  const frame = { coreKey: log.coreKey, start, blocks: [block], signature: signRaw(key, signable) }
  await store.commit(log.identity.volume, [], frame)
  await log.append(frame)
}

/** What the first block of a log says, if it is that of the pending journal with this key. */
async function openingOf(store: Frames, coreKey: CoreKey): Promise<PendingOpening | undefined> {
  for await (const { start, blocks } of store.journalFrames(coreKey, 0)) {
    const [block] = blocks
    if (start !== 0 || block === undefined) return undefined
    try {
      const decoded = decodeBlock(block)
      if (decoded.type !== 'pending') return undefined
      const opening = decodePendingOpening(decoded.opening)
      return equalBytes(createTreeLog(pendingIdentityOf(opening)).coreKey, coreKey) ? opening : undefined
    } catch (error) {
      if (!hasCode(error, 'HF_DECODE')) throw error
      return undefined
    }
  }
  return undefined
}

/** Undefined for one that has ended. */
async function readPendingJournal(
  store: Frames,
  coreKey: CoreKey,
  opening: PendingOpening,
): Promise<PendingJournal | undefined> {
  const log = createTreeLog(pendingIdentityOf(opening))
  let changeCount = 0
  let sinceMs: number | undefined
  let newestMs: number | undefined
  for await (const { blocks } of appendFrames(log, store.journalFrames(coreKey, 0))) {
    for (const block of blocks) {
      const decoded = decodeBlock(block)
      if (decoded.type === 'pending-end') return undefined
      if (decoded.type !== 'records') continue
      changeCount += decoded.records.length
      const [first, last] = [decoded.records[0], decoded.records.at(-1)]
      if (first !== undefined) sinceMs ??= decodePublicRecord(first).timeMs
      if (last !== undefined) newestMs = decodePublicRecord(last).timeMs
    }
  }
  return { opening, log, changeCount, sinceMs, newestMs }
}
