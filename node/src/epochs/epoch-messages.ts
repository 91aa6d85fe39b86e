import {
  bytes,
  decodeVersioned,
  encodeVersioned,
  fixed,
  list,
  optional,
  signature64,
  struct,
  uint,
} from '@holdfast/codec'
import { decodeEpochRecord, encodeEpochRecord, type EpochRecord } from '@holdfast/failover'
import { asCoreKey, asVolumeId, JOURNAL_BLOCK_BYTES_MAX, JOURNAL_FRAME_BLOCKS_MAX, KIB, MIB } from '@holdfast/ports'
import type { CoreKey, JournalFrame, VolumeId } from '@holdfast/ports'

/** Calls between members about epochs: asking for a vote, for the epochs that a member knows, and for frames of one log. */
export const VOTE_METHOD = 'epochs/vote'
export const RECORDS_METHOD = 'epochs/records'
export const FRAME_METHOD = 'epochs/frame'

/** Epochs in one answer: 6 KiB each at most. A member that lacks more asks again. */
export const RECORDS_MAX = 256
const RECORD_BYTES_MAX = 16 * KIB
/** Bytes of a frame in one answer. A frame is put together from its slices: at most 5 MiB. */
export const FRAME_SLICE_BYTES = MIB

const FORMAT = 1
const volume = fixed(16, asVolumeId)
const coreKey = fixed(32, asCoreKey)

export interface RecordsRequest {
  readonly volume: VolumeId
  /** The newest epoch that the asker knows. */
  readonly after: number
}
const recordsRequest = struct<RecordsRequest>({ volume, after: uint })
const recordsReply = list(bytes(RECORD_BYTES_MAX), RECORDS_MAX)

export const encodeRecordsRequest = (request: RecordsRequest): Uint8Array =>
  encodeVersioned(FORMAT, recordsRequest, request)
/** @throws HF_DECODE */
export const decodeRecordsRequest = (encoded: Uint8Array): RecordsRequest =>
  decodeVersioned(FORMAT, recordsRequest, encoded, 'question for epochs')

/** Records ascending by epoch. */
export const encodeRecords = (records: readonly EpochRecord[]): Uint8Array =>
  encodeVersioned(FORMAT, recordsReply, records.map(encodeEpochRecord))
/** @throws HF_DECODE */
export const decodeRecords = (encoded: Uint8Array): EpochRecord[] =>
  decodeVersioned(FORMAT, recordsReply, encoded, 'epochs of a volume').map(decodeEpochRecord)

export interface FrameRequest {
  readonly volume: VolumeId
  readonly coreKey: CoreKey
  /** First block. */
  readonly from: number
  /** Where the slice of the encoded frame begins, bytes. */
  readonly offset: number
}
const frameRequest = struct<FrameRequest>({ volume, coreKey, from: uint, offset: uint })

export const encodeFrameRequest = (request: FrameRequest): Uint8Array => encodeVersioned(FORMAT, frameRequest, request)
/** @throws HF_DECODE */
export const decodeFrameRequest = (encoded: Uint8Array): FrameRequest =>
  decodeVersioned(FORMAT, frameRequest, encoded, 'question for a frame')

export interface FrameSlice {
  /** Bytes of the whole encoded frame. */
  readonly total: number
  readonly slice: Uint8Array
}
/** Absent: the member has no frame there. */
const frameReply = optional(struct<FrameSlice>({ total: uint, slice: bytes(FRAME_SLICE_BYTES) }))

export const encodeFrameSlice = (slice: FrameSlice | undefined): Uint8Array =>
  encodeVersioned(FORMAT, frameReply, slice)
/** @throws HF_DECODE */
export const decodeFrameSlice = (encoded: Uint8Array): FrameSlice | undefined =>
  decodeVersioned(FORMAT, frameReply, encoded, 'slice of a frame')

/** A frame without its core key, which the question names. */
const frame = struct<Omit<JournalFrame, 'coreKey'>>({
  start: uint,
  blocks: list(bytes(JOURNAL_BLOCK_BYTES_MAX), JOURNAL_FRAME_BLOCKS_MAX),
  signature: signature64,
})
export const encodeFrame = (whole: JournalFrame): Uint8Array => encodeVersioned(FORMAT, frame, whole)
/** @throws HF_DECODE */
export const decodeFrame = (encoded: Uint8Array, key: CoreKey): JournalFrame => ({
  coreKey: key,
  ...decodeVersioned(FORMAT, frame, encoded, 'journal frame'),
})
