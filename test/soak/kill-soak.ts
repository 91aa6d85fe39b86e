/** Three nodes under random writes and random kills. Whatever a flush acknowledged must be readable from every member afterwards.
 *
 *  Faults: SIGKILL of any one, two or all three processes at any moment, in any order, restarts at any moment after; the primary may be
 *  killed in the middle of a commit, a follower in the middle of a fetch. The machine stays up, so the page cache survives: loss of
 *  unsynced writes is enumerated by the store's own crash tests. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Control, ControlError } from '../src/control.ts'
import { TestNode } from '../src/holdfast.ts'
import { seeded, type Seeded } from '../src/seeded.ts'
import type { Status } from '../src/status.ts'
import { contentOf, generationOf } from './content.ts'
import { Ledger, type Version } from './ledger.ts'
import { readBack, type Loss } from './read-back.ts'

export interface SoakOptions {
  /** Homes, data and ledger; a soak that was stopped goes on in it. */
  readonly directory: string
  readonly seconds: number
  /** Drives what is written and killed when; used only when the directory is new. */
  readonly seed: string
  readonly tell: (line: string) => void
}

export interface SoakResult {
  readonly kills: number
  readonly flushes: number
  /** Flushes that were refused or timed out: nothing was promised. */
  readonly refusals: number
  readonly acknowledged: number
  /** Versions read and compared, over all members. */
  readonly readBack: number
  readonly losses: readonly Loss[]
}

const NAMES = ['a', 'b', 'c'] as const
const VOLUME = 'data'
const PATHS_COUNT = 64
const FLUSH_TIMEOUT_MS = 15_000
const SETTLE_MS = 120_000
const PROGRESS_MS = 10_000

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
  readonly #generations = new Map<string, number>()
  readonly #counts = { kills: 0, flushes: 0, refusals: 0 }
  #endsAt = 0

  constructor(options: SoakOptions, seed: string) {
    this.#options = options
    this.#seed = seed
    this.#ledger = new Ledger(join(options.directory, 'ledger'))
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
    this.#endsAt = Date.now() + this.#options.seconds * 1000
    await Promise.all([this.#write(), this.#makeNoise(), this.#kill(), this.#tell()])
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
    return { ...this.#counts, acknowledged: this.#ledger.acknowledged.length, readBack: count, losses }
  }

  async end(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.crash()))
  }

  get #goesOn(): boolean {
    return Date.now() < this.#endsAt
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
    const large = this.#random.fraction() < 0.02
    const bytes = large ? this.#random.between(1_000_000, 5_000_000) : this.#random.spread(50, 200_000)
    writeFileSync(join(this.#data, path), contentOf(this.#seed, { path, generation, bytes }))
    return { path, generation, bytes }
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
    const random = seeded(`${this.#seed} noise`)
    while (this.#goesOn) {
      writeFileSync(join(this.#data, `noise-${random.between(1, 20)}`), random.bytes(random.spread(10, 100_000)))
      await pause(random.between(5, 80))
    }
  }

  async #kill(): Promise<void> {
    const random = seeded(`${this.#seed} kills ${this.#ledger.acknowledged.length}`)
    while (this.#goesOn) {
      await pause(random.between(300, 4000))
      const victims = this.#nodes.filter(() => random.fraction() < 0.5)
      await Promise.all(victims.map((node) => node.crash()))
      this.#counts.kills += victims.length
      for (const node of victims.toSorted(() => random.fraction() - 0.5)) {
        await pause(random.between(0, 1000))
        await node.up()
      }
    }
  }

  async #tell(): Promise<void> {
    const started = Date.now()
    while (this.#goesOn) {
      await pause(Math.min(PROGRESS_MS, Math.max(1, this.#endsAt - Date.now())))
      const { kills, flushes, refusals } = this.#counts
      const seconds = Math.round((Date.now() - started) / 1000)
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
