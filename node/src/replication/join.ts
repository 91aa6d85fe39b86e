/** Joining, both sides: one request and one answer on a stream of the join protocol. What they mean is the charter's. */
import { HoldfastError, JOIN_PROTOCOL } from '@holdfast/ports'
import type { MessageStream } from '@holdfast/ports'
import { decodeCall, encodeCall } from '@holdfast/replication'
import { answerCall, asLocalError } from './calls.ts'
import { asError, orAborted } from './tasks.ts'
import type { JoinHandler, JoinRequestOptions, ReplicationLog } from './types.ts'

/** Longest time for a join, ms: the inviter may have to ask a majority of the mesh. */
export const JOIN_TIMEOUT_MS = 60_000
const JOIN_METHOD = 'join'

/** Answers one join request. */
export async function serveJoin(
  stream: MessageStream,
  handler: JoinHandler | undefined,
  signal: AbortSignal,
  log: ReplicationLog,
): Promise<void> {
  const encoded = await stream.receive({ signal })
  if (!encoded) return
  const request = decodeCall(encoded)
  if (request.type !== 'request' || request.method !== JOIN_METHOD) {
    throw new HoldfastError('HF_PEER_PROTOCOL', 'not a join request')
  }
  const answering = answerCall(request, handler && ((body, from) => handler(from, body)), stream, log)
  const answer = await orAborted(answering, signal)
  await stream.send(encodeCall(answer), { signal })
  await stream.close()
  // The joiner closes when it has the answer.
  while (await stream.receive({ signal })) continue
}

/** Sends one join request to the inviter and returns its answer.
 *  @throws HF_PEER_UNREACHABLE, HF_PEER_REFUSED, HF_TIMEOUT, HF_ABORTED, and what the inviter's handler threw */
export async function requestJoin(options: JoinRequestOptions): Promise<Uint8Array> {
  const { transport, clock, inviter, addresses, request } = options
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(options.signal?.reason)
  if (options.signal?.aborted) onAbort()
  options.signal?.addEventListener('abort', onAbort, { once: true })
  let timedOut = false
  const timer = clock.setTimer(JOIN_TIMEOUT_MS, () => {
    timedOut = true
    controller.abort()
  })
  try {
    const { signal } = controller
    await transport.connect(inviter, addresses, { signal })
    const stream = await transport.open(inviter, JOIN_PROTOCOL, { signal })
    try {
      await stream.send(encodeCall({ type: 'request', id: 0, method: JOIN_METHOD, body: request }), { signal })
      const encoded = await stream.receive({ signal })
      if (!encoded) throw new HoldfastError('HF_PEER_PROTOCOL', 'the inviter gave no answer')
      const answer = decodeCall(encoded)
      if (answer.type === 'failure') throw asLocalError(answer)
      if (answer.type !== 'response') throw new HoldfastError('HF_PEER_PROTOCOL', 'the inviter gave no answer')
      await stream.close()
      return Uint8Array.from(answer.body)
    } catch (error) {
      stream.abort()
      throw error
    }
  } catch (error) {
    if (timedOut)
      throw new HoldfastError('HF_TIMEOUT', 'the inviter does not answer', { cause: error, retryable: true })
    throw asError(error)
  } finally {
    timer.cancel()
    options.signal?.removeEventListener('abort', onAbort)
  }
}
