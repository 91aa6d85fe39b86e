import { createMemoryNetwork, type MemoryNetwork } from '@holdfast/doubles'
import { blake3 } from '@holdfast/hash'
import { signingKeyFromSeed, type SigningKey } from '@holdfast/keys'
import { asChunkId, asNodeId, asVolumeId, type Chunk, equalBytes, type LogIdentity, type NodeId } from '@holdfast/ports'
import type { VolumeMember } from '@holdfast/replication'
import { Kernel } from '../kernel/kernel.ts'
import { ProcessClock } from '../kernel/process-clock.ts'
import { type Dice, diceOf } from '../kernel/random-streams.ts'
import { FaultyLinks } from '../network/faulty-links.ts'
import { REGION_COUNT, roundTripMs } from '../network/regions.ts'
import { SimulatedNode } from '../node/simulated-node.ts'
import { Invariants } from './invariants.ts'
import type { ScenarioOptions } from './options.ts'

/** Sizes of chunks that commits name, bytes: most are small, some are not. */
const CHUNK_BYTES: readonly [number, ...number[]] = [200, 4_000, 30_000, 70_000, 500_000]

/** One volume on machines in as many regions, its first node the primary. */
export class World {
  readonly kernel = new Kernel()
  readonly invariants = new Invariants()
  readonly links: FaultyLinks
  readonly network: MemoryNetwork
  readonly nodes: readonly SimulatedNode[]
  readonly dice: Dice
  readonly #writes: Dice
  readonly #primaryKey: SigningKey
  #commits = 0
  #isWriting = false
  #failure: unknown

  constructor(seed: number, options: ScenarioOptions) {
    this.dice = diceOf(seed, 'world')
    this.#writes = diceOf(seed, 'writes')
    const keys = Array.from({ length: options.members }, (_, index) =>
      signingKeyFromSeed(diceOf(seed, `key ${index}`).bytes(32)),
    )
    const ids = keys.map((key) => asNodeId(key.publicKey))
    const regionOf = (node: NodeId): number => ids.findIndex((id) => equalBytes(id, node)) % REGION_COUNT
    this.links = new FaultyLinks(this.kernel, diceOf(seed, 'links'), {
      roundTripMs: (a, b) => roundTripMs(regionOf(a), regionOf(b)),
      bytesPerSecond: options.bytesPerSecond,
      lossRatio: options.lossRatio,
    })
    this.network = createMemoryNetwork({ clock: new ProcessClock(this.kernel, () => 0), links: this.links })
    const [primaryKey] = keys
    const [primary] = ids
    if (primaryKey === undefined || primary === undefined) throw new TypeError('a world has at least one member')
    this.#primaryKey = primaryKey
    const members: VolumeMember[] = ids.map((node) => ({ node, role: 'full', voter: true }))
    const identity: LogIdentity = {
      volume: asVolumeId(new Uint8Array(16).fill(1)),
      epoch: 1,
      writer: primary,
      claimHash: blake3(Buffer.from('claim')),
    }
    const addressOf = (node: NodeId): string => `node-${ids.findIndex((id) => equalBytes(id, node))}`
    this.nodes = keys.map((key, index) => {
      const self = asNodeId(key.publicKey)
      const dice = diceOf(seed, `node ${index}`)
      const { kernel, network } = this
      return new SimulatedNode({
        kernel,
        network,
        dice,
        name: addressOf(self),
        key,
        self,
        members,
        addressOf,
        identity,
      })
    })
  }

  /** One commit of the primary, if it runs and is not writing. It resolves in virtual time; a kill ends it anywhere. */
  write(): void {
    const running = this.nodes[0]?.running
    if (running === undefined || this.#isWriting) return
    this.#isWriting = true
    const chunks = Array.from({ length: this.#writes.pick([0, 1, 1, 2, 3]) }, () => this.#chunk())
    void running.volume
      .commit(this.#commits++, chunks, this.#primaryKey)
      .then((head) => {
        this.invariants.published(head.length, head.treeHash)
        this.kernel.note(`published ${head.length}`)
      })
      .catch(() => {})
      .finally(() => (this.#isWriting = false))
  }

  /** The primary's process is gone, and its write with it. */
  forgetWrite(node: SimulatedNode): void {
    if (node === this.nodes[0]) this.#isWriting = false
  }

  restart(node: SimulatedNode): void {
    void node
      .start()
      .then(() => this.invariants.checkKept(node))
      .catch((error: unknown) => (this.#failure ??= error))
  }

  checkAll(): void {
    if (this.#failure !== undefined) throw this.#failure
    for (const node of this.nodes) this.invariants.checkNode(node)
  }

  #chunk(): Chunk {
    const bytes = this.#writes.bytes(this.#writes.pick(CHUNK_BYTES))
    return { id: asChunkId(blake3(bytes)), bytes }
  }
}
