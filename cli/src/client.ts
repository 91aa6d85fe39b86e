/**
 * The control API from the caller's side. Node's own HTTP client: it is there already, while loading undici takes longer
 * than a whole command.
 */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { HoldfastError, MIB } from '@holdfast/ports'
import {
  API_VERSION,
  END_COMPLETE,
  END_TRAILER,
  METHOD_KINDS,
  NOTICES_HEADER,
  pathOfMethod,
  SIZE_HEADER,
  VERSION_HEADER,
  type CallOptions,
  type CatAnswer,
  type FailureLine,
  type MethodName,
  type NodeClient,
  type WireError,
} from '@holdfast/node/api'
import { isErrorCode } from './exit-codes.ts'

/** A document of the API: a few hundred bytes per node, member and volume. */
export const DOCUMENT_BYTES_MAX = 64 * MIB
/** A line: an entry holds at most a path and a target of 4 KiB each, a summary a few members per volume. */
export const LINE_BYTES_MAX = 4 * MIB

/** Opens a connection when it is first used. Every call can throw what the method can, and HF_NOT_RUNNING (nobody there, or gone in the middle). */
export function createClient(socketPath: string): NodeClient {
  const agent = new Agent({ keepAlive: true })
  const post: Post = (name, body, { signal }) => send({ agent, socketPath, name, body, signal })
  const methods = Object.entries(METHOD_KINDS).map(([name, kind]) => {
    const method = name as MethodName
    const call = { document: callDocument, lines: callLines, bytes: callBytes }[kind]
    return [method, (request: unknown, options: CallOptions) => call(post, method, request, options)]
  })
  return {
    ...(Object.fromEntries(methods) as NodeClient),
    about: async (options) =>
      (await callDocument(post, 'about', {}, options)) as Awaited<ReturnType<NodeClient['about']>>,
    close: () => agent.destroy(),
  }
}

type Post = (name: MethodName | 'about', body: unknown, options: CallOptions) => Promise<IncomingMessage>

interface Sending {
  readonly agent: Agent
  readonly socketPath: string
  readonly name: MethodName | 'about'
  readonly body: unknown
  readonly signal: AbortSignal
}

/** Resolves with the head of a good answer. */
async function send({ agent, socketPath, name, body, signal }: Sending): Promise<IncomingMessage> {
  const payload = Buffer.from(JSON.stringify(body))
  const headers = {
    'content-type': 'application/json',
    'content-length': payload.byteLength,
    [VERSION_HEADER]: API_VERSION,
  }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpRequest(
      { agent, socketPath, path: pathOfMethod(name), method: 'POST', headers, signal },
      resolve,
    )
    request.once('error', (cause) => reject(connectionError(cause, signal)))
    request.end(payload)
  })
  if (response.statusCode === 200) return response
  throw errorOfWire((await readDocument(response, signal)) as WireError)
}

async function callDocument(
  post: Post,
  name: MethodName | 'about',
  body: unknown,
  options: CallOptions,
): Promise<unknown> {
  return readDocument(await post(name, body, options), options.signal)
}

async function* callLines(post: Post, name: MethodName, body: unknown, options: CallOptions): AsyncGenerator {
  const response = await post(name, body, options)
  let ended = false
  for await (const line of linesOf(response, options.signal)) {
    const event = JSON.parse(line) as { message_type: string } | FailureLine
    if (event.message_type === 'exit_error') throw errorOfWire(event as FailureLine)
    ended = event.message_type === 'summary'
    yield event
  }
  if (!ended) throw connectionError(undefined, options.signal)
}

async function callBytes(post: Post, name: MethodName, body: unknown, options: CallOptions): Promise<CatAnswer> {
  const response = await post(name, body, options)
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for await (const piece of contentOf(response, options.signal)) yield piece
    const ending = response.trailers[END_TRAILER]
    if (ending === undefined) throw connectionError(undefined, options.signal)
    if (ending !== END_COMPLETE) throw errorOfWire(JSON.parse(decodeURIComponent(ending)) as WireError)
  }
  const notices = JSON.parse(decodeURIComponent(String(response.headers[NOTICES_HEADER] ?? '[]'))) as string[]
  return { size: Number(response.headers[SIZE_HEADER]), notices, bytes: bytes() }
}

async function readDocument(response: IncomingMessage, signal: AbortSignal): Promise<unknown> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of contentOf(response, signal)) {
    parts.push(part)
    length += part.byteLength
    if (length > DOCUMENT_BYTES_MAX) throw new HoldfastError('HF_INTERNAL', 'the node answers without end')
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'))
  } catch (cause) {
    throw new HoldfastError('HF_INTERNAL', 'what answers on the control socket is not a Holdfast node', { cause })
  }
}

async function* linesOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const part of contentOf(response, signal)) {
    const content = rest.byteLength === 0 ? Buffer.from(part) : Buffer.concat([rest, part])
    let start = 0
    for (let end = content.indexOf(NEWLINE); end >= 0; end = content.indexOf(NEWLINE, start)) {
      yield content.toString('utf8', start, end)
      start = end + 1
    }
    rest = content.subarray(start)
    if (rest.byteLength > LINE_BYTES_MAX)
      throw new HoldfastError('HF_INTERNAL', 'the node answers with a line without end')
  }
}

const NEWLINE = 0x0a

async function* contentOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const part of response) yield part as Uint8Array
  } catch (cause) {
    throw connectionError(cause, signal)
  }
}

/** Absent or refusing sockets, and answers that stop in the middle. */
function connectionError(cause: unknown, signal: AbortSignal): HoldfastError {
  if (signal.aborted) return new HoldfastError('HF_ABORTED', 'interrupted', { cause })
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  if (code === 'EACCES' || code === 'EPERM') {
    return new HoldfastError('HF_NOT_RUNNING', 'the control socket belongs to another user', {
      cause,
      next: 'run it as the user that runs the node',
    })
  }
  const absent = code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTSOCK'
  const message = absent ? 'the node is not running' : 'the node went away before it had answered'
  return new HoldfastError('HF_NOT_RUNNING', message, { cause, retryable: true, next: 'start it: holdfast up' })
}

function errorOfWire(wire: WireError): HoldfastError {
  const code = isErrorCode(wire.hf_code) ? wire.hf_code : 'HF_INTERNAL'
  return new HoldfastError(code, wire.message, {
    retryable: wire.retryable,
    ...(wire.next === undefined ? {} : { next: wire.next }),
  })
}
