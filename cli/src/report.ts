import { ERROR_CODES, HoldfastError } from '@holdfast/ports'
import { EXIT_OF_ERROR } from './exit-codes.ts'
import type { Io } from './io.ts'

/** Says on stderr what happened, what it means for the data, and what to do next. Gives the exit code. */
export async function report(
  error: unknown,
  flags: { json: boolean; verbose: boolean },
  signal: AbortSignal,
  io: Io,
): Promise<number> {
  const known = asHoldfastError(error, signal)
  const code = EXIT_OF_ERROR[known.code]
  const lines = [`holdfast: ${known.message}`]
  if (known.code === 'HF_ABORTED' && signal.aborted) lines[0] = 'holdfast: interrupted'
  else lines.push(`  ${known.code}: ${ERROR_CODES[known.code]}`)
  if (known.next !== undefined) lines.push(`  next: ${known.next}`)
  if (flags.verbose || known.code === 'HF_INTERNAL') lines.push(...traceOf(known))
  if (flags.json) {
    const { message, next } = known
    const document = {
      message_type: 'exit_error',
      code,
      hf_code: known.code,
      message,
      ...(next === undefined ? {} : { next }),
    }
    lines.push(JSON.stringify(document))
  }
  try {
    await io.stderr.write(`${lines.join('\n')}\n`)
  } catch {
    // Nobody reads stderr; the exit code says it.
  }
  return code
}

function asHoldfastError(error: unknown, signal: AbortSignal): HoldfastError {
  if (error instanceof HoldfastError) return error
  if (signal.aborted) return new HoldfastError('HF_ABORTED', 'interrupted', { cause: error })
  const message = error instanceof Error ? error.message : String(error)
  return new HoldfastError('HF_INTERNAL', `unexpected: ${message}`, {
    cause: error,
    next: 'report it with what is printed here',
  })
}

function traceOf(error: unknown): string[] {
  const lines: string[] = []
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    lines.push(...(at.stack ?? at.message).split('\n').map((line) => `  ${line}`))
  return lines
}
