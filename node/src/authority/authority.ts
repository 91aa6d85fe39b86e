import {
  addVolume,
  announceAddresses,
  CharterState,
  volumeIdOf,
  type NodeInfo,
  type Role,
  type VolumeEntry,
} from '@holdfast/charter'
import { createKeyRing, sealTo, type SigningKey } from '@holdfast/keys'
import { asNodeId, equalBytes, HoldfastError } from '@holdfast/ports'
import type { Clock, NodeId, Random, VolumeId } from '@holdfast/ports'
import type { Home } from '../home/index.ts'
import type { Replication } from '../replication/index.ts'
import { CharterChanges } from './charter-changes.ts'
import type { CharterKeeper } from './charter-keeper.ts'
import { Directories } from './directories.ts'
import { Inviting } from './inviting.ts'
import { memberAdded, Placement, ringFor } from './placement.ts'
import { VolumeChanges } from './volume-changes.ts'

export interface AuthorityParts {
  readonly home: Home
  readonly keeper: CharterKeeper
  readonly replication: Replication
  readonly clock: Clock
  readonly random: Random
  readonly addresses: () => readonly string[]
  readonly onProblem: (error: unknown) => void
}

export interface NewProtection {
  readonly name: string
  readonly directory: string
  readonly copies: number
  readonly members: readonly NodeId[]
}

/** What this node knows and may change of the mesh. */
export interface Authority {
  readonly state: CharterState
  readonly keeper: CharterKeeper
  nodes(): readonly NodeInfo[]
  node(id: Uint8Array): NodeInfo | undefined
  nameOf(node: Uint8Array): string
  volumes(): readonly VolumeEntry[]
  /** Encoded key ring of a volume, as sealed to this node. @throws HF_WRONG_KEY */
  keyRing(entry: VolumeEntry): Uint8Array
  directoryOf(volume: Uint8Array): string | undefined
  directories(): readonly { readonly volume: VolumeId; readonly directory: string }[]
  /** Adds a volume with this node as primary; the directory is remembered first. Members follow by themselves. */
  protect(request: NewProtection): Promise<VolumeEntry>
  unprotect(volume: VolumeId): Promise<void>
  addMember(volume: VolumeId, node: NodeInfo, role: Role, operatorKey?: SigningKey): Promise<void>
  removeMember(volume: VolumeId, node: NodeId, operatorKey: SigningKey | undefined): Promise<void>
  setRole(volume: VolumeId, node: NodeId, role: Role, operatorKey: SigningKey | undefined): Promise<void>
  removeNode(node: NodeId, operatorKey: SigningKey | undefined): Promise<void>
  invite(options: { role: Role; region?: string; ttlMs: number }): { token: string; expiresAtMs: number }
  isInvited(identity: NodeId): boolean
  /** Tells the mesh where this node listens, if that is not known yet. */
  announce(): void
  /** Looks whether volumes of this node lack members. */
  place(): void
}

export function createAuthority(parts: AuthorityParts): Authority {
  const { home, keeper, replication, clock, random } = parts
  const { signingKey } = home
  const self = asNodeId(signingKey.publicKey)
  const directories = new Directories(home)
  const changes = new CharterChanges({ keeper, home, signingKey, replication, clock, random })
  const volumeChanges = new VolumeChanges({ keeper, home, signingKey, replication })
  const inviting = new Inviting({ keeper, changes, signingKey, replication, clock, random, addresses: parts.addresses })
  const isReachable = (node: NodeId): boolean =>
    replication.peers().some((peer) => peer.state === 'connected' && equalBytes(peer.peer, node))
  const placement = new Placement({
    keeper,
    changes: volumeChanges,
    signingKey,
    isReachable,
    onProblem: parts.onProblem,
  })

  return {
    keeper,
    get state() {
      return keeper.state
    },
    nodes: () => keeper.state.nodes(),
    node: (id) => keeper.state.nodeEver(id),
    nameOf: (id) => keeper.nameOf(id),
    volumes: () => keeper.state.volumes(),
    keyRing: (entry) => ringFor(entry, signingKey),
    directoryOf: (volume) => directories.get(volume),
    directories: () => directories.entries(),

    async protect({ name, directory, copies, members }) {
      const nonce = random.bytes(16)
      const volume = volumeIdOf(keeper.state.mesh().id, self, nonce)
      const ring = createKeyRing(volume, random.bytes(32)).encode()
      const sealedKeys = [self, keeper.state.mesh().operatorKey].map((to) => ({ to, sealed: sealTo(to, ring) }))
      // The directory first: a crash in between leaves an unused line, not a volume without a directory.
      directories.set(volume, directory)
      keeper.apply(
        addVolume(keeper.state, signingKey, {
          nonce,
          name,
          copies,
          public: false,
          sealedKeys,
          createdAtMs: clock.nowMs(),
        }),
      )
      for (const id of members) {
        const node = keeper.state.node(id)
        if (node !== undefined && !equalBytes(id, self)) {
          await volumeChanges.change(volume, (entry) => memberAdded(entry, node, signingKey))
        }
      }
      placement.run()
      return required(keeper.state.volume(volume))
    },

    unprotect: (volume) =>
      volumeChanges.change(volume, (entry) => (entry.protected ? { protected: false } : undefined)),

    addMember: (volume, node, role, operatorKey) =>
      volumeChanges.change(volume, (entry) => memberAdded(entry, { ...node, role }, signingKey), operatorKey),

    removeMember: (volume, node, operatorKey) =>
      volumeChanges.change(
        volume,
        (entry) => ({
          members: entry.members.filter((member) => !equalBytes(member.node, node)),
          sealedKeys: entry.sealedKeys.filter(({ to }) => !equalBytes(to, node)),
        }),
        operatorKey,
      ),

    setRole: (volume, node, role, operatorKey) =>
      volumeChanges.change(
        volume,
        (entry) => ({
          members: entry.members.map((member) =>
            equalBytes(member.node, node)
              ? { ...member, role, voter: member.voter && role !== 'learner' && role !== 'vault' }
              : member,
          ),
        }),
        operatorKey,
      ),

    removeNode: (node, operatorKey) =>
      changes.change((state) => (state.node(node) === undefined ? [] : [{ type: 'remove', node }]), operatorKey),

    invite: (options) => inviting.invite(options),
    isInvited: (identity) => inviting.isInvited(identity),

    announce() {
      const addresses = parts.addresses()
      const known = keeper.state.addressesOf(self)
      if (known.length === addresses.length && known.every((address, index) => address === addresses[index])) return
      keeper.apply(announceAddresses(keeper.state, signingKey, addresses))
    },

    place: () => placement.run(),
  }
}

function required<T>(value: T | undefined): T {
  if (value !== undefined) return value
  throw new HoldfastError('HF_INTERNAL', 'the charter does not hold what was just added to it')
}
