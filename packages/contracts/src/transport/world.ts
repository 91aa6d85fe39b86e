import { randomBytes } from 'node:crypto'
import { HoldfastError } from '@holdfast/ports'
import type { Admission, ErrorCode, MessageStream, NodeId, Transport } from '@holdfast/ports'
import assert from 'node:assert/strict'

/** What the transport suite needs of an implementation. */
export interface TransportContract {
  /** A transport with an identity of its own, not started. */
  create: (admit: (peer: NodeId) => Admission) => Promise<Transport>
}

export const PROTOCOL = '/holdfast/contract/1'

export const everybody = (): Admission => 'member'

/** Transports of one test; each is stopped at its end. */
export class World {
  readonly #contract: TransportContract
  readonly #transports: Transport[] = []

  constructor(contract: TransportContract) {
    this.#contract = contract
  }

  async create(admit: (peer: NodeId) => Admission = everybody): Promise<Transport> {
    const transport = await this.#contract.create(admit)
    this.#transports.push(transport)
    return transport
  }

  async started(admit?: (peer: NodeId) => Admission): Promise<Transport> {
    const transport = await this.create(admit)
    await transport.start()
    return transport
  }

  /** Two started transports; `handler` serves `PROTOCOL` at the second, to which the first is connected. */
  async pair(handler: (stream: MessageStream) => void = echo): Promise<[Transport, Transport]> {
    const [near, far] = [await this.started(), await this.create()]
    far.handle(PROTOCOL, handler)
    await far.start()
    await near.connect(far.self, far.addresses())
    return [near, far]
  }

  /** Both ends of one stream of `PROTOCOL`. */
  async stream(): Promise<{ near: MessageStream; far: MessageStream; transports: [Transport, Transport] }> {
    const accepted = deferred<MessageStream>()
    const transports = await this.pair(accepted.resolve)
    const near = await transports[0].open(transports[1].self, PROTOCOL)
    return { near, far: await accepted.promise, transports }
  }

  async end(): Promise<void> {
    await Promise.all(this.#transports.splice(0).map((t) => t.stop()))
  }
}

export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve: (value: T) => void
}

export function deferred<T>(): Deferred<T> {
  let settle: ((value: T) => void) | undefined
  const promise = new Promise<T>((resolve) => (settle = resolve))
  return { promise, resolve: (value) => settle?.(value) }
}

/** Sends back what it receives until the peer ends. */
export function echo(stream: MessageStream): void {
  const run = async (): Promise<void> => {
    for (let m = await stream.receive(); m; m = await stream.receive()) await stream.send(m)
    await stream.close()
  }
  run().catch(() => stream.abort())
}

/** Resolves with the next such event. */
export function nextPeerEvent(transport: Transport, type: 'connected' | 'lost'): Promise<NodeId> {
  return new Promise((resolve) => {
    const stop = transport.onPeer((event) => {
      if (event.type !== type) return
      stop()
      resolve(event.peer)
    })
  })
}

/** Asserts that the call rejects with one of the codes. */
export async function rejectsWith(call: Promise<unknown>, ...codes: ErrorCode[]): Promise<void> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(outcome instanceof HoldfastError, `expected ${codes.join(' or ')}, got ${String(outcome)}`)
  assert.ok(codes.includes(outcome.code), `expected ${codes.join(' or ')}, got ${outcome.code}: ${outcome.message}`)
}

export const noise = (byteLength: number): Uint8Array => new Uint8Array(randomBytes(byteLength))
