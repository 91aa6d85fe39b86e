import { getHeapStatistics } from 'node:v8'
import { equalBytes, hexOf } from '@holdfast/ports'
import type { VolumeEntry } from '@holdfast/charter'
import { decodeBlock, decodePublicRecord } from '@holdfast/journal'
import { isoTime } from '../api/iso-time.ts'
import type { PeerAnswer } from '../api/mesh-messages.ts'
import type { NodeService } from '../api/service.ts'
import type { MemberStatus, NodeStatus, PeerState, VolumeStatus } from '../api/status-messages.ts'
import type { NodeRole } from '../api/vocabulary.ts'
import type { PendingChanges } from '../pending/index.ts'
import type { PeerStatus } from '../replication/index.ts'
import type { Volume } from '../volumes/volume.ts'
import type { ServiceParts } from './parts.ts'

export interface NodeFacts {
  readonly name: string
  readonly region: string
  readonly mesh: string
  readonly listen: readonly string[]
  /** Directory of the drive. */
  readonly drive: string
  readonly startedAtMonotonicMs: number
  /** Capacity of the drive. */
  readonly space: () => { readonly freeBytes: number; readonly totalBytes: number }
}

/** How this node, its peers and its volumes are. */
export function createStatus(parts: ServiceParts, facts: NodeFacts): Pick<NodeService, 'status' | 'peers' | 'members'> {
  const { authority, volumes, replication } = parts

  const peerAnswer = (peer: PeerStatus): PeerAnswer => {
    const info = authority.node(peer.peer)
    return {
      node: authority.nameOf(peer.peer),
      id: hexOf(peer.peer),
      region: info?.region ?? '',
      state: peerState(peer),
      ...(peer.addresses[0] === undefined ? {} : { address: peer.addresses[0] }),
      ...(peer.rttMs === undefined ? {} : { latencyMs: peer.rttMs }),
      ...(peer.heardAtMs === undefined ? {} : { lastSeen: isoTime(peer.heardAtMs) }),
      ...(peer.lastError === undefined || peer.state === 'connected' ? {} : { reason: reasonOf(peer.lastError) }),
      ...(peer.blamed === 0 ? {} : { blamed: peer.blamedFor }),
      ...(peer.setAsideUntilMs === undefined ? {} : { setAsideUntil: isoTime(peer.setAsideUntilMs) }),
    }
  }

  return {
    async status() {
      const statuses = await Promise.all(authority.volumes().map((entry) => volumeStatus(parts, entry)))
      return { node: nodeStatus(parts, facts), volumes: statuses.toSorted((a, b) => (a.name < b.name ? -1 : 1)) }
    },
    peers: () => Promise.resolve(replication.peers().map(peerAnswer)),
    members: ({ volume }) => membersOf(parts, volumes.find(volume)),
  }
}

/** Why a peer is not connected. One that refuses a node which it once let in has forgotten it. */
function reasonOf({ code, message }: NonNullable<PeerStatus['lastError']>): string {
  if (code !== 'HF_PEER_REFUSED') return message
  return `${message}: was its home brought back from an old copy? then holdfast invite here, and holdfast join TOKEN there`
}

function peerState({ state, failures }: PeerStatus): PeerState {
  if (state === 'connected' || state === 'set-aside') return state
  return failures > 2 ? 'unreachable' : 'connecting'
}

function nodeStatus({ self, authority, replication, store, room, clock }: ServiceParts, facts: NodeFacts): NodeStatus {
  const { storedBytes } = store.stats()
  const { freeBytes, totalBytes } = facts.space()
  return {
    name: facts.name,
    id: hexOf(self),
    mesh: facts.mesh,
    region: facts.region,
    listen: facts.listen,
    peers: replication.peers().map((peer) => ({
      name: authority.nameOf(peer.peer),
      region: authority.node(peer.peer)?.region ?? '',
      state: peerState(peer),
      ...(peer.blamed === 0 ? {} : { blamed: peer.blamed }),
    })),
    drives: [{ path: facts.drive, state: room.state === 'enough' ? 'ok' : 'full', storedBytes, freeBytes, totalBytes }],
    storedBytes,
    rssBytes: process.memoryUsage.rss(),
    heapBytes: getHeapStatistics().used_heap_size,
    uptimeSeconds: (clock.monotonicMs() - facts.startedAtMonotonicMs) / 1000,
  }
}

async function volumeStatus(parts: ServiceParts, entry: VolumeEntry): Promise<VolumeStatus> {
  const { authority, volumes } = parts
  const volume = volumes.get(entry.volume)
  const counts = volume?.readable?.catalog.counts()
  const capture = volume === undefined ? undefined : parts.captureOf(volume.id)?.status()
  const members = volume === undefined ? [] : await membersOf(parts, volume)
  const others = members.filter((member) => member.role !== 'primary')
  const head = volume?.log.head().length ?? 0
  const safeLength = Math.max(0, ...others.map((member) => member.completeLength))
  const lags = others.map((member) => member.lagSeconds).filter((lag) => lag !== null)
  const copies = members.filter((member) => member.state !== 'unreachable').length
  const directory = authority.directoryOf(entry.volume)
  const pending = parts.pendingOf(entry.volume)
  const wanted = Math.min(entry.copies, authority.nodes().length)
  /** What is recorded on the primary alone is younger than that. */
  const rpoSeconds = (lag: number | null): number | null =>
    lag === null || pending?.sinceMs === undefined ? lag : Math.max(lag, (parts.clock.nowMs() - pending.sinceMs) / 1000)
  return {
    name: entry.name,
    id: hexOf(entry.volume),
    role: volume === undefined ? 'none' : ownRole(parts, volume),
    ...(directory === undefined ? {} : { directory }),
    protected: entry.protected,
    epoch: volume?.epoch ?? 1,
    length: head,
    seq: volume?.readable?.catalog.applied.seq ?? 0,
    primary: authority.nameOf(entry.primary),
    files: counts?.files ?? 0,
    bytes: counts?.bytes ?? 0,
    versions: counts?.versions ?? 0,
    coverage: capture?.coverageMs === undefined ? null : isoTime(capture.coverageMs),
    rpoSeconds: rpoSeconds(safeLength >= head && others.length > 0 ? 0 : lags.length > 0 ? Math.min(...lags) : null),
    pendingBytes: (capture?.pendingBytes ?? 0) + (safeLength >= head ? 0 : (volume?.completeness.missingBytes ?? 0)),
    pendingChanges: pending?.count ?? 0,
    pendingSince: pending?.sinceMs === undefined ? null : isoTime(pending.sinceMs),
    degraded: volume !== undefined && copies < wanted,
    copies,
    copiesWanted: wanted,
    unreadableCount: capture?.unreadableCount ?? 0,
    warnings: [
      ...(capture?.message === undefined ? [] : [capture.message]),
      ...(pending === undefined ? [] : [pendingSentence(pending)]),
      ...parts.volumeWarnings(entry.volume),
    ],
    members,
  }
}

function pendingSentence({ count, sinceMs }: PendingChanges): string {
  const since = sinceMs === undefined ? '' : ` since ${isoTime(sinceMs)}`
  return `${count} changes${since} are safe on this node alone and not in the history yet: they wait for the next epoch; start the members that it waits for, or mend the way to them`
}

function ownRole({ self }: ServiceParts, volume: Volume): VolumeStatus['role'] {
  if (volume.role === 'primary') return 'primary'
  return nodeRole(volume.members.find((member) => equalBytes(member.node, self))?.role ?? 'full')
}

const nodeRole = (role: string): NodeRole => (role === 'blind' || role === 'learner' ? role : 'full')

async function membersOf(parts: ServiceParts, volume: Volume): Promise<MemberStatus[]> {
  const { self, authority, replication, clock } = parts
  const acks = replication.acks(volume.id)
  const peers = new Map(replication.peers().map((peer) => [hexOf(peer.peer), peer]))
  const primaryHead = replication.heads(volume.id).find((head) => equalBytes(head.member, volume.entry.primary))
  const head = Math.max(volume.log.head().length, primaryHead?.length ?? 0)
  const answers = volume.members.map(async (member): Promise<MemberStatus> => {
    const own = equalBytes(member.node, self)
    const lengthOf = (level: 'accepted' | 'complete'): number =>
      acks.find((ack) => ack.level === level && equalBytes(ack.member, member.node))?.length ?? 0
    const acceptedLength = own ? volume.log.head().length : lengthOf('accepted')
    const completeLength = own ? volume.completeLength() : lengthOf('complete')
    const reached = own || peers.get(hexOf(member.node))?.state === 'connected'
    const current = completeLength >= head
    return {
      node: authority.nameOf(member.node),
      region: authority.node(member.node)?.region ?? '',
      state: !reached ? 'unreachable' : current ? 'current' : 'behind',
      role: equalBytes(member.node, volume.entry.primary) ? 'primary' : nodeRole(member.role),
      voter: member.voter,
      acceptedLength,
      completeLength,
      lagSeconds: current ? 0 : await lagSeconds(volume, completeLength, clock.nowMs()),
    }
  })
  return Promise.all(answers)
}

/** Age of the first block that a member lacks. */
async function lagSeconds(volume: Volume, completeLength: number, nowMs: number): Promise<number | null> {
  const block = await volume.log.get(completeLength)
  if (block === undefined) return null
  const decoded = decodeBlock(block)
  const [first] = decoded.type === 'records' ? decoded.records : []
  return first === undefined ? null : Math.max(0, (nowMs - decodePublicRecord(first).timeMs) / 1000)
}
