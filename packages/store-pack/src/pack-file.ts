/**
 * A pack as a file: a header that names it, frames, and once it is sealed a footer that lists them, with a trailer by which the
 * footer is found from the end. The footer is written only after everything before it has been synced: a pack that has one was
 * whole. Layout in docs/formats.md; all numbers are little-endian.
 */
import { blake3 } from '@holdfast/hash'
import { equalBytes, GIB, KIB, MIB } from '@holdfast/ports'
import {
  asEntry,
  bodyChecksum,
  BODY_CHECKSUM_BYTES,
  decodeFrameFields,
  encodeFrameHeader,
  FRAME_FIELDS_BYTES,
  FRAME_HEADER_BYTES,
  NO_ID,
  NO_VOLUME,
} from './frame.ts'
import type { FrameEntry } from './types.ts'

export const PACKS_DIRECTORY = 'packs'

/** A pack is sealed before it grows past this, bytes: a terabyte is 16,000 files, and compaction moves at most this at once. */
export const PACK_BYTES_MAX = 64 * MIB
/** Frames in one pack, so that a pack of tiny ones keeps its footer (68 bytes a frame) at about 1 MiB, in memory and on the drive. */
export const PACK_FRAMES_MAX = 16_384
/** Range of `packBytesMax`, bytes. Offsets are 32 bits. */
export const PACK_BYTES_MAX_RANGE = { least: 4 * KIB, most: GIB } as const

export const PACK_HEADER_BYTES = 16
export const PACK_TRAILER_BYTES = 16

const VERSION = 1
const HEADER_TAG = [0x48, 0x46, 0x50] // HFP
const TRAILER_TAG = [0x48, 0x46, 0x45] // HFE
const TAGGED_FIELDS_BYTES = 8
const FOOTER_FIXED_BYTES = BODY_CHECKSUM_BYTES + 8
const FOOTER_ROW_BYTES = FRAME_FIELDS_BYTES + 4

/** `packs/0000002a.pack` for 42. */
export function packPath(pack: number): string {
  return `${PACKS_DIRECTORY}/${pack.toString(16).padStart(8, '0')}.pack`
}

/** The number in a file name, or undefined if it is no pack's. */
export function packNumberOf(name: string): number | undefined {
  const digits = /^([0-9a-f]{8})\.pack$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits, 16)
}

export const encodePackHeader = (pack: number): Uint8Array => encodeTagged(HEADER_TAG, pack)

/** The pack's number, or undefined if this is not a pack header. */
export const decodePackHeader = (bytes: Uint8Array): number | undefined => decodeTagged(HEADER_TAG, bytes)

/** Offset of the footer's frame header, or undefined if this is not a trailer. */
export const decodePackTrailer = (bytes: Uint8Array): number | undefined => decodeTagged(TRAILER_TAG, bytes)

/** Sixteen bytes: version, tag, number, checksum. */
function encodeTagged(tag: readonly number[], number: number): Uint8Array {
  const out = new Uint8Array(TAGGED_FIELDS_BYTES + 8)
  out[0] = VERSION
  out.set(tag, 1)
  new DataView(out.buffer).setUint32(4, number, true)
  out.set(blake3(out.subarray(0, TAGGED_FIELDS_BYTES)).subarray(0, 8), TAGGED_FIELDS_BYTES)
  return out
}

function decodeTagged(tag: readonly number[], bytes: Uint8Array): number | undefined {
  if (bytes.byteLength !== TAGGED_FIELDS_BYTES + 8) return undefined
  const number = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(4, true)
  return equalBytes(bytes, encodeTagged(tag, number)) ? number : undefined
}

/** Collects the rows of a footer while the pack is written: 68 bytes a frame. */
export class FooterRows {
  #bytes = new Uint8Array(64 * FOOTER_ROW_BYTES)
  count = 0

  /** Takes the fields of the frame header at `frames[at]`, which lies at `offset` in the pack. */
  add(frames: Uint8Array, at: number, offset: number): void {
    const rowAt = this.#grow()
    this.#bytes.set(frames.subarray(at, at + FRAME_FIELDS_BYTES), rowAt)
    new DataView(this.#bytes.buffer).setUint32(rowAt + FRAME_FIELDS_BYTES, offset, true)
  }

  addEntry(entry: FrameEntry): void {
    const header = new Uint8Array(FRAME_HEADER_BYTES)
    encodeFrameHeader(header, 0, entry)
    this.add(header, 0, entry.offset)
  }

  /** The footer frame and the trailer, to be written at `footerOffset`; the frames end at `framesEnd`. */
  encode(framesEnd: number, footerOffset: number): Uint8Array {
    const bodyBytes = FOOTER_FIXED_BYTES + this.count * FOOTER_ROW_BYTES
    const out = new Uint8Array(FRAME_HEADER_BYTES + bodyBytes + PACK_TRAILER_BYTES)
    const header = { kind: 'footer', volume: NO_VOLUME, id: NO_ID, start: framesEnd, blockCount: 0, bodyBytes } as const
    encodeFrameHeader(out, 0, header)
    const body = out.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + bodyBytes)
    body[BODY_CHECKSUM_BYTES] = VERSION
    new DataView(body.buffer, body.byteOffset).setUint32(BODY_CHECKSUM_BYTES + 4, this.count, true)
    body.set(this.#bytes.subarray(0, this.count * FOOTER_ROW_BYTES), FOOTER_FIXED_BYTES)
    body.set(bodyChecksum(body))
    out.set(encodeTagged(TRAILER_TAG, footerOffset), FRAME_HEADER_BYTES + bodyBytes)
    return out
  }

  #grow(): number {
    const rowAt = this.count++ * FOOTER_ROW_BYTES
    if (rowAt === this.#bytes.byteLength) {
      const grown = new Uint8Array(this.#bytes.byteLength * 2)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    return rowAt
  }
}

/** The frames that a footer's body lists, or undefined if it is not whole. */
export function decodeFooterBody(pack: number, body: Uint8Array): FrameEntry[] | undefined {
  if (body.byteLength < FOOTER_FIXED_BYTES || body[BODY_CHECKSUM_BYTES] !== VERSION) return undefined
  if (!equalBytes(bodyChecksum(body), body.subarray(0, BODY_CHECKSUM_BYTES))) return undefined
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const count = view.getUint32(BODY_CHECKSUM_BYTES + 4, true)
  if (body.byteLength !== FOOTER_FIXED_BYTES + count * FOOTER_ROW_BYTES) return undefined
  const entries: FrameEntry[] = []
  for (let at = FOOTER_FIXED_BYTES; at < body.byteLength; at += FOOTER_ROW_BYTES) {
    const header = decodeFrameFields(body, at)
    const entry = header && asEntry(header, pack, view.getUint32(at + FRAME_FIELDS_BYTES, true))
    if (entry === undefined) return undefined
    entries.push(entry)
  }
  return entries
}
