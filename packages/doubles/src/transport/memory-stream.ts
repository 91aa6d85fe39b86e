import { HoldfastError, TRANSPORT_MESSAGE_BYTES_MAX, throwIfAborted } from '@holdfast/ports'
import type { MessageStream, NodeId } from '@holdfast/ports'

/** Unread bytes that one stream holds before its sender waits. One larger message passes alone. */
export const MEMORY_STREAM_WINDOW_BYTES = 1024 * 1024
/** What a message costs beside its bytes, so that empty ones are bounded too. */
const MESSAGE_OVERHEAD_BYTES = 128

/** What a stream tells its other end. */
export interface StreamWire {
  data(message: Uint8Array): void
  credit(bytes: number): void
  end(): void
  abort(): void
  /** The stream is over at this end. */
  done(): void
}

const costOf = (message: Uint8Array): number => message.byteLength + MESSAGE_OVERHEAD_BYTES

/** One end of a stream. Calls that start with `on` are what the wire delivers. */
export class MemoryStream implements MessageStream {
  readonly peer: NodeId
  readonly protocol: string
  readonly #wire: StreamWire
  readonly #waiting = new Set<() => void>()
  readonly #line: object[] = []
  #inbox: Uint8Array[] = []
  #unacknowledgedBytes = 0
  #receiving = false
  #remoteEnded = false
  #localEnded = false
  #failure: HoldfastError | undefined

  constructor(peer: NodeId, protocol: string, wire: StreamWire) {
    this.peer = peer
    this.protocol = protocol
    this.#wire = wire
  }

  async send(message: Uint8Array, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    throwIfAborted(signal)
    if (message.byteLength > TRANSPORT_MESSAGE_BYTES_MAX) {
      throw new HoldfastError('HF_BAD_INPUT', `a message of ${message.byteLength} bytes exceeds the limit`)
    }
    const cost = costOf(message)
    const ticket = {}
    this.#line.push(ticket)
    const fits = (): boolean =>
      this.#unacknowledgedBytes === 0 || this.#unacknowledgedBytes + cost <= MEMORY_STREAM_WINDOW_BYTES
    try {
      await this.#until(() => this.#closedForSending() || (this.#line[0] === ticket && fits()), signal)
      if (this.#failure) throw this.#failure
      if (this.#localEnded) throw new HoldfastError('HF_CLOSED', 'the stream is closed')
      this.#unacknowledgedBytes += cost
      this.#wire.data(Uint8Array.from(message))
    } finally {
      this.#line.splice(this.#line.indexOf(ticket), 1)
      this.#notify()
    }
  }

  async receive({ signal }: { signal?: AbortSignal } = {}): Promise<Uint8Array | undefined> {
    if (this.#receiving) throw new TypeError('receive is called one at a time')
    throwIfAborted(signal)
    this.#receiving = true
    try {
      await this.#until(() => this.#failure !== undefined || this.#inbox.length > 0 || this.#remoteEnded, signal)
    } finally {
      this.#receiving = false
    }
    if (this.#failure) throw this.#failure
    const message = this.#inbox.shift()
    if (message) this.#wire.credit(costOf(message))
    return message
  }

  async close(): Promise<void> {
    const ticket = {}
    this.#line.push(ticket)
    await this.#until(() => this.#closedForSending() || this.#line[0] === ticket, undefined)
    this.#line.splice(this.#line.indexOf(ticket), 1)
    if (this.#closedForSending()) return
    this.#localEnded = true
    this.#wire.end()
    this.#finishIfOver()
  }

  abort(reason?: Error): void {
    if (this.#failure || (this.#localEnded && this.#remoteEnded)) return
    this.#wire.abort()
    this.fail(reason instanceof HoldfastError ? reason : new HoldfastError('HF_CLOSED', 'the stream was aborted'))
  }

  onData(message: Uint8Array): void {
    this.#inbox.push(message)
    this.#notify()
  }

  onCredit(bytes: number): void {
    this.#unacknowledgedBytes -= bytes
    this.#notify()
  }

  onEnd(): void {
    this.#remoteEnded = true
    this.#notify()
    this.#finishIfOver()
  }

  onAbort(): void {
    this.fail(new HoldfastError('HF_PEER_UNREACHABLE', 'the peer ended the stream', { retryable: true }))
  }

  /** Ends this end at once. */
  fail(failure: HoldfastError): void {
    if (this.#failure) return
    this.#failure = failure
    this.#inbox = []
    this.#wire.done()
    this.#notify()
  }

  #closedForSending(): boolean {
    return this.#failure !== undefined || this.#localEnded
  }

  #finishIfOver(): void {
    if (this.#localEnded && this.#remoteEnded) this.#wire.done()
  }

  #notify(): void {
    for (const wake of this.#waiting) wake()
  }

  async #until(condition: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake)
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiting.add(wake)
        signal?.addEventListener('abort', wake)
      })
      throwIfAborted(signal)
    }
  }
}
