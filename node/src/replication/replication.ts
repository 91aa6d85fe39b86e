/** Composes the parts: sessions with connected peers, followers of volumes, the servers of every protocol. */
import { HoldfastError, JOIN_PROTOCOL, equalBytes, hasCode, hexOf } from '@holdfast/ports'
import type { ChunkId, MessageStream, NodeId, VolumeId } from '@holdfast/ports'
import {
  AckBook,
  CALL_PROTOCOL,
  CHARTER_PROTOCOL,
  CHUNKS_PROTOCOL,
  CONTROL_PROTOCOL,
  JOURNAL_PROTOCOL,
  holdsData,
} from '@holdfast/replication'
import type { FetchSource, FollowSource, SignedAck } from '@holdfast/replication'
import { CallServer } from './calls.ts'
import { CharterExchange } from './charter-exchange.ts'
import { ChunkFetcher } from './chunk-fetcher.ts'
import { ChunkServer } from './chunk-server.ts'
import { ControlServer } from './control-server.ts'
import { JournalServer } from './journal-server.ts'
import { serveJoin } from './join.ts'
import { LiveRing } from './live-ring.ts'
import { OwnAcks } from './own-acks.ts'
import { PeerTable } from './peer-table.ts'
import { Peers } from './peers.ts'
import { Session } from './session.ts'
import { Tasks, orAborted } from './tasks.ts'
import type {
  CallHandler,
  JoinHandler,
  MemberAck,
  MemberHead,
  PeerStatus,
  ReplicatedVolume,
  Replication,
  ReplicationOptions,
} from './types.ts'
import { VolumeFollower } from './volume-follower.ts'

/** Creates the replication of a node; nothing happens before `start`. */
export function createReplication(options: ReplicationOptions): Replication {
  return new NodeReplication(options)
}

interface OpenVolume {
  readonly volume: ReplicatedVolume
  readonly follower: VolumeFollower
  readonly ring: LiveRing
  readonly stopListening: () => void
}

class NodeReplication implements Replication {
  readonly #options: ReplicationOptions
  readonly #tasks: Tasks
  readonly #table: PeerTable
  readonly #book = new AckBook()
  readonly #peers: Peers
  readonly #sessions = new Map<string, Session>()
  readonly #open = new Map<string, OpenVolume>()
  /** Streams that peers have opened, by peer and protocol. */
  readonly #served = new Map<string, MessageStream>()
  readonly #ownAcks: OwnAcks
  readonly #fetcher: ChunkFetcher
  readonly #charter: CharterExchange
  readonly #calls: CallServer
  readonly #journals: JournalServer
  readonly #ackListeners = new Set<(ack: MemberAck) => void>()
  readonly #headListeners = new Set<(head: MemberHead) => void>()
  #joinHandler: JoinHandler | undefined
  #state: 'new' | 'started' | 'stopped' = 'new'
  #stopListening: () => void = () => {}

  constructor(options: ReplicationOptions) {
    const { transport, clock, random, log, charter, volumes, store, signatures } = options
    this.#options = options
    this.#tasks = new Tasks((error) => log.warn({ err: error }, 'replication failed in an unexpected way'))
    this.#table = new PeerTable(clock, log, (record, ms) => this.#peers.setAside(record, ms))
    const [table, tasks] = [this.#table, this.#tasks]
    this.#peers = new Peers({
      transport,
      clock,
      random,
      log,
      charter,
      table,
      onConnected: (peer) => this.#onConnected(peer),
      onLost: (peer) => this.#onLost(peer),
      onRemoved: (peer) => this.#book.forget(peer),
    })
    this.#ownAcks = new OwnAcks({ self: transport.self, signatures, tasks, onChange: (ack) => this.#onOwnAck(ack) })
    this.#fetcher = new ChunkFetcher({
      volumes,
      store,
      clock,
      log,
      table,
      tasks,
      request: (peer, request) => this.#sessions.get(hexOf(peer))?.requestChunks(request),
      resetStream: (peer) => this.#sessions.get(hexOf(peer))?.resetChunks(),
    })
    this.#charter = new CharterExchange({ charter, clock, log, table })
    this.#calls = new CallServer(log)
    const ringOf = (volume: ReplicatedVolume): LiveRing | undefined => this.#open.get(hexOf(volume.id))?.ring
    this.#journals = new JournalServer({ volumes, source: store, table, log, ringOf })
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') throw new HoldfastError('HF_CLOSED', 'replication starts once')
    this.#state = 'started'
    const { volumes, store, log, clock, signatures } = this.#options
    const control = new ControlServer({
      clock,
      table: this.#table,
      book: this.#book,
      signatures,
      volumes,
      onHeartbeat: (peer, intervalMs, digest) => {
        this.#sessions.get(hexOf(peer))?.control.peerInterval(intervalMs)
        this.#charter.onDigest(peer, digest)
      },
      onHead: (head) => this.#onHead(head),
      onAck: (ack) => this.#onAck(ack),
    })
    const chunks = new ChunkServer({ store, volumes, table: this.#table, log })
    this.#serve(CONTROL_PROTOCOL, (stream, signal) => control.serve(stream, signal))
    this.#serve(CHARTER_PROTOCOL, (stream, signal) => this.#charter.serve(stream, signal))
    this.#serve(JOURNAL_PROTOCOL, (stream, signal) => this.#journals.serve(stream, signal))
    this.#serve(CHUNKS_PROTOCOL, (stream, signal) => chunks.serve(stream, signal))
    this.#serve(CALL_PROTOCOL, (stream, signal) => this.#calls.serve(stream, signal))
    this.#serve(JOIN_PROTOCOL, (stream, signal) => serveJoin(stream, this.#joinHandler, signal, log))
    this.#stopListening = volumes.onChange(() => this.#onVolumes())
    this.#charter.start()
    this.#onVolumes()
    this.#peers.start()
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#stopListening()
    this.#charter.stop()
    this.#fetcher.stop()
    for (const open of this.#open.values()) close(open)
    this.#open.clear()
    await this.#peers.stop()
    await Promise.all([...this.#sessions.values()].map((s) => s.end()))
    this.#sessions.clear()
    await this.#tasks.stop()
  }

  peers(): PeerStatus[] {
    return this.#table.status()
  }

  acks(volume: VolumeId): MemberAck[] {
    const coreKey = this.#options.volumes.get(volume)?.coreKey
    return this.#book.acks(volume).filter((a) => coreKey && equalBytes(a.coreKey, coreKey))
  }

  refuses(peer: NodeId): boolean {
    return this.#table.get(peer)?.state === 'set-aside'
  }

  heads(volume: VolumeId): MemberHead[] {
    return this.#book.heads(volume).filter((head) => this.#mayTell(head.member, volume))
  }

  onAck(listener: (ack: MemberAck) => void): () => void {
    this.#ackListeners.add(listener)
    return () => void this.#ackListeners.delete(listener)
  }

  onHead(listener: (head: MemberHead) => void): () => void {
    this.#headListeners.add(listener)
    return () => void this.#headListeners.delete(listener)
  }

  fetchChunk(
    volume: VolumeId,
    id: ChunkId,
    { signal, storedBytes = 0 }: { signal?: AbortSignal; storedBytes?: number } = {},
  ): Promise<Uint8Array> {
    return this.#fetcher.fetch(volume, id, storedBytes, signal)
  }

  async call(
    peer: NodeId,
    method: string,
    body: Uint8Array,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<Uint8Array> {
    const session = this.#sessions.get(hexOf(peer))
    if (!session) {
      throw new HoldfastError('HF_PEER_UNREACHABLE', 'the peer is not connected', {
        retryable: true,
        peer: hexOf(peer),
      })
    }
    return session.caller.call(method, body, options)
  }

  onCall(method: string, handler: CallHandler): void {
    this.#calls.handle(method, handler)
  }

  onJoin(handler: JoinHandler): void {
    this.#joinHandler = handler
  }

  /** Streams that peers open. A stream that breaks its protocol is ended, and the peer blamed. */
  #serve(protocol: string, serve: (stream: MessageStream, signal: AbortSignal) => Promise<void>): void {
    this.#options.transport.handle(protocol, (stream) => {
      if (this.#state !== 'started') return stream.abort()
      // A node has one stream of a protocol: a second one says that the first is of a connection that is lost.
      const key = `${hexOf(stream.peer)} ${protocol}`
      if (protocol !== JOIN_PROTOCOL) this.#served.get(key)?.abort()
      this.#served.set(key, stream)
      this.#tasks.run(async (signal) => {
        try {
          await serve(stream, signal)
          await orAborted(stream.close(), signal)
        } catch (error) {
          stream.abort()
          // What does not decode was sent by the peer, too.
          if (!hasCode(error, 'HF_PEER_PROTOCOL') && !hasCode(error, 'HF_DECODE')) throw error
          this.#table.blame(stream.peer, 'protocol', error.message)
        } finally {
          if (this.#served.get(key) === stream) this.#served.delete(key)
        }
      })
    })
  }

  #onConnected(peer: NodeId): void {
    const { transport, clock, random, log, volumes } = this.#options
    const key = hexOf(peer)
    const session = new Session({
      peer,
      transport,
      clock,
      random,
      log,
      table: this.#table,
      fetcher: this.#fetcher,
      charter: this.#charter,
      control: {
        volumes: () => volumes.list(),
        ownAcks: (volume) => this.#ownAcks.get(volume),
        charterDigest: () => this.#charter.digest(),
        onRoundTrip: (rttMs) => this.#fetcher.roundTrip(peer, rttMs),
        onSilent: (error) => this.#peers.drop(peer, error),
      },
      journal: {
        onFrame: (message, byteLength) => {
          this.#table.heard(peer)
          this.#open.get(hexOf(message.volume))?.follower.onFrame(peer, message, byteLength)
        },
        onRefused: (volume, subscription, reason) => {
          const follower = this.#open.get(hexOf(volume))?.follower
          if (follower?.source && equalBytes(follower.source, peer)) follower.onRefused(subscription, reason)
        },
      },
      onJournal: () => this.#updateAllSources(),
    })
    const before = this.#sessions.get(key)
    this.#sessions.set(key, session)
    if (before) this.#tasks.run(() => before.end())
  }

  #onLost(peer: NodeId): void {
    const session = this.#sessions.get(hexOf(peer))
    this.#sessions.delete(hexOf(peer))
    if (session) this.#tasks.run(() => session.end())
    this.#updateAllSources()
  }

  #onVolumes(): void {
    const { volumes } = this.#options
    const present = new Set(volumes.list())
    for (const [key, open] of this.#open) {
      if (present.has(open.volume)) continue
      close(open)
      this.#open.delete(key)
      if (!volumes.get(open.volume.id)) {
        this.#ownAcks.forget(open.volume.id)
        this.#fetcher.sources(open.volume.id, [])
      }
    }
    for (const volume of present) {
      if (!this.#open.has(hexOf(volume.id))) this.#open.set(hexOf(volume.id), this.#openVolume(volume))
      this.#ownAcks.update(volume)
      this.#touch(volume.id)
    }
    this.#journals.check()
    for (const session of this.#sessions.values()) session.wantData()
    this.#updateAllSources()
  }

  #openVolume(volume: ReplicatedVolume): OpenVolume {
    const { clock, random, log } = this.#options
    const ring = new LiveRing()
    const follower = new VolumeFollower({
      volume,
      clock,
      random,
      log,
      table: this.#table,
      tasks: this.#tasks,
      request: (peer, request) => this.#sessions.get(hexOf(peer))?.journal.request(request),
    })
    const stopListening = volume.onHead((head, live) => {
      if (live) ring.add(live)
      follower.grown(head.length)
      this.#journals.grow(volume, head.length)
      this.#ownAcks.update(volume)
      this.#touch(volume.id)
      this.#fetcher.refill()
    })
    return { volume, follower, ring, stopListening }
  }

  /** Tells the peers that share the volume, soon. */
  #touch(volume: VolumeId): void {
    for (const session of this.#sessions.values()) session.control.touch(volume)
  }

  #onOwnAck(ack: SignedAck): void {
    this.#onAck(this.#keep(ack))
    this.#touch(ack.volume)
  }

  #keep(ack: SignedAck): MemberAck {
    const receivedAtMs = this.#options.clock.nowMs()
    this.#book.ack(ack, receivedAtMs)
    return { ...ack, receivedAtMs }
  }

  #onAck(ack: MemberAck): void {
    const open = this.#open.get(hexOf(ack.volume))
    if (open && ack.level === 'complete') this.#updateFetchSources(open.volume)
    for (const listener of this.#ackListeners) listener(ack)
  }

  /** Whether the peer has a say about the volume. That of one that is not open is looked at when it is. */
  #mayTell(peer: NodeId, id: VolumeId): boolean {
    const volume = this.#options.volumes.get(id)
    return !volume || volume.members.some((m) => equalBytes(m.node, peer))
  }

  #onHead(head: MemberHead): void {
    if (!this.#mayTell(head.member, head.volume)) return
    const open = this.#open.get(hexOf(head.volume))
    if (open) this.#updateFollowSources(open)
    for (const listener of this.#headListeners) listener(head)
  }

  #updateAllSources(): void {
    for (const open of this.#open.values()) {
      this.#updateFollowSources(open)
      this.#updateFetchSources(open.volume)
    }
  }

  /** Members whose journal stream is open and that serve frames. */
  #updateFollowSources({ volume, follower }: OpenVolume): void {
    const heads = this.heads(volume.id)
    const lengthOf = (member: NodeId): number | undefined => {
      const head = heads.find((h) => equalBytes(h.member, member))
      if (head === undefined || equalBytes(head.coreKey, volume.coreKey)) return head?.length
      return head.epoch > volume.epoch ? volume.cutLength : undefined
    }
    const serving = volume.members.filter((m) => holdsData(m) && this.#sessions.get(hexOf(m.node))?.journal.up === true)
    follower.sources(
      serving.map(({ node }): FollowSource => ({
        peer: node,
        primary: equalBytes(volume.log.identity.writer, node),
        length: lengthOf(node),
        rttMs: this.#table.get(node)?.rttMs,
      })),
    )
  }

  #updateFetchSources(volume: ReplicatedVolume): void {
    const { transport } = this.#options
    const { length } = volume.log.head()
    const acks = this.acks(volume.id).filter((a) => a.level === 'complete' && a.length >= length)
    const others = volume.members.filter((m) => holdsData(m) && !equalBytes(m.node, transport.self))
    this.#fetcher.sources(
      volume.id,
      others.map(({ node }): FetchSource => ({
        peer: node,
        complete: acks.some((a) => equalBytes(a.member, node)),
      })),
    )
  }
}

function close({ follower, stopListening }: OpenVolume): void {
  stopListening()
  follower.stop()
}
