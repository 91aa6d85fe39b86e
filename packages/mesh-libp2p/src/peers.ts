import { hexOf } from '@holdfast/ports'
import type { HoldfastError, NodeId, PeerEvent } from '@holdfast/ports'
import type { Connection } from '@libp2p/interface'

/** The admitted connections by peer. Two nodes that dial each other at once have two; the peer is lost with the last. */
export class Peers {
  readonly #byPeer = new Map<string, { readonly peer: NodeId; readonly connections: Set<Connection> }>()
  readonly #listeners = new Set<(event: PeerEvent) => void>()

  add(peer: NodeId, connection: Connection): void {
    const entry = this.#byPeer.get(hexOf(peer))
    if (entry) {
      entry.connections.add(connection)
      return
    }
    this.#byPeer.set(hexOf(peer), { peer, connections: new Set([connection]) })
    this.#emit({ type: 'connected', peer })
  }

  remove(connection: Connection): void {
    for (const [key, entry] of this.#byPeer) {
      if (!entry.connections.delete(connection) || entry.connections.size > 0) continue
      this.#byPeer.delete(key)
      this.#emit({ type: 'lost', peer: entry.peer })
    }
  }

  list(): NodeId[] {
    return [...this.#byPeer.values()].map((entry) => entry.peer)
  }

  connections(peer: NodeId): Connection[] {
    return [...(this.#byPeer.get(hexOf(peer))?.connections ?? [])]
  }

  connection(peer: NodeId): Connection | undefined {
    return this.connections(peer).find((c) => c.status === 'open')
  }

  misbehaved(peer: NodeId, error: HoldfastError): void {
    this.#emit({ type: 'misbehaved', peer, error })
  }

  onPeer(listener: (event: PeerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #emit(event: PeerEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}
