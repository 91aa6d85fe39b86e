import assert from 'node:assert/strict'
import { HoldfastError, type ErrorCode } from '@holdfast/ports'

/** The error, which must have the code. */
export async function rejectsWith(code: ErrorCode, promise: Promise<unknown>): Promise<HoldfastError> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof HoldfastError, String(error))
    assert.equal(error.code, code, error.message)
    return error
  }
  throw new assert.AssertionError({ message: `it was not refused with ${code}` })
}
