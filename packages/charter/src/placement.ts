import { labelledHash } from '@holdfast/hash'
import { equalBytes, type NodeId, type VolumeId } from '@holdfast/ports'
import { holdsData, mayVote, type NodeInfo, type Role } from './types.ts'

export interface PlacementQuestion {
  readonly volume: VolumeId
  /** Nodes of the mesh. */
  readonly nodes: readonly NodeInfo[]
  /** Members that the volume has, the primary among them. */
  readonly members: readonly { readonly node: NodeId; readonly role: Role }[]
  /** Copies wanted, those of the members included. */
  readonly copies: number
}

/** Nodes to be added as members, best first, until the copies are reached or no node is left. Nodes with a vote go before
 *  learners; among them those in regions that hold no copy yet; among those the one with the highest rendezvous hash of
 *  (volume, node), so that every node computes the same and few members move when nodes come and go. Witnesses and vaults
 *  are members by a person's choice only. Source: Thaler and Ravishankar, Using name-based mappings to increase hit rates, 1998. */
export function chooseMembers({ volume, nodes, members, copies }: PlacementQuestion): NodeInfo[] {
  const wanted = copies - members.filter((member) => holdsData(member.role)).length
  const isMember = (node: NodeInfo): boolean => members.some((member) => equalBytes(member.node, node.id))
  const usedRegions = new Set(nodes.filter(isMember).map((node) => node.region))
  const candidates = nodes
    .filter((node) => !isMember(node) && node.role !== 'witness' && node.role !== 'vault')
    .map((node) => ({ node, score: labelledHash('holdfast placement 1', volume, node.id) }))
    .toSorted((a, b) => Buffer.compare(b.score, a.score))
  const chosen: NodeInfo[] = []
  while (chosen.length < wanted && candidates.length > 0) {
    const rank = ({ node }: { node: NodeInfo }): number =>
      (mayVote(node.role) ? 0 : 2) + (usedRegions.has(node.region) ? 1 : 0)
    const best = Math.min(...candidates.map(rank))
    const [next] = candidates.splice(
      candidates.findIndex((candidate) => rank(candidate) === best),
      1,
    )
    if (next === undefined) break
    usedRegions.add(next.node.region)
    chosen.push(next.node)
  }
  return chosen
}
