import { createInterface } from 'node:readline/promises'
import { PassThrough, type Writable } from 'node:stream'
import type { Clock } from '@holdfast/ports'
import { HoldfastError } from '@holdfast/ports'
import { ClosedOutputError, type Io, type OutputStream } from './io.ts'

/** Columns where the terminal does not say. */
const COLUMNS_DEFAULT = 80

/** The world of this process. */
export function createProcessIo(): Io {
  return {
    stdin: process.stdin,
    stdout: outputStream(process.stdout),
    stderr: outputStream(process.stderr),
    terminal: { stdin: process.stdin.isTTY, stdout: process.stdout.isTTY, stderr: process.stderr.isTTY },
    get columns() {
      // 0 where a terminal was never told its size.
      return process.stderr.columns || COLUMNS_DEFAULT
    },
    environment: process.env,
    workingDirectory: process.cwd(),
    clock: systemClock,
    askSecret: (prompt, signal) => askTerminal(prompt, signal, true),
    ask: (prompt, signal) => askTerminal(prompt, signal, false),
    local: async () => (await import('./local-node.ts')).createLocalNode(process.env),
  }
}

/** The time of this machine; a command has no other, since it lives for seconds and no simulator runs it. */
const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

function outputStream(stream: Writable): OutputStream {
  let closed = false
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Every write is awaited and reports it.
    closed ||= isClosed(error)
  })
  return {
    write: (content) =>
      new Promise<void>((resolve, reject) => {
        if (closed) return reject(new ClosedOutputError())
        stream.write(content, (error) => {
          if (error === null || error === undefined) resolve()
          else reject(isClosed(error) ? new ClosedOutputError() : outputError(error))
        })
      }),
  }
}

const isClosed = (error: NodeJS.ErrnoException): boolean =>
  error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED'

const outputError = (cause: NodeJS.ErrnoException): HoldfastError =>
  new HoldfastError('HF_DESTINATION', `the output could not be written (${cause.code ?? cause.message})`, {
    cause,
    next: 'write it elsewhere, or make room',
  })

/** One line from the terminal; hidden means that what is typed is not shown. */
async function askTerminal(prompt: string, signal: AbortSignal, hidden: boolean): Promise<string> {
  process.stderr.write(prompt)
  const shown = hidden ? new PassThrough().resume() : process.stderr
  const lines = createInterface({ input: process.stdin, output: shown, terminal: true })
  try {
    // In raw mode Ctrl-C arrives as a key.
    lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    return await lines.question('', { signal })
  } catch (cause) {
    throw new HoldfastError('HF_ABORTED', 'interrupted', { cause })
  } finally {
    lines.close()
    if (hidden) process.stderr.write('\n')
  }
}
