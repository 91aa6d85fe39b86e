import { sign, type SigningKey } from '@holdfast/keys'
import type { MeshId } from '@holdfast/ports'
import { encodeBundle } from './bundle.ts'
import { encodeVersion, LABELS, versionHash, voteBytes, zeroHash, type Certificate } from './documents.ts'
import { CharterState } from './state.ts'
import type { NodeInfo } from './types.ts'

export interface FoundOptions {
  readonly mesh: MeshId
  /** Name of the mesh, 1 to 63 bytes. */
  readonly name: string
  /** The founding node; its role is `full`. */
  readonly node: NodeInfo
  readonly nodeKey: SigningKey
  readonly operatorKey: SigningKey
  readonly timeMs: number
}

/** The charter of a mesh of one: version 1, signed by its node and by the operator key.
 *  @throws HF_CHARTER_REFUSED if a name is none */
export function foundCharter(options: FoundOptions): CharterState {
  const { mesh, name, node, nodeKey, operatorKey, timeMs } = options
  const body = encodeVersion({
    mesh,
    number: 1,
    previous: zeroHash(),
    timeMs,
    changes: [{ type: 'found', name, operatorKey: operatorKey.publicKey, node }],
  })
  const hash = versionHash(body)
  const ballot = { round: 1, proposer: node.id }
  const certificate: Certificate = {
    ballot,
    votes: [{ node: node.id, signature: sign(nodeKey, LABELS.versionVote, voteBytes(ballot, hash)) }],
    operatorSignature: sign(operatorKey, LABELS.versionOperator, hash),
  }
  const bundle = encodeBundle({ mesh, head: hash, versions: [{ body, certificate }], entries: [] })
  return CharterState.open(bundle, { mesh, charterHash: hash })
}
