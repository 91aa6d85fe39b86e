/** All that this node says to one connected peer: its five streams, the control stream first. */
import { hexOf } from '@holdfast/ports'
import type { HoldfastError, NodeId } from '@holdfast/ports'
import {
  CALL_PROTOCOL,
  CHARTER_PROTOCOL,
  CHUNKS_PROTOCOL,
  CONTROL_PROTOCOL,
  JOURNAL_PROTOCOL,
  encodeChunkRequest,
} from '@holdfast/replication'
import type { ChunkRequest } from '@holdfast/replication'
import { Caller } from './calls.ts'
import { Channel } from './channel.ts'
import type { CharterExchange } from './charter-exchange.ts'
import type { ChunkFetcher } from './chunk-fetcher.ts'
import { Control } from './control.ts'
import type { ControlOptions } from './control.ts'
import { JournalClient } from './journal-client.ts'
import type { JournalClientOptions } from './journal-client.ts'
import type { PeerTable } from './peer-table.ts'
import { Mutex, Tasks } from './tasks.ts'
import type { ReplicationOptions } from './types.ts'

export interface SessionOptions extends Pick<ReplicationOptions, 'transport' | 'clock' | 'random' | 'log'> {
  readonly peer: NodeId
  readonly table: PeerTable
  readonly fetcher: ChunkFetcher
  readonly charter: CharterExchange
  readonly control: Omit<ControlOptions, 'peer' | 'clock' | 'table' | 'run'>
  readonly journal: Omit<JournalClientOptions, 'run'>
  /** A journal stream has come up or gone down: who can be followed has changed. */
  readonly onJournal: () => void
}

export class Session {
  readonly peer: NodeId
  readonly control: Control
  readonly journal: JournalClient
  readonly caller: Caller
  readonly #options: SessionOptions
  readonly #tasks: Tasks
  readonly #journalChannel: Channel
  readonly #chunkChannel: Channel
  readonly #chunkOrder = new Mutex()
  readonly #leaveCharter: () => void

  constructor(options: SessionOptions) {
    const { peer, clock, table, fetcher, charter, log } = options
    this.peer = peer
    this.#options = options
    this.#tasks = new Tasks((error) => log.warn({ err: error, peer: hexOf(peer) }, 'work for a peer failed'))
    const run = (work: () => Promise<void>): void => this.#tasks.run(work)
    this.control = new Control({ ...options.control, peer, clock, table, run })
    this.journal = new JournalClient({ ...options.journal, run })
    this.caller = new Caller(clock)

    const controlChannel = this.#channel(CONTROL_PROTOCOL, {
      onMessage: (m) => this.control.onMessage(m),
      onUp: () => {
        this.control.onUp()
        charterChannel.keepOpen()
        this.wantData()
      },
    })
    const charterChannel = this.#channel(CHARTER_PROTOCOL, { onMessage: () => {}, onUp: () => charter.sendTo(peer) })
    this.#journalChannel = this.#channel(JOURNAL_PROTOCOL, {
      onMessage: (m) => this.journal.onMessage(m),
      onUp: () => {
        this.journal.onUp()
        options.onJournal()
      },
      onDown: options.onJournal,
    })
    this.#chunkChannel = this.#channel(CHUNKS_PROTOCOL, {
      onMessage: (m) => fetcher.onMessage(peer, m),
      onUp: () => fetcher.peerUp(peer),
      onDown: () => fetcher.peerDown(peer),
    })
    const callChannel = this.#channel(CALL_PROTOCOL, {
      onMessage: (m) => this.caller.onMessage(m),
      onDown: () => this.caller.onDown(),
    })
    this.journal.attach(this.#journalChannel)
    this.caller.attach(callChannel)
    this.#leaveCharter = charter.add(peer, charterChannel, run)
    this.control.start(controlChannel)
  }

  /** Opens the streams for data once a volume is shared. */
  wantData(): void {
    if (this.control.shared().length === 0) return
    this.#journalChannel.keepOpen()
    this.#chunkChannel.keepOpen()
  }

  requestChunks(request: ChunkRequest): void {
    this.#tasks.run(() => this.#chunkOrder.run(() => this.#chunkChannel.send(encodeChunkRequest(request))))
  }

  resetChunks(): void {
    this.#chunkChannel.reset()
  }

  /** The peer is lost, or this node stops. */
  async end(): Promise<void> {
    this.control.stop()
    this.#leaveCharter()
    this.caller.onDown()
    await this.#tasks.stop()
  }

  #channel(
    protocol: string,
    handlers: { onMessage: (message: Uint8Array) => void; onUp?: () => void; onDown?: () => void },
  ): Channel {
    const { transport, clock, random, log, table, peer } = this.#options
    const onViolation = (error: HoldfastError): void => table.blame(peer, 'protocol', error.message)
    return new Channel({ peer, protocol, transport, clock, random, log, tasks: this.#tasks, onViolation, ...handlers })
  }
}
