/** Every code that Holdfast raises, with what it means for the data; `docs/errors.md` is compared with this table by a test. */
export const ERROR_CODES = {
  HF_ABORTED: 'the caller gave up; nothing was changed by what had not begun',
  HF_ALREADY_EXISTS: 'a thing of that name exists already; nothing was changed',
  HF_BAD_INPUT: 'an argument is malformed; nothing was changed',
  HF_BAD_TOKEN: 'a join token is malformed, used, expired or of another mesh; nothing was changed',
  HF_BUSY: 'a bounded queue is full; try again',
  HF_CHARTER_REFUSED: 'a charter version or entry is not authorised; the charter stays as it was',
  HF_CHUNK_CORRUPT: 'bytes do not match the id that names them; they are not used',
  HF_CHUNK_MISSING: 'a chunk is not held here and no reachable member has it',
  HF_CLOSED: 'the thing is closed; nothing was changed',
  HF_CONFIG_INVALID: 'the configuration is malformed; the node did not start',
  HF_CONFLICT: 'the destination holds other data; nothing was changed',
  HF_DECODE: 'bytes are not in the format they claim; they are not used',
  HF_DESTINATION: 'the destination cannot be written; what is complete there is right, the rest is missing',
  HF_DRIVE_FAILED: 'a drive refused a write or a sync; nothing after that is acknowledged',
  HF_DRIVE_FULL: 'a drive has no room; nothing after that is acknowledged, what was is safe',
  HF_EPOCH_STALE: 'the writer belongs to an older epoch; its write is refused',
  HF_HOME_COPIED: 'the home was copied from another place; it is not opened',
  HF_HOME_EXISTS: 'the directory is a node already; nothing was changed',
  HF_HOME_IN_USE: 'another process holds the home; nothing was changed',
  HF_HOME_MISSING: 'there is no node here',
  HF_HOME_NEWER: 'the home is of a newer format; nothing was changed',
  HF_HOME_READ_ONLY: 'the home cannot be written; nothing was changed',
  HF_INTERNAL: 'a defect in Holdfast; what was acknowledged is safe',
  HF_JOURNAL_DAMAGED: 'the local journal or catalog index is missing or damaged; it is rebuilt from the packs',
  HF_JOURNAL_GAP: 'a journal frame does not begin where the log ends; nothing was written',
  HF_JOURNAL_REFUSED: 'a journal frame fails its signature or its core; nothing was written',
  HF_NOT_FOUND: 'no such volume, path, node or version',
  HF_NOT_PRIMARY: 'this member may not write the volume; ask the primary',
  HF_NOT_RUNNING: 'the node is not running',
  HF_OPERATOR_KEY: 'the operator key is needed and was not given, or is another mesh’s',
  HF_PACK_CORRUPT: 'a pack holds bytes that fail their check; the rest of it is used',
  HF_PEER_PROTOCOL: 'a peer sent what its protocol does not allow; its connection is closed',
  HF_PEER_REFUSED: 'a peer is not a member, or refused us',
  HF_PEER_UNREACHABLE: 'a peer cannot be reached',
  HF_POLICY: 'refused by policy; nothing was changed',
  HF_PORT_TAKEN: 'the address is in use; the node did not start',
  HF_RECORD_MISMATCH: 'a record’s public list differs from its sealed one; it is not used',
  HF_SOURCE_UNAVAILABLE: 'the protected directory is missing or unreadable; nothing is taken for deleted',
  HF_TIMEOUT: 'it was not done in time; it may still be done later',
  HF_UNREADABLE: 'something in the source cannot be read; its last version stays, and it is tried again',
  HF_WRONG_KEY: 'the passphrase or key does not open this; nothing was touched',
} as const

export type ErrorCode = keyof typeof ERROR_CODES

export interface ErrorDetail {
  cause?: unknown
  /** Whether the same call may succeed later, unchanged. @default false */
  retryable?: boolean
  /** The next thing a person should do or run. */
  next?: string
  /** The peer to blame, in hex. */
  peer?: string
}

/** The one error class: callers branch on `code`, people read `message` and `next`. */
export class HoldfastError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly next: string | undefined
  readonly peer: string | undefined

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = code === 'HF_ABORTED' ? 'AbortError' : 'HoldfastError'
    this.code = code
    this.retryable = detail.retryable ?? false
    this.next = detail.next
    this.peer = detail.peer
  }
}

/** True for an error with this code, from any copy of this package. */
export function hasCode(error: unknown, code: ErrorCode): error is HoldfastError {
  return error instanceof Error && (error as { code?: unknown }).code === code
}

/** @throws HF_ABORTED if the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new HoldfastError('HF_ABORTED', 'aborted', { cause: signal.reason })
}
