import { ERROR_CODES, type ErrorCode } from '@holdfast/ports'

/** Exit codes are an interface: scripts branch on them. */
export const EXIT = {
  done: 0,
  failed: 1,
  misuse: 2,
  unreadable: 3,
  noNode: 10,
  notRunning: 11,
  wrongKey: 12,
  degraded: 20,
  healed: 21,
  corrupt: 22,
  refused: 23,
  unreachable: 24,
  interrupted: 130,
} as const

/** What each means, for help texts and documents. */
export const EXIT_MEANINGS: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.done, 'done'],
  [EXIT.failed, 'failed'],
  [EXIT.misuse, 'misuse or malformed input'],
  [EXIT.unreadable, 'done, but some source was unreadable'],
  [EXIT.noNode, 'no node here'],
  [EXIT.notRunning, 'not running, or held by another process'],
  [EXIT.wrongKey, 'wrong key'],
  [EXIT.degraded, 'degraded: fewer copies than the policy asks'],
  [EXIT.healed, 'corruption found and healed'],
  [EXIT.corrupt, 'corruption found, not healed'],
  [EXIT.refused, 'refused by policy'],
  [EXIT.unreachable, 'peer unreachable or time-out'],
  [EXIT.interrupted, 'interrupted'],
]

/** Exit code of a command that failed with this error. */
export const EXIT_OF_ERROR: Readonly<Record<ErrorCode, number>> = {
  HF_ABORTED: EXIT.interrupted,
  HF_ALREADY_EXISTS: EXIT.failed,
  HF_BAD_INPUT: EXIT.misuse,
  HF_BAD_TOKEN: EXIT.misuse,
  HF_BUSY: EXIT.failed,
  HF_CHARTER_REFUSED: EXIT.refused,
  HF_CHUNK_CORRUPT: EXIT.corrupt,
  HF_CHUNK_MISSING: EXIT.unreachable,
  HF_CLOSED: EXIT.notRunning,
  HF_CONFIG_INVALID: EXIT.misuse,
  HF_CONFLICT: EXIT.failed,
  HF_DECODE: EXIT.corrupt,
  HF_DESTINATION: EXIT.failed,
  HF_DRIVE_FAILED: EXIT.failed,
  HF_DRIVE_FULL: EXIT.failed,
  HF_EPOCH_STALE: EXIT.refused,
  HF_HOME_COPIED: EXIT.refused,
  HF_HOME_EXISTS: EXIT.failed,
  HF_HOME_IN_USE: EXIT.notRunning,
  HF_HOME_MISSING: EXIT.noNode,
  HF_HOME_NEWER: EXIT.failed,
  HF_HOME_READ_ONLY: EXIT.failed,
  HF_INTERNAL: EXIT.failed,
  HF_JOURNAL_DAMAGED: EXIT.corrupt,
  HF_JOURNAL_GAP: EXIT.corrupt,
  HF_JOURNAL_REFUSED: EXIT.corrupt,
  HF_NOT_FOUND: EXIT.failed,
  HF_NOT_PRIMARY: EXIT.refused,
  HF_NOT_RUNNING: EXIT.notRunning,
  HF_OPERATOR_KEY: EXIT.wrongKey,
  HF_PACK_CORRUPT: EXIT.corrupt,
  HF_PEER_PROTOCOL: EXIT.unreachable,
  HF_PEER_REFUSED: EXIT.unreachable,
  HF_PEER_UNREACHABLE: EXIT.unreachable,
  HF_POLICY: EXIT.refused,
  HF_PORT_TAKEN: EXIT.notRunning,
  HF_RECORD_MISMATCH: EXIT.corrupt,
  HF_SOURCE_UNAVAILABLE: EXIT.failed,
  HF_TIMEOUT: EXIT.unreachable,
  HF_UNREADABLE: EXIT.unreadable,
  HF_WRONG_KEY: EXIT.wrongKey,
}

/** Whether a code that came as text is one of ours. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_CODES, code)
