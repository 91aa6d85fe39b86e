import { verify } from '@holdfast/keys'
import { equalBytes, HoldfastError, hexOf, shortId, type MeshId, type NodeId } from '@holdfast/ports'
import {
  admissionBytes,
  admissionRequestBytes,
  decodeVersion,
  LABELS,
  versionHash,
  voteBytes,
  zeroHash,
  type Admission,
  type Certificate,
  type CertifiedVersion,
  type CharterChange,
  type CharterVersion,
} from './documents.ts'
import { isName, NAME_BYTES_MAX, NODES_MAX } from './limits.ts'
import { mayVote, type MeshInfo, type NodeInfo } from './types.ts'

/** The chain of charter versions: each names the hash of the one before and is certified by a majority of that one's
 *  voters. A version that only admits nodes needs no more; any other change needs the operator key too, which alone may
 *  write the version `OPERATOR_LEAP` further on when no majority lives. Such a leap wins over what was certified beside it. */

export const OPERATOR_LEAP = 1000

/** One version in force: what it says, and the mesh as it stands after it. Immutable. */
export interface Link {
  readonly certified: CertifiedVersion
  readonly version: CharterVersion
  readonly hash: Uint8Array
  readonly mesh: MeshInfo
  /** By id in hex. */
  readonly nodes: ReadonlyMap<string, NodeInfo>
  /** Nodes of this version and all before, by id in hex, as they were last. An id that left never comes back. */
  readonly everNodes: ReadonlyMap<string, NodeInfo>
  /** One-time keys that were used, in hex. */
  readonly usedKeys: ReadonlySet<string>
}

export const refused = (reason: string, cause?: unknown): HoldfastError =>
  new HoldfastError('HF_CHARTER_REFUSED', reason, cause === undefined ? {} : { cause })

/** Voters of the version after: all nodes that are neither vault nor learner. */
export function votersOf(link: Link): NodeId[] {
  return [...link.nodes.values()].filter((node) => mayVote(node.role)).map((node) => node.id)
}

export const majorityOf = (count: number): number => Math.floor(count / 2) + 1

/** Whether the version follows by a leap, so that the operator's signature is all it needs. */
export const isLeap = (parent: Link, version: CharterVersion): boolean =>
  version.number === parent.version.number + OPERATOR_LEAP

/** Whether these changes need the operator key: all but the admission of nodes. */
export const needsOperator = (version: CharterVersion): boolean =>
  version.changes.some((change) => change.type !== 'admit')

/** The link that a proposed version would make, its votes aside. @throws HF_CHARTER_REFUSED, HF_DECODE */
export function checkProposal(
  parent: Link,
  body: Uint8Array,
  operatorSignature: Uint8Array | undefined,
): Omit<Link, 'certified'> {
  const version = decodeVersion(body)
  const hash = versionHash(body)
  if (!equalBytes(version.mesh, parent.mesh.id)) throw refused('the version is of another mesh')
  if (version.number !== parent.version.number + 1 && !isLeap(parent, version)) {
    throw refused(`version ${version.number} does not follow version ${parent.version.number}`)
  }
  if (!equalBytes(version.previous, parent.hash))
    throw refused(`version ${version.number} names another version before it`)
  if (needsOperator(version) || isLeap(parent, version)) requireOperator(parent.mesh, hash, operatorSignature)
  return { version, hash, ...applyChanges(parent, version) }
}

/** The link that a certified version makes. @throws HF_CHARTER_REFUSED, HF_DECODE */
export function checkVersion(parent: Link, certified: CertifiedVersion): Link {
  const link = checkProposal(parent, certified.body, certified.certificate.operatorSignature)
  if (!isLeap(parent, link.version)) requireMajority(votersOf(parent), certified.certificate, link)
  return Object.freeze({ certified, ...link })
}

/** Version 1: made by one node and the operator key, both of which sign it. Who trusts it must have its hash from elsewhere.
 *  @throws HF_CHARTER_REFUSED, HF_DECODE */
export function checkGenesis(certified: CertifiedVersion): Link {
  const version = decodeVersion(certified.body)
  const hash = versionHash(certified.body)
  const [change, ...others] = version.changes
  if (change?.type !== 'found' || others.length > 0) throw refused('version 1 founds the mesh and does nothing else')
  if (version.number !== 1 || !equalBytes(version.previous, zeroHash()))
    throw refused('the chain does not begin with version 1')
  checkNodeInfo(change.node)
  if (change.node.role !== 'full') throw refused('the founding node is full')
  if (!isName(change.name, NAME_BYTES_MAX)) throw refused('the name of the mesh is not one')
  const mesh = Object.freeze({ id: version.mesh, name: change.name, operatorKey: change.operatorKey })
  requireOperator(mesh, hash, certified.certificate.operatorSignature)
  requireMajority([change.node.id], certified.certificate, { version, hash })
  const nodes = new Map([[hexOf(change.node.id), change.node]])
  return Object.freeze({ certified, version, hash, mesh, nodes, everNodes: nodes, usedKeys: new Set<string>() })
}

function requireOperator(mesh: MeshInfo, hash: Uint8Array, signature: Uint8Array | undefined): void {
  if (signature === undefined || !verify(mesh.operatorKey, LABELS.versionOperator, hash, signature)) {
    throw refused('this change needs the signature of the operator key')
  }
}

function requireMajority(
  voters: readonly NodeId[],
  certificate: Certificate,
  link: { version: CharterVersion; hash: Uint8Array },
): void {
  const signed = voteBytes(certificate.ballot, link.hash)
  const eligible = new Set(voters.map(hexOf))
  let before = ''
  for (const vote of certificate.votes) {
    const id = hexOf(vote.node)
    if (id <= before) throw refused('the votes of a certificate are not in ascending order')
    before = id
    if (!eligible.has(id)) throw refused(`node ${shortId(vote.node)} has no vote on version ${link.version.number}`)
    if (!verify(vote.node, LABELS.versionVote, signed, vote.signature)) {
      throw refused(`the vote of node ${shortId(vote.node)} on version ${link.version.number} is not its own`)
    }
  }
  if (certificate.votes.length < majorityOf(voters.length)) {
    throw refused(
      `version ${link.version.number} has ${certificate.votes.length} of ${voters.length} votes, no majority`,
    )
  }
}

type Standing = Pick<Link, 'mesh' | 'nodes' | 'everNodes' | 'usedKeys'>

function applyChanges(parent: Link, version: CharterVersion): Standing {
  if (version.changes.length === 0) throw refused('a version changes something')
  const nodes = new Map(parent.nodes)
  const everNodes = new Map(parent.everNodes)
  const usedKeys = new Set(parent.usedKeys)
  for (const change of version.changes) applyChange(change, { mesh: parent.mesh, nodes, everNodes, usedKeys }, parent)
  if (![...nodes.values()].some((node) => mayVote(node.role))) throw refused('no voter would be left')
  if (everNodes.size > NODES_MAX) throw refused(`a mesh has at most ${NODES_MAX} nodes over its life`)
  return { mesh: parent.mesh, nodes, everNodes, usedKeys }
}

interface Draft {
  readonly mesh: MeshInfo
  readonly nodes: Map<string, NodeInfo>
  readonly everNodes: Map<string, NodeInfo>
  readonly usedKeys: Set<string>
}

function applyChange(change: CharterChange, draft: Draft, parent: Link): void {
  switch (change.type) {
    case 'found':
      throw refused('a mesh is founded once')
    case 'admit': {
      checkAdmission(change.admission, draft, parent)
      const node = change.admission.node
      draft.usedKeys.add(hexOf(change.admission.oneTimeKey))
      draft.nodes.set(hexOf(node.id), node)
      draft.everNodes.set(hexOf(node.id), node)
      return
    }
    case 'remove':
      if (!draft.nodes.delete(hexOf(change.node))) throw refused(`node ${shortId(change.node)} is not in the mesh`)
      return
    case 'set': {
      const id = hexOf(change.node.id)
      if (!draft.nodes.delete(id)) throw refused(`node ${shortId(change.node.id)} is not in the mesh`)
      checkNodeInfo(change.node)
      checkNameFree(change.node.name, draft)
      draft.nodes.set(id, change.node)
      draft.everNodes.set(id, change.node)
      return
    }
  }
}

function checkAdmission(admission: Admission, draft: Draft, parent: Link): void {
  const { node, inviter, oneTimeKey } = admission
  checkNodeInfo(node)
  if (draft.everNodes.has(hexOf(node.id))) throw refused(`node ${shortId(node.id)} is or was in the mesh already`)
  if (draft.usedKeys.has(hexOf(oneTimeKey))) throw refused('the invitation was used before')
  checkNameFree(node.name, draft)
  if (!parent.nodes.has(hexOf(inviter))) throw refused(`the inviter ${shortId(inviter)} is not in the mesh`)
  checkAdmissionRequest(parent.mesh.id, node.id, admission)
  if (!verify(inviter, LABELS.admission, admissionBytes(parent.mesh.id, admission), admission.inviterSignature)) {
    throw refused('the inviter did not sign the admission')
  }
}

/** @throws HF_CHARTER_REFUSED unless token and node both signed the request */
export function checkAdmissionRequest(
  mesh: MeshId,
  node: NodeId,
  request: Pick<Admission, 'oneTimeKey' | 'tokenSignature' | 'nodeSignature'>,
): void {
  const signed = admissionRequestBytes(mesh, request.oneTimeKey, node)
  if (!verify(request.oneTimeKey, LABELS.admissionRequest, signed, request.tokenSignature)) {
    throw refused('the new node does not hold the token')
  }
  if (!verify(node, LABELS.admissionRequest, signed, request.nodeSignature)) {
    throw refused('the new node does not hold its own key')
  }
}

function checkNodeInfo(node: NodeInfo): void {
  if (!isName(node.name, NAME_BYTES_MAX)) throw refused('the name of a node is not one')
  if (!isName(node.region, NAME_BYTES_MAX)) throw refused('the region of a node is not one')
}

function checkNameFree(name: string, draft: Draft): void {
  for (const node of draft.nodes.values())
    if (node.name === name) throw refused(`there is a node named ${name} already`)
}
