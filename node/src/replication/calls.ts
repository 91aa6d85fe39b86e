/** Small requests to one peer and their answers, several at a time over one stream. */
import { ERROR_CODES, HoldfastError, hexOf, throwIfAborted } from '@holdfast/ports'
import type { Clock, ErrorCode, MessageStream, NodeId, Timer } from '@holdfast/ports'
import {
  CALLS_PER_PEER_MAX,
  CALL_BYTES_PER_PEER_MAX,
  CALL_BODY_BYTES_MAX,
  CALL_ERROR_BYTES_MAX,
  decodeCall,
  encodeCall,
} from '@holdfast/replication'
import type { CallMessage } from '@holdfast/replication'
import type { Channel } from './channel.ts'
import { Mutex, Tasks, asError, orAborted } from './tasks.ts'
import type { CallHandler, ReplicationLog } from './types.ts'

/** Longest wait for an answer, ms, unless the caller says otherwise. */
export const CALL_TIMEOUT_MS = 30_000

interface Pending {
  readonly resolve: (body: Uint8Array) => void
  readonly reject: (error: HoldfastError) => void
}

/** The calls of this node to one peer. */
export class Caller {
  readonly #clock: Clock
  readonly #pending = new Map<number, Pending>()
  #channel: Channel | undefined
  #nextId = 0
  #waiting = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  attach(channel: Channel): void {
    this.#channel = channel
  }

  async call(
    method: string,
    body: Uint8Array,
    { signal, timeoutMs = CALL_TIMEOUT_MS }: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<Uint8Array> {
    throwIfAborted(signal)
    const channel = this.#channel
    if (!channel) throw lost()
    if (body.byteLength > CALL_BODY_BYTES_MAX) throw new HoldfastError('HF_BAD_INPUT', 'the body is above the limit')
    if (this.#waiting >= CALLS_PER_PEER_MAX) {
      throw new HoldfastError('HF_BUSY', 'too many calls wait for this peer', { retryable: true })
    }
    this.#waiting++
    const id = this.#nextId++
    const ended = new AbortController()
    let timer: Timer | undefined
    let onAbort: (() => void) | undefined
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject })
        timer = this.#clock.setTimer(timeoutMs, () =>
          reject(new HoldfastError('HF_TIMEOUT', `no answer within ${timeoutMs} ms`, { retryable: true })),
        )
        onAbort = () => reject(new HoldfastError('HF_ABORTED', 'aborted', { cause: signal?.reason }))
        signal?.addEventListener('abort', onAbort, { once: true })
        channel
          .ready(ended.signal)
          // What is not sent when the caller gives up is not sent: a peer that reads nothing must not collect bodies here.
          .then(() => channel.send(encodeCall({ type: 'request', id, method, body }), ended.signal))
          .catch((error: unknown) => reject(asError(error)))
      })
    } finally {
      this.#waiting--
      this.#pending.delete(id)
      timer?.cancel()
      if (onAbort) signal?.removeEventListener('abort', onAbort)
      ended.abort()
    }
  }

  /** @throws HF_PEER_PROTOCOL */
  onMessage(encoded: Uint8Array): void {
    const message = decodeCall(encoded)
    if (message.type === 'request') throw new HoldfastError('HF_PEER_PROTOCOL', 'a request where answers belong')
    const pending = this.#pending.get(message.id)
    if (message.type === 'response') pending?.resolve(Uint8Array.from(message.body))
    else pending?.reject(asLocalError(message))
  }

  /** The stream, or the peer, is lost: nobody will answer. */
  onDown(): void {
    for (const { reject } of this.#pending.values()) reject(lost())
  }
}

/** What the handlers of one peer's calls hold, over all its streams. */
interface PeerLoad {
  calls: number
  bytes: number
}

/** Answers the calls of peers. */
export class CallServer {
  readonly #handlers = new Map<string, CallHandler>()
  readonly #log: ReplicationLog
  readonly #loads = new Map<string, PeerLoad>()

  constructor(log: ReplicationLog) {
    this.#log = log
  }

  handle(method: string, handler: CallHandler): void {
    if (this.#handlers.has(method)) throw new TypeError(`${method} has a handler`)
    this.#handlers.set(method, handler)
  }

  async serve(stream: MessageStream, signal: AbortSignal): Promise<void> {
    const mutex = new Mutex()
    const running = new Tasks((error) => this.#log.warn({ err: error }, 'answering a call failed'))
    try {
      for (let m = await stream.receive({ signal }); m; m = await stream.receive({ signal })) {
        const request = decodeCall(m)
        if (request.type !== 'request') throw new HoldfastError('HF_PEER_PROTOCOL', 'an answer where requests belong')
        const load = this.#loadOf(stream.peer)
        if (load.calls >= CALLS_PER_PEER_MAX || load.bytes > CALL_BYTES_PER_PEER_MAX) {
          // Awaited: one that asks on and on and reads no answer is read no more itself.
          await mutex.run(() => stream.send(encodeCall(busy(request.id)), { signal }))
          continue
        }
        running.run(async (ended) => {
          const answering = answerCall(request, this.#handlers.get(request.method), stream, this.#log)
          const release = this.#charge(load, request, stream)
          try {
            const answer = await orAborted(answering, ended)
            await mutex.run(() => stream.send(encodeCall(answer), { signal }))
          } finally {
            // It counts until it is sent, and until the handler is done, whatever becomes of the stream meanwhile.
            void answering.then(release)
          }
        })
      }
    } finally {
      // A handler that still runs has nobody to answer any more.
      stream.abort()
      await running.stop()
    }
  }

  /** Counts the call against its peer until the result is called. */
  #charge(load: PeerLoad, { body }: Request, { peer }: MessageStream): () => void {
    load.calls++
    load.bytes += body.byteLength
    return () => {
      load.calls--
      load.bytes -= body.byteLength
      if (load.calls === 0) this.#loads.delete(hexOf(peer))
    }
  }

  #loadOf(peer: NodeId): PeerLoad {
    const key = hexOf(peer)
    const load = this.#loads.get(key) ?? { calls: 0, bytes: 0 }
    this.#loads.set(key, load)
    return load
  }
}

type Request = Extract<CallMessage, { type: 'request' }>

/** What the handler gives, or its failure as a message. */
export async function answerCall(
  { id, method, body }: Request,
  handler: CallHandler | undefined,
  { peer }: MessageStream,
  log: ReplicationLog,
): Promise<CallMessage> {
  try {
    if (!handler) throw new HoldfastError('HF_NOT_FOUND', `there is no method ${method}`)
    const answer = await handler(Uint8Array.from(body), peer)
    if (answer.byteLength > CALL_BODY_BYTES_MAX) throw new HoldfastError('HF_INTERNAL', 'the answer is above the limit')
    return { type: 'response', id, body: answer }
  } catch (error) {
    const { code, message, retryable } = asError(error)
    if (code === 'HF_INTERNAL') log.warn({ err: error, method }, 'a call failed')
    // A character takes at most four bytes.
    return { type: 'failure', id, code, message: message.slice(0, CALL_ERROR_BYTES_MAX / 4), retryable }
  }
}

/** The failure as this node throws it: with the peer's code, if it is one. */
export function asLocalError({ code, message, retryable }: Extract<CallMessage, { type: 'failure' }>): HoldfastError {
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'HF_INTERNAL'
  return new HoldfastError(known, message, { retryable })
}

const busy = (id: number): CallMessage => ({
  type: 'failure',
  id,
  code: 'HF_BUSY',
  message: 'this node still works at earlier calls of that peer',
  retryable: true,
})

const lost = (): HoldfastError =>
  new HoldfastError('HF_PEER_UNREACHABLE', 'the peer is not connected', { retryable: true })
