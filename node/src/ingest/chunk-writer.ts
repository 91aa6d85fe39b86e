import type { Clock } from '@holdfast/ports'
import type { Bundle, ChunkName, RecipeNode, SharedSegmentTable } from '@holdfast/sealing'
import { CHUNK_STORED_BYTES_MAX, createBundler } from '@holdfast/sealing'
import type { FrameEntry, PackWriter } from '@holdfast/store-pack'
import { encodeChunkFrameHeader, FRAME_HEADER_BYTES } from '@holdfast/store-pack'
import type { ChunkTicket, ExtentList } from './extent-list.ts'
import { GROUP_BYTES, GROUP_MS } from './limits.ts'
import type { VolumeContext } from './volume-context.ts'

/** A frame in the page cache, with the chunk that it holds. */
export interface WrittenChunk {
  readonly entry: FrameEntry
  readonly ticket: ChunkTicket
}

interface OpenBundle {
  readonly bundle: Bundle
  ticket: ChunkTicket | undefined
  openedAtMs: number
}

export interface ChunkWriterOptions {
  /** Who owns the chunks that are opened in the table. */
  readonly worker: number
  readonly table: SharedSegmentTable
  readonly packs: PackWriter
  readonly clock: Pick<Clock, 'monotonicMs'>
}

/**
 * Turns segments into frames of one worker: what is known is named, what is new goes into one of two open bundles, full bundles are
 * sealed into the frame buffer, the buffer is written to the pack. Everything is synchronous, so a segment is looked up, published
 * and copied without another step between. A chunk gets its name in the table only when its frame has been announced (the pool does
 * that): before, other workers see its number but cannot finish a draft with it.
 */
export class ChunkWriter {
  readonly #options: ChunkWriterOptions
  readonly #bundler = createBundler()
  readonly #open: readonly OpenBundle[]
  readonly #buffer = new Uint8Array(GROUP_BYTES + FRAME_HEADER_BYTES + CHUNK_STORED_BYTES_MAX)
  #used = 0
  /** Chunks in the buffer, in the order of their frames. */
  #buffered: ChunkTicket[] = []
  #written: WrittenChunk[] = []
  #writtenBytes = 0
  /** Own chunks that the table cannot name yet. */
  readonly #own = new Map<number, ChunkTicket>()
  #lastTicket: ChunkTicket | undefined
  #context: VolumeContext | undefined

  constructor(options: ChunkWriterOptions) {
    this.#options = options
    const { dense, other } = this.#bundler
    this.#open = [dense, other].map((bundle) => ({ bundle, ticket: undefined, openedAtMs: 0 }))
  }

  /** Whether a group's worth of frames has come together. */
  get isGroupFull(): boolean {
    return this.#used + this.#writtenBytes >= GROUP_BYTES
  }

  /** The volume of the segments to come; open bundles of another are sealed. @throws as `flush` */
  use(context: VolumeContext): void {
    if (this.#context === context) return
    if (this.#context !== undefined) this.sealAll()
    this.#context = context
  }

  /** Stores a segment unless it is known, and notes where it is. @throws as `flush` */
  add(segment: Uint8Array, extents: ExtentList): void {
    const { table } = this.#options
    const fingerprint = this.#volume().fingerprint(segment)
    const length = segment.byteLength
    const known = table.find(fingerprint, length)
    if (known !== undefined) {
      extents.add(this.ticketOf(known.chunk), known.offset, length, fingerprint)
      return
    }
    const open = this.#bundleFor(segment)
    const { ticket, bundle } = open
    if (ticket.number !== undefined) {
      const mine = { chunk: ticket.number, offset: bundle.length, length }
      const place = table.publish(fingerprint, mine)
      if (place.chunk !== mine.chunk || place.offset !== mine.offset) {
        extents.add(this.ticketOf(place.chunk), place.offset, length, fingerprint)
        return
      }
    }
    extents.add(ticket, bundle.append(segment), length, fingerprint)
  }

  /** Seals a recipe node, or finds an equal one. @throws as `flush` */
  addNode(node: RecipeNode): { readonly ticket: ChunkTicket; readonly name: ChunkName } {
    const { table } = this.#options
    const fingerprint = this.#volume().nodeFingerprint(node)
    const length = node.plain.byteLength
    const known = table.find(fingerprint, length)
    if (known !== undefined) {
      const ticket = this.ticketOf(known.chunk)
      const name = this.nameOf(ticket)
      if (name !== undefined) return { ticket, name }
      // Another worker sealed an equal node a moment ago and it is not announced yet: sealing it again gives the same chunk.
    }
    const ticket = this.#newTicket()
    if (ticket.number !== undefined) table.publish(fingerprint, { chunk: ticket.number, offset: 0, length })
    return { ticket, name: this.#seal(ticket, node.plain, node.header) }
  }

  ticketOf(number: number): ChunkTicket {
    if (this.#lastTicket?.number === number) return this.#lastTicket
    this.#lastTicket = this.#own.get(number) ?? { number, name: undefined, lost: false }
    return this.#lastTicket
  }

  /** The chunk's name, once there is one. */
  nameOf(ticket: ChunkTicket): ChunkName | undefined {
    if (ticket.number !== undefined) ticket.name ??= this.#options.table.chunkName(ticket.number)
    return ticket.name
  }

  isLost(ticket: ChunkTicket): boolean {
    return ticket.lost || (ticket.number !== undefined && this.#options.table.chunkState(ticket.number) === 'lost')
  }

  isDurable(ticket: ChunkTicket): boolean {
    return ticket.number !== undefined && this.#options.table.chunkState(ticket.number) === 'durable'
  }

  /** Seals every open bundle. @throws as `flush` */
  sealAll(): void {
    for (const open of this.#open) this.#sealBundle(open)
  }

  /** Seals the bundles that have been open for `GROUP_MS`. @throws as `flush` */
  sealAged(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const open of this.#open) if (nowMs - open.openedAtMs >= GROUP_MS) this.#sealBundle(open)
  }

  /** Writes the buffered frames to the pack (page cache). On an error their chunks are lost.
   *  @throws HF_DRIVE_FULL, HF_DRIVE_FAILED, HF_BUSY */
  flush(): void {
    if (this.#used === 0) return
    const tickets = this.#buffered
    const frames = this.#buffer.subarray(0, this.#used)
    this.#buffered = []
    this.#used = 0
    try {
      const entries = this.#options.packs.write(frames)
      entries.forEach((entry, index) => {
        const ticket = tickets[index]
        if (ticket !== undefined) this.#written.push({ entry, ticket })
      })
      this.#writtenBytes += frames.byteLength
    } catch (error) {
      for (const ticket of tickets) this.#lose(ticket)
      throw error
    }
  }

  /** What was written since the last call; it is to be announced. */
  takeWritten(): readonly WrittenChunk[] {
    const written = this.#written
    this.#written = []
    this.#writtenBytes = 0
    this.#forgetAnnounced()
    return written
  }

  /** After an error: whatever has not been announced is lost. */
  abandon(): void {
    for (const open of this.#open) {
      if (open.ticket !== undefined) this.#lose(open.ticket)
      open.ticket = undefined
      open.bundle.clear()
    }
    for (const ticket of this.#buffered) this.#lose(ticket)
    for (const { ticket } of this.#written) this.#lose(ticket)
    this.#buffered = []
    this.#used = 0
    this.#written = []
    this.#writtenBytes = 0
  }

  #volume(): VolumeContext {
    if (this.#context === undefined) throw new TypeError('segments before their volume')
    return this.#context
  }

  #bundleFor(segment: Uint8Array): { readonly bundle: Bundle; readonly ticket: ChunkTicket } {
    const bundle = this.#bundler.bundleFor(segment)
    const open = this.#open.find((candidate) => candidate.bundle === bundle)
    if (open === undefined) throw new TypeError('a bundle that is not ours')
    if (!bundle.hasRoom(segment.byteLength)) this.#sealBundle(open)
    if (bundle.length === 0) open.openedAtMs = this.#options.clock.monotonicMs()
    open.ticket ??= this.#newTicket()
    return { bundle, ticket: open.ticket }
  }

  #newTicket(): ChunkTicket {
    const number = this.#options.table.openChunk(this.#options.worker)
    const ticket: ChunkTicket = { number, name: undefined, lost: false }
    if (number !== undefined) this.#own.set(number, ticket)
    return ticket
  }

  #sealBundle(open: OpenBundle): void {
    const { bundle, ticket } = open
    if (bundle.length === 0 || ticket === undefined) return
    this.#seal(ticket, bundle.plain)
    open.ticket = undefined
    bundle.clear()
  }

  #seal(ticket: ChunkTicket, plain: Uint8Array, ...recipe: [] | [RecipeNode['header']]): ChunkName {
    const { volume, sealer } = this.#volume()
    if (this.#used + FRAME_HEADER_BYTES + CHUNK_STORED_BYTES_MAX > this.#buffer.byteLength) this.flush()
    const name = sealer.seal(plain, this.#buffer, this.#used + FRAME_HEADER_BYTES, ...recipe)
    encodeChunkFrameHeader(this.#buffer, this.#used, volume, name.id, name.storedBytes)
    this.#used += FRAME_HEADER_BYTES + name.storedBytes
    this.#buffered.push(ticket)
    ticket.name = name
    return name
  }

  #lose(ticket: ChunkTicket): void {
    ticket.lost = true
    if (ticket.number !== undefined) this.#options.table.markLost(ticket.number)
  }

  #forgetAnnounced(): void {
    for (const number of this.#own.keys()) {
      if (this.#options.table.chunkState(number) !== 'open') this.#own.delete(number)
    }
  }
}
