/** One measurement: wall time, CPU seconds, peak memory; and what is made of several. */
import { spawnSync } from 'node:child_process'
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { start, type SpawnOptions } from '../src/processes.ts'
import { cpuSecondsOf, cpuSecondsOfChildren, cpuSecondsOfMachine, resetRssPeak, rssBytesPeakOf } from '../src/usage.ts'

export interface Cost {
  readonly wallSeconds: number
  /** User and system, all threads. */
  readonly cpuSeconds: number
  readonly rssBytesPeak: number
  /** CPU seconds that everything else on the machine used meanwhile: well above a tenth of the wall time, the sample is noisy. */
  readonly foreignCpuSeconds: number
}

/** How often the peak of a peer's memory is looked at, ms: the kernel keeps the peak, only what comes after the last look is missed. */
const RSS_LOOK_MS = 25

/** Runs a peer to its end. @throws Error with its output if it fails */
export async function measureProcess(command: string, args: readonly string[], options: SpawnOptions): Promise<Cost> {
  const machine = cpuSecondsOfMachine()
  const cpu = cpuSecondsOfChildren()
  const begun = performance.now()
  const started = start(command, args, options)
  let rssBytesPeak = 0
  const timer = setInterval(() => (rssBytesPeak = Math.max(rssBytesPeak, rssBytesPeakOf(started.pid))), RSS_LOOK_MS)
  const exit = await started.ended.finally(() => clearInterval(timer))
  const wallSeconds = (performance.now() - begun) / 1000
  if (exit.code !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${started.stderr()}`)
  const cpuSeconds = cpuSecondsOfChildren() - cpu
  return { wallSeconds, cpuSeconds, rssBytesPeak, foreignCpuSeconds: foreign(machine, cpuSeconds) }
}

/** Runs `work` against running nodes; the cost is theirs together, the memory that of the largest. */
export async function measureNodes(pids: readonly number[], work: () => Promise<unknown>): Promise<Cost> {
  const sum = (): number => pids.reduce((seconds, pid) => seconds + cpuSecondsOf(pid), 0)
  for (const pid of pids) resetRssPeak(pid)
  const machine = cpuSecondsOfMachine()
  const cpu = sum()
  const begun = performance.now()
  await work()
  const wallSeconds = (performance.now() - begun) / 1000
  const cpuSeconds = sum() - cpu
  const rssBytesPeak = Math.max(...pids.map(rssBytesPeakOf))
  return { wallSeconds, cpuSeconds, rssBytesPeak, foreignCpuSeconds: foreign(machine, cpuSeconds) }
}

/** The cost of `work` with one sync of the file system that holds `directory` at its end, whoever did the writing. */
export async function andSync(directory: string, work: () => Promise<Cost>): Promise<Cost> {
  const cost = await work()
  const begun = performance.now()
  spawnSync('sync', ['-f', directory])
  return { ...cost, wallSeconds: cost.wallSeconds + (performance.now() - begun) / 1000 }
}

const foreign = (machineBefore: number, own: number): number => Math.max(0, cpuSecondsOfMachine() - machineBefore - own)

/** Middle of the sorted numbers, of two the mean; NaN of none. */
export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5)
}

/** The number below which this part (0 to 1) of them lies, interpolated. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const place = part * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(place)] ?? NaN, sorted[Math.ceil(place)] ?? NaN]
  return low + (high - low) * (place - Math.floor(place))
}

/** Bytes of all regular files under a directory, by their length; 0 if it is absent. */
export function bytesUnder(directory: string): number {
  let bytes = 0
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += lstatSync(join(entry.parentPath, entry.name)).size
  }
  return bytes
}
