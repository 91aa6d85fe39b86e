/**
 * The control API: HTTP and JSON on a Unix socket that only the node's user may open. Each method of `NodeService` is
 * `POST /v1/NAME` with the request as the body. Whoever can open the socket may do everything the node can, so nothing here
 * asks who calls; what must not hang on this machine alone is signed by the operator key instead.
 */
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { HoldfastError, SECOND_MS, type Clock } from '@holdfast/ports'
import { asHoldfastError, badRequest, statusOf } from './errors.ts'
import { REQUEST_BYTES_MAX, requestSchemas } from './requests.ts'
import type { CatAnswer } from './look-messages.ts'
import type { CallOptions, NodeService } from './service.ts'
import type { AboutAnswer } from './status-messages.ts'
import { claimSocket, releaseSocket } from './socket-path.ts'
import { streamOfBytes, streamOfLines } from './streams.ts'
import {
  API_VERSION,
  API_VERSION_OLDEST,
  END_TRAILER,
  METHOD_KINDS,
  NOTICES_HEADER,
  pathOfMethod,
  SIZE_HEADER,
  VERSION_HEADER,
  wireError,
  type MethodName,
} from './wire.ts'

/** Calls answered at one time; each may hold a buffer of `ANSWER_BUFFER_BYTES` and one piece of the service. */
export const API_CALLS_MAX = 32
/** Connections, idle ones included. */
export const API_CONNECTIONS_MAX = 64
/** After `stop`, how long aborted calls may take to say so before their connections are cut. */
export const API_STOP_GRACE_MS = 2 * SECOND_MS

export interface ApiServerOptions {
  /** The home, whose lock this process holds. */
  readonly home: string
  /** Of the program, for `about`. */
  readonly version: string
  readonly clock: Clock
  /** @default process.env, for the runtime directory */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Told of every failed call, for the log. Requests may hold secrets and are not passed. */
  readonly onFailure?: (method: string, error: HoldfastError) => void
}

export interface ApiServer {
  /** Of the socket, absolute; known after `start`. */
  readonly path: string
  /** Listens; until `serve`, every call but `about` is refused as HF_NOT_RUNNING, retryable. @throws HF_HOME_READ_ONLY, HF_POLICY */
  start(): Promise<void>
  serve(service: NodeService): void
  /** Aborts the calls in progress (HF_CLOSED for their callers), closes, removes the socket. Idempotent. */
  stop(): Promise<void>
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  return new SocketApiServer(options)
}

class SocketApiServer implements ApiServer {
  readonly #options: ApiServerOptions
  readonly #server: FastifyInstance
  readonly #calls = new Set<AbortController>()
  #state: AboutAnswer['state'] = 'starting'
  #service: NodeService | undefined
  #path: string | undefined
  #stopped: Promise<void> | undefined

  constructor(options: ApiServerOptions) {
    this.#options = options
    this.#server = fastify({ logger: false, bodyLimit: REQUEST_BYTES_MAX, forceCloseConnections: 'idle' })
    this.#server.server.maxConnections = API_CONNECTIONS_MAX
    this.#server.setErrorHandler((error, request, reply) => this.#fail(reply, request.url, asApiError(error)))
    this.#server.setNotFoundHandler((request, reply) =>
      this.#fail(reply, request.url, new HoldfastError('HF_BAD_INPUT', `no method ${request.method} ${request.url}`)),
    )
    this.#server.addHook('onRequest', async (request, reply) => {
      reply.header(VERSION_HEADER, API_VERSION)
      checkVersion(request)
    })
    this.#server.post(pathOfMethod('about'), () => this.#about())
    for (const name of Object.keys(METHOD_KINDS) as MethodName[]) {
      this.#server.post(pathOfMethod(name), (request, reply) => this.#answer(name, request, reply))
    }
  }

  get path(): string {
    if (this.#path === undefined) throw new TypeError('the API is not started')
    return this.#path
  }

  async start(): Promise<void> {
    const path = claimSocket(this.#options.home, this.#options.environment ?? process.env)
    this.#path = path
    // From its first moment for this user alone: whoever connects before a chmod stays connected.
    const before = process.umask(0o177)
    try {
      await this.#server.listen({ path })
    } finally {
      process.umask(before)
    }
  }

  serve(service: NodeService): void {
    this.#service = service
    this.#state = 'ready'
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#state = 'stopping'
    for (const call of this.#calls) call.abort()
    const cut = this.#options.clock.setTimer(API_STOP_GRACE_MS, () => this.#server.server.closeAllConnections())
    await this.#server.close()
    cut.cancel()
    if (this.#path !== undefined) releaseSocket(this.#options.home, this.#path)
  }

  #about(): AboutAnswer {
    return { state: this.#state, pid: process.pid, version: this.#options.version }
  }

  async #answer(name: MethodName, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const service = this.#ready()
    const checked = requestSchemas[name].safeParse(request.body ?? {})
    if (!checked.success) throw badRequest(name, checked.error)
    if (this.#calls.size >= API_CALLS_MAX) {
      throw new HoldfastError('HF_BUSY', `${API_CALLS_MAX} calls are in progress`, { retryable: true })
    }
    const call = new AbortController()
    this.#calls.add(call)
    // Comes when the answer is out as well as when the client went away; aborting work that is done does nothing.
    reply.raw.once('close', () => {
      this.#calls.delete(call)
      call.abort()
    })
    const method = service[name] as (request: unknown, options: CallOptions) => unknown
    const answer = method.call(service, checked.data, { signal: call.signal })
    const kind = METHOD_KINDS[name]
    if (kind === 'lines') return this.#sendLines(reply, name, answer as AsyncIterable<unknown>)
    if (kind === 'bytes') return this.#sendBytes(reply, name, (await answer) as CatAnswer)
    return reply.send(await answer)
  }

  #sendLines(reply: FastifyReply, name: MethodName, events: AsyncIterable<unknown>): FastifyReply {
    const lines = streamOfLines(this.#unlessStopping(events), (error) => this.#options.onFailure?.(name, error))
    return reply.type('application/x-ndjson').send(lines)
  }

  #sendBytes(reply: FastifyReply, name: MethodName, answer: CatAnswer): FastifyReply {
    const pieces = this.#unlessStopping(answer.bytes)
    const { stream, ending } = streamOfBytes(pieces, (error) => this.#options.onFailure?.(name, error))
    return reply
      .header(SIZE_HEADER, answer.size)
      .header(NOTICES_HEADER, encodeURIComponent(JSON.stringify(answer.notices)))
      .type('application/octet-stream')
      .trailer(END_TRAILER, async () => ending())
      .send(stream)
  }

  async *#unlessStopping<Item>(source: AsyncIterable<Item>): AsyncGenerator<Item> {
    try {
      yield* source
    } catch (error) {
      throw this.#translate(error)
    }
  }

  #ready(): NodeService {
    if (this.#state === 'ready' && this.#service !== undefined) return this.#service
    throw this.#state === 'stopping'
      ? stopping()
      : new HoldfastError('HF_NOT_RUNNING', 'the node is starting', { retryable: true })
  }

  /** What `stop` aborted was not given up by the caller. */
  #translate(error: unknown): HoldfastError {
    const known = asHoldfastError(error)
    return known.code === 'HF_ABORTED' && this.#state === 'stopping' ? stopping(known) : known
  }

  #fail(reply: FastifyReply, method: string, cause: unknown): void {
    const error = this.#translate(cause)
    this.#options.onFailure?.(method, error)
    void reply.status(statusOf(error.code)).send(wireError(error))
  }
}

const stopping = (cause?: unknown): HoldfastError =>
  new HoldfastError('HF_CLOSED', 'the node is stopping', { cause, next: 'start it again: holdfast up' })

function checkVersion(request: FastifyRequest): void {
  const version = Number(request.headers[VERSION_HEADER])
  if (version >= API_VERSION_OLDEST && version <= API_VERSION) return
  throw new HoldfastError(
    'HF_BAD_INPUT',
    `this node speaks versions ${API_VERSION_OLDEST} to ${API_VERSION} of its API`,
    {
      next: `send the header ${VERSION_HEADER}: ${API_VERSION}; if you used the command line, install the version the node runs`,
    },
  )
}

/** Fastify's own refusals (not JSON, too large, wrong type) carry a status; the rest passes. */
function asApiError(error: unknown): unknown {
  const status = (error as { statusCode?: unknown }).statusCode
  if (error instanceof HoldfastError || typeof status !== 'number' || status >= 500) return error
  return new HoldfastError('HF_BAD_INPUT', (error as Error).message, { cause: error })
}
