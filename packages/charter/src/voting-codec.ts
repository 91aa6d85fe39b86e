import {
  bytes,
  decodeVersioned,
  encodeVersioned,
  hash32,
  optional,
  signature64,
  struct,
  text,
  union,
} from '@holdfast/codec'
import type { AcceptedValue } from './decree.ts'
import { ballotCodec, type Ballot } from './documents.ts'
import { DOCUMENT_BYTES_MAX } from './limits.ts'
import type { CharterBallots, CharterMessage, ProposedVersion } from './voting.ts'

/** Encoding of what voters and proposers send and keep; the order of fields and variants is the format. */

/** Longest reason in a refusal, bytes of UTF-8; a reason is cut, never split. */
export const REASON_BYTES_MAX = 400

const MESSAGE_FORMAT = 1
const proposedCodec = struct<ProposedVersion>({
  body: bytes(DOCUMENT_BYTES_MAX),
  operatorSignature: optional(signature64),
})
const acceptedCodec = struct<AcceptedValue<ProposedVersion>>({ ballot: ballotCodec, value: proposedCodec })
const ballotsCodec = struct<CharterBallots>({
  previous: hash32,
  promised: optional(ballotCodec),
  accepted: optional(acceptedCodec),
})
const messageCodec = union<CharterMessage>({
  prepare: struct({ previous: hash32, ballot: ballotCodec }),
  accept: struct({ previous: hash32, ballot: ballotCodec, proposed: proposedCodec }),
  promise: struct<{ ballot: Ballot; accepted?: AcceptedValue<ProposedVersion> }>({
    ballot: ballotCodec,
    accepted: optional(acceptedCodec),
  }),
  vote: struct({ ballot: ballotCodec, hash: hash32, signature: signature64 }),
  outbid: struct({ ballot: ballotCodec, promised: ballotCodec }),
  'other-head': struct({ ballot: ballotCodec, head: hash32 }),
  forbidden: struct({ ballot: ballotCodec, reason: text(REASON_BYTES_MAX) }),
})

export const encodeCharterMessage = (message: CharterMessage): Uint8Array =>
  encodeVersioned(MESSAGE_FORMAT, messageCodec, message)
/** @throws HF_DECODE */
export const decodeCharterMessage = (encoded: Uint8Array): CharterMessage =>
  decodeVersioned(MESSAGE_FORMAT, messageCodec, encoded, 'charter message')

export const encodeBallots = (ballots: CharterBallots): Uint8Array =>
  encodeVersioned(MESSAGE_FORMAT, ballotsCodec, ballots)
/** @throws HF_DECODE */
export const decodeBallots = (encoded: Uint8Array): CharterBallots =>
  decodeVersioned(MESSAGE_FORMAT, ballotsCodec, encoded, 'record of charter ballots')
