import { HoldfastError, TRANSPORT_STREAMS_MAX } from '@holdfast/ports'
import type { MessageStream, NodeId } from '@holdfast/ports'
import { MemoryStream } from './memory-stream.ts'
import type { Wire } from './wire.ts'

/** What a connection asks of the transport it belongs to. */
export interface ConnectionOwner {
  /** The handler that may serve the peer; undefined with the reason if there is none. */
  accept(peer: NodeId, protocol: string): ((stream: MessageStream) => void) | HoldfastError
  closed(connection: MemoryConnection): void
}

const peerGone = (): HoldfastError =>
  new HoldfastError('HF_PEER_UNREACHABLE', 'the connection is lost', { retryable: true })

/** One end of a connection. Whatever one end tells the other goes over the wire, in order. */
export class MemoryConnection {
  readonly peer: NodeId
  readonly #owner: ConnectionOwner
  readonly #wire: Wire
  readonly #dialer: boolean
  readonly #streams = new Map<string, MemoryStream>()
  readonly #opening = new Map<string, (outcome: HoldfastError | undefined) => void>()
  #remote: MemoryConnection | undefined
  #nextStream = 0
  #open = true

  constructor(options: { peer: NodeId; owner: ConnectionOwner; wire: Wire; dialer: boolean }) {
    this.peer = options.peer
    this.#owner = options.owner
    this.#wire = options.wire
    this.#dialer = options.dialer
  }

  join(remote: MemoryConnection): void {
    this.#remote = remote
  }

  get open(): boolean {
    return this.#open
  }

  /** Runs at the other end, if that is still open by then. */
  tell(run: (remote: MemoryConnection) => void, byteLength?: number): void {
    const remote = this.#remote
    this.#wire.push(() => {
      if (remote?.open) run(remote)
    }, byteLength)
  }

  wake(): void {
    this.#wire.wake()
  }

  async openStream(protocol: string, signal: AbortSignal): Promise<MessageStream> {
    const id = `${this.#dialer ? 'd' : 'l'}${this.#nextStream++}`
    const stream = this.#makeStream(id, protocol)
    const outcome = await new Promise<HoldfastError | undefined>((resolve) => {
      const give = (error?: HoldfastError): void => {
        this.#opening.delete(id)
        signal.removeEventListener('abort', onAbort)
        resolve(error)
      }
      const onAbort = (): void => {
        const reason: unknown = signal.reason
        give(reason instanceof HoldfastError ? reason : new HoldfastError('HF_ABORTED', 'aborted', { cause: reason }))
        stream.abort()
      }
      this.#opening.set(id, give)
      signal.addEventListener('abort', onAbort)
      this.tell((remote) => remote.#onOpen(id, protocol))
    })
    if (!outcome) return stream
    this.#streams.delete(id)
    throw outcome
  }

  /** Ends this end now; the other end learns it over the wire, unless it is to die with it. */
  close(reason: HoldfastError, quietly = false): void {
    if (!this.#open) return
    if (!quietly) this.tell((remote) => remote.close(peerGone(), true))
    this.#open = false
    for (const give of this.#opening.values()) give(reason)
    for (const stream of this.#streams.values()) stream.fail(reason)
    this.#streams.clear()
    this.#owner.closed(this)
  }

  /** Both ends at once, as when a process is killed and its machine answers with resets. */
  reset(): void {
    const remote = this.#remote
    this.close(peerGone(), true)
    this.#wire.destroy()
    if (!remote) return
    remote.close(peerGone(), true)
    remote.#wire.destroy()
  }

  #makeStream(id: string, protocol: string): MemoryStream {
    const to = (act: (stream: MemoryStream) => void, byteLength?: number): void =>
      this.tell((remote) => {
        const stream = remote.#streams.get(id)
        if (stream) act(stream)
      }, byteLength)
    const stream = new MemoryStream(this.peer, protocol, {
      data: (message) => to((s) => s.onData(this.#wire.deliver(message)), message.byteLength),
      credit: (bytes) => to((s) => s.onCredit(bytes)),
      end: () => to((s) => s.onEnd()),
      abort: () => to((s) => s.onAbort()),
      done: () => void this.#streams.delete(id),
    })
    this.#streams.set(id, stream)
    return stream
  }

  #onOpen(id: string, protocol: string): void {
    const accepted = this.#owner.accept(this.peer, protocol)
    const inbound = [...this.#streams].filter(([key, s]) => key[0] === id[0] && s.protocol === protocol).length
    const refusal =
      accepted instanceof HoldfastError
        ? accepted
        : inbound >= TRANSPORT_STREAMS_MAX
          ? new HoldfastError('HF_BUSY', `the peer serves ${TRANSPORT_STREAMS_MAX} streams of ${protocol} already`)
          : undefined
    if (refusal || accepted instanceof HoldfastError) {
      this.tell((remote) => remote.#opening.get(id)?.(refusal))
      return
    }
    const stream = this.#makeStream(id, protocol)
    this.tell((remote) => remote.#opening.get(id)?.(undefined))
    accepted(stream)
  }
}
