/** Child processes in groups of their own, so that nothing outlives a test: what is still running when this process ends is killed. */
import { spawn, type ChildProcess } from 'node:child_process'

const running = new Set<number>()
process.once('exit', () => {
  for (const pid of running) killGroup(pid, 'SIGKILL')
})
// Without a listener these end the process without an exit event; an interrupt is left to who runs the tests.
for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => process.exit(code))
}

export interface SpawnOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface Exit {
  /** undefined if a signal ended it. */
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
}

/** A started process with its output kept; each stream up to `OUTPUT_BYTES_MAX`, the newest. */
export interface Started {
  readonly pid: number
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Resolves when the process has ended and its output is complete; rejects if it could not be started. */
  readonly ended: Promise<Exit>
  /** Sends a signal to its whole group; nothing if that is gone. */
  signal(name: NodeJS.Signals): void
  /** The first line of standard output that `wanted` accepts, also one already printed.
   *  Rejects when the process ends first or after `timeoutMs`, with what it had said. */
  line(wanted: (line: string) => boolean, timeoutMs: number): Promise<string>
}

export const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** Runs `command` with `args`, its standard input a pipe. */
export function start(command: string, args: readonly string[], options: SpawnOptions = {}): Started {
  const env = { ...process.env, ...options.env }
  const child = spawn(command, args, { cwd: options.cwd, env, detached: true, stdio: 'pipe' })
  const pid = child.pid ?? 0
  if (pid > 0) running.add(pid)
  child.stdin.on('error', () => undefined) // a child that ends without reading its input is no failure of ours
  const outputs = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8')
    child[name].on('data', (text: string) => {
      outputs[name] = (outputs[name] + text).slice(-OUTPUT_BYTES_MAX)
    })
  }
  const ended = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      running.delete(pid)
      resolve({ code: code ?? undefined, signal: signal ?? undefined })
    })
  })
  ended.catch(() => undefined) // who waits for it hears of it; nobody has to
  const started: Started = {
    pid,
    child,
    stdout: () => outputs.stdout,
    stderr: () => outputs.stderr,
    ended,
    signal: (name) => killGroup(pid, name),
    line: (wanted, timeoutMs) => awaitLine(started, wanted, timeoutMs),
  }
  return started
}

async function awaitLine(process: Started, wanted: (line: string) => boolean, timeoutMs: number): Promise<string> {
  const output = process.child.stdout
  if (output === null) throw new TypeError('a process without standard output has no lines')
  return await new Promise<string>((resolve, reject) => {
    const settle = (settled: () => void): void => {
      clearTimeout(timer)
      output.off('data', look)
      settled()
    }
    const look = (): void => {
      const found = process.stdout().split('\n').slice(0, -1).find(wanted)
      if (found !== undefined) settle(() => resolve(found))
    }
    const fail = (what: string): void =>
      settle(() =>
        reject(new Error(`${what}; it said:\n${process.stdout().slice(-2000)}${process.stderr().slice(-4000)}`)),
      )
    const timer = setTimeout(() => fail(`no such line within ${timeoutMs} ms`), timeoutMs)
    output.on('data', look)
    process.ended.then(
      (exit) => fail(`the process ended first (${exit.code ?? exit.signal})`),
      (error: unknown) => fail(`the process did not start: ${String(error)}`),
    )
    look()
  })
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  if (pid <= 0) return
  try {
    process.kill(-pid, signal)
  } catch {
    // ESRCH: the group is gone already, which is what was wanted
  }
}
