import assert from 'node:assert/strict'
import { hasCode } from '@holdfast/ports'
import type { ErrorCode } from '@holdfast/ports'

/** The call throws a Holdfast error of this code, in this turn. */
export function throwsCode(call: () => unknown, code: ErrorCode): void {
  assert.throws(call, (error) => sayCode(error, code))
}

/** The promise rejects with a Holdfast error of this code. */
export async function rejectsCode(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error) => sayCode(error, code))
}

function sayCode(error: unknown, code: ErrorCode): true {
  assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`)
  return true
}
