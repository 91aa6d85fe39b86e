import { blake3 } from '@holdfast/hash'
import { equalBytes, hexOf, HoldfastError, MIB, shortId, throwIfAborted } from '@holdfast/ports'
import type { Chunk, ChunkId, CoreKey, Drive, JournalFrame, VolumeId } from '@holdfast/ports'
import { decodeJournalBody, encodeChunkFrameHeader, encodeJournalFrame, FRAME_HEADER_BYTES } from './frame.ts'
import { entryOf } from './keys.ts'
import type { FrameRow } from './keys.ts'
import { PackCatalog } from './pack-catalog.ts'
import { createPackWriter } from './pack-writer.ts'
import type {
  ChunkLocation,
  FrameEntry,
  JournalRun,
  PackStore,
  PackStoreOptions,
  PackWriter,
  RebuildReport,
  StoreProgress,
  StoreStats,
  VerifyOptions,
  VerifyReport,
} from './types.ts'
import { verifyPacks } from './verify.ts'

/** Bytes of frames that are put together for one write. */
const WRITE_GROUP_BYTES = 8 * MIB

/** Opens the store of a drive: reads the index, makes it anew if it is missing, damaged or not of these packs, and takes in what
 *  the packs hold beyond it. What it then serves is durable.
 *  @throws HF_DRIVE_FAILED if the drive or the index cannot be read or synced, HF_DRIVE_FULL if the index finds no room */
export async function openPackStore(options: PackStoreOptions): Promise<PackStore> {
  const catalog = await PackCatalog.open(options)
  return new Store(options, catalog)
}

class Store implements PackStore {
  readonly #drive: Drive
  readonly #catalog: PackCatalog
  readonly #writer: PackWriter
  /** Chunks that are written and not yet adopted, by volume and id. */
  readonly #writing = new Map<string, FrameEntry>()
  readonly #inFlight = new Set<Promise<unknown>>()
  #exclusive: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  constructor(options: PackStoreOptions, catalog: PackCatalog) {
    this.#drive = options.drive
    this.#catalog = catalog
    const claimPackNumber = catalog.claimPackNumber
    const { drive, packBytesMax, reserveBytes = 0 } = options
    const bounds = packBytesMax === undefined ? { reserveBytes } : { reserveBytes, packBytesMax }
    this.#writer = createPackWriter({ drive, claimPackNumber, ...bounds })
  }

  get packNumbers(): SharedArrayBuffer {
    return this.#catalog.packNumbers
  }

  claimPackNumber(): number {
    this.#refuseIfClosed()
    return this.#catalog.claimPackNumber()
  }

  has(volume: VolumeId, id: ChunkId): boolean {
    this.#refuseIfClosed()
    return this.#held(volume, id) !== undefined
  }

  locate(volume: VolumeId, id: ChunkId): ChunkLocation | undefined {
    this.#refuseIfClosed()
    const row = this.#held(volume, id)
    return row && { pack: row.pack, offset: row.offset, storedBytes: row.bodyBytes }
  }

  get(volume: VolumeId, id: ChunkId, options: { signal?: AbortSignal } = {}): Promise<Uint8Array | undefined> {
    return this.#run(async () => {
      throwIfAborted(options.signal)
      const row = this.#held(volume, id)
      if (row === undefined) return undefined
      const entry = entryOf('chunk', id, 0, row)
      const body = await this.#catalog.readBody(entry)
      throwIfAborted(options.signal)
      if (body instanceof Uint8Array && equalBytes(blake3(body), id)) return body
      const cause = body instanceof Uint8Array ? undefined : body
      this.#catalog.markBad(entry, cause === undefined ? 'body' : 'unreadable')
      throw new HoldfastError('HF_CHUNK_CORRUPT', `chunk ${shortId(id)} in pack ${row.pack} is damaged`, { cause })
    })
  }

  put(volume: VolumeId, chunks: readonly Chunk[]): Promise<void> {
    return this.commit(volume, chunks)
  }

  commit(volume: VolumeId, chunks: readonly Chunk[], frame?: JournalFrame): Promise<void> {
    return this.#run(async () => {
      for (const { id, bytes } of chunks) {
        if (!equalBytes(blake3(bytes), id)) {
          throw new HoldfastError('HF_CHUNK_CORRUPT', `chunk ${shortId(id)} fails its hash; nothing was stored`)
        }
      }
      const journalFrame = frame && encodeJournalFrame(volume, frame)
      await this.#catalog.table.settled()
      const written = new Map<string, FrameEntry>()
      try {
        const entries = this.#write(volume, chunks, journalFrame, written)
        if (entries.length === 0) return
        await this.#writer.sync()
        this.#catalog.adopt(entries)
      } finally {
        for (const [key, entry] of written) if (this.#writing.get(key) === entry) this.#writing.delete(key)
      }
    })
  }

  async *list(volume: VolumeId): AsyncGenerator<ChunkId> {
    this.#refuseIfClosed()
    for await (const id of this.#catalog.table.chunks(volume)) {
      yield id
      this.#refuseIfClosed()
    }
  }

  adopt(entries: readonly FrameEntry[]): void {
    this.#refuseIfClosed()
    this.#catalog.adopt(entries)
  }

  settled(): Promise<void> {
    return this.#run(() => this.#catalog.table.settled())
  }

  async *journalFrames(coreKey: CoreKey, from: number): AsyncGenerator<JournalFrame> {
    for (let next = from; ;) {
      this.#refuseIfClosed()
      const found = await this.#catalog.table.journalHolding(coreKey, next)
      if (found === undefined) return
      const { start, row } = found
      const entry = entryOf('journal', coreKey, start, row)
      const body = await this.#catalog.readBody(entry)
      const frame = body instanceof Uint8Array ? decodeJournalBody(entry, body) : undefined
      if (frame === undefined) {
        this.#catalog.markBad(entry, body instanceof Uint8Array ? 'body' : 'unreadable')
        return
      }
      yield frame
      next = start + row.blockCount
    }
  }

  journals(): JournalRun[] {
    this.#refuseIfClosed()
    return this.#catalog.table.journals()
  }

  checkpoint(beforePosition: () => Promise<void>): Promise<void> {
    return this.#runAlone(async () => {
      await beforePosition()
      await this.#catalog.checkpoint()
    })
  }

  rebuildIndex(onProgress?: (progress: StoreProgress) => void): Promise<RebuildReport> {
    return this.#runAlone(() => this.#catalog.rebuild(onProgress))
  }

  verify(options: VerifyOptions): Promise<VerifyReport> {
    return this.#run(() => verifyPacks(this.#catalog, options))
  }

  stats(): StoreStats {
    this.#refuseIfClosed()
    const { packs, chunkCount } = this.#catalog.table
    let storedBytes = 0
    for (const pack of packs.values()) storedBytes += pack.fileBytes
    return { packs: packs.size, storedBytes, chunks: chunkCount, freeBytes: this.#drive.space().freeBytes }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#inFlight)
    try {
      await this.#writer.close()
      await this.#catalog.checkpoint()
    } finally {
      this.#catalog.close()
    }
  }

  #held(volume: VolumeId, id: Uint8Array): FrameRow | undefined {
    const row = this.#catalog.table.chunk(volume, id)
    return row === undefined || row.bad ? undefined : row
  }

  /** Writes what is not held; the journal frame last. Returns what to adopt once it is synced, chunks that another call is writing
   *  included: they are in the same pack writer, so the same sync covers them. */
  #write(
    volume: VolumeId,
    chunks: readonly Chunk[],
    journalFrame: Uint8Array | undefined,
    written: Map<string, FrameEntry>,
  ): FrameEntry[] {
    const entries: FrameEntry[] = []
    const fresh = new Map<string, Chunk>()
    for (const chunk of chunks) {
      const key = hexOf(volume) + hexOf(chunk.id)
      const other = this.#writing.get(key)
      if (other !== undefined) entries.push(other)
      else if (this.#held(volume, chunk.id) === undefined) fresh.set(key, chunk)
    }
    for (const group of grouped(fresh.values())) {
      for (const entry of this.#writer.write(encodeChunkFrames(volume, group))) {
        const key = hexOf(volume) + hexOf(entry.id)
        written.set(key, entry)
        this.#writing.set(key, entry)
        entries.push(entry)
      }
    }
    if (journalFrame !== undefined) entries.push(...this.#writer.write(journalFrame))
    return entries
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new HoldfastError('HF_CLOSED', 'the pack store is closed')
  }

  /** Work that `close` waits for. */
  async #run<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseIfClosed()
    const running = work()
    this.#inFlight.add(running)
    try {
      return await running
    } finally {
      this.#inFlight.delete(running)
    }
  }

  /** The same, one after the other. */
  #runAlone<T>(work: () => Promise<T>): Promise<T> {
    return this.#run(() => {
      const running = this.#exclusive.then(work)
      this.#exclusive = running.catch(() => {})
      return running
    })
  }
}

/** Chunks in groups whose frames fit in one write. */
function* grouped(chunks: Iterable<Chunk>): Generator<Chunk[]> {
  let group: Chunk[] = []
  let bytes = 0
  for (const chunk of chunks) {
    const frameBytes = FRAME_HEADER_BYTES + chunk.bytes.byteLength
    if (group.length > 0 && bytes + frameBytes > WRITE_GROUP_BYTES) {
      yield group
      group = []
      bytes = 0
    }
    group.push(chunk)
    bytes += frameBytes
  }
  if (group.length > 0) yield group
}

function encodeChunkFrames(volume: VolumeId, chunks: readonly Chunk[]): Uint8Array {
  const total = chunks.reduce((sum, { bytes }) => sum + FRAME_HEADER_BYTES + bytes.byteLength, 0)
  const out = new Uint8Array(total)
  let at = 0
  for (const { id, bytes } of chunks) {
    encodeChunkFrameHeader(out, at, volume, id, bytes.byteLength)
    out.set(bytes, at + FRAME_HEADER_BYTES)
    at += FRAME_HEADER_BYTES + bytes.byteLength
  }
  return out
}
