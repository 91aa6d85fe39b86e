/**
 * All rows of the index in level. Keys begin with the generation that they belong to, so that a rebuild fills the next one while
 * this one serves; numbers in keys are big-endian, so that they sort. Values begin with their version; a value of another version
 * counts as absent: the index is a cache.
 */
import { asVolumeId, CORE_KEY_BYTES, VOLUME_ID_BYTES } from '@holdfast/ports'
import type { VolumeId } from '@holdfast/ports'
import type { FrameEntry, FrameKind, IndexRange } from './types.ts'

const VERSION = 1
const TAG = { chunk: 0x63, journal: 0x6a, pack: 0x70, run: 0x72, summary: 0x73 } as const
const FLAG_BAD = 1

/** Generations are 1 to 254, so that a key below and one above all of them exist. */
export const GENERATION_FIRST = 1
export const nextGeneration = (generation: number): number => (generation % 254) + 1

/** Where a chunk or a journal frame is. */
export interface FrameRow {
  readonly pack: number
  readonly offset: number
  readonly bodyBytes: number
  /** It failed its check: it counts as not held until it is stored anew. */
  readonly bad: boolean
  readonly volume: VolumeId
  /** Journal: number of blocks; chunk: 0. */
  readonly blockCount: number
}

/** The frame that a row points at. */
export function entryOf(kind: FrameKind, id: Uint8Array, start: number, row: FrameRow): FrameEntry {
  const { volume, blockCount, pack, offset, bodyBytes } = row
  return { kind, volume, id, start, blockCount, pack, offset, bodyBytes }
}

export interface PackRow {
  /** All frames of the pack are in the index, and it gets no more. */
  readonly complete: boolean
  /** Bytes known to be durable: what recovery need not doubt. */
  readonly durableBytes: number
  /** Bytes of the file when it was last looked at. */
  readonly fileBytes: number
}

export interface RunRow {
  readonly volume: VolumeId
  readonly length: number
}

export interface SummaryRow {
  readonly chunks: number
}

/** Names the generation that serves; outside of all generations. */
export const META_KEY = Uint8Array.of(0)
export const EVERYTHING: IndexRange = { gte: Uint8Array.of(0), lt: Uint8Array.of(255) }

export const encodeMeta = (generation: number): Uint8Array => Uint8Array.of(VERSION, generation)

export function decodeMeta(value: Uint8Array): number | undefined {
  const generation = value[1] ?? 0
  return value.byteLength === 2 && value[0] === VERSION && generation >= 1 && generation <= 254 ? generation : undefined
}

export const generationRange = (generation: number): IndexRange => ({
  gte: Uint8Array.of(generation),
  lt: Uint8Array.of(generation + 1),
})

export const CHUNK_KEY_BYTES = 2 + VOLUME_ID_BYTES + 32

/** Writes the key into `into`, which may be used again: looking up makes no garbage. */
export function writeChunkKey(into: Uint8Array, generation: number, volume: VolumeId, id: Uint8Array): void {
  into[0] = generation
  into[1] = TAG.chunk
  into.set(volume, 2)
  into.set(id, 2 + VOLUME_ID_BYTES)
}

export function chunkKey(generation: number, volume: VolumeId, id: Uint8Array): Uint8Array {
  const key = new Uint8Array(CHUNK_KEY_BYTES)
  writeChunkKey(key, generation, volume, id)
  return key
}

export const chunkIdOfKey = (key: Uint8Array): Uint8Array => key.slice(2 + VOLUME_ID_BYTES)

/** All chunks of a volume, in the order of their ids. */
export function chunkRange(generation: number, volume: VolumeId): IndexRange {
  const gte = new Uint8Array(2 + VOLUME_ID_BYTES)
  gte[0] = generation
  gte[1] = TAG.chunk
  gte.set(volume, 2)
  return { gte, lt: after(gte) }
}

export function journalKey(generation: number, coreKey: Uint8Array, start: number): Uint8Array {
  const key = new Uint8Array(2 + CORE_KEY_BYTES + 8)
  key[0] = generation
  key[1] = TAG.journal
  key.set(coreKey, 2)
  const view = new DataView(key.buffer)
  view.setUint32(2 + CORE_KEY_BYTES, Math.floor(start / 2 ** 32))
  view.setUint32(6 + CORE_KEY_BYTES, start >>> 0)
  return key
}

export function startOfJournalKey(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  return Number(view.getBigUint64(2 + CORE_KEY_BYTES))
}

/** Frames of a core that start at `from` (inclusive) to `to` (exclusive). */
export const journalRange = (generation: number, coreKey: Uint8Array, from: number, to: number): IndexRange => ({
  gte: journalKey(generation, coreKey, from),
  lt: journalKey(generation, coreKey, to),
})

export function packKey(generation: number, pack: number): Uint8Array {
  const key = new Uint8Array(6)
  key[0] = generation
  key[1] = TAG.pack
  new DataView(key.buffer).setUint32(2, pack)
  return key
}

export const packOfKey = (key: Uint8Array): number =>
  new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(2)

export function runKey(generation: number, coreKey: Uint8Array): Uint8Array {
  const key = new Uint8Array(2 + CORE_KEY_BYTES)
  key[0] = generation
  key[1] = TAG.run
  key.set(coreKey, 2)
  return key
}

export const coreOfRunKey = (key: Uint8Array): Uint8Array => key.slice(2)

export const summaryKey = (generation: number): Uint8Array => Uint8Array.of(generation, TAG.summary)

/** All rows of one kind. */
export const kindRange = (generation: number, kind: keyof typeof TAG): IndexRange => ({
  gte: Uint8Array.of(generation, TAG[kind]),
  lt: Uint8Array.of(generation, TAG[kind] + 1),
})

const FRAME_ROW_BYTES = 16 + VOLUME_ID_BYTES

export function encodeFrameRow(row: FrameRow): Uint8Array {
  const out = new Uint8Array(FRAME_ROW_BYTES)
  const view = new DataView(out.buffer)
  out[0] = VERSION
  out[1] = row.bad ? FLAG_BAD : 0
  view.setUint16(2, row.blockCount, true)
  view.setUint32(4, row.bodyBytes, true)
  view.setUint32(8, row.pack, true)
  view.setUint32(12, row.offset, true)
  out.set(row.volume, 16)
  return out
}

export function decodeFrameRow(value: Uint8Array): FrameRow | undefined {
  if (value.byteLength !== FRAME_ROW_BYTES || value[0] !== VERSION) return undefined
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  return {
    bad: value[1] === FLAG_BAD,
    blockCount: view.getUint16(2, true),
    bodyBytes: view.getUint32(4, true),
    pack: view.getUint32(8, true),
    offset: view.getUint32(12, true),
    volume: asVolumeId(value.subarray(16)),
  }
}

export function encodePackRow(row: PackRow): Uint8Array {
  const out = new Uint8Array(12)
  const view = new DataView(out.buffer)
  out[0] = VERSION
  out[1] = row.complete ? 1 : 0
  view.setUint32(4, row.durableBytes, true)
  view.setUint32(8, row.fileBytes, true)
  return out
}

export function decodePackRow(value: Uint8Array): PackRow | undefined {
  if (value.byteLength !== 12 || value[0] !== VERSION) return undefined
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  return { complete: value[1] === 1, durableBytes: view.getUint32(4, true), fileBytes: view.getUint32(8, true) }
}

export function encodeRunRow(row: RunRow): Uint8Array {
  const out = new Uint8Array(8 + VOLUME_ID_BYTES + 8)
  out[0] = VERSION
  out.set(row.volume, 8)
  new DataView(out.buffer).setBigUint64(8 + VOLUME_ID_BYTES, BigInt(row.length), true)
  return out
}

export function decodeRunRow(value: Uint8Array): RunRow | undefined {
  if (value.byteLength !== 16 + VOLUME_ID_BYTES || value[0] !== VERSION) return undefined
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  const length = Number(view.getBigUint64(8 + VOLUME_ID_BYTES, true))
  return { volume: asVolumeId(value.slice(8, 8 + VOLUME_ID_BYTES)), length }
}

export function encodeSummaryRow(row: SummaryRow): Uint8Array {
  const out = new Uint8Array(16)
  out[0] = VERSION
  new DataView(out.buffer).setBigUint64(8, BigInt(row.chunks), true)
  return out
}

export function decodeSummaryRow(value: Uint8Array): SummaryRow | undefined {
  if (value.byteLength !== 16 || value[0] !== VERSION) return undefined
  return { chunks: Number(new DataView(value.buffer, value.byteOffset).getBigUint64(8, true)) }
}

/** The least key that is greater than all that begin with `prefix`. */
function after(prefix: Uint8Array): Uint8Array {
  const next = prefix.slice()
  for (let at = next.byteLength - 1; at >= 0; at--) {
    const byte = next[at] ?? 0
    next[at] = (byte + 1) & 255
    if (byte < 255) break
  }
  return next
}
