import { HoldfastError } from '@holdfast/ports'
import type { ErrorCode } from '@holdfast/ports'

/** What ends a restore; everything else is the trouble of the paths that need what is missing or wrong. */
const ENDS_IT: readonly ErrorCode[] = ['HF_ABORTED', 'HF_CLOSED', 'HF_DESTINATION', 'HF_INTERNAL']

/** Whether the rest of a restore can go on without the path that this happened to. */
export const isOfOnePath = (error: unknown): error is HoldfastError =>
  error instanceof HoldfastError && !ENDS_IT.includes(error.code)
