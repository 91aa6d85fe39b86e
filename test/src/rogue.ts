/** A node that was let into a mesh and means no good: it speaks the protocols over a real transport and does what it likes. */
import { connect, type Socket } from 'node:net'
import { createJoinRequest, decodeJoinToken, encodeJoinRequest, type JoinToken } from '@holdfast/charter'
import { signingKeyFromSeed, type SigningKey } from '@holdfast/keys'
import { createLibp2pTransport } from '@holdfast/mesh-libp2p'
import { requestJoin } from '@holdfast/node/replication'
import type { Clock, MessageStream, NodeId, Transport } from '@holdfast/ports'

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

function transportOf(key: SigningKey): Transport {
  return createLibp2pTransport({ signingKey: key, listen: [], admit: () => 'member', clock })
}

export class Rogue {
  readonly transport: Transport
  readonly target: NodeId
  readonly #addresses: readonly string[]

  private constructor(transport: Transport, token: JoinToken) {
    this.transport = transport
    this.target = token.inviter
    this.#addresses = token.addresses
  }

  /** Joins by the token, as any node does; its target is the inviter. */
  static async join(text: string, name: string): Promise<Rogue> {
    const token = decodeJoinToken(text)
    const key = signingKeyFromSeed(new Uint8Array(32).fill(0x66))
    const joining = transportOf(signingKeyFromSeed(Uint8Array.from(token.seed)))
    await joining.start()
    try {
      const wishes = { name, region: 'ap-1', addresses: [] }
      const request = encodeJoinRequest(createJoinRequest(token, key, wishes))
      await requestJoin({ transport: joining, clock, inviter: token.inviter, addresses: token.addresses, request })
    } finally {
      await joining.stop()
    }
    const transport = transportOf(key)
    await transport.start()
    return new Rogue(transport, token)
  }

  connect(): Promise<void> {
    return this.transport.connect(this.target, this.#addresses)
  }

  /** A stream, connecting before if need be. */
  async open(protocol: string): Promise<MessageStream> {
    await this.connect()
    return await this.transport.open(this.target, protocol)
  }

  /** Sends until it is held back for `ms`, refused or done; how many went out. */
  async flood(protocol: string, message: (index: number) => Uint8Array, count: number, ms: number): Promise<number> {
    const stream = await this.open(protocol)
    let sent = 0
    try {
      for (; sent < count; sent++) await stream.send(message(sent), { signal: AbortSignal.timeout(ms) })
    } catch {
      // Held back or refused: what is counted is how far it came.
    }
    return sent
  }

  /** A stranger's sockets: no identity, only TCP, from another loopback address. */
  strangers(count: number): Socket[] {
    const [host = '', port] = this.#addresses[0]?.split(':') ?? []
    return Array.from({ length: count }, () =>
      connect({ host, port: Number(port), localAddress: '127.0.0.9' }).on('error', () => {}),
    )
  }
}
