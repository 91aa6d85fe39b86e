/** Members of one volume, with real packs, logs and votes, and a network of plain calls that is written down. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { VolumeEntry } from '@holdfast/charter'
import { createMemoryDrive, createSeededRandom } from '@holdfast/doubles'
import { decodeVoteReply, decodeVoteRequest, encodeEpochRecord, type EpochRecord } from '@holdfast/failover'
import { createMemoryJournalStore, createRecordCodec, encodeBlocks, encodeEpochBlock } from '@holdfast/journal'
import { createKeyRing, deriveVolumeKeys, signingKeyFromSeed, signRaw, type SigningKey } from '@holdfast/keys'
import { asNodeId, asVolumeId, equalBytes, HoldfastError } from '@holdfast/ports'
import type { JournalFrame, NodeId } from '@holdfast/ports'
import { openPackStore, type PackStore } from '@holdfast/store-pack'
import { Level } from 'level'
import { epochOf, EpochService, VoterRecords } from '../../src/epochs/index.ts'
import { VOTE_METHOD } from '../../src/epochs/epoch-messages.ts'
import type { CallHandler } from '../../src/replication/index.ts'
import { readEpochs } from '../../src/volumes/epoch-chain.ts'
import { openVolume, type OpenFindings } from '../../src/volumes/open-volume.ts'
import type { Volume } from '../../src/volumes/volume.ts'

export const VOLUME = asVolumeId(new Uint8Array(16).fill(7))
export const CHARTER_HASH = new Uint8Array(32).fill(8)
const BINARY = { keyEncoding: 'view', valueEncoding: 'view' } as const
const CODEC = createRecordCodec(
  deriveVolumeKeys(createKeyRing(VOLUME, new Uint8Array(32).fill(5))),
  VOLUME,
  createSeededRandom(1),
)

/** One block; equal arguments give other bytes each time, as with real records. */
export const block = (seq: number): Uint8Array[] =>
  encodeBlocks([CODEC.seal({ seq, epoch: 1, timeMs: seq, kind: 'baseline' })])

export class Member {
  readonly name: string
  readonly key: SigningKey
  readonly id: NodeId
  readonly handlers = new Map<string, CallHandler>()
  readonly #mesh: Mesh
  drive = createMemoryDrive()
  homeState: Uint8Array | undefined
  up = true
  #store: PackStore | undefined
  #volume: Volume | undefined
  #service: EpochService | undefined
  #records: VoterRecords | undefined
  findings: OpenFindings | undefined

  constructor(mesh: Mesh, name: string, number: number) {
    this.#mesh = mesh
    this.name = name
    this.key = signingKeyFromSeed(new Uint8Array(32).fill(number))
    this.id = asNodeId(this.key.publicKey)
  }

  get store(): PackStore {
    assert.ok(this.#store !== undefined)
    return this.#store
  }

  get volume(): Volume {
    assert.ok(this.#volume !== undefined)
    return this.#volume
  }

  get service(): EpochService {
    assert.ok(this.#service !== undefined)
    return this.#service
  }

  get records(): VoterRecords {
    assert.ok(this.#records !== undefined)
    return this.#records
  }

  /** Starts from packs and home alone: every index is made anew. */
  async open(learned: readonly EpochRecord[] = []): Promise<void> {
    await this.#store?.close()
    const { entries } = this.#mesh
    const entry = entries.at(-1)
    const birth = entries[0]
    assert.ok(entry !== undefined && birth !== undefined)
    const level = await this.#mesh.newLevel()
    this.#store = await openPackStore({ drive: this.drive, index: level.sublevel<Uint8Array, Uint8Array>('p', BINARY) })
    const home = {
      readState: () => this.homeState,
      writeState: (_name: string, bytes: Uint8Array) => {
        this.homeState = bytes
      },
    }
    this.#records = new VoterRecords(home, this.key, () => undefined)
    this.#service = new EpochService({
      self: this.id,
      state: () => ({
        volume: () => this.#mesh.entries.at(-1),
        volumeEntries: () => [...this.#mesh.entries],
        hasVersion: (hash) => equalBytes(hash, CHARTER_HASH),
      }),
      volumeOf: () => this.#volume,
      records: this.#records,
      replication: {
        call: (peer, method, body) => this.#mesh.call(this, peer, method, body),
        onCall: (method, handler) => this.handlers.set(method, handler),
      },
      store: this.#store,
    })
    const { epochs } = await readEpochs({ store: this.#store, birth, learned })
    const role = equalBytes(entry.primary, this.id) ? 'primary' : 'blind'
    const { volume, findings } = await openVolume({
      entry,
      epochs,
      role,
      store: this.#store,
      journals: createMemoryJournalStore(),
      readable: undefined,
      completeLength: () => Promise.resolve(0),
      rules: this.#service.rules,
    })
    this.#volume = volume
    this.findings = findings
  }

  /** A commit of this writer, durable here. */
  async write(blocks: readonly Uint8Array[]): Promise<JournalFrame> {
    const { log } = this.volume
    const proposal = log.propose(blocks)
    const signature = signRaw(this.key, proposal.signable)
    const frame = { coreKey: log.coreKey, start: proposal.start, blocks, signature }
    await this.store.commit(VOLUME, [], { ...frame, coreKey: this.volume.storedKey })
    await log.append(frame)
    return frame
  }

  /** Block 0 of an epoch that was certified, then everything anew. */
  async begin(record: EpochRecord): Promise<void> {
    const log = await createMemoryJournalStore().open(epochOf(record).identity)
    const blocks = [encodeEpochBlock(encodeEpochRecord(record))]
    const signature = signRaw(this.key, log.propose(blocks).signable)
    await this.store.commit(VOLUME, [], { coreKey: log.coreKey, start: 0, blocks, signature })
    await this.open()
  }

  /** Takes one frame that another member holds. */
  async fetchFrom(other: Member): Promise<void> {
    const { length } = this.volume.log.head()
    const frame = await this.service.fetchFrame(other.id, VOLUME, this.volume.coreKey, length)
    assert.ok(frame !== undefined, `${other.name} has no block ${length}`)
    await this.volume.accept(frame, [])
  }
}

export class Mesh {
  readonly members: readonly Member[]
  /** Charter entries of the volume, oldest first; the same for all. */
  entries: VolumeEntry[]
  /** What was asked and answered, a line each. */
  readonly transcript: string[] = []
  /** Called when an answer is ready: what it throws is what the asker sees. */
  beforeAnswer: (from: Member) => void = () => undefined
  readonly #directories: string[] = []
  readonly #levels: Level<Uint8Array, Uint8Array>[] = []

  constructor(...names: readonly string[]) {
    this.members = names.map((name, index) => new Member(this, name, index + 1))
    this.entries = [this.entryOf(...this.members)]
  }

  /** An entry whose voters are these members; the first one is the primary. */
  entryOf(...voters: readonly Member[]): VolumeEntry {
    const primary = this.members[0]?.id
    assert.ok(primary !== undefined)
    return {
      author: primary,
      counter: 1,
      volume: VOLUME,
      name: 'data',
      copies: 3,
      public: false,
      protected: true,
      primary,
      members: voters.map(({ id }) => ({ node: id, role: 'full', voter: true })),
      keyEpoch: 1,
      sealedKeys: [],
      createdAtMs: 0,
      charterHash: CHARTER_HASH,
    }
  }

  async call(from: Member, peer: NodeId, method: string, body: Uint8Array): Promise<Uint8Array> {
    const to = this.members.find(({ id }) => equalBytes(id, peer))
    const handler = to?.up === true ? to.handlers.get(method) : undefined
    const asked = method === VOTE_METHOD ? describeClaim(body) : undefined
    if (to === undefined || handler === undefined) {
      if (asked !== undefined) this.transcript.push(`${from.name} asks ${to?.name}: ${asked} → silence`)
      throw new HoldfastError('HF_PEER_UNREACHABLE', 'not connected')
    }
    const answer = await handler(body, from.id)
    if (asked !== undefined) this.transcript.push(`${from.name} asks ${to.name}: ${asked} → ${describeReply(answer)}`)
    this.beforeAnswer(to)
    return answer
  }

  async newLevel(): Promise<Level<Uint8Array, Uint8Array>> {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-epochs-'))
    this.#directories.push(directory)
    const level = new Level<Uint8Array, Uint8Array>(directory, BINARY)
    await level.open()
    this.#levels.push(level)
    return level
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.store.close()))
    await Promise.all(this.#levels.map((level) => level.close()))
    for (const directory of this.#directories) rmSync(directory, { recursive: true, force: true })
  }
}

function describeClaim(body: Uint8Array): string {
  const { claim } = decodeVoteRequest(body)
  return `epoch ${claim.epoch} cut at ${claim.cutLength}`
}

function describeReply(answer: Uint8Array): string {
  const reply = decodeVoteReply(answer)
  return reply.type === 'vote' ? 'vote' : reply.refusal
}
