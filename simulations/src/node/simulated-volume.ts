import { signRaw, type SigningKey } from '@holdfast/keys'
import type { LiveCommit, MissingChunk, ReplicatedVolume } from '@holdfast/node/replication'
import {
  type Chunk,
  type ChunkId,
  type CoreKey,
  HoldfastError,
  type JournalFrame,
  type JournalLog,
  type LogHead,
  type VolumeId,
} from '@holdfast/ports'
import type { VolumeMember } from '@holdfast/replication'
import type { PackStore } from '@holdfast/store-pack'
import { chunksOfBlock, encodeBlock } from './block.ts'

/** Chunks of one commit that travel along with it, bytes. */
const LIVE_CHUNKS_BYTES = 64 * 1024

/** One volume on one simulated node: as much of a volume as replication needs, over the store that ships. */
export class SimulatedVolume implements ReplicatedVolume {
  readonly id: VolumeId
  readonly epoch = 1
  readonly coreKey: CoreKey
  readonly log: JournalLog
  readonly role: 'primary' | 'follower'
  readonly members: readonly VolumeMember[]
  readonly #store: PackStore
  readonly #listeners = new Set<(head: LogHead, live?: LiveCommit) => void>()
  /** Chunks by the block that names them. */
  readonly #named: MissingChunk[][] = []
  /** Blocks below this are complete; falls back when a chunk is found bad. */
  #completeLength = 0

  constructor(log: JournalLog, role: 'primary' | 'follower', members: readonly VolumeMember[], store: PackStore) {
    this.id = log.identity.volume
    this.coreKey = log.coreKey
    this.log = log
    this.role = role
    this.members = members
    this.#store = store
  }

  /** Takes in what the packs hold, after a start. */
  async load(): Promise<void> {
    for await (const frame of this.#store.journalFrames(this.coreKey, 0)) {
      const known = this.log.head().length - frame.start
      if (known >= frame.blocks.length) continue
      if (known > 0) throw new Error('a simulated volume stores each frame once')
      await this.#append(frame, [])
    }
  }

  /** As a writer does: signed, durable, and only then appended and told. */
  async commit(number: number, contents: readonly Chunk[], key: SigningKey): Promise<LogHead> {
    const blocks = [encodeBlock(number, contents)]
    const proposal = this.log.propose(blocks)
    const frame = {
      coreKey: this.coreKey,
      start: proposal.start,
      blocks,
      signature: signRaw(key, proposal.signable),
    }
    await this.#store.commit(this.id, contents, frame)
    return this.#append(frame, contents)
  }

  onHead(listener: (head: LogHead, live?: LiveCommit) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async accept(frame: JournalFrame, chunks: readonly Chunk[]): Promise<LogHead> {
    if (frame.start !== this.log.head().length) throw new HoldfastError('HF_JOURNAL_GAP', 'not the next frame')
    if (this.log.verify(frame) === undefined) throw new HoldfastError('HF_JOURNAL_REFUSED', 'not signed by the writer')
    await this.#store.commit(this.id, chunks, frame)
    return this.#append(frame, chunks)
  }

  completeLength(): number {
    while (this.#named[this.#completeLength]?.every(({ id }) => this.#store.has(this.id, id))) this.#completeLength++
    return this.#completeLength
  }

  missing(limit: number, skip: (id: ChunkId) => boolean): readonly MissingChunk[] {
    const found: MissingChunk[] = []
    for (let index = this.completeLength(); index < this.#named.length && found.length < limit; index++) {
      for (const chunk of this.#named[index] ?? [])
        if (!this.#store.has(this.id, chunk.id) && !skip(chunk.id)) found.push(chunk)
    }
    return found.slice(0, limit)
  }

  chunkArrived(): void {
    this.#tell()
  }

  /** A chunk was found bad: what is complete is counted anew, and replication looks for what is missing. */
  lost(): void {
    this.#completeLength = 0
    this.#tell()
  }

  /** Chunks that the first `length` blocks name. */
  named(length: number): MissingChunk[] {
    return this.#named.slice(0, length).flat()
  }

  #tell(live?: LiveCommit): void {
    for (const listener of this.#listeners) listener(this.log.head(), live)
  }

  async #append(frame: JournalFrame, chunks: readonly Chunk[]): Promise<LogHead> {
    const head = await this.log.append(frame)
    for (const block of frame.blocks) this.#named.push(chunksOfBlock(block))
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes.byteLength, 0)
    this.#tell({ frame, chunks: bytes <= LIVE_CHUNKS_BYTES ? chunks : [] })
    return head
  }
}
