/** One charter from one peer, for a node that is not running: peers send theirs to whoever connects. */
import { HoldfastError, equalBytes } from '@holdfast/ports'
import type { Clock, NodeId, Transport } from '@holdfast/ports'
import { CHARTER_PROTOCOL, CONTROL_PROTOCOL } from '@holdfast/replication'

/** Longest wait for a connection and the charter, ms. */
export const RECEIVE_CHARTER_TIMEOUT_MS = 20_000

export interface ReceiveCharterOptions {
  /** Started, and not in use by anything else. */
  readonly transport: Transport
  readonly clock: Clock
  readonly peer: NodeId
  readonly addresses: readonly string[]
  readonly signal?: AbortSignal
}

/** The charter of the peer, not verified. @throws HF_PEER_UNREACHABLE, HF_PEER_REFUSED, HF_TIMEOUT, HF_ABORTED */
export async function receiveCharter(options: ReceiveCharterOptions): Promise<Uint8Array> {
  const { transport, clock, peer, addresses, signal } = options
  const ended = new AbortController()
  const onAbort = (): void => ended.abort(new HoldfastError('HF_ABORTED', 'aborted', { cause: signal?.reason }))
  if (signal?.aborted === true) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  const timer = clock.setTimer(RECEIVE_CHARTER_TIMEOUT_MS, () =>
    ended.abort(new HoldfastError('HF_TIMEOUT', 'the node that made the token does not answer', { retryable: true })),
  )
  const charter = new Promise<Uint8Array>((resolve, reject) => {
    ended.signal.addEventListener('abort', () => reject(ended.signal.reason as HoldfastError), { once: true })
    // A peer opens this one first, and the others once it has it.
    transport.handle(CONTROL_PROTOCOL, (stream) => void stream.receive({ signal: ended.signal }).catch(() => undefined))
    transport.handle(CHARTER_PROTOCOL, (stream) => {
      if (!equalBytes(stream.peer, peer)) return stream.abort()
      stream.receive({ signal: ended.signal }).then((bundle) => bundle !== undefined && resolve(bundle), reject)
    })
  })
  try {
    const [bundle] = await Promise.all([charter, transport.connect(peer, addresses, { signal: ended.signal })])
    return bundle
  } catch (error) {
    throw ended.signal.aborted ? ended.signal.reason : error
  } finally {
    timer.cancel()
    signal?.removeEventListener('abort', onAbort)
    ended.abort(new HoldfastError('HF_CLOSED', 'it is over'))
  }
}
