/** Nodes with small volumes in memory: real journals and signatures, chunks in a map, a network with faults. */
import assert from 'node:assert/strict'
import { createManualClock, createMemoryNetwork, createSeededRandom } from '@holdfast/doubles'
import type { ManualClock, MemoryNetwork } from '@holdfast/doubles'
import { blake3, labelledHash } from '@holdfast/hash'
import { createMemoryJournalStore } from '@holdfast/journal'
import { sign, signRaw, signingKeyFromSeed, verify } from '@holdfast/keys'
import type { SigningKey } from '@holdfast/keys'
import { HoldfastError, asChunkId, asNodeId, asVolumeId, bytesOfHex, equalBytes, hexOf } from '@holdfast/ports'
import type {
  Chunk,
  ChunkId,
  ChunkStore,
  Clock,
  CoreKey,
  JournalFrame,
  JournalLog,
  LogHead,
  NodeId,
  Transport,
  VolumeId,
} from '@holdfast/ports'
import { createReplication } from '../../src/replication/index.ts'
import type {
  CharterService,
  JournalSource,
  LiveCommit,
  MissingChunk,
  ReplicatedVolume,
  Replication,
  ReplicationLog,
  VolumeMember,
  VolumeRegistry,
} from '../../src/replication/index.ts'

export const VOLUME = asVolumeId(new Uint8Array(16).fill(7))

export const idOf = (bytes: Uint8Array): ChunkId => asChunkId(blake3(bytes))

/** Bytes that depend on `n` only, not to be compressed away by anything. */
export function content(n: number, byteLength: number): Uint8Array {
  return createSeededRandom(n).bytes(byteLength)
}

/** Chunks and frames in maps. */
export class MapStore implements ChunkStore, JournalSource {
  readonly #chunks = new Map<string, Uint8Array>()
  readonly #frames: JournalFrame[] = []
  /** Chunks that are handed out with other bytes. */
  readonly rotten = new Set<string>()
  /** Ids that were read, in order: what was served. */
  readonly reads: string[] = []
  putFailure: HoldfastError | undefined

  has(_volume: VolumeId, id: ChunkId): boolean {
    return this.#chunks.has(hexOf(id))
  }

  async get(_volume: VolumeId, id: ChunkId): Promise<Uint8Array | undefined> {
    const bytes = this.#chunks.get(hexOf(id))
    this.reads.push(hexOf(id))
    if (!bytes) return undefined
    const copy = Uint8Array.from(bytes)
    if (this.rotten.has(hexOf(id))) copy[0] = (copy[0] ?? 0) ^ 1
    return copy
  }

  async put(_volume: VolumeId, chunks: readonly Chunk[]): Promise<void> {
    if (this.putFailure) throw this.putFailure
    for (const { id, bytes } of chunks) {
      assert.ok(equalBytes(idOf(bytes), id), 'only verified chunks are stored')
      this.#chunks.set(hexOf(id), Uint8Array.from(bytes))
    }
  }

  async *list(): AsyncIterable<ChunkId> {
    for (const key of this.#chunks.keys()) {
      const bytes = bytesOfHex(key, 32)
      if (bytes) yield asChunkId(bytes)
    }
  }

  forget(id: ChunkId): void {
    this.#chunks.delete(hexOf(id))
  }

  addFrame(frame: JournalFrame): void {
    this.#frames.push({ ...frame, blocks: frame.blocks.map((b) => Uint8Array.from(b)) })
  }

  /** Times that somebody began to read stored frames. */
  frameReads = 0

  async *journalFrames(coreKey: CoreKey, from: number): AsyncIterable<JournalFrame> {
    this.frameReads++
    for (const frame of this.#frames) {
      if (equalBytes(frame.coreKey, coreKey) && frame.start + frame.blocks.length > from) yield frame
    }
  }

  async close(): Promise<void> {}
}

/** A block of the test volumes: the ids and lengths of its chunks, then padding. */
function encodeBlock(chunks: readonly Chunk[], padding: number): Uint8Array {
  const block = new Uint8Array(1 + chunks.length * 36 + padding)
  const view = new DataView(block.buffer)
  block[0] = chunks.length
  for (const [i, { id, bytes }] of chunks.entries()) {
    block.set(id, 1 + i * 36)
    view.setUint32(33 + i * 36, bytes.byteLength)
  }
  return block
}

function decodeBlock(block: Uint8Array): MissingChunk[] {
  const view = new DataView(block.buffer, block.byteOffset)
  return Array.from({ length: block[0] ?? 0 }, (_, i) => ({
    id: asChunkId(Uint8Array.from(block.subarray(1 + i * 36, 33 + i * 36))),
    storedBytes: view.getUint32(33 + i * 36),
  }))
}

export class TestVolume implements ReplicatedVolume {
  readonly id = VOLUME
  readonly epoch = 1
  readonly coreKey: CoreKey
  readonly log: JournalLog
  readonly role: 'primary' | 'follower'
  readonly #store: MapStore
  readonly #key: SigningKey
  readonly #listeners = new Set<(head: LogHead, live?: LiveCommit) => void>()
  /** Chunks by the block that names them. */
  readonly #named: MissingChunk[][] = []
  members: readonly VolumeMember[]
  /** Thrown by the next `accept`. */
  acceptFailure: HoldfastError | undefined
  accepted = 0

  constructor(
    log: JournalLog,
    role: 'primary' | 'follower',
    members: readonly VolumeMember[],
    store: MapStore,
    key: SigningKey,
  ) {
    this.log = log
    this.coreKey = log.coreKey
    this.role = role
    this.members = members
    this.#store = store
    this.#key = key
  }

  onHead(listener: (head: LogHead, live?: LiveCommit) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Writes one commit of so many blocks, the first of which names the chunks. */
  async commit(contents: readonly Uint8Array[], { blocks = 1, padding = 0 } = {}): Promise<void> {
    const chunks = contents.map((bytes) => ({ id: idOf(bytes), bytes }))
    await this.#store.put(this.id, chunks)
    const all = Array.from({ length: blocks }, (_, i) => encodeBlock(i === 0 ? chunks : [], padding))
    const proposal = this.log.propose(all)
    const signature = signRaw(this.#key, proposal.signable)
    await this.#append({ coreKey: this.coreKey, start: proposal.start, blocks: all, signature }, chunks)
  }

  async accept(frame: JournalFrame, chunks: readonly Chunk[]): Promise<LogHead> {
    const failure = this.acceptFailure
    this.acceptFailure = undefined
    if (failure) throw failure
    if (frame.start !== this.log.head().length) throw new HoldfastError('HF_JOURNAL_GAP', 'gap')
    if (!this.log.verify(frame)) throw new HoldfastError('HF_JOURNAL_REFUSED', 'wrong signature')
    await this.#store.put(this.id, chunks)
    this.accepted++
    return this.#append(frame, chunks)
  }

  completeLength(): number {
    const lacking = this.#named.findIndex((list) => list.some((c) => !this.#store.has(this.id, c.id)))
    return lacking === -1 ? this.#named.length : lacking
  }

  missing(limit: number, skip: (id: ChunkId) => boolean): readonly MissingChunk[] {
    return this.#named
      .flat()
      .filter((c) => !this.#store.has(this.id, c.id) && !skip(c.id))
      .slice(0, limit)
  }

  chunkArrived(): void {
    for (const listener of this.#listeners) listener(this.log.head())
  }

  async #append(frame: JournalFrame, chunks: readonly Chunk[]): Promise<LogHead> {
    this.#store.addFrame(frame)
    const head = await this.log.append(frame)
    for (const block of frame.blocks) this.#named.push(decodeBlock(block))
    const bytes = chunks.reduce((sum, c) => sum + c.bytes.byteLength, 0)
    const live = { frame, chunks: bytes <= 64 * 1024 ? chunks : [] }
    for (const listener of this.#listeners) listener(head, live)
    return head
  }
}

export class TestRegistry implements VolumeRegistry {
  #volumes: ReplicatedVolume[] = []
  readonly #listeners = new Set<() => void>()

  list(): readonly ReplicatedVolume[] {
    return this.#volumes
  }

  get(volume: VolumeId): ReplicatedVolume | undefined {
    return this.#volumes.find((v) => equalBytes(v.id, volume))
  }

  set(...volumes: ReplicatedVolume[]): void {
    this.#volumes = volumes
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}

/** A charter that is a set of words. */
export class TestCharter implements CharterService {
  readonly #listeners = new Set<() => void>()
  readonly words = new Set<string>()
  known: { id: NodeId; addresses: readonly string[] }[] = []
  merges = 0

  peers(): { id: NodeId; addresses: readonly string[] }[] {
    return this.known
  }

  bundle(): Uint8Array {
    return new TextEncoder().encode([...this.words].toSorted().join(' '))
  }

  async merge(bundle: Uint8Array): Promise<boolean> {
    this.merges++
    const words = new TextDecoder().decode(bundle).split(' ')
    if (words.includes('forged')) throw new HoldfastError('HF_CHARTER_REFUSED', 'forged')
    const before = this.words.size
    for (const word of words.filter(Boolean)) this.words.add(word)
    if (this.words.size === before) return false
    this.changed()
    return true
  }

  add(word: string): void {
    this.words.add(word)
    this.changed()
  }

  know(...peers: { id: NodeId; addresses: readonly string[] }[]): void {
    this.known = peers
    this.changed()
  }

  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}

const silent: ReplicationLog = { debug() {}, info() {}, warn() {} }

export const keyOf = (n: number): SigningKey => signingKeyFromSeed(new Uint8Array(32).fill(n))
export const nodeIdOf = (n: number): NodeId => asNodeId(keyOf(n).publicKey)
export const member = (n: number): VolumeMember => ({ node: nodeIdOf(n), role: 'full', voter: true })

/** One node: its disk (store and journal) outlives its replication. */
export class TestNode {
  readonly n: number
  readonly id: NodeId
  readonly key: SigningKey
  readonly store = new MapStore()
  readonly charter = new TestCharter()
  readonly registry = new TestRegistry()
  readonly #clock: Clock
  readonly #makeTransport: () => Transport
  #replicating = false
  volume!: TestVolume
  transport!: Transport
  replication!: Replication

  constructor(n: number, clock: Clock, makeTransport: () => Transport) {
    this.n = n
    this.key = keyOf(n)
    this.id = nodeIdOf(n)
    this.#clock = clock
    this.#makeTransport = makeTransport
  }

  /** Makes the volume whose primary is node `primary`. */
  async openVolume(primary: number, members: readonly VolumeMember[]): Promise<void> {
    const claimHash = labelledHash('test/claim', VOLUME)
    const identity = { volume: VOLUME, epoch: 1, writer: nodeIdOf(primary), claimHash }
    const log = await createMemoryJournalStore().open(identity)
    this.volume = new TestVolume(log, this.n === primary ? 'primary' : 'follower', members, this.store, this.key)
    this.registry.set(this.volume)
  }

  async start(): Promise<void> {
    this.transport = this.#makeTransport()
    await this.transport.start()
    this.replication = createReplication({
      transport: this.transport,
      clock: this.#clock,
      random: createSeededRandom(this.n),
      log: silent,
      charter: this.charter,
      volumes: this.registry,
      signatures: {
        sign: (label, bytes) => sign(this.key, label, bytes),
        verify: (signer, label, bytes, signature) => verify(signer, label, bytes, signature),
      },
      store: this.store,
    })
    this.#replicating = true
    await this.replication.start()
  }

  async stop(): Promise<void> {
    await this.replication.stop()
    await this.transport.stop()
  }

  status(other: TestNode): ReturnType<Replication['peers']>[number] | undefined {
    return this.replication.peers().find((p) => equalBytes(p.peer, other.id))
  }

  /** As the daemon does. */
  admit(peer: NodeId): 'member' | 'refused' {
    return this.#replicating && this.replication.refuses(peer) ? 'refused' : 'member'
  }

  get length(): number {
    return this.volume.log.head().length
  }

  /** Whether it has all that the other has. */
  equals(other: TestNode): boolean {
    return (
      this.length === other.length &&
      equalBytes(this.volume.log.head().treeHash, other.volume.log.head().treeHash) &&
      this.volume.completeLength() === this.length
    )
  }
}

/** Nodes on a network in memory, under one clock. */
export class MemoryWorld {
  readonly clock: ManualClock = createManualClock()
  readonly network: MemoryNetwork = createMemoryNetwork({ clock: this.clock })
  readonly nodes: TestNode[] = []

  /** Started nodes 1 to `count` that know each other and share a volume whose primary is node 1. */
  async create(count: number): Promise<TestNode[]> {
    const members = Array.from({ length: count }, (_, i) => member(i + 1))
    for (let n = 1; n <= count; n++) {
      const self = nodeIdOf(n)
      const node: TestNode = new TestNode(n, this.clock, () =>
        this.network.transport({ self, admit: (peer) => node.admit(peer), address: `node-${n}` }),
      )
      node.charter.known = members
        .filter((m) => !equalBytes(m.node, self))
        .map((m) => ({ id: m.node, addresses: [`node-${1 + members.indexOf(m)}`] }))
      await node.openVolume(1, members)
      await node.start()
      this.nodes.push(node)
    }
    return this.nodes
  }

  /** Lets time pass until it is so. */
  async until(condition: () => boolean, what: string, limitMs = 60_000): Promise<number> {
    const startMs = this.clock.monotonicMs()
    while (!condition()) {
      assert.ok(this.clock.monotonicMs() - startMs < limitMs, `not within ${limitMs} ms: ${what}`)
      await this.clock.advance(25)
    }
    return this.clock.monotonicMs() - startMs
  }

  /** Stops every node and asserts that nothing is left running. */
  async end(): Promise<void> {
    for (const node of this.nodes) await node.stop()
    // What is on the wire arrives.
    await this.clock.advance(400)
    assert.equal(this.clock.timerCount(), 0, 'no timer is left')
  }
}
