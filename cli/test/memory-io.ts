import type { Clock } from '@holdfast/ports'
import { runCommandLine } from '../src/command-line.ts'
import { ClosedOutputError, type Io } from '../src/io.ts'
import type { LocalNode } from '../src/local.ts'

export interface MemoryIo extends Io {
  out(): string
  err(): string
}

export interface MemoryIoOptions {
  readonly input?: string
  readonly terminal?: boolean
  readonly columns?: number
  readonly environment?: Readonly<Record<string, string>>
  readonly workingDirectory?: string
  readonly clock?: Clock
  readonly local?: Partial<LocalNode>
  readonly answers?: readonly string[]
  /** The reader of stdout leaves after so many writes. */
  readonly outputWritesMax?: number
}

/** Real time, as the commands have it. */
export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

/** A world in memory: what is written can be read, what is asked is answered from a list. */
export function createMemoryIo(options: MemoryIoOptions = {}): MemoryIo {
  const out: Buffer[] = []
  const err: Buffer[] = []
  const answers = [...(options.answers ?? [])]
  const terminal = options.terminal ?? false
  const answer = (): Promise<string> => Promise.resolve(answers.shift() ?? '')
  return {
    stdin: (async function* () {
      yield options.input ?? ''
    })(),
    stdout: {
      write: (content) => {
        if (out.length >= (options.outputWritesMax ?? Infinity)) return Promise.reject(new ClosedOutputError())
        out.push(Buffer.from(content))
        return Promise.resolve()
      },
    },
    stderr: { write: (content) => Promise.resolve(void err.push(Buffer.from(content))) },
    terminal: { stdin: terminal, stdout: terminal, stderr: terminal },
    columns: options.columns ?? 80,
    environment: options.environment ?? {},
    workingDirectory: options.workingDirectory ?? '/',
    clock: options.clock ?? realClock,
    ask: answer,
    askSecret: answer,
    local: () => Promise.resolve((options.local ?? {}) as LocalNode),
    out: () => Buffer.concat(out).toString('utf8'),
    err: () => Buffer.concat(err).toString('utf8'),
  }
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs `holdfast ARGS` in memory, to its end. */
export async function run(
  args: readonly string[],
  options: MemoryIoOptions & { signal?: AbortSignal } = {},
): Promise<Ran> {
  const io = createMemoryIo(options)
  const code = await runCommandLine(args, options.signal ?? new AbortController().signal, io, '1.2.3')
  return { code, out: io.out(), err: io.err() }
}

export interface ExitError {
  readonly message_type: string
  readonly code: number
  readonly hf_code: string
  readonly message: string
}

/** The last line of standard error with `--json`. */
export const exitErrorOf = (ran: Ran): ExitError => JSON.parse(ran.err.trimEnd().split('\n').at(-1) ?? '') as ExitError
