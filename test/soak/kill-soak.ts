/** Three nodes under random writes and random kills. Whatever a flush acknowledged must be readable from every member afterwards, every
 *  root of trust must be whole, and no node may grow for ever.
 *
 *  Faults: SIGKILL of any one, two or all three processes at any moment, in any order, some stopped cleanly instead, restarts at any
 *  moment after; the primary may be killed in the middle of a commit, a follower in the middle of a fetch. In the second half kills are
 *  rare, and spare the last node, so that leaks have time to show. The machine stays up, so the page cache survives: loss of unsynced
 *  writes is enumerated by the store's own crash tests. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Control, ControlError } from '../src/control.ts'
import { TestNode } from '../src/holdfast.ts'
import { seeded, type Seeded } from '../src/seeded.ts'
import type { Status } from '../src/status.ts'
import { contentOf, generationOf } from './content.ts'
import { type Judgement, judge } from './judgement.ts'
import { Ledger, type Version } from './ledger.ts'
import { readBack, type Loss } from './read-back.ts'
import { type Counts, sampleOf, Samples } from './samples.ts'
import { distrust } from './trust.ts'

export interface SoakOptions {
  /** Homes, data and ledger; a soak that was stopped goes on in it. */
  readonly directory: string
  /** In all: what earlier runs in the directory took counts. */
  readonly seconds: number
  /** Drives what is written and killed when; used only when the directory is new. */
  readonly seed: string
  readonly tell: (line: string) => void
}

export interface SoakResult extends Counts {
  readonly acknowledged: number
  /** Versions read and compared, over all members. */
  readonly readBack: number
  readonly losses: readonly Loss[]
  /** What of the roots of trust is not whole; a sentence each. */
  readonly distrust: readonly string[]
  /** What the nodes occupied, by this run's end. */
  readonly judgement: Judgement
}

const NAMES = ['a', 'b', 'c'] as const
const VOLUME = 'data'
const PATHS_COUNT = 64
const FLUSH_TIMEOUT_MS = 15_000
const SETTLE_MS = 120_000
const PROGRESS_MS = 10_000
/** A sample a minute in an hour; as many in a shorter time, but not faster than this. */
const SAMPLES_COUNT = 60
const SAMPLE_MS_MIN = 2000
const CLEAN_STOP_RATIO = 0.2

/** Runs for that long, then reads everything back. Rejects if a node does not start again or the members never agree. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const seed = seedOf(options)
  const run = new Soak(options, seed)
  options.tell(`seed ${seed}, ${options.directory}`)
  try {
    await run.prepare()
    await run.torment()
    return await run.judge()
  } finally {
    await run.end()
  }
}

/** The seed of the directory, which becomes this one if it is new: contents are a function of it. */
function seedOf(options: SoakOptions): string {
  const file = join(options.directory, 'seed')
  mkdirSync(options.directory, { recursive: true })
  if (!existsSync(file)) writeFileSync(file, options.seed)
  return readFileSync(file, 'utf8')
}

class Soak {
  readonly #options: SoakOptions
  readonly #seed: string
  readonly #random: Seeded
  readonly #data: string
  readonly #ledger: Ledger
  readonly #nodes: readonly TestNode[]
  readonly #samples: Samples
  readonly #generations = new Map<string, number>()
  readonly #counts: { -readonly [Name in keyof Counts]: number }
  #writtenBytes: number
  /** When it would have begun, had it never been stopped. */
  #beganAt = 0

  constructor(options: SoakOptions, seed: string) {
    this.#options = options
    this.#seed = seed
    this.#ledger = new Ledger(join(options.directory, 'ledger'))
    this.#samples = new Samples(join(options.directory, 'samples'))
    this.#counts = { ...(this.#samples.last?.counts ?? { kills: 0, restarts: 0, flushes: 0, refusals: 0 }) }
    this.#writtenBytes = this.#samples.last?.writtenBytes ?? 0
    this.#random = seeded(`${seed} from ${this.#ledger.acknowledged.length}`)
    this.#data = join(options.directory, VOLUME)
    this.#nodes = NAMES.map((name) => new TestNode(name, join(options.directory, 'homes', name)))
  }

  get #primary(): TestNode {
    return this.#nodes[0] as TestNode
  }

  async prepare(): Promise<void> {
    mkdirSync(join(this.#options.directory, 'homes'), { recursive: true })
    mkdirSync(this.#data, { recursive: true })
    for (const [path, generation] of this.#ledger.generations()) this.#generations.set(path, generation)
    const isNew = !existsSync(join(this.#options.directory, 'prepared'))
    for (const node of this.#nodes) {
      if (isNew && node === this.#primary) await node.init()
      else if (isNew) await node.join(await this.#primary.invite())
      await node.up()
    }
    if (!isNew) return
    await this.#primary.ok('protect', this.#data, '--name', VOLUME)
    writeFileSync(join(this.#options.directory, 'prepared'), '')
  }

  /** Writers, killers and a teller side by side, until the time is over; then every node runs again. */
  async torment(): Promise<void> {
    this.#beganAt = Date.now() - (this.#samples.last?.elapsedSeconds ?? 0) * 1000
    await Promise.all([this.#write(), this.#makeNoise(), this.#kill(), this.#sample(), this.#tell()])
  }

  async judge(): Promise<SoakResult> {
    await this.#flush('quorum')
    await this.#untilAllComplete()
    const losses: Loss[] = []
    let count = 0
    for (const node of this.#nodes) {
      const control = new Control(node.home)
      const result = await readBack(control, VOLUME, this.#seed, this.#ledger.acknowledged)
      control.close()
      count += result.readBack
      losses.push(...result.losses.map((loss) => ({ ...loss, what: `${node.name}: ${loss.what}` })))
      this.#options.tell(`${node.name}: ${result.readBack} versions read back, ${result.losses.length} lost or wrong`)
    }
    return {
      ...this.#counts,
      acknowledged: this.#ledger.acknowledged.length,
      readBack: count,
      losses,
      distrust: await distrust(this.#nodes, VOLUME),
      judgement: judge(this.#samples.all, this.#options.seconds),
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.crash()))
  }

  get #elapsedMs(): number {
    return Date.now() - this.#beganAt
  }

  get #leftMs(): number {
    return this.#options.seconds * 1000 - this.#elapsedMs
  }

  get #goesOn(): boolean {
    return this.#leftMs > 0
  }

  async #write(): Promise<void> {
    const unacknowledged = new Map<string, Version>()
    while (this.#goesOn) {
      for (let count = this.#random.between(1, 8); count > 0; count--) {
        const version = this.#writeVersion(`f${this.#random.between(1, PATHS_COUNT)}`)
        unacknowledged.set(version.path, version)
      }
      const level = this.#random.pick(['local', 'quorum'] as const)
      if (!(await this.#flush(level))) continue
      const at = new Date().toISOString()
      this.#ledger.add([...unacknowledged.values()].map((version) => ({ ...version, level, at })))
      unacknowledged.clear()
    }
  }

  #writeVersion(path: string): Version {
    const generation = this.#nextGeneration(path)
    const large = this.#random.fraction() < 0.005
    const bytes = large ? this.#random.between(1_000_000, 5_000_000) : this.#random.spread(50, 200_000)
    this.#put(path, contentOf(this.#seed, { path, generation, bytes }))
    return { path, generation, bytes }
  }

  #put(path: string, content: Buffer): void {
    writeFileSync(join(this.#data, path), content)
    this.#writtenBytes += content.length
  }

  /** Never one that was written before, also not by an earlier run that had no acknowledgement for it. */
  #nextGeneration(path: string): number {
    const known = this.#generations.get(path) ?? 0
    const file = join(this.#data, path)
    const next = 1 + Math.max(known, existsSync(file) ? (generationOf(readFileSync(file)) ?? 0) : 0)
    this.#generations.set(path, next)
    return next
  }

  /** Whether it was acknowledged. A primary that is down right now is a refusal like any. */
  async #flush(level: 'local' | 'quorum'): Promise<boolean> {
    const control = new Control(this.#primary.home)
    try {
      await control.lines('flush', { volume: VOLUME, level, timeoutMs: FLUSH_TIMEOUT_MS })
      this.#counts.flushes += 1
      return true
    } catch (error) {
      if (!(error instanceof ControlError)) throw error
      this.#counts.refusals += 1
      await pause(50)
      return false
    } finally {
      control.close()
    }
  }

  /** Changes that nobody asked to be acknowledged, so that flushes and kills meet a primary that is never idle. */
  async #makeNoise(): Promise<void> {
    const random = seeded(`${this.#seed} noise ${this.#ledger.acknowledged.length}`)
    const noise = (): string => `noise-${random.between(1, 20)}`
    while (this.#goesOn) {
      const path = noise()
      const dice = random.fraction()
      const exists = existsSync(join(this.#data, path))
      if (exists && dice < 0.1) rmSync(join(this.#data, path))
      else if (exists && dice < 0.2) renameSync(join(this.#data, path), join(this.#data, noise()))
      else this.#put(path, random.bytes(random.spread(10, 100_000)))
      await pause(random.between(5, 80))
    }
  }

  async #kill(): Promise<void> {
    const random = seeded(`${this.#seed} kills ${this.#ledger.acknowledged.length}`)
    while (this.#goesOn) {
      const calm = this.#leftMs < this.#options.seconds * 500
      const calmMs = this.#options.seconds * random.between(60, 100)
      await pause(calm ? Math.min(calmMs, Math.max(1, this.#leftMs)) : random.between(300, 4000))
      if (!this.#goesOn) break
      const victims = calm ? [random.pick(this.#nodes.slice(0, -1))] : this.#nodes.filter(() => random.fraction() < 0.5)
      await Promise.all(victims.map((node) => this.#end(node, random.fraction() < CLEAN_STOP_RATIO)))
      for (const node of victims.toSorted(() => random.fraction() - 0.5)) {
        await pause(random.between(0, 1000))
        await node.up()
      }
    }
  }

  async #end(node: TestNode, cleanly: boolean): Promise<void> {
    if (!cleanly) {
      this.#counts.kills += 1
      await node.crash()
      return
    }
    this.#counts.restarts += 1
    const code = await node.down()
    if (code !== 0) throw new Error(`${node.name} was told to stop and ended with ${code}:\n${node.said()}`)
  }

  async #sample(): Promise<void> {
    const everyMs = Math.max(SAMPLE_MS_MIN, (this.#options.seconds * 1000) / SAMPLES_COUNT)
    while (this.#goesOn) {
      await pause(Math.min(everyMs, Math.max(1, this.#leftMs)))
      const looks = this.#nodes.map(async (node) => {
        const control = new Control(node.home)
        // A node that is down, or killed while it is looked at, is in the next one.
        const sample = await sampleOf(node, control).catch(() => undefined)
        control.close()
        return sample ?? []
      })
      const nodes = (await Promise.all(looks)).flat()
      const [elapsedSeconds, writtenBytes] = [this.#elapsedMs / 1000, this.#writtenBytes]
      this.#samples.add({ elapsedSeconds, counts: { ...this.#counts }, writtenBytes, nodes })
    }
  }

  async #tell(): Promise<void> {
    while (this.#goesOn) {
      await pause(Math.min(PROGRESS_MS, Math.max(1, this.#leftMs)))
      const { kills, flushes, refusals } = this.#counts
      const seconds = Math.round(this.#elapsedMs / 1000)
      const acknowledged = this.#ledger.acknowledged.length
      this.#options.tell(
        `${seconds} s: ${kills} kills, ${flushes} flushes, ${refusals} refused, ${acknowledged} versions acknowledged`,
      )
    }
  }

  async #untilAllComplete(): Promise<void> {
    const deadline = Date.now() + SETTLE_MS
    const control = new Control(this.#primary.home)
    for (;;) {
      const status = await control.document<Status>('status')
      const members = status.volumes.find((volume) => volume.name === VOLUME)?.members ?? []
      if (members.length === NAMES.length && members.every((member) => member.state === 'current')) break
      if (Date.now() > deadline) throw new Error(`the members do not catch up: ${JSON.stringify(members)}`)
      await pause(100)
    }
    control.close()
  }
}
