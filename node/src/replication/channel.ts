import { HoldfastError, hasCode, hexOf } from '@holdfast/ports'
import type { Clock, MessageStream, NodeId, Random, Transport } from '@holdfast/ports'
import { RETRY_BACKOFF, backoffMs } from '@holdfast/replication'
import { isExpected, sleep } from './tasks.ts'
import type { Tasks } from './tasks.ts'
import type { ReplicationLog } from './types.ts'

export interface ChannelOptions {
  readonly peer: NodeId
  readonly protocol: string
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly log: ReplicationLog
  /** Those of the session: the channel ends with the connection. */
  readonly tasks: Tasks
  readonly onUp?: () => void
  readonly onDown?: () => void
  /** One message at a time; while it runs, the peer is held back. @throws HF_PEER_PROTOCOL to blame the peer */
  readonly onMessage: (message: Uint8Array) => Promise<void> | void
  readonly onViolation: (error: HoldfastError) => void
}

/** The one long-lived stream of a protocol that this node has opened to a connected peer. Opened again after it broke, with a
 *  back-off, as long as the connection lasts. */
export class Channel {
  readonly #options: ChannelOptions
  #stream: MessageStream | undefined
  #kept = false
  /** Whether the present stream was opened, and whether anything came on it. */
  #opened = false
  #heard = false
  #waiting: (() => void)[] = []

  constructor(options: ChannelOptions) {
    this.#options = options
  }

  get up(): boolean {
    return this.#stream !== undefined
  }

  /** From now on keeps the stream open; idempotent. */
  keepOpen(): void {
    if (this.#kept) return
    this.#kept = true
    this.#options.tasks.run((signal) => this.#run(signal))
  }

  /** Resolves when the stream is open. @throws HF_ABORTED */
  async ready(signal: AbortSignal): Promise<void> {
    this.keepOpen()
    while (!this.#stream) {
      await new Promise<void>((resolve, reject) => {
        const wake = (): void => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        const onAbort = (): void => {
          this.#waiting = this.#waiting.filter((w) => w !== wake)
          reject(new HoldfastError('HF_ABORTED', 'aborted', { cause: signal.reason }))
        }
        if (signal.aborted) return onAbort()
        signal.addEventListener('abort', onAbort, { once: true })
        this.#waiting.push(wake)
      })
    }
  }

  /** @throws HF_PEER_UNREACHABLE while the stream is not open, HF_ABORTED */
  async send(message: Uint8Array, signal = this.#options.tasks.signal): Promise<void> {
    if (!this.#stream) throw new HoldfastError('HF_PEER_UNREACHABLE', 'the stream is not open', { retryable: true })
    await this.#stream.send(message, { signal })
  }

  /** Ends the stream; a new one is opened after the back-off. */
  reset(): void {
    this.#stream?.abort()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options
    for (let failures = 1; !signal.aborted; failures++) {
      this.#heard = false
      this.#opened = false
      // Whatever broke the stream, the answer is a new one: the peer may not be ready yet.
      const fair = await this.#use(signal).then(
        () => true,
        (error: unknown) => this.#isFair(error),
      )
      if (fair && this.#heard) failures = 1
      await sleep(clock, backoffMs(RETRY_BACKOFF, failures, random.fraction()), signal)
    }
  }

  /** Whether it was not the peer's doing that the stream broke. */
  #isFair(error: unknown): boolean {
    const { log, peer, protocol, onViolation } = this.#options
    if (hasCode(error, 'HF_PEER_PROTOCOL') || hasCode(error, 'HF_DECODE')) {
      // A peer that does not open it may be of another version, which is no offence.
      if (this.#opened) onViolation(error)
      return false
    }
    if (!isExpected(error)) log.warn({ err: error, peer: hexOf(peer), protocol }, 'a stream broke in an unexpected way')
    return true
  }

  /** Opens the stream and reads it to its end. */
  async #use(signal: AbortSignal): Promise<void> {
    const { transport, peer, protocol, onUp, onDown } = this.#options
    const stream = await transport.open(peer, protocol, { signal })
    this.#stream = stream
    this.#opened = true
    try {
      onUp?.()
      for (const wake of this.#waiting.splice(0)) wake()
      for (let m = await stream.receive({ signal }); m; m = await stream.receive({ signal })) {
        this.#heard = true
        await this.#options.onMessage(m)
      }
    } finally {
      this.#stream = undefined
      stream.abort()
      onDown?.()
    }
  }
}
