/**
 * A network in memory: transports that find each other by name, over wires that can be slow, cut or reset.
 * It is as strict as the real one: streams hold a slow reader's sender back, messages are copied, refusals are refusals,
 * and two nodes that dial each other at once get two connections. Time is the clock's; a delay of 0 needs no clock.
 */
import { HoldfastError, JOIN_PROTOCOL, hexOf, throwIfAborted } from '@holdfast/ports'
import type { Admission, Clock, MessageStream, NodeId, PeerEvent, Transport } from '@holdfast/ports'
import { MemoryConnection } from './memory-connection.ts'
import { Wire } from './wire.ts'

/** Time after which a dial or an opening that gets no answer gives up, ms. */
export const MEMORY_CONNECT_TIMEOUT_MS = 10_000

export interface MemoryTransportOptions {
  readonly self: NodeId
  readonly admit: (peer: NodeId) => Admission
  /** @default a new one, `memory:N` */
  readonly address?: string
}

/** What the way between two nodes is like, asked for each direction and message: faults beyond `delay` and `cut`. */
export interface Links {
  /** Nothing passes from one to the other, and neither is told. */
  isCut(from: NodeId, to: NodeId): boolean
  /** How long a message that is sent now takes, ms. Order is kept, whatever it says. */
  delayMs(from: NodeId, to: NodeId, byteLength: number): number
  /** What arrives of it: the message, or a changed copy. */
  deliver(from: NodeId, to: NodeId, message: Uint8Array): Uint8Array
}

export interface MemoryNetwork {
  transport(options: MemoryTransportOptions): Transport
  /** From now on each message between the two takes this long, in each direction. */
  delay(a: NodeId, b: NodeId, ms: number): void
  /** Nothing passes between the two and neither is told; what is sent waits. */
  cut(a: NodeId, b: NodeId): void
  /** Cuts every pair that is not within one group. */
  partition(groups: readonly (readonly NodeId[])[]): void
  /** Ends all cuts; what waited arrives. */
  heal(): void
  /** Breaks the connections of the two; both notice at once. */
  reset(a: NodeId, b: NodeId): void
  /** As `kill -9`: every connection of the node breaks at once, and nobody is reached at its address any more. */
  crash(node: NodeId): void
  /** To be called when a link is no longer cut: what waited arrives. */
  wake(): void
}

const pairKey = (a: NodeId, b: NodeId): string => [hexOf(a), hexOf(b)].toSorted().join()

const PERFECT: Links = { isCut: () => false, delayMs: () => 0, deliver: (_from, _to, message) => message }

export function createMemoryNetwork({ clock, links = PERFECT }: { clock: Clock; links?: Links }): MemoryNetwork {
  const endpoints = new Map<string, MemoryTransport>()
  const delays = new Map<string, number>()
  const cuts = new Set<string>()
  const known: MemoryTransport[] = []
  let names = 0

  const network: NetworkView = {
    clock,
    at: (address) => endpoints.get(address),
    listen: (address, endpoint) => {
      if (endpoints.has(address)) throw new HoldfastError('HF_PORT_TAKEN', `${address} is in use`)
      endpoints.set(address, endpoint)
    },
    unlisten: (address) => void endpoints.delete(address),
    wire: (from, to) => {
      const key = pairKey(from, to)
      return new Wire(clock, {
        isCut: () => cuts.has(key) || links.isCut(from, to),
        delayMs: (byteLength) => (delays.get(key) ?? 0) + links.delayMs(from, to, byteLength),
        deliver: (message) => links.deliver(from, to, message),
      })
    },
  }
  const wakeAll = (): void => {
    for (const transport of known) transport.wake()
  }

  return {
    transport(options) {
      const transport = new MemoryTransport(network, options, options.address ?? `memory:${++names}`)
      known.push(transport)
      return transport
    },
    delay: (a, b, ms) => void delays.set(pairKey(a, b), ms),
    cut: (a, b) => void cuts.add(pairKey(a, b)),
    partition(groups) {
      const nodes = groups.flatMap((group, index) => group.map((node) => ({ node, index })))
      for (const a of nodes) for (const b of nodes) if (a.index !== b.index) cuts.add(pairKey(a.node, b.node))
    },
    heal() {
      cuts.clear()
      wakeAll()
    },
    wake: wakeAll,
    reset(a, b) {
      for (const transport of known) if (hexOf(transport.self) === hexOf(a)) transport.reset(b)
    },
    crash(node) {
      for (const transport of known) if (hexOf(transport.self) === hexOf(node)) transport.crash()
    },
  }
}

interface NetworkView {
  readonly clock: Clock
  at(address: string): MemoryTransport | undefined
  listen(address: string, endpoint: MemoryTransport): void
  unlisten(address: string): void
  wire(from: NodeId, to: NodeId): Wire
}

class MemoryTransport implements Transport {
  readonly self: NodeId
  readonly #network: NetworkView
  readonly #admit: (peer: NodeId) => Admission
  readonly #address: string
  readonly #handlers = new Map<string, (stream: MessageStream) => void>()
  readonly #listeners = new Set<(event: PeerEvent) => void>()
  readonly #connections = new Map<string, Set<MemoryConnection>>()
  /** Connections that are not peers (yet): dialled and not answered, or of a joining identity. */
  readonly #half = new Set<MemoryConnection>()
  readonly #dials = new Map<MemoryConnection, (error: HoldfastError) => void>()
  #state: 'new' | 'open' | 'closed' = 'new'

  constructor(network: NetworkView, options: MemoryTransportOptions, address: string) {
    this.#network = network
    this.self = options.self
    this.#admit = options.admit
    this.#address = address
  }

  addresses(): string[] {
    return this.#state === 'open' ? [this.#address] : []
  }

  async start(): Promise<void> {
    if (this.#state === 'open') return
    if (this.#state === 'closed') throw closed()
    this.#network.listen(this.#address, this)
    this.#state = 'open'
  }

  async stop(): Promise<void> {
    this.#end((connection) => connection.close(closed()))
  }

  crash(): void {
    this.#end((connection) => connection.reset())
  }

  async connect(peer: NodeId, addresses: readonly string[], { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    throwIfAborted(signal)
    if (this.#state !== 'open') throw closed()
    if (this.#of(peer)) return
    if (this.#admit(peer) === 'refused') {
      throw new HoldfastError('HF_PEER_REFUSED', 'the peer is not a member', { peer: hexOf(peer) })
    }
    let failure = unreachable(peer, 'no address is known')
    for (const address of addresses) {
      try {
        await this.#dial(peer, address, signal)
        return
      } catch (error) {
        if (!(error instanceof HoldfastError) || error.code === 'HF_ABORTED' || error.code === 'HF_CLOSED') throw error
        failure = error
      }
    }
    throw failure
  }

  async disconnect(peer: NodeId): Promise<void> {
    for (const connection of this.#connections.get(hexOf(peer)) ?? []) {
      connection.close(new HoldfastError('HF_PEER_UNREACHABLE', 'disconnected', { retryable: true }))
    }
  }

  peers(): NodeId[] {
    return [...this.#connections.values()].flatMap((set) => [...set].slice(0, 1).map((c) => c.peer))
  }

  async open(peer: NodeId, protocol: string, { signal }: { signal?: AbortSignal } = {}): Promise<MessageStream> {
    throwIfAborted(signal)
    if (this.#state !== 'open') throw closed()
    const connection = this.#of(peer)
    if (!connection) throw unreachable(peer, 'it is not connected')
    const bounded = this.#bounded(signal)
    try {
      return await connection.openStream(protocol, bounded.signal)
    } finally {
      bounded.clear()
    }
  }

  handle(protocol: string, handler: (stream: MessageStream) => void): void {
    if (this.#handlers.has(protocol)) throw new TypeError(`${protocol} has a handler`)
    this.#handlers.set(protocol, handler)
  }

  onPeer(listener: (event: PeerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  accept(peer: NodeId, protocol: string): ((stream: MessageStream) => void) | HoldfastError {
    const admission = this.#admit(peer)
    if (admission === 'refused' || (admission === 'join' && protocol !== JOIN_PROTOCOL)) {
      return new HoldfastError('HF_PEER_REFUSED', `the peer does not let this node use ${protocol}`)
    }
    return this.#handlers.get(protocol) ?? new HoldfastError('HF_PEER_PROTOCOL', `the peer does not speak ${protocol}`)
  }

  closed(connection: MemoryConnection): void {
    this.#half.delete(connection)
    this.#dials.get(connection)?.(unreachable(connection.peer, 'the connection broke'))
    const key = hexOf(connection.peer)
    const set = this.#connections.get(key)
    if (!set?.delete(connection) || set.size > 0) return
    this.#connections.delete(key)
    this.#emit({ type: 'lost', peer: connection.peer })
  }

  wake(): void {
    for (const connection of [...this.#half, ...[...this.#connections.values()].flatMap((s) => [...s])]) {
      connection.wake()
    }
  }

  reset(peer: NodeId): void {
    for (const connection of this.#connections.get(hexOf(peer)) ?? []) connection.reset()
  }

  #end(endConnection: (connection: MemoryConnection) => void): void {
    if (this.#state === 'open') this.#network.unlisten(this.#address)
    this.#state = 'closed'
    for (const connection of [...this.#half, ...[...this.#connections.values()].flatMap((s) => [...s])]) {
      endConnection(connection)
    }
  }

  #of(peer: NodeId): MemoryConnection | undefined {
    return this.#connections.get(hexOf(peer))?.values().next().value
  }

  #emit(event: PeerEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  /** A joining identity is no peer: it is connected for its one protocol and not announced. */
  #register(connection: MemoryConnection): void {
    this.#half.delete(connection)
    if (this.#admit(connection.peer) !== 'member') {
      this.#half.add(connection)
      return
    }
    const key = hexOf(connection.peer)
    const set = this.#connections.get(key)
    if (set) {
      set.add(connection)
      return
    }
    this.#connections.set(key, new Set([connection]))
    this.#emit({ type: 'connected', peer: connection.peer })
  }

  #bounded(signal: AbortSignal | undefined): { signal: AbortSignal; clear: () => void } {
    const controller = new AbortController()
    const onAbort = (): void => controller.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort)
    const timer = this.#network.clock.setTimer(MEMORY_CONNECT_TIMEOUT_MS, () =>
      controller.abort(new HoldfastError('HF_TIMEOUT', 'the peer does not answer', { retryable: true })),
    )
    return {
      signal: controller.signal,
      clear: () => {
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
      },
    }
  }

  async #dial(peer: NodeId, address: string, signal: AbortSignal | undefined): Promise<void> {
    const target = this.#network.at(address)
    if (!target) throw unreachable(peer, `nobody listens at ${address}`)
    const near = new MemoryConnection({
      peer,
      owner: this,
      wire: this.#network.wire(this.self, target.self),
      dialer: true,
    })
    const far = new MemoryConnection({
      peer: this.self,
      owner: target,
      wire: this.#network.wire(target.self, this.self),
      dialer: false,
    })
    near.join(far)
    far.join(near)
    this.#half.add(near)
    target.#half.add(far)
    const bounded = this.#bounded(signal)
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (error: HoldfastError): void => {
          reject(error)
          near.close(error)
        }
        this.#dials.set(near, reject)
        bounded.signal.addEventListener('abort', () => {
          const reason: unknown = bounded.signal.reason
          if (signal?.aborted) fail(new HoldfastError('HF_ABORTED', 'aborted', { cause: reason }))
          else fail(unreachable(peer, `${address} does not answer`))
        })
        near.tell(() => {
          const refused = hexOf(target.self) !== hexOf(peer) || target.#admit(this.self) === 'refused'
          if (refused || target.#state !== 'open') {
            far.tell(() => fail(new HoldfastError('HF_PEER_REFUSED', `${address} refuses`, { peer: hexOf(peer) })))
            return
          }
          far.tell(() => {
            if (this.#state !== 'open') return fail(closed())
            this.#register(near)
            resolve()
          })
          // The welcome is on the wire first, so that the dialer knows the peer before its first stream.
          target.#register(far)
        })
      })
    } finally {
      bounded.clear()
      this.#dials.delete(near)
    }
  }
}

const closed = (): HoldfastError => new HoldfastError('HF_CLOSED', 'the transport is stopped')

const unreachable = (peer: NodeId, why: string): HoldfastError =>
  new HoldfastError('HF_PEER_UNREACHABLE', `the peer cannot be reached: ${why}`, { retryable: true, peer: hexOf(peer) })
