/** What client and server agree on. Nothing here loads a library: the command line starts with it. */
import type { HoldfastError } from '@holdfast/ports'
import type { CallOptions, NodeService } from './service.ts'
import type { AboutAnswer } from './status-messages.ts'
import type { Moment } from './vocabulary.ts'

/** Version of methods and shapes. A node speaks this one and the one before. */
export const API_VERSION = 1
export const API_VERSION_OLDEST = 1

/** Request: the version the client speaks. Answer: the one the node answers in. */
export const VERSION_HEADER = 'holdfast-api'
/** Answer of `cat`: size in bytes. */
export const SIZE_HEADER = 'holdfast-size'
/** Answer of `cat`: JSON array of notices, percent-encoded. */
export const NOTICES_HEADER = 'holdfast-notices'
/** Trailer of `cat`: `complete`, or the error as JSON, percent-encoded. Without it the content was cut off. */
export const END_TRAILER = 'holdfast-end'
export const END_COMPLETE = 'complete'

/** How a method answers: one JSON document, lines of JSON, or bytes. */
export const METHOD_KINDS = {
  status: 'document',
  protect: 'document',
  unprotect: 'document',
  flush: 'lines',
  ls: 'lines',
  log: 'lines',
  find: 'lines',
  diff: 'lines',
  cat: 'bytes',
  restore: 'lines',
  verify: 'lines',
  repairIndex: 'lines',
  invite: 'document',
  peers: 'document',
  nodes: 'document',
  nodeRemove: 'document',
  members: 'document',
  memberAdd: 'document',
  memberRemove: 'document',
  memberRole: 'document',
  charterLog: 'document',
  configShow: 'document',
} as const satisfies Record<keyof NodeService, 'document' | 'lines' | 'bytes'>

export type MethodName = keyof NodeService

export const pathOfMethod = (name: MethodName | 'about'): string => `/v1/${name}`

export type RequestOf<Name extends MethodName> = Parameters<NodeService[Name]>[0]
export type AnswerOf<Name extends MethodName> = ReturnType<NodeService[Name]>

/** A request as JSON carries it: bytes as `pathText` writes them, moments as RFC 3339. */
export type Wire<Request> = { readonly [Key in keyof Request]: WireValue<Request[Key]> }
type WireValue<Value> = Value extends Uint8Array | Moment ? string : Value

/** The service as seen through the socket. */
export type NodeClient = {
  readonly [Name in MethodName]: (request: Wire<RequestOf<Name>>, call: CallOptions) => AnswerOf<Name>
} & {
  about(call: CallOptions): Promise<AboutAnswer>
  /** Closes the connections; idempotent. */
  close(): void
}

/** An error as JSON carries it. */
export interface WireError {
  readonly hf_code: string
  readonly message: string
  /** What to do or run next. */
  readonly next?: string
  readonly retryable: boolean
}

/** Last line of an answer in lines that failed. */
export interface FailureLine extends WireError {
  readonly message_type: 'exit_error'
}

export function wireError(error: HoldfastError): WireError {
  const { code, message, next, retryable } = error
  return { hf_code: code, message, retryable, ...(next === undefined ? {} : { next }) }
}
