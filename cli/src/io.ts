import type { Clock } from '@holdfast/ports'
import type { LocalNode } from './local.ts'

/** Everything a command has of the world. `main.ts` fills it from the process, tests from memory. */
export interface Io {
  readonly stdin: AsyncIterable<Uint8Array | string>
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** Whether a person is at it: asked for confirmation and passphrases there, shown a moving bar there. */
  readonly terminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean }
  /** Characters in a line of the terminal. */
  readonly columns: number
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Absolute; relative paths are relative to it. */
  readonly workingDirectory: string
  readonly clock: Clock
  /** Reads one line that is not shown. Only where stdin is a terminal. */
  askSecret(prompt: string, signal: AbortSignal): Promise<string>
  /** Reads one line. Only where stdin is a terminal. */
  ask(prompt: string, signal: AbortSignal): Promise<string>
  /** What acts on the home without a running node; loaded when it is needed, since it brings the whole daemon. */
  local(): Promise<LocalNode>
}

export interface OutputStream {
  /** Resolves when the stream takes more. @throws ClosedOutputError once the reader is gone */
  write(content: string | Uint8Array): Promise<void>
}

/** Whoever read our output has enough of it, as `head` has. Not a failure: the command ends quietly. */
export class ClosedOutputError extends Error {
  override readonly name = 'ClosedOutputError'
}

/** Flags of every command. */
export interface GlobalOptions {
  /** Absolute path of the home. */
  readonly home: string
  /** Do what would be asked for. */
  readonly yes: boolean
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
}

/** What a command is to the rest: its exit code, or an error. */
export type Run<Options extends GlobalOptions> = (signal: AbortSignal, options: Options, io: Io) => Promise<number>
