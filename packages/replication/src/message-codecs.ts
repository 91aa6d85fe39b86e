/** How the messages are laid out in bytes. The order of fields and variants is the format; `docs/formats.md` has it in words. */
import {
  HoldfastError,
  JOURNAL_BLOCK_BYTES_MAX,
  JOURNAL_FRAME_BLOCKS_MAX,
  asChunkId,
  asCoreKey,
  asNodeId,
  asVolumeId,
} from '@holdfast/ports'
import type { Chunk, JournalFrame } from '@holdfast/ports'
import type { Codec } from '@holdfast/codec'
import {
  bool,
  decodeVersioned,
  encodeVersioned,
  fixed,
  hash32,
  list,
  signature64,
  struct,
  text,
  uint,
  union,
  view,
  word,
} from '@holdfast/codec'
import {
  CALL_BODY_BYTES_MAX,
  CALL_ERROR_BYTES_MAX,
  CALL_METHOD_BYTES_MAX,
  CHUNK_BYTES_MAX,
  CHUNK_IDS_PER_REQUEST_MAX,
  CHUNK_SLICE_BYTES_MAX,
  FRAME_PART_BYTES_MAX,
  HEADS_PER_MESSAGE_MAX,
  LIVE_CHUNKS_MAX,
  LIVE_CHUNK_BYTES_MAX,
} from './limits.ts'
import type {
  Ack,
  AckLevel,
  CallMessage,
  ChunkAnswer,
  ChunkRequest,
  ControlMessage,
  FrameMessage,
  JournalAnswer,
  JournalRequest,
  SignedAck,
  SubscribeRefusal,
  VolumeHead,
} from './messages.ts'

/** First byte of every message. */
export const MESSAGE_VERSION = 1

/** What is decoded here was sent by a peer: what is wrong with it is the peer's doing. */
const decodeMessage = <T>(codec: Codec<T>, encoded: Uint8Array, name: string): T =>
  decodeVersioned(MESSAGE_VERSION, codec, encoded, name, 'HF_PEER_PROTOCOL')

const volume = fixed(16, asVolumeId)
const coreKey = fixed(32, asCoreKey)
const chunkId = fixed(32, asChunkId)
const ackFields = {
  member: fixed(32, asNodeId),
  volume,
  epoch: uint,
  coreKey,
  level: word<AckLevel>(['accepted', 'complete']),
  length: uint,
  treeHash: hash32,
}
const ack = struct<Ack>(ackFields)
const signedAck = struct<SignedAck>({ ...ackFields, signature: signature64 })

const control = union<ControlMessage>({
  heartbeat: struct({ sequence: uint, intervalMs: uint, charterDigest: hash32 }),
  'heartbeat-answer': struct({ sequence: uint }),
  heads: struct({
    heads: list(
      struct<VolumeHead>({ volume, epoch: uint, coreKey, length: uint, treeHash: hash32 }),
      HEADS_PER_MESSAGE_MAX,
    ),
  }),
  acks: struct({ acks: list(signedAck, HEADS_PER_MESSAGE_MAX) }),
})

const frameMessage = struct<FrameMessage>({
  volume,
  subscription: uint,
  frame: struct<JournalFrame>({
    coreKey,
    start: uint,
    blocks: list(view(JOURNAL_BLOCK_BYTES_MAX), JOURNAL_FRAME_BLOCKS_MAX),
    signature: signature64,
  }),
  chunks: list(struct<Chunk>({ id: chunkId, bytes: view(LIVE_CHUNK_BYTES_MAX) }), LIVE_CHUNKS_MAX),
})

const journalRequest = union<JournalRequest>({
  subscribe: struct({ volume, subscription: uint, coreKey, from: uint }),
  progress: struct({ volume, subscription: uint, length: uint }),
  unsubscribe: struct({ volume, subscription: uint }),
})

const journalAnswer = union<JournalAnswer>({
  'frame-part': struct({ last: bool, bytes: view(FRAME_PART_BYTES_MAX) }),
  refused: struct({
    volume,
    subscription: uint,
    reason: word<SubscribeRefusal>(['unknown-volume', 'unknown-core', 'beyond-end', 'unavailable']),
  }),
})

const chunkRequest = struct<ChunkRequest>({ volume, first: uint, ids: list(chunkId, CHUNK_IDS_PER_REQUEST_MAX) })

const chunkAnswer = union<ChunkAnswer>({
  slice: struct({ number: uint, totalBytes: uint, offset: uint, bytes: view(CHUNK_SLICE_BYTES_MAX) }),
  missing: struct({ number: uint }),
})

const call = union<CallMessage>({
  request: struct({ id: uint, method: text(CALL_METHOD_BYTES_MAX), body: view(CALL_BODY_BYTES_MAX) }),
  response: struct({ id: uint, body: view(CALL_BODY_BYTES_MAX) }),
  failure: struct({
    id: uint,
    code: text(CALL_METHOD_BYTES_MAX),
    message: text(CALL_ERROR_BYTES_MAX),
    retryable: bool,
  }),
})

/** The bytes that a member signs, under `ACK_LABEL`. */
export const encodeAck = (value: Ack): Uint8Array => encodeVersioned(MESSAGE_VERSION, ack, value)

export const encodeControl = (value: ControlMessage): Uint8Array => encodeVersioned(MESSAGE_VERSION, control, value)
/** @throws HF_PEER_PROTOCOL */
export const decodeControl = (encoded: Uint8Array): ControlMessage => decodeMessage(control, encoded, 'control message')

export const encodeFrameMessage = (value: FrameMessage): Uint8Array =>
  encodeVersioned(MESSAGE_VERSION, frameMessage, value)
/** Blocks and chunks are views of `encoded`. @throws HF_PEER_PROTOCOL */
export function decodeFrameMessage(encoded: Uint8Array): FrameMessage {
  return decodeMessage(frameMessage, encoded, 'journal frame')
}

export const encodeJournalRequest = (value: JournalRequest): Uint8Array =>
  encodeVersioned(MESSAGE_VERSION, journalRequest, value)
/** @throws HF_PEER_PROTOCOL */
export const decodeJournalRequest = (encoded: Uint8Array): JournalRequest =>
  decodeMessage(journalRequest, encoded, 'journal request')

export const encodeJournalAnswer = (value: JournalAnswer): Uint8Array =>
  encodeVersioned(MESSAGE_VERSION, journalAnswer, value)
/** Bytes of a part are a view of `encoded`. @throws HF_PEER_PROTOCOL */
export const decodeJournalAnswer = (encoded: Uint8Array): JournalAnswer =>
  decodeMessage(journalAnswer, encoded, 'journal answer')

export const encodeChunkRequest = (value: ChunkRequest): Uint8Array =>
  encodeVersioned(MESSAGE_VERSION, chunkRequest, value)
/** @throws HF_PEER_PROTOCOL */
export const decodeChunkRequest = (encoded: Uint8Array): ChunkRequest =>
  decodeMessage(chunkRequest, encoded, 'chunk request')

export const encodeChunkAnswer = (value: ChunkAnswer): Uint8Array =>
  encodeVersioned(MESSAGE_VERSION, chunkAnswer, value)
/** Bytes of a slice are a view of `encoded`. @throws HF_PEER_PROTOCOL */
export function decodeChunkAnswer(encoded: Uint8Array): ChunkAnswer {
  const value = decodeMessage(chunkAnswer, encoded, 'chunk answer')
  if (value.type === 'slice' && value.totalBytes > CHUNK_BYTES_MAX) {
    throw new HoldfastError('HF_PEER_PROTOCOL', `a chunk of ${value.totalBytes} bytes`)
  }
  return value
}

export const encodeCall = (value: CallMessage): Uint8Array => encodeVersioned(MESSAGE_VERSION, call, value)
/** A body is a view of `encoded`. @throws HF_PEER_PROTOCOL */
export const decodeCall = (encoded: Uint8Array): CallMessage => decodeMessage(call, encoded, 'call')
