/** How many connections one stranger, and one peer, may have: what they all share must not be used up by one of them. */
import type { Connection, MultiaddrConnection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Connections from one address whose handshake is under way. Members behind one address that come back together take turns. */
export const PENDING_PER_ADDRESS_MAX = 32
/** Connections to one peer. Two nodes that dial each other at once have two; a third may be taking the place of one. */
export const CONNECTIONS_PER_PEER_MAX = 3

export class ConnectionLimits {
  readonly #pending = new Map<string, Set<MultiaddrConnection>>()
  readonly #byPeer = new Map<string, Set<Connection>>()

  /** A connection comes in. Whether there are too many handshakes with its address already. */
  denies(incoming: MultiaddrConnection): boolean {
    const address = hostOf(incoming.remoteAddr)
    const pending = this.#pending.get(address) ?? new Set()
    if (pending.size >= PENDING_PER_ADDRESS_MAX) return true
    this.#pending.set(address, pending.add(incoming))
    incoming.addEventListener('close', () => this.settled(incoming))
    return false
  }

  /** The handshake is over: the peer is known. */
  settled(incoming: MultiaddrConnection): void {
    const address = hostOf(incoming.remoteAddr)
    const pending = this.#pending.get(address)
    if (pending?.delete(incoming) === true && pending.size === 0) this.#pending.delete(address)
  }

  /** The connection is open: its peer's oldest ones beyond the limit, which must be ended. The newest is the one that works. */
  opened(connection: Connection): Connection[] {
    const key = connection.remotePeer.toString()
    const connections = this.#byPeer.get(key) ?? new Set()
    this.#byPeer.set(key, connections.add(connection))
    return [...connections].slice(0, -CONNECTIONS_PER_PEER_MAX)
  }

  closed(connection: Connection): void {
    const key = connection.remotePeer.toString()
    const connections = this.#byPeer.get(key)
    if (connections?.delete(connection) === true && connections.size === 0) this.#byPeer.delete(key)
  }
}

const hostOf = (address: Multiaddr): string => address.getComponents()[0]?.value ?? address.toString()
