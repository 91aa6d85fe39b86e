/** Drives the real command line: every test does what a person or a script would do, and looks at nothing else. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { start, type Exit, type Started } from './processes.ts'

/** Top of the repository: this file runs as test/dist/src/holdfast.js. */
export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')
export const HOLDFAST = join(REPOSITORY, 'cli/bin/holdfast.js')

/** How long a command may take before the test gives up and ends it, ms. Far above any expected time: two busy cores are slow. */
export const COMMAND_TIMEOUT_MS = 90_000
/** How long a node may take until it can serve, ms. */
export const READY_TIMEOUT_MS = 45_000

/** The last line of standard error with `--json`, when a command fails. */
export interface ExitError {
  readonly message_type: 'exit_error'
  readonly code: number
  readonly hf_code: string
  readonly message: string
  /** What to do or run next. */
  readonly next?: string
}

export interface RunResult {
  readonly args: readonly string[]
  /** Exit code; -1 if a signal ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string
  readonly cwd?: string
  readonly timeoutMs?: number
}

/** Runs `holdfast ARGS` to its end. */
export async function holdfast(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const env = { HOLDFAST_HOME: undefined, ...options.env }
  const child = start(process.execPath, [HOLDFAST, ...args], {
    env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  child.child.stdin?.end(options.input ?? '')
  const timer = setTimeout(() => child.signal('SIGKILL'), options.timeoutMs ?? COMMAND_TIMEOUT_MS)
  const exit: Exit = await child.ended.finally(() => clearTimeout(timer))
  return { args, code: exit.code ?? -1, stdout: child.stdout(), stderr: child.stderr() }
}

/** @throws Error with the whole output unless the command ended with one of `codes`. */
export function expectExit(result: RunResult, ...codes: readonly number[]): RunResult {
  if (codes.includes(result.code)) return result
  const command = `holdfast ${result.args.join(' ')}`
  throw new Error(
    `${command}\nended with ${result.code}, expected ${codes.join(' or ')}\n${result.stdout}${result.stderr}`,
  )
}

/** The one JSON document on standard output; of JSON lines (long work), the `summary`. */
export function jsonOf<T>(result: RunResult): T {
  const lines = result.stdout.trim().split('\n')
  const last: unknown =
    lines.length > 1 && lines.every(isObject) ? JSON.parse(lines.at(-1) ?? '') : JSON.parse(result.stdout)
  return last as T
}

const isObject = (line: string): boolean => line.startsWith('{') && line.endsWith('}')

/** What `--json` says of a failure on the last line of standard error. */
export function exitErrorOf(result: RunResult): ExitError {
  const last = result.stderr.trim().split('\n').at(-1) ?? ''
  return JSON.parse(last) as ExitError
}

/** What `up --json` prints when it can serve. */
export interface ReadyLine {
  readonly event: 'ready'
  readonly node: string
  readonly mesh: string
  readonly listen: readonly string[]
  readonly api: string
}

/** Command that runs `setup` as root in a mount namespace of its own, then becomes `command`. */
export function inNamespace(setup: string, command: readonly string[]): string[] {
  return ['unshare', '--mount', 'sh', '-c', `set -e; ${setup}; exec "$@"`, 'sh', ...command]
}

/** Why tests that mount something cannot run here; undefined if they can. */
export function mountsImpossible(): string | undefined {
  if (process.platform !== 'linux') return 'mount namespaces are a thing of Linux'
  if (process.getuid?.() !== 0) return 'mounting takes root'
  const probe = spawnSync('unshare', ['--mount', 'true'])
  return probe.status === 0 ? undefined : 'unshare --mount does not work here'
}

/** Why tests that need a small file system of their own cannot run here; undefined if they can. */
export function loopMountsImpossible(): string | undefined {
  const impossible = mountsImpossible()
  if (impossible !== undefined) return impossible
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices'
  return spawnSync('mkfs.ext4', ['-V']).status === 0 ? undefined : 'there is no mkfs.ext4'
}

/** One home and the node that may run on it. */
export class TestNode {
  readonly name: string
  readonly home: string
  #process: Started | undefined
  #latest: Started | undefined
  #ready: ReadyLine | undefined

  constructor(name: string, home: string) {
    this.name = name
    this.home = home
  }

  /** Runs a command on this home; any exit code. */
  async run(args: readonly string[], options?: RunOptions): Promise<RunResult> {
    return await holdfast([...args, '--home', this.home], options)
  }

  /** Runs a command that has to succeed. */
  async ok(...args: readonly string[]): Promise<RunResult> {
    return expectExit(await this.run(args), 0)
  }

  /** Runs a command with `--json` that has to succeed, and gives its document. */
  async json<T>(...args: readonly string[]): Promise<T> {
    return jsonOf<T>(await this.ok(...args, '--json'))
  }

  /** Creates a mesh of one, on a loopback port that is picked by the system. */
  async init(...more: readonly string[]): Promise<RunResult> {
    const sheet = join(this.home, '..', `${this.name}.sheet`)
    const where = ['--listen', '127.0.0.1:0', '--recovery-sheet', sheet]
    return await this.ok('init', '--name', this.name, ...where, ...more)
  }

  /** Makes this home a node of the mesh that the token is of. */
  async join(token: string, ...more: readonly string[]): Promise<RunResult> {
    return await this.ok('join', token, '--name', this.name, '--listen', '127.0.0.1:0', ...more)
  }

  /** A one-use token. */
  async invite(...more: readonly string[]): Promise<string> {
    return (await this.ok('invite', ...more)).stdout.trim()
  }

  /** Starts the node and waits until it can serve. */
  async up(...more: readonly string[]): Promise<ReadyLine> {
    return await this.#start([process.execPath, HOLDFAST, 'up', '--json', '--home', this.home, ...more])
  }

  /** Starts the node in a mount namespace of its own, in which `setup` (shell commands) ran first. Root only; the mounts end with it. */
  async upAfter(setup: string): Promise<ReadyLine> {
    return await this.#start(inNamespace(setup, [process.execPath, HOLDFAST, 'up', '--json', '--home', this.home]))
  }

  async #start(command: readonly string[]): Promise<ReadyLine> {
    if (this.#process !== undefined) throw new Error(`${this.name} runs already`)
    const started = start(command[0] ?? '', command.slice(1), { env: { HOLDFAST_HOME: undefined } })
    this.#process = started
    this.#latest = started
    try {
      const line = await started.line((text) => text.includes('"ready"'), READY_TIMEOUT_MS)
      this.#ready = JSON.parse(line) as ReadyLine
      return this.#ready
    } catch (error) {
      await this.crash()
      throw error
    }
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  get ready(): ReadyLine {
    if (this.#ready === undefined) throw new Error(`${this.name} was not started`)
    return this.#ready
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`${this.name} is not running`)
    return this.#process.pid
  }

  /** Everything the running node, or the last one, said on standard error. */
  said(): string {
    return this.#latest?.stderr() ?? ''
  }

  /** Clean stop by SIGTERM; gives the exit code. */
  async down(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    return (await this.#end(signal)).code ?? -1
  }

  /** As if the process had been lost: SIGKILL to its whole group. */
  async crash(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<Exit> {
    const started = this.#process
    if (started === undefined) return { code: 0, signal: undefined }
    started.signal(signal)
    const timer = setTimeout(() => started.signal('SIGKILL'), READY_TIMEOUT_MS)
    const exit = await started.ended.finally(() => clearTimeout(timer))
    this.#process = undefined
    return exit
  }
}

/** A temp directory with homes and trees in it; `close` ends every node and removes everything. */
export class World {
  readonly directory: string
  readonly #nodes: TestNode[] = []

  constructor(label: string) {
    this.directory = mkdtempSync(join(tmpdir(), `holdfast-${label}-`))
  }

  /** Absolute path of a name in the world; its parents exist. */
  path(...names: readonly string[]): string {
    const path = join(this.directory, ...names)
    mkdirSync(join(path, '..'), { recursive: true })
    return path
  }

  /** A node with a home of its own; nothing is created or started yet. */
  node(name: string): TestNode {
    const node = new TestNode(name, this.path('homes', name))
    this.#nodes.push(node)
    return node
  }

  /** Nodes that run, joined to one mesh by real tokens: the first made it, the regions are eu-1, us-1, ap-1. */
  async mesh(...names: readonly string[]): Promise<TestNode[]> {
    const nodes = names.map((name) => this.node(name))
    const first = nodes[0]
    if (first === undefined) return []
    await first.init('--region', REGIONS[0])
    await first.up()
    for (const [index, node] of nodes.entries()) {
      if (node === first) continue
      await node.join(await first.invite('--region', REGIONS[index % REGIONS.length] ?? REGIONS[0]))
      await node.up()
    }
    return nodes
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.crash()))
    rmSync(this.directory, { recursive: true, force: true })
  }
}

const REGIONS = ['eu-1', 'us-1', 'ap-1'] as const
