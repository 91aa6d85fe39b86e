/** The libp2p node under the transport: the one place that knows its settings, each with the measurement behind it. */
// oxlint-disable-next-line import/no-unassigned-import -- it must run before libp2p is loaded
import './polyfill.ts'
import { noise } from '@chainsafe/libp2p-noise'
import { privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { ConnectionGater, Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { asNodeId } from '@holdfast/ports'
import type { NodeId } from '@holdfast/ports'
import { createLibp2p } from 'libp2p'
import { INITIAL_WINDOW_BYTES } from './framing.ts'
import { guardedYamux } from './guarded-muxer.ts'

/** Largest window of one yamux stream, bytes: 16 MiB carries 160 MiB/s at 100 ms. Initial windows stay at the default of
 *  256 KiB, which both ends must agree on without telling each other. */
export const YAMUX_WINDOW_BYTES_MAX = 16 * 1024 * 1024
/** Read buffer of one yamux stream, bytes; beyond, it is reset. It fills only between the arrival of a stream and its handler,
 *  and a sender that keeps to its credit has sent no more than the first window by then. */
export const YAMUX_READ_BUFFER_BYTES_MAX = 2 * INITIAL_WINDOW_BYTES
/** Connections in all; a mesh of a few hundred nodes, each with up to two to each other. */
export const CONNECTIONS_MAX = 1024
/** Connections per second from one address; the default of 5 refuses members behind one NAT after a restart. */
export const INBOUND_PER_SECOND_MAX = 64
/** Connections whose handshake is under way; eight times what one address may have. */
export const PENDING_INBOUND_MAX = 256
/** Keep-alive of an idle connection, ms; sockets that hear nothing for 120 s are closed. */
export const KEEP_ALIVE_MS = 30_000

export interface NodeOptions {
  /** 64 bytes: seed and public key. */
  readonly secretKey: Uint8Array
  readonly listen: readonly string[]
  readonly gater: ConnectionGater
}

/** A node that is not started. */
export function createNode({ secretKey, listen, gater }: NodeOptions): Promise<Libp2p> {
  return createLibp2p({
    start: false,
    privateKey: privateKeyFromRaw(secretKey),
    addresses: { listen: [...listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      guardedYamux({
        keepAliveInterval: KEEP_ALIVE_MS,
        streamOptions: {
          maxStreamWindowSize: YAMUX_WINDOW_BYTES_MAX,
          maxReadBufferLength: YAMUX_READ_BUFFER_BYTES_MAX,
        },
      }),
    ],
    connectionGater: gater,
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      inboundConnectionThreshold: INBOUND_PER_SECOND_MAX,
      maxIncomingPendingConnections: PENDING_INBOUND_MAX,
    },
    // Its pings share the data path and end healthy, busy connections; liveness is judged by the users of the transport.
    connectionMonitor: { enabled: false, abortConnectionOnPingFailure: false },
  })
}

export const peerIdOf = (node: NodeId): PeerId => peerIdFromPublicKey(publicKeyFromRaw(node))

/** Undefined for a peer whose key is not Ed25519. */
export function nodeIdOf(peer: PeerId): NodeId | undefined {
  return peer.type === 'Ed25519' ? asNodeId(Uint8Array.from(peer.publicKey.raw)) : undefined
}
