import { HoldfastError, type ErrorCode } from '@holdfast/ports'
import type { z } from 'zod'

/** HTTP status of an error code, for programs that look at nothing else; 500 for those not listed. */
const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  HF_ABORTED: 499,
  HF_ALREADY_EXISTS: 409,
  HF_BAD_INPUT: 400,
  HF_BAD_TOKEN: 400,
  HF_BUSY: 429,
  HF_CHARTER_REFUSED: 403,
  HF_CLOSED: 503,
  HF_CONFLICT: 409,
  HF_NOT_FOUND: 404,
  HF_NOT_PRIMARY: 421,
  HF_NOT_RUNNING: 503,
  HF_OPERATOR_KEY: 403,
  HF_PEER_REFUSED: 502,
  HF_PEER_UNREACHABLE: 502,
  HF_POLICY: 403,
  HF_TIMEOUT: 504,
  HF_WRONG_KEY: 403,
}

export const statusOf = (code: ErrorCode): number => STATUS_OF[code] ?? 500

/** Any thrown thing as an error with a code; what has none is a defect. */
export function asHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error
  if (error instanceof Error && error.name === 'AbortError')
    return new HoldfastError('HF_ABORTED', 'aborted', { cause: error })
  const text = error instanceof Error ? error.message : String(error)
  return new HoldfastError('HF_INTERNAL', `unexpected: ${text}`, {
    cause: error,
    next: 'run it again with -v and report what the node logged',
  })
}

/** The first thing that is wrong with a request, by member. */
export function badRequest(method: string, error: z.ZodError): HoldfastError {
  const issue = error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? method : issue.path.join('.')
  return new HoldfastError('HF_BAD_INPUT', `${where}: ${issue?.message ?? 'malformed request'}`, { cause: error })
}
