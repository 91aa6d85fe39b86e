import type { GlobalOptions, Io } from './io.ts'

/** Results as the flags ask for them. */
export interface Output {
  /** A line of a result, for people. */
  line(text: string): Promise<void>
  /** A result as one document. */
  document(value: unknown): Promise<void>
  /** Something to know that is no result; stderr, not with `-q`. */
  note(text: string): Promise<void>
}

export function createOutput(options: GlobalOptions, io: Io): Output {
  return {
    line: (text) => io.stdout.write(`${text}\n`),
    document: (value) => io.stdout.write(`${JSON.stringify(value)}\n`),
    note: async (text) => {
      if (!options.quiet) await io.stderr.write(`${text}\n`)
    },
  }
}

/** Prints a document with `--json`, otherwise the lines. */
export async function printResult(
  options: GlobalOptions,
  io: Io,
  value: unknown,
  lines: () => readonly string[],
): Promise<void> {
  const output = createOutput(options, io)
  if (options.json) return output.document(value)
  for (const line of lines()) await output.line(line)
}
