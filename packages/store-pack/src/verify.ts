/** Reads every pack and says which frames are not what they were: the scrub of one drive, and `verify` for a person. */
import { equalBytes, MIB, throwIfAborted } from '@holdfast/ports'
import type { DriveFile } from '@holdfast/ports'
import { encodeFrameHeader, FRAME_HEADER_BYTES, isWholeBody } from './frame.ts'
import type { PackCatalog } from './pack-catalog.ts'
import { decodePackHeader, PACK_HEADER_BYTES } from './pack-file.ts'
import { PackReader } from './pack-reader.ts'
import { endOf } from './pack-scan.ts'
import type { BadFrame, FrameEntry, VerifyOptions, VerifyReport } from './types.ts'

/** Bad frames that a report names; the rest are counted. About 300 bytes each. */
export const BAD_FRAMES_NAMED_MAX = 1000
/** Bytes read at once while frames are small; large ones are read by themselves, so that no byte is read twice. */
const VERIFY_WINDOW_BYTES = MIB
/** Bytes between two calls of `onProgress`. */
const PROGRESS_BYTES = 8 * MIB

export async function verifyPacks(catalog: PackCatalog, options: VerifyOptions): Promise<VerifyReport> {
  const { readData, signal, onProgress } = options
  const report = { packs: 0, chunks: 0, journalFrames: 0, checkedBytes: 0, badFrames: 0, unindexedFrames: 0 }
  const bad: BadFrame[] = []
  const note = (frame: BadFrame): void => {
    report.badFrames++
    if (bad.length < BAD_FRAMES_NAMED_MAX) bad.push(frame)
  }

  const packs = catalog.files.list().map((pack) => ({ pack, bytes: catalog.extent(pack)?.bytes ?? 0 }))
  const totalBytes = packs.reduce((sum, { bytes }) => sum + bytes, 0)
  let doneBytes = 0
  for (const { pack, bytes } of packs) {
    throwIfAborted(signal)
    const scan = await catalog.scan(pack)
    if (scan === undefined) continue
    report.packs++
    for (const frame of scan.bad) note(frame)
    await catalog.files.withFile(pack, async (file) => {
      const reader = new PackReader(file, Math.max(bytes, scan.framesEnd))
      if (scan.sealed && readData && !(await isNamed(file, pack))) note({ pack, offset: 0, reason: 'header' })
      let toldBytes = 0
      for (const entry of scan.entries) {
        throwIfAborted(signal)
        const checked = await checkFrame(reader, file, entry, readData)
        report[entry.kind === 'chunk' ? 'chunks' : 'journalFrames']++
        report.checkedBytes += readData ? FRAME_HEADER_BYTES + entry.bodyBytes : FRAME_HEADER_BYTES
        if (checked.reason !== undefined) note({ pack, offset: entry.offset, reason: checked.reason, entry })
        if (!checked.bodyIsWhole) catalog.markBad(entry, checked.reason ?? 'body')
        else if (readData && catalog.confirm(entry)) report.unindexedFrames++
        if (entry.offset - toldBytes < PROGRESS_BYTES) continue
        toldBytes = entry.offset
        onProgress?.({ doneBytes: doneBytes + Math.min(endOf(entry), bytes), totalBytes })
      }
    })
    doneBytes += bytes
    onProgress?.({ doneBytes, totalBytes })
  }
  return { ...report, bad }
}

interface Checked {
  readonly reason?: BadFrame['reason']
  /** A body may be whole though its header is not: it is served all the same. */
  readonly bodyIsWhole: boolean
}

async function checkFrame(reader: PackReader, file: DriveFile, entry: FrameEntry, readData: boolean): Promise<Checked> {
  const frameBytes = FRAME_HEADER_BYTES + entry.bodyBytes
  let bytes: Uint8Array
  try {
    bytes = readData
      ? await reader.read(entry.offset, frameBytes, frameBytes < VERIFY_WINDOW_BYTES / 4 ? VERIFY_WINDOW_BYTES : 0)
      : await reader.readHeader(entry.offset, FRAME_HEADER_BYTES)
  } catch {
    // The window may have failed for a neighbour's sake.
    const alone = await readAlone(file, entry.offset, readData ? frameBytes : FRAME_HEADER_BYTES)
    if (alone === undefined) return { reason: 'unreadable', bodyIsWhole: false }
    bytes = alone
  }
  const header = new Uint8Array(FRAME_HEADER_BYTES)
  encodeFrameHeader(header, 0, entry)
  const headerIsWhole = equalBytes(header, bytes.subarray(0, FRAME_HEADER_BYTES))
  const bodyIsWhole = !readData || isWholeBody(entry, bytes.subarray(FRAME_HEADER_BYTES))
  if (!bodyIsWhole) return { reason: 'body', bodyIsWhole }
  return headerIsWhole ? { bodyIsWhole } : { reason: 'header', bodyIsWhole }
}

/** Whether the pack's own header is in order; it is made so before the pack is sealed. */
async function isNamed(file: DriveFile, pack: number): Promise<boolean> {
  const header = await readAlone(file, 0, PACK_HEADER_BYTES)
  return header !== undefined && decodePackHeader(header) === pack
}

async function readAlone(file: DriveFile, offset: number, length: number): Promise<Uint8Array | undefined> {
  try {
    return await file.read(offset, length)
  } catch {
    return undefined
  }
}
