/** Nodes with real charters, votes and tokens on a network in memory; homes are maps that can fail, be kept and be brought back. */
import assert from 'node:assert/strict'
import {
  CharterState,
  createJoinRequest,
  decodeJoinToken,
  encodeJoinRequest,
  foundCharter,
  type Role,
  type VolumeEntry,
} from '@holdfast/charter'
import { createManualClock, createMemoryNetwork, createSeededRandom } from '@holdfast/doubles'
import { sign, signingKeyFromSeed, verify, type SigningKey } from '@holdfast/keys'
import {
  asMeshId,
  asNodeId,
  equalBytes,
  HoldfastError,
  type NodeId,
  type Transport,
  type VolumeId,
} from '@holdfast/ports'
import { CharterKeeper } from '../../src/authority/charter-keeper.ts'
import { createAuthority, type Authority } from '../../src/authority/index.ts'
import { createReplication, requestJoin, type Replication } from '../../src/replication/index.ts'
import { MapStore, TestRegistry } from '../replication/fixture.ts'

export const MESH = asMeshId(new Uint8Array(16).fill(9))
export const NOW = 1_800_000_000_000
const MINUTE_MS = 60_000

export const keyOf = (number: number): SigningKey => signingKeyFromSeed(new Uint8Array(32).fill(number))
export const operatorKey = keyOf(200)

/** State of a home: what is written is copied; a write can be made to fail, and is counted. */
export class MapHome {
  readonly signingKey: SigningKey
  #files = new Map<string, Uint8Array>()
  /** Names in the order of their writes. */
  readonly written: string[] = []
  /** Thrown by writes of this name. */
  failing: string | undefined

  constructor(signingKey: SigningKey) {
    this.signingKey = signingKey
  }

  readState(name: string): Uint8Array | undefined {
    const bytes = this.#files.get(name)
    return bytes === undefined ? undefined : Uint8Array.from(bytes)
  }

  writeState(name: string, bytes: Uint8Array): void {
    if (this.failing === name) throw new HoldfastError('HF_DRIVE_FULL', 'no room; nothing was changed')
    this.written.push(name)
    this.#files.set(name, Uint8Array.from(bytes))
  }

  /** As from a copy of the machine. */
  copy(): () => void {
    const files = new Map(this.#files)
    return () => {
      this.#files = new Map(files)
    }
  }
}

export class MeshNode {
  readonly name: string
  readonly key: SigningKey
  readonly id: NodeId
  readonly home: MapHome
  readonly #world: AuthorityWorld
  readonly #number: number
  #starts = 0
  readonly problems: unknown[] = []
  readonly lost: unknown[] = []
  readonly conflicts: string[] = []
  keeper!: CharterKeeper
  transport!: Transport
  replication!: Replication
  authority!: Authority
  running = false

  constructor(world: AuthorityWorld, name: string, number: number) {
    this.#world = world
    this.#number = number
    this.name = name
    this.key = keyOf(number)
    this.id = asNodeId(this.key.publicKey)
    this.home = new MapHome(this.key)
  }

  get state(): CharterState {
    return this.keeper.state
  }

  /** Starts from what the home holds, as `up` does. */
  async start(): Promise<void> {
    const { clock, network, anchor } = this.#world
    const bundle = this.home.readState('charter')
    assert.ok(bundle !== undefined)
    const state = CharterState.open(bundle, { mesh: MESH, charterHash: anchor })
    this.keeper = new CharterKeeper(this.home, this.id, state, (conflict) => this.conflicts.push(conflict))
    this.transport = network.transport({
      self: this.id,
      address: this.name,
      admit: (peer) => (this.keeper.isNode(peer) ? 'member' : this.authority.isInvited(peer) ? 'join' : 'refused'),
    })
    this.replication = createReplication({
      transport: this.transport,
      clock,
      random: createSeededRandom(this.#number),
      log: { debug() {}, info() {}, warn() {} },
      charter: this.keeper,
      volumes: new TestRegistry(),
      signatures: {
        sign: (label, bytes) => sign(this.key, label, bytes),
        verify: (signer, label, bytes, signature) => verify(signer, label, bytes, signature),
      },
      store: new MapStore(),
    })
    this.authority = createAuthority({
      home: this.home,
      keeper: this.keeper,
      replication: this.replication,
      clock,
      random: createSeededRandom(1000 * ++this.#starts + this.#number),
      addresses: () => this.transport.addresses(),
      onProblem: (error) => this.problems.push(error),
      onRecordLost: (error) => this.lost.push(error),
    })
    await this.transport.start()
    this.authority.announce()
    await this.replication.start()
    this.running = true
  }

  async stop(): Promise<void> {
    if (!this.running) return
    this.running = false
    this.authority.stop()
    await this.replication.stop()
    await this.transport.stop()
  }

  isConnectedTo(other: MeshNode): boolean {
    return this.transport.peers().some((peer) => equalBytes(peer, other.id))
  }

  /** Newest entry of a volume, as this node knows it. */
  volume(id: VolumeId): VolumeEntry {
    const entry = this.state.volume(id)
    assert.ok(entry !== undefined, `${this.name} does not know the volume`)
    return entry
  }
}

export class AuthorityWorld {
  readonly clock = createManualClock(NOW)
  readonly network = createMemoryNetwork({ clock: this.clock })
  readonly nodes: MeshNode[] = []
  anchor: Uint8Array = new Uint8Array(32)

  /** A mesh of one, running. */
  async found(name = 'a'): Promise<MeshNode> {
    const node = new MeshNode(this, name, 1)
    const state = foundCharter({
      mesh: MESH,
      name: 'mesh',
      node: { id: node.id, name, region: 'region-1', role: 'full' },
      nodeKey: node.key,
      operatorKey,
      timeMs: NOW,
    })
    this.anchor = state.head().hash
    node.home.writeState('charter', state.encodeBundle())
    this.nodes.push(node)
    await node.start()
    return node
  }

  /** Founds `first`, and joins the others one after another. */
  async mesh(first: string, ...others: readonly string[]): Promise<MeshNode[]> {
    const founder = await this.found(first)
    for (const name of others) await this.join(founder, name)
    await this.untilConnected()
    return this.nodes
  }

  /** Lets a new node in by a real token, and starts it. */
  async join(inviter: MeshNode, name: string, role: Role = 'full'): Promise<MeshNode> {
    const node = this.newNode(name)
    const { token } = inviter.authority.invite({ role, ttlMs: 30 * MINUTE_MS })
    await this.admit(inviter, token, node)
    return node
  }

  /** The joiner's whole part: asks with the token, keeps the charter, starts. */
  async admit(inviter: MeshNode, token: string, joiner: MeshNode): Promise<void> {
    joiner.home.writeState('charter', await this.settle(this.ask(inviter, token, joiner)))
    this.nodes.push(joiner)
    await joiner.start()
  }

  newNode(name: string): MeshNode {
    return new MeshNode(this, name, this.nodes.length + 1)
  }

  /** What the join protocol carries: the charter, or the inviter's refusal. */
  async ask(inviter: MeshNode, text: string, joiner: MeshNode): Promise<Uint8Array> {
    const token = decodeJoinToken(text)
    const identity = signingKeyFromSeed(Uint8Array.from(token.seed))
    const transport = this.network.transport({ self: asNodeId(identity.publicKey), admit: () => 'member' })
    await transport.start()
    const wishes = { name: joiner.name, region: `region-${joiner.key.publicKey[0]}`, addresses: [] }
    const request = encodeJoinRequest(createJoinRequest(token, joiner.key, wishes))
    try {
      return await requestJoin({
        transport,
        clock: this.clock,
        inviter: inviter.id,
        addresses: token.addresses,
        request,
      })
    } finally {
      await transport.stop()
    }
  }

  /** Moves time on until it is done. */
  async settle<T>(work: Promise<T>, limitMs = 120_000): Promise<T> {
    let done = false
    const ended = (): void => void (done = true)
    work.then(ended, ended)
    await this.until(() => done, 'settled', limitMs)
    return work
  }

  async until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
    const startMs = this.clock.monotonicMs()
    await this.clock.advance(0)
    while (!condition()) {
      assert.ok(this.clock.monotonicMs() - startMs < limitMs, `not within ${limitMs} ms: ${what}`)
      await this.clock.advance(25)
    }
  }

  /** Every running node reaches every other, and all know the same charter. */
  async untilConnected(): Promise<void> {
    const up = this.nodes.filter((node) => node.running)
    const connected = (a: MeshNode): boolean => up.every((b) => a === b || a.isConnectedTo(b))
    const same = (a: MeshNode): boolean => up.every((b) => equalBytes(a.state.digest(), b.state.digest()))
    await this.until(() => up.every((node) => connected(node) && same(node)), 'connected, with one charter')
  }

  /** Stops every node; nothing is left running. */
  async end(): Promise<void> {
    for (const node of this.nodes) await node.stop()
    await this.clock.advance(1000)
    assert.equal(this.clock.timerCount(), 0, 'no timer is left')
  }
}

export const withCode =
  (code: string, message?: RegExp) =>
  (error: unknown): boolean =>
    error instanceof HoldfastError && error.code === code && (message === undefined || message.test(error.message))
