/**
 * Finds the frames of one pack. A sealed pack has a footer that lists them. Any other is walked from header to header.
 *
 * The walk must tell a torn tail from rot. Whatever was synced is whole unless it rotted; whatever was not may be lost or torn in
 * any order. How much was synced is known from below: marks within the pack, a footer, and what the index has of it. Where the walk
 * breaks below that line, bytes have rotted: they are reported, and the walk goes on at the next whole frame. Beyond it frames
 * are taken only while their bodies are whole, up to the first that is not: what follows was never acknowledged. So of a pack's
 * unsynced frames a prefix is found, and a journal frame never without the chunks written before it to the same pack.
 *
 * Bytes of a chunk may look like a frame. The walk steps over bodies, and where it has to search it takes only frames whose bodies
 * are whole, so such a chunk shows nothing that its author could not have sent anyway.
 */
import { KIB } from '@holdfast/ports'
import type { DriveFile } from '@holdfast/ports'
import { asEntry, decodeFrameHeader, FRAME_HEADER_BYTES, isWholeBody } from './frame.ts'
import type { FrameHeader } from './frame.ts'
import { decodeFooterBody, decodePackTrailer, PACK_HEADER_BYTES, PACK_TRAILER_BYTES } from './pack-file.ts'
import { PackReader } from './pack-reader.ts'
import type { BadFrame, FrameEntry } from './types.ts'

export interface PackScan {
  readonly entries: readonly FrameEntry[]
  /** Rot that was found on the way. */
  readonly bad: readonly BadFrame[]
  /** Whether the pack has a footer in order: it is complete and never changes again. */
  readonly sealed: boolean
  /** Where the frames end. */
  readonly framesEnd: number
}

export interface ScanOptions {
  readonly pack: number
  /** Bytes to look at, at most the file's. */
  readonly size: number
  /** Bytes known to have been durable, from elsewhere than the pack itself. */
  readonly durableBytes: number
}

/** Bytes searched at once for the next frame after rot. */
const SEARCH_BYTES = 256 * KIB

/** @throws HF_DRIVE_FAILED if the drive refuses to read */
export async function scanPack(file: DriveFile, options: ScanOptions): Promise<PackScan> {
  const reader = new PackReader(file, options.size)
  return (await readFooter(reader, options.pack)) ?? walk(reader, options)
}

/** What the footer of a sealed pack lists; undefined if the pack is not sealed. */
export async function scanFooter(file: DriveFile, pack: number): Promise<PackScan | undefined> {
  return readFooter(new PackReader(file, file.size()), pack)
}

async function readFooter(reader: PackReader, pack: number): Promise<PackScan | undefined> {
  const trailerAt = reader.size - PACK_TRAILER_BYTES
  if (trailerAt < PACK_HEADER_BYTES + FRAME_HEADER_BYTES) return undefined
  const footerAt = decodePackTrailer(await reader.read(trailerAt, PACK_TRAILER_BYTES, PACK_TRAILER_BYTES))
  if (footerAt === undefined || footerAt > trailerAt) return undefined
  const bytes = await reader.read(footerAt, trailerAt - footerAt)
  const header = decodeFrameHeader(bytes, 0)
  if (header?.kind !== 'footer' || header.bodyBytes !== bytes.byteLength - FRAME_HEADER_BYTES) return undefined
  const entries = decodeFooterBody(pack, bytes.subarray(FRAME_HEADER_BYTES))
  if (entries === undefined || entries.some((entry) => endOf(entry) > header.start)) return undefined
  return { entries, bad: [], sealed: true, framesEnd: header.start }
}

type Step = { readonly type: 'frame'; readonly header: FrameHeader; readonly offset: number } | Break
/** A place where a frame must begin and none does. */
type Break = { readonly type: 'break'; readonly offset: number }

interface Walked {
  readonly steps: readonly Step[]
  /** Where the walk says that the frames end: the file's end, or what a footer that is reached says. */
  readonly framesEnd: number
  readonly durableBytes: number
}

async function walk(reader: PackReader, options: ScanOptions): Promise<PackScan> {
  const { pack } = options
  const { steps, framesEnd, durableBytes } = await walkHeaders(reader, options.durableBytes)
  const entries: FrameEntry[] = []
  const bad: BadFrame[] = []
  const result = (end: number): PackScan => ({ entries, bad, sealed: false, framesEnd: end })
  for (const step of steps) {
    if (step.offset >= framesEnd) break
    if (step.type === 'break') {
      if (step.offset >= durableBytes) return result(step.offset)
      bad.push({ pack, offset: step.offset, reason: 'header' })
      continue
    }
    const { header, offset } = step
    const bodyAt = offset + FRAME_HEADER_BYTES
    const certain = bodyAt + header.bodyBytes <= durableBytes
    if (!certain && !isWholeBody(header, await reader.read(bodyAt, header.bodyBytes))) return result(offset)
    const entry = asEntry(header, pack, offset)
    if (entry !== undefined) entries.push(entry)
  }
  // The file ends before what was once durable.
  if (framesEnd < durableBytes) bad.push({ pack, offset: framesEnd, reason: 'header' })
  return result(framesEnd)
}

async function walkHeaders(reader: PackReader, knownDurableBytes: number): Promise<Walked> {
  const steps: Step[] = []
  let durableBytes = knownDurableBytes
  for (let at = PACK_HEADER_BYTES; at < reader.size;) {
    const header = await headerAt(reader, at)
    if (header === undefined) {
      steps.push({ type: 'break', offset: at })
      const next = await nextWholeFrame(reader, at + 1)
      if (next === undefined) break
      at = next
      continue
    }
    if (header.kind === 'footer') {
      const framesEnd = Math.min(header.start, at)
      return { steps, framesEnd, durableBytes: Math.max(durableBytes, framesEnd) }
    }
    if (header.kind === 'mark') durableBytes = Math.max(durableBytes, Math.min(header.start, at))
    steps.push({ type: 'frame', header, offset: at })
    at += FRAME_HEADER_BYTES + header.bodyBytes
  }
  return { steps, framesEnd: Math.max(PACK_HEADER_BYTES, reader.size), durableBytes }
}

async function headerAt(reader: PackReader, at: number): Promise<FrameHeader | undefined> {
  const header = decodeFrameHeader(await reader.readHeader(at, FRAME_HEADER_BYTES), 0)
  if (header === undefined) return undefined
  const fits = at + FRAME_HEADER_BYTES + header.bodyBytes <= reader.size
  // A footer says all it is asked for in its header: it is written when everything before it is durable.
  return fits || header.kind === 'footer' ? header : undefined
}

/** Offset of the first whole frame at or after `from`. Reads all of the rest if there is none. */
async function nextWholeFrame(reader: PackReader, from: number): Promise<number | undefined> {
  for (let base = from; base + FRAME_HEADER_BYTES <= reader.size;) {
    const window = await reader.read(base, SEARCH_BYTES)
    const headers: number[] = []
    for (let at = 0; at + FRAME_HEADER_BYTES <= window.byteLength; at++) {
      if (decodeFrameHeader(window, at) !== undefined) headers.push(base + at)
    }
    for (const offset of headers) if (await isWholeFrame(reader, offset)) return offset
    base += window.byteLength - FRAME_HEADER_BYTES + 1
  }
  return undefined
}

async function isWholeFrame(reader: PackReader, offset: number): Promise<boolean> {
  const header = await headerAt(reader, offset)
  if (header === undefined) return false
  return isWholeBody(header, await reader.read(offset + FRAME_HEADER_BYTES, header.bodyBytes))
}

/** Offset of the byte after a frame. */
export function endOf(entry: { readonly offset: number; readonly bodyBytes: number }): number {
  return entry.offset + FRAME_HEADER_BYTES + entry.bodyBytes
}
