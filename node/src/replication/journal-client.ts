/** The journal stream to one peer: sends what the followers of this node ask for, and puts frames together from their parts. */
import { HoldfastError, hexOf } from '@holdfast/ports'
import type { VolumeId } from '@holdfast/ports'
import {
  FRAME_MESSAGE_BYTES_MAX,
  FRAME_PART_BYTES_MAX,
  decodeFrameMessage,
  decodeJournalAnswer,
  encodeJournalRequest,
} from '@holdfast/replication'
import type { FrameMessage, JournalRequest, SubscribeRefusal } from '@holdfast/replication'
import type { Channel } from './channel.ts'

export interface JournalClientOptions {
  readonly onFrame: (message: FrameMessage, byteLength: number) => void
  readonly onRefused: (volume: VolumeId, subscription: number, reason: SubscribeRefusal) => void
  /** Failures of sending end the stream; they need no answer here. */
  readonly run: (work: () => Promise<void>) => void
}

export class JournalClient {
  readonly #options: JournalClientOptions
  /** Requests that wait to be sent, at most one of each kind per volume: a newer one takes the place of an older. */
  readonly #outbox = new Map<string, JournalRequest>()
  #parts: Uint8Array[] = []
  #partBytes = 0
  #channel: Channel | undefined
  #sending = false

  constructor(options: JournalClientOptions) {
    this.#options = options
  }

  attach(channel: Channel): void {
    this.#channel = channel
  }

  /** Whether a subscription can be asked for. */
  get up(): boolean {
    return this.#channel?.up === true
  }

  /** The stream is new: nothing of the one before counts. */
  onUp(): void {
    this.#outbox.clear()
    this.#parts = []
    this.#partBytes = 0
  }

  request(request: JournalRequest): void {
    const key = `${request.type} ${hexOf(request.volume)}`
    // The newest comes last, so that an `unsubscribe` of what was subscribed before cannot follow a later `subscribe`.
    this.#outbox.delete(key)
    this.#outbox.set(key, request)
    const channel = this.#channel
    if (this.#sending || !channel?.up) return
    this.#sending = true
    this.#options.run(async () => {
      try {
        for (let [next] = this.#outbox; next; [next] = this.#outbox) {
          this.#outbox.delete(next[0])
          await channel.send(encodeJournalRequest(next[1]))
        }
      } finally {
        this.#sending = false
      }
    })
  }

  /** @throws HF_PEER_PROTOCOL */
  onMessage(encoded: Uint8Array): void {
    const answer = decodeJournalAnswer(encoded)
    if (answer.type === 'refused') {
      this.#options.onRefused(answer.volume, answer.subscription, answer.reason)
      return
    }
    this.#partBytes += answer.bytes.byteLength
    if (this.#partBytes > FRAME_MESSAGE_BYTES_MAX)
      throw new HoldfastError('HF_PEER_PROTOCOL', 'a frame above the limit')
    // Small ones would cost many times their bytes, empty ones cost memory without end.
    if (!answer.last && answer.bytes.byteLength !== FRAME_PART_BYTES_MAX) {
      throw new HoldfastError('HF_PEER_PROTOCOL', `a part of ${answer.bytes.byteLength} bytes within a frame`)
    }
    this.#parts.push(answer.bytes)
    if (!answer.last) return
    const whole = new Uint8Array(this.#partBytes)
    let offset = 0
    for (const part of this.#parts) {
      whole.set(part, offset)
      offset += part.byteLength
    }
    this.#parts = []
    this.#partBytes = 0
    this.#options.onFrame(decodeFrameMessage(whole), whole.byteLength)
  }
}
