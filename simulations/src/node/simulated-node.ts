import { createMemoryDrive, type Fate, type MemoryDrive, type MemoryNetwork } from '@holdfast/doubles'
import { createMemoryJournalStore } from '@holdfast/journal'
import { sign, type SigningKey, verify } from '@holdfast/keys'
import { createReplication, type Replication } from '@holdfast/node/replication'
import { equalBytes, type LogIdentity, type NodeId, type Transport } from '@holdfast/ports'
import type { VolumeMember } from '@holdfast/replication'
import { openPackStore, type PackStore } from '@holdfast/store-pack'
import type { Kernel } from '../kernel/kernel.ts'
import { ProcessClock } from '../kernel/process-clock.ts'
import type { Dice } from '../kernel/random-streams.ts'
import { ForgetfulIndex } from './forgetful-index.ts'
import { SimulatedVolume } from './simulated-volume.ts'
import { slowDrive } from './slow-drive.ts'

export interface SimulatedNodeOptions {
  readonly kernel: Kernel
  readonly network: MemoryNetwork
  readonly dice: Dice
  readonly name: string
  readonly key: SigningKey
  readonly self: NodeId
  readonly members: readonly VolumeMember[]
  readonly addressOf: (node: NodeId) => string
  readonly identity: LogIdentity
}

/** What one process of a node has open; all of it ends with the process. */
export interface RunningNode {
  readonly clock: ProcessClock
  readonly transport: Transport
  readonly store: PackStore
  readonly volume: SimulatedVolume
  readonly replication: Replication
}

/** How long a sync of a healthy drive takes, ms. */
const SYNC_MS = { low: 1, high: 8 } as const
const PACK_BYTES = 2 * 1024 * 1024
const DRIVE_BYTES = 2 * 1024 * 1024 * 1024

/** A machine: its drive and its clock's error outlive the processes that run on it. */
export class SimulatedNode {
  readonly name: string
  readonly self: NodeId
  readonly #options: SimulatedNodeOptions
  #drive: MemoryDrive = createMemoryDrive({ totalBytes: DRIVE_BYTES })
  #running: RunningNode | undefined
  /** How far its wall clock is off, ms. */
  clockOffsetMs = 0
  /** How many times slower than usual its drive syncs. */
  lag = 1

  constructor(options: SimulatedNodeOptions) {
    this.#options = options
    this.name = options.name
    this.self = options.self
  }

  get running(): RunningNode | undefined {
    return this.#running
  }

  get drive(): MemoryDrive {
    return this.#drive
  }

  async start(): Promise<void> {
    const { kernel, network, dice, key, self, members, addressOf, identity } = this.#options
    const clock = new ProcessClock(kernel, () => this.clockOffsetMs)
    const drive = slowDrive(this.#drive, clock, () => this.lag * dice.between(SYNC_MS.low, SYNC_MS.high))
    let volume: SimulatedVolume | undefined
    const store = await openPackStore({
      drive,
      index: new ForgetfulIndex(),
      packBytesMax: PACK_BYTES,
      onProblem: () => volume?.lost(),
    })
    const log = await createMemoryJournalStore().open(identity)
    const opened = new SimulatedVolume(log, equalBytes(identity.writer, self) ? 'primary' : 'follower', members, store)
    volume = opened
    await opened.load()
    const transport = network.transport({ self, admit: () => 'member', address: addressOf(self) })
    await transport.start()
    const replication = createReplication({
      transport,
      clock,
      random: dice,
      log: { debug() {}, info() {}, warn() {} },
      charter: {
        peers: () =>
          members
            .filter(({ node }) => !equalBytes(node, self))
            .map(({ node }) => ({ id: node, addresses: [addressOf(node)] })),
        bundle: () => new Uint8Array(0),
        merge: async () => false,
        onChange: () => () => {},
      },
      volumes: {
        list: () => [opened],
        get: (id) => (equalBytes(id, opened.id) ? opened : undefined),
        onChange: () => () => {},
      },
      signatures: { sign: (label, bytes) => sign(key, label, bytes), verify },
      store,
    })
    await replication.start()
    this.#running = { clock, transport, store, volume: opened, replication }
  }

  /** The process ends between two instructions. With the power cut as well, each thing not synced has a fate of its own. */
  kill(fateOf: (() => Fate) | undefined): void {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    running.clock.kill()
    this.#options.network.crash(this.self)
    this.#drive = this.#drive.crash(fateOf ?? (() => 'kept'))
    // Nobody waits for a process that is gone; what it still does reaches neither drive nor network.
    running.replication.stop().catch(() => {})
  }

  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    if (running === undefined) return
    await running.replication.stop()
    await running.transport.stop()
    await running.store.close()
  }
}
