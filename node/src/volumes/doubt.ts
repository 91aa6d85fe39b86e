import { equalBytes, SECOND_MS } from '@holdfast/ports'
import type { Clock, NodeId } from '@holdfast/ports'
import type { EpochRecord } from '@holdfast/failover'
import type { Authority } from '../authority/index.ts'
import { claimOf, gatherVotes, type EpochService, type Round, type VoterRecords } from '../epochs/index.ts'
import type { MemberHead, Replication } from '../replication/index.ts'
import type { Volume } from './volume.ts'

/** Between two tries of a writer to get its next epoch certified, ms. */
export const CLAIM_INTERVAL_MS = SECOND_MS
/** What a starting primary waits for its members to say how far they are, ms, before it writes. */
export const MEMBERS_WAIT_MS = 3 * SECOND_MS
/** Between two looks at something that is waited for, ms. */
const LOOK_INTERVAL_MS = 100

export interface DoubtParts {
  readonly self: NodeId
  readonly authority: Pick<Authority, 'state' | 'nameOf'>
  readonly service: EpochService
  readonly records: VoterRecords
  readonly replication: Pick<Replication, 'heads' | 'peers'>
  readonly clock: Clock
  /** The volume was closed or opened anew: whoever waits gives up. */
  readonly stopped: () => boolean
  /** One sentence for `status`, in the place of the one before; undefined takes it away. */
  readonly say: (sentence: string | undefined) => void
}

/** Why a primary must not go on in this epoch, if it must not: it may have signed blocks that it does not hold. `startLength` is
 *  what it held before it took anything from members. Waits until each of them has told its head or cannot be reached, but no
 *  longer than `MEMBERS_WAIT_MS`. */
export async function reasonOfDoubt(
  parts: DoubtParts,
  volume: Volume,
  startLength: number,
): Promise<string | undefined> {
  const { self, replication, records } = parts
  const left = 'it has left this epoch'
  if (records.inDoubt(volume.id, volume.newestEpoch)) return left
  const others = volume.members.filter(({ node }) => !equalBytes(node, self))
  const isSettled = ({ node }: { node: NodeId }): boolean =>
    replication.heads(volume.id).some((head) => equalBytes(head.member, node)) ||
    replication.peers().some((peer) => equalBytes(peer.peer, node) && peer.failures > 0)
  await until(parts, () => others.every(isSettled), MEMBERS_WAIT_MS)
  for (const head of membersHeads(parts, volume)) {
    const reason = await reasonOfHead(volume, head, startLength)
    if (reason !== undefined) return `${parts.authority.nameOf(head.member)} ${reason}`
  }
  return records.inDoubt(volume.id, volume.newestEpoch) ? left : undefined
}

/** What a member's head says against this node's journal. `length` is how much this node is sure to have signed itself. */
export async function reasonOfHead(volume: Volume, head: MemberHead, length: number): Promise<string | undefined> {
  if (head.epoch > volume.newestEpoch) return `knows epoch ${head.epoch} of the volume`
  if (!equalBytes(head.coreKey, volume.coreKey)) return undefined
  if (head.length > length) return `holds ${head.length} journal blocks, this node ${length}`
  const own = await volume.log.treeHashAt(head.length)
  if (own === undefined || equalBytes(own, head.treeHash)) return undefined
  return 'holds other journal blocks under the same numbers: they were signed twice'
}

export type DoubtOutcome =
  | { readonly type: 'certified'; readonly record: EpochRecord }
  /** This member holds other blocks than this node, and its count. */
  | { readonly type: 'other-blocks'; readonly head: MemberHead }
  | { readonly type: 'stopped' }

/**
 * A primary in doubt: it writes nothing to its log any more. It takes what members hold and it lacks, then claims the next
 * epoch from the cut that it holds, until the voters certify it. Nothing is acknowledged meanwhile beyond this node: what
 * changes goes to a pending journal.
 */
export async function resolveDoubt(parts: DoubtParts, volume: Volume): Promise<DoubtOutcome> {
  let promisedEpoch = 0
  for (; !parts.stopped(); await pause(parts.clock, CLAIM_INTERVAL_MS)) {
    const heads = membersHeads(parts, volume)
    // Blocks below a known cut, and epochs that members know, come first: the volume is opened anew when they are here.
    if (volume.cut !== undefined || heads.some((head) => head.epoch > volume.newestEpoch)) {
      parts.say('members are in a later epoch than this node; it takes what it lacks from them before it writes')
      continue
    }
    const other = await findOtherBlocks(parts, volume, heads)
    if (other !== undefined && equalBytes(volume.coreKey, volume.storedKey))
      return { type: 'other-blocks', head: other }
    if (other !== undefined) {
      parts.say(
        'members hold different journal blocks under the same numbers; changes are recorded on this node alone until a person has looked',
      )
      continue
    }
    const longest = Math.max(0, ...onCore(volume, heads).map((head) => head.length))
    const { length } = volume.log.head()
    if (longest > length) {
      parts.say(`members hold ${longest} journal blocks, this node ${length}; it fetches them before it writes`)
      continue
    }
    const known = [promisedEpoch, ...heads.map((head) => head.epoch)]
    const { hash } = parts.authority.state.head()
    const claim = claimOf(volume, parts.self, hash, parts.records.of(volume.id), known)
    const round = await gatherVotes(parts.service, volume, claim)
    if (parts.stopped()) break
    if (round.record !== undefined) return { type: 'certified', record: round.record }
    promisedEpoch = round.promisedEpoch
    parts.say(sentenceOf(parts, claim.epoch, round))
  }
  return { type: 'stopped' }
}

const membersHeads = ({ replication }: DoubtParts, volume: Volume): MemberHead[] =>
  replication.heads(volume.id).filter((head) => volume.members.some(({ node }) => equalBytes(node, head.member)))
const onCore = (volume: Volume, heads: readonly MemberHead[]): MemberHead[] =>
  heads.filter((head) => equalBytes(head.coreKey, volume.coreKey))

/** The head with most blocks of those that this node's blocks do not lead to. */
async function findOtherBlocks(
  parts: DoubtParts,
  volume: Volume,
  heads: readonly MemberHead[],
): Promise<MemberHead | undefined> {
  const longestFirst = onCore(volume, heads).toSorted((a, b) => b.length - a.length)
  for (const head of longestFirst) if (await isOther(parts, volume, head)) return head
  return undefined
}

async function isOther({ service }: DoubtParts, volume: Volume, head: MemberHead): Promise<boolean> {
  const { length } = volume.log.head()
  if (head.length <= length) {
    const own = await volume.log.treeHashAt(head.length)
    return own !== undefined && !equalBytes(own, head.treeHash)
  }
  if (length === 0) return false
  try {
    const frame = await service.fetchFrame(head.member, volume.id, volume.coreKey, length)
    return frame !== undefined && frame.start === volume.log.head().length && volume.log.verify(frame) === undefined
  } catch {
    // A member that does not answer now is asked again in the next round.
    return false
  }
}

function sentenceOf({ authority }: DoubtParts, epoch: number, { refusals, silent }: Round): string {
  const names = (nodes: readonly NodeId[]): string => nodes.map((node) => authority.nameOf(node)).join(', ')
  const waits = silent.length === 0 ? [] : [`waits for ${names(silent)}`]
  const refused = refusals.map(({ node, refusal }) => `${authority.nameOf(node)}: ${refusal}`)
  return `this node may have lost journal blocks and claims epoch ${epoch}; until its voters agree, changes are recorded on this node alone (${[...waits, ...refused].join('; ')})`
}

async function until(parts: DoubtParts, condition: () => boolean, limitMs: number): Promise<void> {
  const endMs = parts.clock.monotonicMs() + limitMs
  while (!condition() && !parts.stopped() && parts.clock.monotonicMs() < endMs)
    await pause(parts.clock, LOOK_INTERVAL_MS)
}

export const pause = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    clock.setTimer(delayMs, resolve)
  })
