import { readFileSync } from 'node:fs'
import { SECOND_MS } from '@holdfast/ports'
import { runCommandLine } from './command-line.ts'
import { EXIT } from './exit-codes.ts'
import { createProcessIo } from './process-io.ts'

/** A second interrupt after this long means that the first did not help. Sooner it is the same one: npm passes on what the terminal sent to both. */
const FORCE_AFTER_MS = SECOND_MS

/** The process: arguments, signals, exit code. */
export async function main(): Promise<never> {
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
  const code = await runCommandLine(process.argv.slice(2), interrupt.signal, createProcessIo(), programVersion())
  // What was written is out: every write was awaited. What else still lives, an idle connection, is not waited for.
  process.exit(code)
}

export function programVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}
