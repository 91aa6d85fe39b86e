import { CharterState, type JoinToken } from '@holdfast/charter'
import { createLibp2pTransport } from '@holdfast/mesh-libp2p'
import { asNodeId, equalBytes, HoldfastError } from '@holdfast/ports'
import type { NodeId } from '@holdfast/ports'
import { openHome, type Home } from './home/index.ts'
import { receiveCharter } from './replication/index.ts'
import { createSystemClock } from './system/index.ts'

/** A home that was brought back from a copy made before others joined knows none of them: it refuses them as strangers and has
 *  nobody to dial. A token says where one of them is. The node asks there as itself, which it may since it is in their charter, and
 *  takes what it is given only if that continues what it trusts. */
export interface LearnCharterOptions {
  readonly home: string
  readonly passphrase?: string
  /** Of the same mesh; used or expired it is as good. */
  readonly token: JoinToken
  readonly signal: AbortSignal
}

export interface LearntCharter {
  readonly self: NodeId
  /** Digest of the charter that the home had; undefined if that could not be read. */
  readonly before: Uint8Array | undefined
  /** What the home has now, durably. */
  readonly state: CharterState
}

/** @throws HF_HOME_IN_USE if the node runs, HF_WRONG_KEY, HF_PEER_UNREACHABLE, HF_PEER_REFUSED, HF_TIMEOUT, HF_CHARTER_REFUSED,
 *  HF_ABORTED; the home is as it was then */
export async function learnCharter({
  home: directory,
  passphrase,
  token,
  signal,
}: LearnCharterOptions): Promise<LearntCharter> {
  const clock = createSystemClock()
  const home = openHome(directory, passphrase)
  try {
    const transport = createLibp2pTransport({
      signingKey: home.signingKey,
      listen: [],
      admit: (peer) => (equalBytes(peer, token.inviter) ? 'member' : 'refused'),
      clock,
    })
    await transport.start()
    let bundle: Uint8Array
    try {
      const { inviter: peer, addresses } = token
      bundle = await receiveCharter({ transport, clock, peer, addresses, signal })
    } finally {
      await transport.stop()
    }
    return takeCharter(home, bundle)
  } finally {
    home.close()
  }
}

/** Verifies a charter against what the home trusts, and keeps it. @throws HF_CHARTER_REFUSED, HF_DECODE */
export function takeCharter(
  home: Pick<Home, 'signingKey' | 'identity' | 'readState' | 'writeState'>,
  bundle: Uint8Array,
): LearntCharter {
  const anchor = { mesh: home.identity.mesh, charterHash: home.identity.trustedCharterHash }
  const known = knownCharter(home.readState('charter'), anchor)
  const state = known === undefined ? CharterState.open(bundle, anchor) : known.merge(bundle).state
  const self = asNodeId(home.signingKey.publicKey)
  if (state.node(self) === undefined)
    throw new HoldfastError('HF_CHARTER_REFUSED', 'this node was removed from the mesh; nothing was changed', {
      next: 'join as a new node, with another --home',
    })
  const before = known?.digest()
  if (before === undefined || !equalBytes(before, state.digest())) home.writeState('charter', state.encodeBundle())
  return { self, before, state }
}

/** Undefined if it is missing or damaged. */
function knownCharter(
  kept: Uint8Array | undefined,
  anchor: { readonly mesh: Uint8Array; readonly charterHash: Uint8Array },
): CharterState | undefined {
  try {
    return kept === undefined ? undefined : CharterState.open(kept, anchor)
  } catch {
    return undefined
  }
}
