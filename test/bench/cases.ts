/** The lines of the main path, each as a function that measures it. */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { Control } from '../src/control.ts'
import { TestNode, World } from '../src/holdfast.ts'
import { insertBytes } from '../src/mutations.ts'
import { seeded } from '../src/seeded.ts'
import type { MemberStatus, Status } from '../src/status.ts'
import { rssBytesOf } from '../src/usage.ts'
import { makeTree, type Profile } from '../src/workload.ts'
import { flush, holdfastTool, startNode, VOLUME } from './holdfast-tool.ts'
import type { Cost } from './measure.ts'
import { PEERS, type ToolKind } from './peers.ts'

const MIB = 1024 * 1024

export interface Plan {
  readonly directory: string
  readonly scale: number
  readonly pairs: number
  /** The page cache is emptied before each tool, instead of filled. */
  readonly cold: boolean
  readonly tell: (line: string) => void
}

/** What one tool did with one tree in one round. */
export interface Round {
  readonly tool: string
  readonly first: Cost
  readonly unchanged: Cost
  readonly restore: Cost
  readonly storedBytes: number
}

/** Every installed tool over the same tree, in rounds whose order turns, so that no tool is always first. Nothing is deleted between:
 *  ext4 makes files many times slower right after as many were deleted. */
export async function measureTree(plan: Plan, profile: Profile): Promise<Round[]> {
  const source = join(plan.directory, profile)
  makeTree(source, { profile, seed: 'bench', scale: plan.scale })
  const tools: ToolKind[] = [holdfastTool, ...PEERS].filter((kind) => kind.version() !== undefined)
  const rounds: Round[] = []
  for (let pair = 0; pair < plan.pairs; pair++) {
    const turned = [...tools.slice(pair % tools.length), ...tools.slice(0, pair % tools.length)]
    for (const kind of turned) {
      if (plan.cold) emptyPageCache()
      else readAll(source) // warm for everyone, whoever came before
      plan.tell(`${profile}, round ${pair + 1} of ${plan.pairs}: ${kind.name}`)
      rounds.push(await oneRound(kind, join(plan.directory, `${profile}-${kind.name}-${pair}`), source))
    }
  }
  return rounds
}

async function oneRound(kind: ToolKind, directory: string, source: string): Promise<Round> {
  const tool = await kind.open(directory, source)
  try {
    const first = await tool.capture('first')
    const unchanged = await tool.capture('unchanged')
    const storedBytes = await tool.storedBytes()
    const to = join(directory, 'restored')
    mkdirSync(to)
    return { tool: kind.name, first, unchanged, storedBytes, restore: await tool.restore(to, 'unchanged') }
  } finally {
    await tool.close()
  }
}

/** Writes out what is dirty and drops what is clean. @throws EACCES for all but the superuser */
function emptyPageCache(): void {
  spawnSync('sync')
  writeFileSync('/proc/sys/vm/drop_caches', '3')
}

function readAll(directory: string): void {
  const buffer = Buffer.allocUnsafe(MIB)
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const fd = openSync(join(entry.parentPath, entry.name), 'r')
    while (readSync(fd, buffer) > 0);
    closeSync(fd)
  }
}

/** Growth of the packs by 5,000 bytes put into a file of 64 MiB of random data, at that many offsets; bytes each. */
export async function measureInserts(plan: Plan, count: number): Promise<number[]> {
  plan.tell(`${count} inserts into 64 MiB`)
  const source = join(plan.directory, 'insert')
  makeTree(source, { profile: 'image', seed: 'insert', scale: 1 })
  const file = join(source, 'disk.img')
  const random = seeded('inserts')
  const { node, control } = await startNode(join(plan.directory, 'insert-home', 'home'))
  await control.document('protect', { directory: source, name: VOLUME })
  await flush(control, 'local')
  const stored = async (): Promise<number> => (await control.document<Status>('status')).node.storedBytes
  const growths: number[] = []
  for (let before = await stored(); growths.length < count;) {
    insertBytes(file, random.between(0, statSync(file).size), random.bytes(5000))
    await flush(control, 'local')
    const after = await stored()
    growths.push(after - before)
    before = after
  }
  control.close()
  await node.down()
  return growths
}

/** Time from the close of an edited 4 KiB file until both other members of three hold it durably and the primary knows; ms each. */
export async function measureEdits(plan: Plan, count: number): Promise<number[]> {
  plan.tell(`${count} edits on three nodes`)
  const world = new World('bench-edits')
  try {
    const [primary] = (await world.mesh('a', 'b', 'c')) as [TestNode]
    const data = world.path('data')
    mkdirSync(data)
    writeFileSync(join(data, 'edited'), 'first')
    const control = new Control(primary.home)
    await control.document('protect', { directory: data, name: VOLUME })
    await flush(control, 'quorum')
    const random = seeded('edits')
    const latencies: number[] = []
    while (latencies.length < count) {
      const length = await commonLength(control, 0)
      await pause(random.between(300, 500)) // two closes within 200 ms would be one
      const begun = performance.now()
      writeFileSync(join(data, 'edited'), random.bytes(4096))
      await commonLength(control, length)
      latencies.push(performance.now() - begun)
    }
    control.close()
    return latencies
  } finally {
    await world.close()
  }
}

/** Asks until all three are complete to one length beyond `beyond`. */
async function commonLength(control: Control, beyond: number): Promise<number> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const members = await control.document<MemberStatus[]>('members', { volume: VOLUME })
    const lengths = new Set(members.map((member) => member.completeLength))
    const [length] = lengths
    if (members.length === 3 && lengths.size === 1 && length !== undefined && length > beyond) return length
    if (Date.now() > deadline) throw new Error(`not acknowledged in 30 s: ${JSON.stringify(members)}`)
  }
}

/** Resident memory of a node a minute after a restart over the small tree, bytes. */
export async function measureMemoryAfterRestart(plan: Plan): Promise<number> {
  plan.tell('memory a minute after a restart')
  const { node, control } = await startNode(join(plan.directory, 'memory', 'home'))
  await control.document('protect', { directory: join(plan.directory, 'small'), name: VOLUME })
  await flush(control, 'local')
  control.close()
  await node.down()
  await node.up()
  await pause(60_000)
  const bytes = rssBytesOf(node.pid)
  await node.down()
  return bytes
}

/** Peak of memory while one file of that many GiB is captured, bytes. Half of it repeats, so that the disk holds source and packs. */
export async function measureHugeFile(plan: Plan, gibibytes: number): Promise<number> {
  plan.tell(`one file of ${gibibytes} GiB`)
  const source = join(plan.directory, 'huge')
  mkdirSync(source)
  const random = seeded('huge')
  const repeated = random.bytes(64 * MIB)
  const fd = openSync(join(source, 'huge'), 'w')
  for (let written = 0; written < gibibytes * 16; written++)
    writeSync(fd, written % 2 === 0 ? random.bytes(64 * MIB) : repeated)
  closeSync(fd)
  const tool = await holdfastTool.open(join(plan.directory, 'huge-tool'), source)
  const cost = await tool.capture('huge')
  await tool.close()
  return cost.rssBytesPeak
}

/** Name of the processor. */
export function processor(): string {
  return readFileSync('/proc/cpuinfo', 'utf8').match(/^model name\s*: (.*)$/m)?.[1] ?? 'unknown processor'
}
