import { HoldfastError, hexOf } from '@holdfast/ports'
import type { NodeId } from '@holdfast/ports'

/** What libp2p threw, as one of the codes that the transport port names. */
export function asTransportError(error: unknown, peer: NodeId, signal: AbortSignal | undefined): HoldfastError {
  if (error instanceof HoldfastError) return error
  const detail = { cause: error, peer: hexOf(peer) }
  if (signal?.aborted) return new HoldfastError('HF_ABORTED', 'aborted', detail)
  const name = error instanceof Error ? error.name : ''
  const text = error instanceof Error ? error.message : String(error)
  switch (name) {
    case 'ConnectionInterceptedError':
    case 'DialDeniedError':
      return new HoldfastError('HF_PEER_REFUSED', 'the peer is not a member', detail)
    case 'UnsupportedProtocolError':
      return new HoldfastError('HF_PEER_PROTOCOL', 'the peer does not speak the protocol', detail)
    default:
      return new HoldfastError('HF_PEER_UNREACHABLE', `the peer cannot be reached: ${text}`, {
        ...detail,
        retryable: true,
      })
  }
}

/** What libp2p threw when it could not listen. */
export function asListenError(error: unknown, listen: readonly string[]): HoldfastError {
  const text = error instanceof Error ? error.message : String(error)
  if (/EADDRINUSE|EACCES|EADDRNOTAVAIL/.test(text)) {
    return new HoldfastError('HF_PORT_TAKEN', `cannot listen at ${listen.join(', ')}`, {
      cause: error,
      next: 'choose another address or port, or stop what uses it',
    })
  }
  return new HoldfastError('HF_INTERNAL', `the transport does not start: ${text}`, { cause: error })
}
