/**
 * One stream with whole messages and credit. libp2p's streams do not hold a sender back for a slow reader: they buffer and
 * then reset. So the bytes that come in are always taken at once, and it is the sender that waits: it may have only so many
 * bytes unread at the other end, which gives credit back as its application reads.
 */
import { HoldfastError, TRANSPORT_MESSAGE_BYTES_MAX, throwIfAborted } from '@holdfast/ports'
import type { MessageStream, NodeId } from '@holdfast/ports'
import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import { Assembly } from './assembly.ts'
import {
  FrameDecoder,
  FramingError,
  INITIAL_WINDOW_BYTES,
  SLICE_BYTES_MAX,
  SLICE_OVERHEAD_BYTES,
  WINDOW_BYTES_MAX,
  encodeCredit,
  encodeEnd,
  encodeSlice,
} from './framing.ts'
import type { Frame } from './framing.ts'
import type { SendTurns } from './send-turns.ts'

/** A message of at most this many bytes passes before slices of larger ones. */
const SMALL_MESSAGE_BYTES = 4 * 1024

export interface CreditStreamOptions {
  readonly stream: Stream
  readonly peer: NodeId
  readonly protocol: string
  readonly turns: SendTurns
  /** Unread bytes that the sender at the other end may have here; at least `INITIAL_WINDOW_BYTES`. */
  readonly windowBytes: number
  /** The peer broke the framing or its credit. */
  readonly onViolation: (error: HoldfastError) => void
  /** Both halves have ended, or the stream broke. */
  readonly onOver: () => void
}

export class CreditStream implements MessageStream {
  readonly peer: NodeId
  readonly protocol: string
  readonly #options: CreditStreamOptions
  readonly #stream: Stream
  readonly #decoder = new FrameDecoder()
  readonly #waiting = new Set<() => void>()
  /** Whose turn it is to send on this stream: messages stay whole. */
  readonly #line: object[] = []
  readonly #inbox: Uint8Array[] = []
  /** The message that is coming in, and the slice of it. */
  readonly #partial = new Assembly()
  #slice: Extract<Frame, { kind: 'slice' }> | undefined
  /** Cost of the slices of an unfinished message that is not credited yet. */
  #partialCost = 0
  #credit = INITIAL_WINDOW_BYTES
  #windowLeft: number
  #owed = 0
  #costs: number[] = []
  #receiving = false
  #remoteEnded = false
  #localEnded = false
  #over = false
  #failure: HoldfastError | undefined

  constructor(options: CreditStreamOptions) {
    this.peer = options.peer
    this.protocol = options.protocol
    this.#options = options
    this.#stream = options.stream
    this.#windowLeft = options.windowBytes
    this.#stream.addEventListener('message', (event) => this.#onMessage(event))
    const broken = (): void => this.#fail(unreachable('the stream broke'))
    this.#stream.addEventListener('close', broken)
    this.#stream.addEventListener('remoteCloseWrite', () => {
      if (!this.#remoteEnded) broken()
    })
    for (const event of ['drain', 'idle'] as const) this.#stream.addEventListener(event, () => this.#notify())
    if (this.#stream.status !== 'open') broken()
    else if (options.windowBytes > INITIAL_WINDOW_BYTES) {
      this.#stream.send(encodeCredit(options.windowBytes - INITIAL_WINDOW_BYTES))
    }
  }

  async send(message: Uint8Array, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    throwIfAborted(signal)
    if (message.byteLength > TRANSPORT_MESSAGE_BYTES_MAX) {
      throw new HoldfastError('HF_BAD_INPUT', `a message of ${message.byteLength} bytes exceeds the limit`)
    }
    const ticket = {}
    this.#line.push(ticket)
    let begun = false
    try {
      await this.#until(() => this.#line[0] === ticket, signal)
      if (this.#localEnded) throw new HoldfastError('HF_CLOSED', 'the stream is closed')
      let offset = 0
      do {
        const body = message.subarray(offset, offset + SLICE_BYTES_MAX)
        const last = offset + body.byteLength === message.byteLength
        const cost = body.byteLength + SLICE_OVERHEAD_BYTES
        await this.#until(() => this.#credit >= cost, signal)
        this.#credit -= cost
        begun = true
        // The signal counts here, too: a peer that gives credit and does not read would hold the caller for ever.
        await this.#write(encodeSlice(body, last), message.byteLength <= SMALL_MESSAGE_BYTES, signal)
        offset += body.byteLength
      } while (offset < message.byteLength)
    } catch (error) {
      // A message cut off in the middle cannot be taken back.
      if (begun) this.abort(error instanceof Error ? error : undefined)
      throw error
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
      while (this.#failure === undefined && this.#inbox.length === 0 && !this.#remoteEnded) {
        this.#creditPartial()
        await this.#changed(signal)
      }
    } finally {
      this.#receiving = false
    }
    if (this.#failure) throw this.#failure
    const message = this.#inbox.shift()
    if (message) this.#giveBack(this.#costs.shift() ?? 0)
    return message
  }

  async close(): Promise<void> {
    if (this.#failure || this.#localEnded) return
    const ticket = {}
    this.#line.push(ticket)
    try {
      await this.#until(() => this.#line[0] === ticket, undefined)
      this.#localEnded = true
      await this.#write(encodeEnd(), true, undefined)
      this.#finishIfOver()
    } catch {
      // The stream broke or was closed meanwhile: there is nothing left to end.
    } finally {
      this.#line.splice(this.#line.indexOf(ticket), 1)
      this.#notify()
    }
  }

  abort(reason?: Error): void {
    if (this.#over) return
    this.#fail(reason instanceof HoldfastError ? reason : new HoldfastError('HF_CLOSED', 'the stream was aborted'))
  }

  #onMessage(event: StreamMessageEvent): void {
    if (this.#over && !this.#remoteEnded) return
    try {
      for (const bytes of event.data instanceof Uint8Array ? [event.data] : event.data) {
        for (const frame of this.#decoder.push(bytes)) {
          if (this.#failure) return
          this.#onFrame(frame)
        }
      }
      this.#notify()
    } catch (error) {
      if (!(error instanceof FramingError)) throw error
      const violation = new HoldfastError('HF_PEER_PROTOCOL', `a peer broke the framing: ${error.message}`)
      this.#fail(violation)
      this.#options.onViolation(violation)
    }
  }

  #onFrame(frame: Frame): void {
    switch (frame.kind) {
      case 'credit':
        return this.#onCredit(frame.bytes)
      case 'end':
        return this.#onEnd()
      case 'slice':
        return this.#onSlice(frame)
      case 'part':
        return this.#onPart(frame.bytes, frame.end)
    }
  }

  #onCredit(bytes: number): void {
    if (bytes === 0) throw new FramingError('credit of nothing')
    this.#credit += bytes
    if (this.#credit > WINDOW_BYTES_MAX) throw new FramingError('more credit than any window has')
  }

  #onEnd(): void {
    if (this.#remoteEnded) throw new FramingError('a frame after the end')
    if (this.#partial.byteLength > 0) throw new FramingError('the end within a message')
    this.#remoteEnded = true
    this.#finishIfOver()
  }

  /** A slice is judged by its header, before any of its bytes is kept. */
  #onSlice(slice: Extract<Frame, { kind: 'slice' }>): void {
    if (this.#remoteEnded) throw new FramingError('a frame after the end')
    if (!slice.last && slice.byteLength === 0) throw new FramingError('an empty slice')
    this.#windowLeft -= slice.byteLength + SLICE_OVERHEAD_BYTES
    if (this.#windowLeft < 0) throw new FramingError('more than its credit')
    if (this.#partial.byteLength + slice.byteLength > TRANSPORT_MESSAGE_BYTES_MAX) {
      throw new FramingError('a message above the limit')
    }
    this.#slice = slice
  }

  #onPart(bytes: Uint8Array, end: boolean): void {
    const slice = this.#slice
    if (!slice) return
    this.#partial.append(bytes, slice.byteLength)
    if (!end) return
    this.#slice = undefined
    this.#partialCost += slice.byteLength + SLICE_OVERHEAD_BYTES
    if (slice.last) this.#finishMessage()
    else if (this.#receiving && this.#inbox.length === 0) this.#creditPartial()
  }

  #finishMessage(): void {
    this.#inbox.push(this.#partial.take())
    this.#costs.push(this.#partialCost)
    this.#partialCost = 0
  }

  /** The application waits for the message that is coming in: its bytes are as good as read. */
  #creditPartial(): void {
    const cost = this.#partialCost
    this.#partialCost = 0
    if (cost > 0) this.#giveBack(cost)
  }

  /** Credit goes back in quarters of the window: seldom enough to be cheap, often enough never to stall the sender. */
  #giveBack(cost: number): void {
    this.#owed += cost
    if (this.#owed < INITIAL_WINDOW_BYTES / 4 || this.#over || this.#remoteEnded) return
    this.#windowLeft += this.#owed
    this.#stream.send(encodeCredit(this.#owed))
    this.#owed = 0
  }

  /** Hands one frame to libp2p when it is this stream's turn and the connection takes it. */
  async #write(frame: Uint8Array, small: boolean, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      await this.#until(() => this.#stream.writeBufferLength === 0, signal)
      const turn = this.#options.turns.ask(small, () => this.#notify())
      try {
        await this.#until(() => turn.granted, signal)
        if (this.#stream.writeBufferLength > 0) continue
        await this.#until(() => !this.#stream.writableNeedsDrain, signal)
        this.#stream.send(frame)
        return
      } finally {
        turn.end()
      }
    }
  }

  #finishIfOver(): void {
    if (!this.#localEnded || !this.#remoteEnded || this.#over) return
    this.#end()
    this.#stream.close().catch((error: unknown) => this.#stream.abort(asError(error)))
  }

  #fail(failure: HoldfastError): void {
    if (this.#over) return
    this.#failure = failure
    this.#inbox.length = 0
    this.#costs.length = 0
    this.#partial.clear()
    this.#end()
    this.#stream.abort(failure)
  }

  #end(): void {
    this.#over = true
    this.#options.onOver()
    this.#notify()
  }

  #notify(): void {
    for (const wake of this.#waiting) wake()
  }

  /** Resolves when the condition holds. @throws the failure, HF_ABORTED */
  async #until(condition: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      if (this.#failure) throw this.#failure
      if (condition()) return
      await this.#changed(signal)
    }
  }

  async #changed(signal: AbortSignal | undefined): Promise<void> {
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

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

const unreachable = (message: string): HoldfastError =>
  new HoldfastError('HF_PEER_UNREACHABLE', message, { retryable: true })
