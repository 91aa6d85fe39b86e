import { lstatSync, mkdtempSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyOf, statOfBig } from '@holdfast/capture'
import { blake3 } from '@holdfast/hash'
import { asChunkId, asVolumeId, HoldfastError } from '@holdfast/ports'
import type { Clock, VolumeId } from '@holdfast/ports'
import { createSystemClock } from '../../src/system/index.ts'
import { createCaptureService } from '../../src/capture/index.ts'
import type {
  CaptureBatch,
  CaptureHealth,
  CaptureProgress,
  CaptureService,
  HistoryRow,
  StatRow,
  StatStore,
  VolumeCapture,
  VolumeCaptureOptions,
} from '../../src/capture/index.ts'
import type { Draft, IngestJob, IngestPool, SealedGroup } from '../../src/ingest/types.ts'

export const VOLUME: VolumeId = asVolumeId(new Uint8Array(16).fill(7))
export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))
export const text = (path: Uint8Array): string => Buffer.from(path).toString('latin1')

export function tempDir(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-volume-')))
}

/** A promise that resolves when it is told to. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const resolvers: (() => void)[] = []
  const opened = new Promise<void>((resolve) => resolvers.push(resolve))
  return { opened, open: () => resolvers.forEach((resolve) => resolve()) }
}

/** Reads whole files on this thread; one group a job. */
export class FakePool implements IngestPool {
  readonly read: string[] = []
  /** Paths that it refuses to read. */
  readonly unreadable = new Set<string>()
  /** What these hold, without a trace in their status: written through a memory map. */
  readonly mapped = new Map<string, string>()
  onRead: () => void = () => undefined
  jobs = 0
  /** Awaited before a job reads. */
  gate: Promise<void> = Promise.resolve()
  /** Awaited after a job has read, before its group is handed over. */
  handOver: Promise<void> = Promise.resolve()
  /** Thrown by the next job. */
  failure: Error | undefined

  async ingest(job: IngestJob, onGroup: (group: SealedGroup) => void | Promise<void>, signal?: AbortSignal) {
    this.jobs++
    await this.gate
    const failure = this.failure
    this.failure = undefined
    if (failure !== undefined) throw failure
    const drafts = job.paths.map(({ path }) => this.#draft(job.root, path))
    this.onRead()
    await this.handOver
    if (signal?.aborted === true) throw new HoldfastError('HF_ABORTED', 'aborted')
    await onGroup({ worker: 0, group: this.jobs, drafts, entries: [] })
  }

  #draft(root: Uint8Array, path: Uint8Array): Draft {
    this.read.push(text(path))
    const at = Buffer.concat([root, Buffer.from('/'), path])
    const base = { path, torn: false, refs: [], needs: [], mode: 0, uid: 0, gid: 0, mtimeNs: 0n, size: 0 }
    try {
      const stat = statOfBig(lstatSync(at, { bigint: true }))
      const { mode, uid, gid, mtimeNs, type } = stat
      const seen = { ...base, mode, uid, gid, mtimeNs, type, stat }
      if (type === 'symlink') return { ...seen, target: readlinkSync(at, { encoding: 'buffer' }) }
      if (type !== 'file') return seen
      if (this.unreadable.has(text(path))) throw new Error('permission denied')
      const content = Buffer.from(this.mapped.get(text(path)) ?? readFileSync(at))
      const hash = blake3(content)
      const extent = { chunk: asChunkId(hash), offset: 0, length: content.length, fingerprint: hash.slice(0, 16) }
      return { ...seen, size: content.length, extents: content.length === 0 ? [] : [extent] }
    } catch (error) {
      const { code } = error as { code?: string }
      if (code === 'ENOENT' || code === 'ENOTDIR') return { ...base, type: 'absent' }
      const message = String(error)
      return { ...base, type: 'unreadable', error: { code: 'HF_SOURCE_UNAVAILABLE', message } }
    }
  }

  start = (): Promise<void> => Promise.resolve()
  addVolume = (): void => undefined
  learn = (): void => undefined
  commit = (): Promise<readonly []> => Promise.resolve([])
  stop = (): Promise<void> => Promise.resolve()
}

export interface Version {
  readonly seq: number
  readonly kind: 'put' | 'delete'
  readonly path: string
  readonly content: string
}

/** The commit pipeline and the catalog: what a volume's history says. */
export class FakeHistory {
  readonly versions: Version[] = []
  readonly rows = new Map<string, HistoryRow>()
  baseline = 0
  failure: Error | undefined
  /** The failing commit is recorded all the same. */
  recordsFailed = false
  /** Awaited before a commit takes effect. */
  gate: Promise<void> = Promise.resolve()
  onCommit: () => void = () => undefined

  seq = (): number => this.versions.length

  commit = async (batch: CaptureBatch): Promise<{ lastSeq: number }> => {
    await this.gate
    const failure = this.failure
    this.failure = undefined
    if (failure !== undefined && !this.recordsFailed) throw failure
    for (const draft of batch.drafts) {
      const { extents, ...rest } = draft
      const seq = this.#add('put', draft.path, Buffer.from(extents?.[0]?.chunk ?? []).toString('hex'))
      this.rows.set(keyOf(draft.path), {
        ...rest,
        seq,
        content: extents === undefined ? undefined : { inline: extents },
      })
    }
    for (const path of batch.deletions) {
      this.#add('delete', path, '')
      this.rows.delete(keyOf(path))
    }
    if (failure !== undefined) throw failure
    this.onCommit()
    return { lastSeq: this.seq() }
  }

  async *current(): AsyncGenerator<HistoryRow> {
    for (const key of this.paths()) {
      const row = this.rows.get(key)
      if (row !== undefined) yield row
    }
  }

  paths(): string[] {
    return [...this.rows.keys()].toSorted()
  }

  /** `put path` and `delete path`, in order of seq. */
  log(from = 0): string[] {
    return this.versions.slice(from).map(({ kind, path }) => `${kind} ${path}`)
  }

  #add(kind: 'put' | 'delete', path: Uint8Array, content: string): number {
    this.versions.push({ seq: this.versions.length + 1, kind, path: text(path), content })
    return this.versions.length
  }
}

/** As strict as the one in level: forgets nothing, keeps order. */
export function memoryStatStore(): StatStore & { readonly map: Map<string, StatRow> } {
  const map = new Map<string, StatRow>()
  let seqNow: number | undefined
  return {
    map,
    seq: () => Promise.resolve(seqNow),
    async *load() {
      yield [...map.values()]
    },
    rows: (paths) => Promise.resolve(paths.map((path) => map.get(keyOf(path)))),
    apply(puts, deletes, seq) {
      for (const row of puts) map.set(keyOf(row.path), row)
      for (const path of deletes) map.delete(keyOf(path))
      seqNow = seq ?? seqNow
      return Promise.resolve()
    },
    async replace(groups, seq) {
      const rows: StatRow[] = []
      for await (const group of groups) rows.push(...group)
      map.clear()
      for (const row of rows) map.set(keyOf(row.path), row)
      seqNow = seq
    },
    clear() {
      map.clear()
      seqNow = undefined
      return Promise.resolve()
    },
  }
}

/** Fails a test that waits for what never comes. */
const PATIENCE_MS = 10_000

/** One volume on a real directory, with real threads, and everything around it in memory. */
export class Bench {
  readonly root = tempDir()
  readonly pool = new FakePool()
  readonly history = new FakeHistory()
  readonly stats = memoryStatStore()
  readonly health: CaptureHealth[] = []
  progress: CaptureProgress | undefined
  /** What the clocks of the node are ahead of this machine's. */
  readonly ahead = { wallMs: 0, monotonicMs: 0 }
  readonly service: CaptureService
  #capture: VolumeCapture | undefined
  #check: () => void = () => undefined

  constructor() {
    const system = createSystemClock()
    const clock: Clock = {
      nowMs: () => system.nowMs() + this.ahead.wallMs,
      monotonicMs: () => system.monotonicMs() + this.ahead.monotonicMs,
      setTimer: (delayMs, callback) => system.setTimer(delayMs, callback),
    }
    this.service = createCaptureService({ clock, pool: this.pool })
  }

  get capture(): VolumeCapture {
    if (this.#capture === undefined) throw new TypeError('not started')
    return this.#capture
  }

  at(path: string): string {
    return join(this.root, path)
  }

  async start(options: Partial<VolumeCaptureOptions> = {}): Promise<void> {
    await this.service.start()
    this.history.onCommit = () => this.#check()
    this.pool.onRead = () => this.#check()
    this.#capture = this.service.open({
      volume: VOLUME,
      root: bytes(this.root),
      sink: this.history,
      stats: this.stats,
      history: this.history,
      onHealth: (event) => {
        this.health.push(event)
        this.#check()
      },
      onProgress: (progress) => {
        this.progress = progress
        this.#check()
      },
      ...options,
    })
    await this.#capture.start()
  }

  /** As after a restart of the node: everything that is kept is kept. */
  async restart(): Promise<void> {
    await this.#capture?.stop()
    await this.start()
  }

  async stop(): Promise<void> {
    await this.service.stop()
    rmSync(this.root, { recursive: true, force: true })
  }

  async until(what: string, reached: () => boolean): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const late = (): void =>
          reject(new Error(`waited in vain: ${what}; ${this.history.log().slice(-10).join(', ')}`))
        timer = setTimeout(late, PATIENCE_MS)
        this.#check = () => (reached() ? resolve() : undefined)
        this.#check()
      })
    } finally {
      clearTimeout(timer)
      this.#check = () => undefined
    }
  }
}
