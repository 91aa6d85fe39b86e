import type { VolumeEntry } from '@holdfast/charter'
import type { EpochRecord, VoterHead } from '@holdfast/failover'
import type { Catalog, CatalogRow, ChunkRef, RecordCodec } from '@holdfast/journal'
import type { KeyRing, VolumeKeys } from '@holdfast/keys'
import { hexOf, HoldfastError, shortId } from '@holdfast/ports'
import type { Chunk, ChunkId, CoreKey, JournalFrame, JournalLog, LogHead, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import { checkFirstBlock, type Cut, type Epoch } from '../epochs/epoch.ts'
import type { LiveCommit, MissingChunk, ReplicatedVolume, VolumeMember } from '../replication/index.ts'
import { readBlock, type ReadBlock } from './blocks.ts'
import { Completeness } from './completeness.ts'
import type { Room } from './room.ts'

/** A commit whose chunks are at most this many bytes in all carries them along to followers at the tail. */
export const LIVE_COMMIT_CHUNK_BYTES_MAX = 64 * 1024

/** What a member that may read the volume has beside the log. */
export interface ReadableParts {
  readonly ring: KeyRing
  readonly keys: VolumeKeys
  readonly codec: RecordCodec
  readonly catalog: Catalog
}

/** The log of an epoch that is over, up to its cut. */
export interface EarlierLog extends Cut {
  readonly epoch: number
  readonly coreKey: CoreKey
  /** Key under which its frames are stored here. */
  readonly storedKey: CoreKey
}

/** What the node's promises allow. */
export interface VolumeRules {
  /** Blocks that the log may grow to by frames of other members; a promise to a later epoch bounds it. */
  lengthMax(volume: Volume): number
  /** A primary is about to store what it signed and forgot. @throws if that cannot be noted: then nothing is stored */
  onForgotten(volume: Volume): void
}

export interface VolumeParts {
  readonly entry: VolumeEntry
  readonly role: ReplicatedVolume['role']
  /** The epoch whose log is open. */
  readonly epoch: Epoch
  /** The newest epoch that is known: later than `epoch` while this member lacks blocks below a cut. */
  readonly newestEpoch: number
  /** Of all epochs, from the first to the newest. */
  readonly records: readonly EpochRecord[]
  readonly log: JournalLog
  readonly store: PackStore
  /** Absent on a blind member. */
  readonly readable: ReadableParts | undefined
  readonly earlier: readonly EarlierLog[]
  readonly rules?: VolumeRules
  /** Without it there is always room. */
  readonly room?: Pick<Room, 'state' | 'problem' | 'look'>
}

/**
 * One volume of which this node is a member: its log, its catalog (if it may read), and what it lacks. Frames come in one
 * at a time, from the writer beside it or from another member.
 */
export class Volume implements ReplicatedVolume {
  readonly id: VolumeId
  readonly epoch: number
  readonly newestEpoch: number
  readonly records: readonly EpochRecord[]
  readonly coreKey: CoreKey
  /** Key under which the log's frames are stored. */
  readonly storedKey: CoreKey
  readonly earlier: readonly EarlierLog[]
  /** Where the next epoch cuts this log, if that is known already. */
  readonly cut: Cut | undefined
  readonly log: JournalLog
  readonly role: ReplicatedVolume['role']
  readonly readable: ReadableParts | undefined
  readonly completeness: Completeness
  readonly #store: PackStore
  readonly #rules: VolumeRules | undefined
  readonly #room: VolumeParts['room']
  /** Blocks up to which catalog and completeness follow the log; less than it holds only after one of them failed. */
  #followedLength: number
  readonly #listeners = new Set<(head: LogHead, live?: LiveCommit) => void>()
  #entry: VolumeEntry
  #accepting: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(parts: VolumeParts) {
    this.id = parts.entry.volume
    this.#entry = parts.entry
    this.role = parts.role
    this.epoch = parts.epoch.identity.epoch
    this.newestEpoch = parts.newestEpoch
    this.records = parts.records
    this.storedKey = parts.epoch.storedKey
    this.earlier = parts.earlier
    this.cut = parts.epoch.cut
    this.#rules = parts.rules
    this.#room = parts.room
    this.#followedLength = parts.log.head().length
    this.log = parts.log
    this.coreKey = parts.log.coreKey
    this.readable = parts.readable
    this.#store = parts.store
    this.completeness = new Completeness(parts.store, this.id)
  }

  get entry(): VolumeEntry {
    return this.#entry
  }

  get name(): string {
    return this.#entry.name
  }

  get members(): readonly VolumeMember[] {
    return this.#entry.members
  }

  get cutLength(): number | undefined {
    return this.cut?.length
  }

  /** The newest head that this member has accepted, in any epoch. */
  acceptedHead(): VoterHead | undefined {
    const { length, treeHash } = this.log.head()
    if (length > 0) return { epoch: this.epoch, coreKey: this.coreKey, length, treeHash }
    const last = this.earlier.at(-1)
    return last && { epoch: last.epoch, coreKey: last.coreKey, length: last.length, treeHash: last.treeHash }
  }

  /** The charter has a newer entry for this volume; the primary and this node's role are as before. */
  updateEntry(entry: VolumeEntry): void {
    this.#entry = entry
  }

  /** What a reader needs. @throws HF_WRONG_KEY on a blind member */
  reader(): ReadableParts {
    if (this.readable !== undefined) return this.readable
    throw new HoldfastError('HF_WRONG_KEY', `this node holds volume ${this.name} without its key`, {
      next: 'ask a full member of the volume',
    })
  }

  onHead(listener: (head: LogHead, live?: LiveCommit) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  completeLength(): number {
    return this.completeness.completeLength
  }

  /** None while there is no room for content: it would be fetched only to be refused. */
  missing(limit: number, skip: (id: ChunkId) => boolean): readonly MissingChunk[] {
    if (this.#room !== undefined && this.#room.state !== 'enough') return []
    return this.completeness.missing(limit, skip)
  }

  chunkArrived(id: ChunkId): void {
    // Ordered behind the frames that are being taken in, so that a chunk cannot arrive before it is known to be missing.
    this.#inOrder(async () => {
      await this.completeness.arrived(id)
      this.#tell(this.log.head())
    }).catch(() => undefined)
  }

  accept(frame: JournalFrame, chunks: readonly Chunk[]): Promise<LogHead> {
    return this.#inOrder(() => this.#accept(frame, chunks))
  }

  /** Runs while no frame is being taken in. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#inOrder(work)
  }

  /** A commit of the writer beside it: it is durable and in log and catalog; tell those who follow. */
  async committed(frame: JournalFrame, head: LogHead, rows: readonly CatalogRow[]): Promise<void> {
    // Each chunk once: a bundle holds many small files.
    const named = new Map<ChunkId, ChunkRef>()
    for (const row of rows) for (const ref of row.refs) named.set(ref.id, ref)
    const held = [...new Map([...named.values()].map((ref) => [hexOf(ref.id), ref])).values()]
    this.completeness.addOwn(frame.start, head.length, held)
    this.#followedLength = head.length
    const bytes = held.reduce((sum, ref) => sum + ref.storedBytes, 0)
    const small = bytes <= LIVE_COMMIT_CHUNK_BYTES_MAX
    this.#tell(head, { frame, chunks: small ? await this.#chunksOf(held.map((ref) => ref.id)) : [] })
  }

  /** A chunk that was held turned out to be bad: it is missing again, and what it is in is not known without a search, so the
   *  volume counts as complete up to nothing until it is back. */
  chunkLost(id: ChunkId): void {
    this.completeness.lost(id, 0, false, 0)
    this.#tell(this.log.head())
  }

  /** Looks at the whole history anew for chunks that are not held, after some were found to be bad. */
  recheck(): Promise<void> {
    return this.#inOrder(async () => {
      const { length } = this.log.head()
      this.completeness.startAt(0)
      for (const earlier of this.earlier) await this.#recheckEarlier(earlier)
      let block = 0
      for await (const bytes of this.log.read(0, length)) {
        await this.completeness.addBlock(block, readBlock(bytes, undefined).refs)
        block += 1
      }
      this.#tell(this.log.head())
    })
  }

  /** Takes in what the log holds and catalog or completeness could not take; nothing to do as a rule. */
  catchUp(): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#followedLength === this.log.head().length || this.#closed) return
      await this.#follow([])
      this.#tell(this.log.head())
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#accepting.catch(() => undefined)
    await this.readable?.catalog.close()
    await this.log.close()
  }

  async #accept(frame: JournalFrame, chunks: readonly Chunk[]): Promise<LogHead> {
    if (this.#closed) throw new HoldfastError('HF_CLOSED', `volume ${this.name} is closed`)
    const { length } = this.log.head()
    if (frame.start !== length) {
      throw new HoldfastError(
        'HF_JOURNAL_GAP',
        `a frame of volume ${this.name} begins at ${frame.start}, the log ends at ${length}`,
      )
    }
    if (this.log.verify(frame) === undefined) {
      throw new HoldfastError(
        'HF_JOURNAL_REFUSED',
        `a frame at ${frame.start} of volume ${this.name}, core ${shortId(frame.coreKey)}, fails its signature`,
      )
    }
    const end = length + frame.blocks.length
    if (end > (this.#rules?.lengthMax(this) ?? end)) {
      throw new HoldfastError(
        'HF_EPOCH_STALE',
        `volume ${this.name} takes no more of epoch ${this.epoch} than ${length} blocks`,
      )
    }
    if (length === 0) checkFirstBlock(frame.blocks[0], this.log.identity)
    this.#refuseWithoutRoom()
    const blocks = frame.blocks.map((block) => readBlock(block, this.readable?.codec))
    if (this.role === 'primary') this.#rules?.onForgotten(this)
    // Where content finds no room the journal goes on: the member says that it accepted, and not that it is complete.
    const stored = this.#room?.state === 'low' ? [] : chunks
    await this.#store.commit(this.id, stored, { ...frame, coreKey: this.storedKey })
    const head = await this.log.append(frame)
    await this.#follow(blocks)
    // What came along may have been missing since an earlier block.
    for (const { id } of stored) await this.completeness.arrived(id)
    this.#tell(head, { frame, chunks })
    return head
  }

  /** Tells catalog and completeness of the newest blocks of the log, and of those before that one of them failed to take: past a gap
   *  the catalog would lack versions, and the volume would call itself complete without having looked. */
  async #follow(newest: readonly ReadBlock[]): Promise<void> {
    const known = this.log.head().length - newest.length
    for await (const bytes of this.log.read(this.#followedLength, known))
      await this.#take(this.#followedLength, [readBlock(bytes, this.readable?.codec)])
    await this.#take(known, newest)
  }

  async #take(start: number, blocks: readonly ReadBlock[]): Promise<void> {
    const length = start + blocks.length
    const rows = blocks.flatMap((block) => block.rows)
    await this.readable?.catalog.apply(rows, { epoch: this.epoch, length })
    for (const [offset, block] of blocks.entries()) await this.completeness.addBlock(start + offset, block.refs)
    this.#followedLength = length
  }

  #refuseWithoutRoom(): void {
    this.#room?.look()
    const problem = this.#room?.state === 'none' ? this.#room.problem : undefined
    if (problem !== undefined) throw problem
  }

  async #recheckEarlier({ storedKey, length }: EarlierLog): Promise<void> {
    let next = 0
    for await (const frame of this.#store.journalFrames(storedKey, 0)) {
      for (const block of frame.blocks.slice(Math.max(0, next - frame.start))) {
        if (next >= length) return
        await this.completeness.addEarlier(readBlock(block, undefined).refs)
        next += 1
      }
    }
  }

  async #chunksOf(ids: readonly ChunkId[]): Promise<Chunk[]> {
    const chunks: Chunk[] = []
    for (const id of ids) {
      const bytes = await this.#store.get(this.id, id)
      if (bytes !== undefined) chunks.push({ id, bytes })
    }
    return chunks
  }

  #tell(head: LogHead, live?: LiveCommit): void {
    for (const listener of this.#listeners) listener(head, live)
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#accepting.then(work)
    this.#accepting = done.catch(() => undefined)
    return done
  }
}
