/**
 * Frames: what packs are made of. A fixed header says kind, length, volume and id, and carries its own checksum; the body follows.
 * A chunk's body is named by its id. A journal frame's body carries a checksum of its own, so that a torn one is told without the log.
 * Layout in docs/formats.md; all numbers are little-endian.
 */
import { blake3 } from '@holdfast/hash'
import {
  asChunkId,
  asCoreKey,
  asVolumeId,
  equalBytes,
  HoldfastError,
  JOURNAL_BLOCK_BYTES_MAX,
  JOURNAL_FRAME_BLOCKS_MAX,
  MIB,
} from '@holdfast/ports'
import type { ChunkId, JournalFrame, VolumeId } from '@holdfast/ports'
import type { FrameEntry, FrameKind } from './types.ts'

/** Bytes before each frame's body: 64 of fields, 8 of checksum. */
export const FRAME_HEADER_BYTES = 72
/** Longest body, bytes. A chunk is about 512 KiB, a frame of small records less; the bound keeps one read in memory. */
export const FRAME_BODY_BYTES_MAX = 64 * MIB

export const FRAME_FIELDS_BYTES = 64
const FRAME_VERSION = 1
const CHECKSUM_BYTES = 8

const BODY_VERSION = 1
export const BODY_CHECKSUM_BYTES = 16
const SIGNATURE_BYTES = 64
const BODY_FIXED_BYTES = BODY_CHECKSUM_BYTES + 1 + SIGNATURE_BYTES

/** `mark` says how much of the pack was durable when it was written; `footer` lists the frames of a sealed pack. */
export type AnyFrameKind = FrameKind | 'mark' | 'footer'

const KIND_CODES: Readonly<Record<AnyFrameKind, number>> = { chunk: 1, journal: 2, mark: 3, footer: 4 }
const KINDS: readonly (AnyFrameKind | undefined)[] = [undefined, 'chunk', 'journal', 'mark', 'footer']

export interface FrameHeader {
  readonly kind: AnyFrameKind
  readonly volume: VolumeId
  readonly id: Uint8Array
  readonly start: number
  readonly blockCount: number
  readonly bodyBytes: number
}

export const NO_VOLUME = asVolumeId(new Uint8Array(16))
export const NO_ID = new Uint8Array(32)

/** Writes the header of a chunk frame at `into[at]`; `bodyBytes` bytes of the sealed chunk follow it at `at + FRAME_HEADER_BYTES`. */
export function encodeChunkFrameHeader(
  into: Uint8Array,
  at: number,
  volume: VolumeId,
  id: ChunkId,
  bodyBytes: number,
): void {
  encodeFrameHeader(into, at, { kind: 'chunk', volume, id, start: 0, blockCount: 0, bodyBytes })
}

/** One whole pack frame, header and body. @throws HF_BAD_INPUT for more or larger blocks than the port allows, or none */
export function encodeJournalFrame(volume: VolumeId, frame: JournalFrame): Uint8Array {
  const { blocks } = frame
  if (blocks.length === 0 || blocks.length > JOURNAL_FRAME_BLOCKS_MAX) {
    throw new HoldfastError('HF_BAD_INPUT', `a journal frame of ${blocks.length} blocks`)
  }
  if (frame.signature.byteLength !== SIGNATURE_BYTES) {
    throw new HoldfastError('HF_BAD_INPUT', `a signature of ${frame.signature.byteLength} bytes`)
  }
  let bodyBytes = BODY_FIXED_BYTES
  for (const block of blocks) {
    if (block.byteLength > JOURNAL_BLOCK_BYTES_MAX) {
      throw new HoldfastError('HF_BAD_INPUT', `a journal block of ${block.byteLength} bytes`)
    }
    bodyBytes += 4 + block.byteLength
  }
  if (bodyBytes > FRAME_BODY_BYTES_MAX) throw new HoldfastError('HF_BAD_INPUT', `a journal frame of ${bodyBytes} bytes`)

  const out = new Uint8Array(FRAME_HEADER_BYTES + bodyBytes)
  const view = new DataView(out.buffer)
  const { coreKey, start } = frame
  encodeFrameHeader(out, 0, { kind: 'journal', volume, id: coreKey, start, blockCount: blocks.length, bodyBytes })
  let at = FRAME_HEADER_BYTES + BODY_CHECKSUM_BYTES
  out[at] = BODY_VERSION
  out.set(frame.signature, at + 1)
  at += 1 + SIGNATURE_BYTES
  for (const block of blocks) {
    view.setUint32(at, block.byteLength, true)
    out.set(block, at + 4)
    at += 4 + block.byteLength
  }
  out.set(bodyChecksum(out.subarray(FRAME_HEADER_BYTES)), FRAME_HEADER_BYTES)
  return out
}

/** The frame that was encoded, in memory of its own, or undefined if the body is not whole. */
export function decodeJournalBody(header: FrameHeader, body: Uint8Array): JournalFrame | undefined {
  if (!isWholeBody(header, body)) return undefined
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  let at = BODY_CHECKSUM_BYTES
  if (body[at] !== BODY_VERSION) return undefined
  const signature = body.slice(at + 1, at + 1 + SIGNATURE_BYTES)
  at += 1 + SIGNATURE_BYTES
  const blocks: Uint8Array[] = []
  for (let index = 0; index < header.blockCount; index++) {
    if (at + 4 > body.byteLength) return undefined
    const length = view.getUint32(at, true)
    at += 4
    if (length > body.byteLength - at) return undefined
    blocks.push(body.slice(at, at + length))
    at += length
  }
  if (at !== body.byteLength) return undefined
  return { coreKey: asCoreKey(header.id), start: header.start, blocks, signature }
}

/** Whether the body is the one that the header was written for. */
export function isWholeBody(header: FrameHeader, body: Uint8Array): boolean {
  if (body.byteLength !== header.bodyBytes) return false
  if (header.kind === 'mark') return true
  if (header.kind === 'chunk') return equalBytes(blake3(body), header.id)
  if (body.byteLength < BODY_CHECKSUM_BYTES) return false
  return equalBytes(bodyChecksum(body), body.subarray(0, BODY_CHECKSUM_BYTES))
}

/** First 16 bytes of BLAKE3 over what follows the checksum. */
export function bodyChecksum(body: Uint8Array): Uint8Array {
  return blake3(body.subarray(BODY_CHECKSUM_BYTES)).subarray(0, BODY_CHECKSUM_BYTES)
}

/** A frame without a body: `durableBytes` of the pack before it had been synced when it was written. */
export function encodeMark(durableBytes: number): Uint8Array {
  const out = new Uint8Array(FRAME_HEADER_BYTES)
  encodeFrameHeader(out, 0, {
    kind: 'mark',
    volume: NO_VOLUME,
    id: NO_ID,
    start: durableBytes,
    blockCount: 0,
    bodyBytes: 0,
  })
  return out
}

export function encodeFrameHeader(into: Uint8Array, at: number, header: FrameHeader): void {
  const { bodyBytes, blockCount, start } = header
  if (bodyBytes < 0 || bodyBytes > FRAME_BODY_BYTES_MAX) throw new TypeError(`frame body of ${bodyBytes} bytes`)
  if (!Number.isSafeInteger(start) || start < 0) throw new TypeError(`frame start ${start}`)
  const view = new DataView(into.buffer, into.byteOffset + at, FRAME_HEADER_BYTES)
  view.setUint8(0, FRAME_VERSION)
  view.setUint8(1, KIND_CODES[header.kind])
  view.setUint16(2, blockCount, true)
  view.setUint32(4, bodyBytes, true)
  into.set(asVolumeId(header.volume), at + 8)
  into.set(asChunkId(header.id), at + 24)
  view.setBigUint64(56, BigInt(start), true)
  const checksum = blake3(into.subarray(at, at + FRAME_FIELDS_BYTES))
  into.set(checksum.subarray(0, CHECKSUM_BYTES), at + FRAME_FIELDS_BYTES)
}

/** The header at `bytes[at]`, with copies of its ids; undefined if there is none. */
export function decodeFrameHeader(bytes: Uint8Array, at: number): FrameHeader | undefined {
  if (bytes.byteLength - at < FRAME_HEADER_BYTES || !looksLikeHeader(bytes, at)) return undefined
  const checksum = blake3(bytes.subarray(at, at + FRAME_FIELDS_BYTES)).subarray(0, CHECKSUM_BYTES)
  if (!equalBytes(checksum, bytes.subarray(at + FRAME_FIELDS_BYTES, at + FRAME_HEADER_BYTES))) return undefined
  return decodeFrameFields(bytes, at)
}

/** The 64 bytes before the checksum, as footers keep them. */
export function decodeFrameFields(bytes: Uint8Array, at: number): FrameHeader | undefined {
  if (bytes.byteLength - at < FRAME_FIELDS_BYTES || !looksLikeHeader(bytes, at)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_FIELDS_BYTES)
  const kind = KINDS[view.getUint8(1)]
  const start = Number(view.getBigUint64(56, true))
  const bodyBytes = view.getUint32(4, true)
  if (kind === undefined || !Number.isSafeInteger(start) || bodyBytes > FRAME_BODY_BYTES_MAX) return undefined
  return {
    kind,
    volume: asVolumeId(bytes.slice(at + 8, at + 24)),
    id: bytes.slice(at + 24, at + 56),
    start,
    blockCount: view.getUint16(2, true),
    bodyBytes,
  }
}

/** The entry of a chunk or journal frame at `offset` of a pack; undefined for the pack's own frames. */
export function asEntry(header: FrameHeader, pack: number, offset: number): FrameEntry | undefined {
  const { kind, volume, id, start, blockCount, bodyBytes } = header
  if (kind !== 'chunk' && kind !== 'journal') return undefined
  return { kind, volume, id, start, blockCount, pack, offset, bodyBytes }
}

/** Cheap test before the checksum: version and kind. */
function looksLikeHeader(bytes: Uint8Array, at: number): boolean {
  const kind = bytes[at + 1] ?? 0
  return bytes[at] === FRAME_VERSION && kind >= 1 && kind < KINDS.length
}
