/** One node of the demo: a process of its own, run by the same commands that a person would type. */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { findSocket, type NodeClient } from '@holdfast/node/api'
import { HoldfastError, SECOND_MS, type Clock } from '@holdfast/ports'
import { createClient } from '../client.ts'
import { isHome } from '../connect.ts'
import { HOLDFAST_SCRIPT, type DemoPlace } from './places.ts'

/** How long a node may take to stop cleanly before it is killed. */
export const DEMO_STOP_MS = 30 * SECOND_MS
/** Lines of a node's log that are shown when it ended by itself. */
const LOG_LINES_SHOWN = 10

export class DemoNode {
  readonly place: DemoPlace
  readonly client: NodeClient
  /** `host:port` that the others dial. */
  readonly address: string
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #clock: Clock

  private constructor(place: DemoPlace, address: string, child: ChildProcess, ended: Promise<void>, clock: Clock) {
    this.place = place
    this.address = address
    this.client = createClient(findSocket(place.home))
    this.ended = ended
    this.#child = child
    this.#clock = clock
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Runs `holdfast up` and waits until it can serve. @throws HF_NOT_RUNNING with the end of its log */
  static async start(place: DemoPlace, clock: Clock, signal: AbortSignal): Promise<DemoNode> {
    const log = logOf(place)
    mkdirSync(place.home, { recursive: true, mode: 0o700 })
    const logFile = openSync(log, 'a', 0o600)
    // In a group of its own: an interrupt from the terminal is for the demo, which then stops the nodes one by one. The
    // pipe to its input ends with the demo, however that ends, and the node with it.
    const child = spawn(
      process.execPath,
      [HOLDFAST_SCRIPT, 'up', '--json', '--home', place.home, '--until-input-ends'],
      {
        stdio: ['pipe', 'pipe', logFile],
        detached: true,
      },
    )
    closeSync(logFile)
    const { stdout } = child
    if (stdout === null) throw new TypeError('its output is a pipe')
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const stop = (): void => void child.kill('SIGTERM')
    signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const line of createInterface({ input: stdout })) {
        const { listen } = JSON.parse(line) as { listen: readonly string[] }
        return new DemoNode(place, listen[0] ?? '', child, ended, clock)
      }
    } finally {
      signal.removeEventListener('abort', stop)
    }
    await ended
    if (signal.aborted) throw new HoldfastError('HF_ABORTED', 'interrupted')
    throw new HoldfastError('HF_NOT_RUNNING', `node ${place.name} did not start:\n${lastLines(log)}`, {
      next: `look at ${log}`,
    })
  }

  /** Clean stop, and after `DEMO_STOP_MS` a hard one. */
  async stop(): Promise<void> {
    this.client.close()
    this.#child.kill('SIGTERM')
    this.#child.stdin?.end()
    const timer = this.#clock.setTimer(DEMO_STOP_MS, () => this.#child.kill('SIGKILL'))
    await this.ended
    timer.cancel()
  }

  /** What it said last. */
  lastWords(): string {
    return lastLines(logOf(this.place))
  }
}

const logOf = (place: DemoPlace): string => `${place.home}.log`

function lastLines(file: string): string {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  return lines
    .slice(-LOG_LINES_SHOWN)
    .map((line) => `  ${line}`)
    .join('\n')
}

export const isMade = (place: DemoPlace): boolean => isHome(place.home)

/** Makes the first node, and with it the mesh. Its recovery sheet is kept in the state directory: it is a demo. */
export async function makeFirstNode(place: DemoPlace, stateDirectory: string, signal: AbortSignal): Promise<void> {
  const sheet = join(stateDirectory, 'recovery-sheet.txt')
  // Left by an init that was interrupted: there is no node that it belongs to.
  rmSync(sheet, { force: true })
  const { name, region, home } = place
  await holdfast(
    ['init', '--name', name, '--region', region, '--recovery-sheet', sheet, ...LOOPBACK, '--home', home],
    signal,
  )
}

/** Makes another node of the mesh, with a token as a person would carry it. */
export async function joinNode(place: DemoPlace, token: string, signal: AbortSignal): Promise<void> {
  await holdfast(['join', '-', '--name', place.name, ...LOOPBACK, '--home', place.home], signal, token)
}

/** A free port, picked now and kept. */
const LOOPBACK = ['--listen', '127.0.0.1:0']

async function holdfast(args: readonly string[], signal: AbortSignal, input = ''): Promise<void> {
  const child = spawn(process.execPath, [HOLDFAST_SCRIPT, ...args], { stdio: 'pipe' })
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  let said = ''
  child.stdout.resume()
  child.stderr.setEncoding('utf8').on('data', (part: string) => (said += part))
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  signal.removeEventListener('abort', stop)
  if (signal.aborted) throw new HoldfastError('HF_ABORTED', 'interrupted')
  if (code !== 0) throw new HoldfastError('HF_NOT_RUNNING', `holdfast ${args[0]} failed:\n${said.trimEnd()}`)
}
