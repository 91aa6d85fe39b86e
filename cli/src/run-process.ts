import { SECOND_MS } from '@holdfast/ports'
import { EXIT } from './exit-codes.ts'
import type { Io } from './io.ts'
import { createProcessIo } from './process-io.ts'

/** A second interrupt after this long means that the first did not help. Sooner it is the same one: npm passes on what the terminal sent to both. */
const FORCE_AFTER_MS = SECOND_MS

/** Runs a program as this process: SIGINT and SIGTERM abort the signal, the result is the exit code. */
export async function runProcess(run: (signal: AbortSignal, io: Io) => Promise<number>): Promise<never> {
  const interrupt = new AbortController()
  let interruptedAt: number | undefined
  const onSignal = (): void => {
    if (interruptedAt !== undefined && performance.now() - interruptedAt > FORCE_AFTER_MS)
      process.exit(EXIT.interrupted)
    interruptedAt ??= performance.now()
    interrupt.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const code = await run(interrupt.signal, createProcessIo())
  // What was written is out: every write was awaited. What else still lives, an idle connection, is not waited for.
  process.exit(code)
}
