/**
 * The transport port on libp2p: TCP, noise, yamux. A connection counts only once the peer has let us in: the dialer learns
 * of a refusal by nothing but a connection that closes, so it asks a one-byte question first.
 */
import { HoldfastError, JOIN_PROTOCOL, TRANSPORT_STREAMS_MAX, hexOf, throwIfAborted } from '@holdfast/ports'
import type { Admission, Clock, MessageStream, NodeId, PeerEvent, Transport } from '@holdfast/ports'
import { createNode, nodeIdOf, peerIdOf } from './libp2p-node.ts'
import { StreamCloseEvent } from '@libp2p/interface'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { DIAL_ADDRESSES_MAX, parseHostPort, reachableHostPorts, resolveHostPort } from './addresses.ts'
import { ConnectionLimits } from './connection-limits.ts'
import { CreditStream } from './credit-stream.ts'
import { asListenError, asTransportError } from './failures.ts'
import { INITIAL_WINDOW_BYTES, WINDOW_BYTES_MAX } from './framing.ts'
import { MuxerBoundError } from './guarded-muxer.ts'
import { Peers } from './peers.ts'
import { SendTurns } from './send-turns.ts'

/** Time for a dial with its handshakes, or for opening a stream, ms. Three round trips on a slow line fit well. */
export const CONNECT_TIMEOUT_MS = 10_000
/** Time for a connection to end in order, ms; then it is cut. */
export const DISCONNECT_TIMEOUT_MS = 1_000
const WELCOME_PROTOCOL = '/holdfast/welcome/1'
/** Above what is counted here, as libp2p counts streams that are closed on one side only. */
const LIBP2P_STREAMS_MAX = 4 * TRANSPORT_STREAMS_MAX

export interface Libp2pTransportOptions {
  /** Ed25519, as sodium has it: 32 and 64 bytes. */
  readonly signingKey: { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }
  /** `host:port` each; port 0 picks a free one; none for a node that only dials. */
  readonly listen: readonly string[]
  /** `host:port` under which others reach this node, if it is not where it listens. */
  readonly announce?: string
  /** Asked for every connection after its handshake, and for every stream. Fast and synchronous. */
  readonly admit: (peer: NodeId) => Admission
  readonly clock: Clock
  /** Unread bytes a stream of a protocol may hold here. @default 1 MiB; costs that much memory per stream at worst, and
   *  bounds its rate to that many bytes per round trip */
  readonly windowBytes?: Readonly<Record<string, number>>
}

type Handler = (stream: MessageStream) => void

/** @throws HF_BAD_INPUT for addresses that are not `host:port` */
export function createLibp2pTransport(options: Libp2pTransportOptions): Transport {
  for (const address of [...options.listen, ...(options.announce === undefined ? [] : [options.announce])]) {
    parseHostPort(address)
  }
  return new Libp2pTransport(options)
}

class Libp2pTransport implements Transport {
  readonly self: NodeId
  readonly #options: Libp2pTransportOptions
  readonly #peers = new Peers()
  readonly #handlers = new Map<string, Handler>()
  readonly #turns = new WeakMap<Connection, SendTurns>()
  readonly #inbound = new Map<string, number>()
  readonly #limits = new ConnectionLimits()
  #node: Libp2p | undefined
  #state: 'new' | 'starting' | 'open' | 'closed' = 'new'
  #starting: Promise<void> | undefined

  constructor(options: Libp2pTransportOptions) {
    this.#options = options
    this.self = Uint8Array.from(options.signingKey.publicKey) as NodeId
  }

  addresses(): string[] {
    if (this.#state !== 'open' || !this.#node) return []
    if (this.#options.announce !== undefined) return [this.#options.announce]
    return reachableHostPorts(this.#node.getMultiaddrs())
  }

  start(): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(closed())
    return (this.#starting ??= this.#start())
  }

  async stop(): Promise<void> {
    this.#state = 'closed'
    await this.#starting?.catch(() => {})
    await this.#node?.stop()
    this.#node = undefined
  }

  async connect(peer: NodeId, addresses: readonly string[], { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    throwIfAborted(signal)
    const node = this.#opened()
    if (this.#peers.connection(peer)) return
    if (this.#options.admit(peer) === 'refused') {
      throw new HoldfastError('HF_PEER_REFUSED', 'the peer is not a member', { peer: hexOf(peer) })
    }
    await this.#bounded(signal, peer, async (bounded) => {
      const id = peerIdOf(peer)
      const resolved = await Promise.allSettled(addresses.slice(0, DIAL_ADDRESSES_MAX).map(resolveHostPort))
      const targets = resolved
        .flatMap((r) => (r.status === 'fulfilled' ? r.value : []))
        .map((address) => address.encapsulate(`/p2p/${id.toString()}`))
      const failed = resolved.find((r) => r.status === 'rejected')
      if (targets.length === 0) {
        throw failed?.reason ?? new HoldfastError('HF_PEER_UNREACHABLE', 'no address of the peer is known')
      }
      const connection = await node.dial(targets, { signal: bounded })
      try {
        await this.#awaitWelcome(connection, peer, bounded)
      } catch (error) {
        // One that gives no welcome would be found again by the next dial, and be as silent.
        connection.abort(new Error('no welcome', { cause: error }))
        throw error
      }
    })
  }

  async disconnect(peer: NodeId): Promise<void> {
    await Promise.all(this.#peers.connections(peer).map((c) => this.#closeConnection(c)))
  }

  peers(): NodeId[] {
    return this.#peers.list()
  }

  async open(peer: NodeId, protocol: string, { signal }: { signal?: AbortSignal } = {}): Promise<MessageStream> {
    throwIfAborted(signal)
    this.#opened()
    const connection = this.#peers.connection(peer)
    if (!connection) throw unreachable(peer, 'it is not connected')
    return this.#bounded(signal, peer, async (bounded) => {
      const stream = await connection.newStream(protocol, { signal: bounded, maxOutboundStreams: LIBP2P_STREAMS_MAX })
      return this.#wrap(stream, connection, peer, protocol, () => {})
    })
  }

  handle(protocol: string, handler: Handler): void {
    if (this.#handlers.has(protocol)) throw new TypeError(`${protocol} has a handler`)
    this.#handlers.set(protocol, handler)
    if (this.#node) void this.#serve(this.#node, protocol, handler)
  }

  onPeer(listener: (event: PeerEvent) => void): () => void {
    return this.#peers.onPeer(listener)
  }

  async #start(): Promise<void> {
    this.#state = 'starting'
    const { listen, signingKey } = this.#options
    const refused = (peer: Parameters<typeof nodeIdOf>[0]): boolean => this.#admission(nodeIdOf(peer)) === 'refused'
    try {
      const targets = (await Promise.all(listen.map(resolveHostPort))).flat().map(String)
      const node = await createNode({
        secretKey: signingKey.secretKey,
        listen: targets,
        gater: {
          denyDialPeer: refused,
          denyInboundConnection: (incoming) => this.#limits.denies(incoming),
          denyInboundEncryptedConnection: (peer, incoming) => {
            this.#limits.settled(incoming)
            return refused(peer)
          },
          denyOutboundEncryptedConnection: refused,
        },
      })
      node.addEventListener('connection:open', ({ detail }) => this.#onOpen(detail))
      node.addEventListener('connection:close', ({ detail }) => {
        this.#limits.closed(detail)
        this.#peers.remove(detail)
      })
      await node.handle(WELCOME_PROTOCOL, (stream) => void stream.close().catch(() => {}), {
        maxInboundStreams: LIBP2P_STREAMS_MAX,
      })
      for (const [protocol, handler] of this.#handlers) await this.#serve(node, protocol, handler)
      this.#node = node
      await node.start()
    } catch (error) {
      throw error instanceof HoldfastError ? error : asListenError(error, listen)
    }
    if (this.#state === 'starting') this.#state = 'open'
  }

  #onOpen(connection: Connection): void {
    if (connection.status !== 'open') return
    for (const oldest of this.#limits.opened(connection)) oldest.abort(new Error('a newer connection takes its place'))
    const peer = nodeIdOf(connection.remotePeer)
    connection.addEventListener('close', (event) => {
      if (peer && event instanceof StreamCloseEvent && event.error instanceof MuxerBoundError) {
        this.#peers.misbehaved(peer, violation(peer, event.error.message))
      }
    })
    if (connection.direction === 'inbound') this.#register(connection)
  }

  async #serve(node: Libp2p, protocol: string, handler: Handler): Promise<void> {
    const serve = (stream: Stream, connection: Connection): void => {
      const peer = nodeIdOf(connection.remotePeer)
      const admission = this.#admission(peer)
      if (!peer || admission === 'refused' || (admission === 'join' && protocol !== JOIN_PROTOCOL)) {
        stream.abort(new Error('not admitted'))
        return
      }
      const key = `${hexOf(peer)} ${protocol}`
      const count = this.#inbound.get(key) ?? 0
      if (count >= TRANSPORT_STREAMS_MAX) {
        stream.abort(new Error('too many streams'))
        return
      }
      this.#inbound.set(key, count + 1)
      this.#register(connection)
      const release = (): void => {
        const left = (this.#inbound.get(key) ?? 1) - 1
        if (left > 0) this.#inbound.set(key, left)
        else this.#inbound.delete(key)
      }
      handler(this.#wrap(stream, connection, peer, protocol, release))
    }
    const limits = { maxInboundStreams: LIBP2P_STREAMS_MAX, maxOutboundStreams: LIBP2P_STREAMS_MAX }
    await node.handle(protocol, serve, limits)
  }

  #admission(peer: NodeId | undefined): Admission {
    return peer ? this.#options.admit(peer) : 'refused'
  }

  /** A joining identity is connected for its one protocol, but is no peer. */
  #register(connection: Connection): void {
    const peer = nodeIdOf(connection.remotePeer)
    if (peer && connection.status === 'open' && this.#options.admit(peer) === 'member') {
      this.#peers.add(peer, connection)
    }
  }

  /** Whether the peer lets us in shows in its answer to a stream that carries nothing. */
  async #awaitWelcome(connection: Connection, peer: NodeId, signal: AbortSignal): Promise<void> {
    try {
      const stream = await connection.newStream(WELCOME_PROTOCOL, { signal, maxOutboundStreams: LIBP2P_STREAMS_MAX })
      await stream.close({ signal })
    } catch (error) {
      if (signal.aborted || connection.status === 'open') throw error
      throw new HoldfastError('HF_PEER_REFUSED', 'the peer does not let this node in', {
        cause: error,
        retryable: true,
        peer: hexOf(peer),
      })
    }
    this.#register(connection)
    if (!this.#peers.connection(peer)) throw unreachable(peer, 'the connection broke')
  }

  #wrap(stream: Stream, connection: Connection, peer: NodeId, protocol: string, onOver: () => void): CreditStream {
    let turns = this.#turns.get(connection)
    if (!turns) this.#turns.set(connection, (turns = new SendTurns()))
    const wanted = Math.max(this.#options.windowBytes?.[protocol] ?? 0, INITIAL_WINDOW_BYTES)
    const windowBytes = Math.min(wanted, WINDOW_BYTES_MAX)
    const onViolation = (error: HoldfastError): void => connection.abort(error)
    return new CreditStream({ stream, peer, protocol, turns, windowBytes, onViolation, onOver })
  }

  async #closeConnection(connection: Connection): Promise<void> {
    const controller = new AbortController()
    const timer = this.#options.clock.setTimer(DISCONNECT_TIMEOUT_MS, () => controller.abort())
    try {
      await connection.close({ signal: controller.signal })
    } catch (error) {
      connection.abort(error instanceof Error ? error : new Error(String(error)))
    } finally {
      timer.cancel()
    }
  }

  #opened(): Libp2p {
    if (this.#state !== 'open' || !this.#node) throw closed()
    return this.#node
  }

  /** Runs with a signal that also fires after `CONNECT_TIMEOUT_MS`; what libp2p throws becomes one of our codes. */
  async #bounded<T>(
    signal: AbortSignal | undefined,
    peer: NodeId,
    run: (bounded: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController()
    const onAbort = (): void => controller.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort)
    const timer = this.#options.clock.setTimer(CONNECT_TIMEOUT_MS, () => controller.abort())
    try {
      return await run(controller.signal)
    } catch (error) {
      if (this.#state === 'closed') throw closed()
      throw asTransportError(error, peer, signal)
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }
}

const closed = (): HoldfastError => new HoldfastError('HF_CLOSED', 'the transport is not started, or is stopped')

const violation = (peer: NodeId, why: string): HoldfastError =>
  new HoldfastError('HF_PEER_PROTOCOL', `a peer broke the bounds of a connection: ${why}`, { peer: hexOf(peer) })

const unreachable = (peer: NodeId, why: string): HoldfastError =>
  new HoldfastError('HF_PEER_UNREACHABLE', `the peer cannot be reached: ${why}`, { retryable: true, peer: hexOf(peer) })
