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
import { memberAdded, memberWithRole, Placement, ringFor } from './placement.ts'
import { VolumeChanges } from './volume-changes.ts'

export interface AuthorityParts {
  readonly home: Pick<Home, 'signingKey' | 'readState' | 'writeState'>
  readonly keeper: CharterKeeper
  readonly replication: Pick<Replication, 'call' | 'onCall' | 'onJoin' | 'peers'>
  readonly clock: Clock
  readonly random: Random
  readonly addresses: () => readonly string[]
  /** A volume could not be given another member yet. */
  readonly onProblem: (error: unknown) => void
  /** A record of promises cannot be read: this node makes none of that kind. */
  readonly onRecordLost: (error: unknown) => void
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
  /** Of volumes that the charter holds; some may not be protected any more. */
  directories(): readonly { readonly volume: VolumeId; readonly directory: string }[]
  /** Adds a volume with this node as primary. Members follow by themselves; those that are named are added before it returns.
   *  @throws HF_CHARTER_REFUSED with nothing changed; HF_PEER_UNREACHABLE if the volume is protected, but not with every member named */
  protect(request: NewProtection): Promise<VolumeEntry>
  unprotect(volume: VolumeId): Promise<void>
  /** Goes on with a volume of this node that was unprotected, or of which the home has forgotten the directory. */
  protectAgain(volume: VolumeId, directory: string): Promise<VolumeEntry>
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
  /** No timer is left when it returns. */
  stop(): void
}

export function createAuthority(parts: AuthorityParts): Authority {
  const { home, keeper, replication, clock, random } = parts
  const { signingKey } = home
  const self = asNodeId(signingKey.publicKey)
  const directories = new Directories(home)
  const { onRecordLost } = parts
  const changes = new CharterChanges({ keeper, home, signingKey, replication, clock, random, onRecordLost })
  const volumeChanges = new VolumeChanges({ keeper, home, signingKey, replication, onRecordLost })
  const inviting = new Inviting({ keeper, changes, signingKey, replication, clock, random, addresses: parts.addresses })
  const isReachable = (node: NodeId): boolean =>
    replication.peers().some((peer) => peer.state === 'connected' && equalBytes(peer.peer, node))
  const placement = new Placement({
    keeper,
    changes: volumeChanges,
    signingKey,
    isReachable,
    clock,
    onProblem: parts.onProblem,
  })
  const addNamed = async (volume: VolumeId, id: NodeId): Promise<void> => {
    const node = keeper.state.node(id)
    if (node === undefined) throw new HoldfastError('HF_NOT_FOUND', 'there is no such node in the mesh')
    await volumeChanges.change(volume, (entry) =>
      isMember(entry, id) ? undefined : memberAdded(entry, node, signingKey),
    )
  }

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
    directories: () => directories.entries().filter(({ volume }) => keeper.state.volume(volume) !== undefined),

    async protect({ name, directory, copies, members }) {
      const nonce = random.bytes(16)
      const volume = volumeIdOf(keeper.state.mesh().id, self, nonce)
      const ring = createKeyRing(volume, random.bytes(32)).encode()
      const sealedKeys = [self, keeper.state.mesh().operatorKey].map((to) => ({ to, sealed: sealTo(to, ring) }))
      const added = addVolume(keeper.state, signingKey, {
        nonce,
        name,
        copies,
        public: false,
        sealedKeys,
        createdAtMs: clock.nowMs(),
      })
      // The directory first: a crash in between leaves an unused line, not a volume without a directory.
      directories.set(volume, directory)
      keeper.apply(added)
      for (const id of members) await addNamed(volume, id).catch((cause: unknown) => memberFailed(name, cause))
      placement.run()
      return required(keeper.state.volume(volume))
    },

    unprotect: (volume) =>
      volumeChanges.change(volume, (entry) => (entry.protected ? { protected: false } : undefined)),

    async protectAgain(volume, directory) {
      if (directories.get(volume) !== directory) directories.set(volume, directory)
      await volumeChanges.change(volume, (entry) => (entry.protected ? undefined : { protected: true }))
      return required(keeper.state.volume(volume))
    },

    addMember: (volume, node, role, operatorKey) =>
      volumeChanges.change(
        volume,
        (entry) => (isMember(entry, node.id) ? undefined : memberAdded(entry, { ...node, role }, signingKey)),
        operatorKey,
      ),

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
      volumeChanges.change(volume, (entry) => memberWithRole(entry, node, role, signingKey), operatorKey),

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
    stop: () => placement.stop(),
  }
}

const isMember = (entry: VolumeEntry, node: NodeId): boolean =>
  entry.members.some((member) => equalBytes(member.node, node))

/** The volume is there whatever became of the member. */
function memberFailed(volume: string, cause: unknown): never {
  if (!(cause instanceof HoldfastError)) throw cause
  throw new HoldfastError(
    cause.code,
    `volume ${volume} is protected, but not with every member that was named: ${cause.message}`,
    { cause, retryable: cause.retryable, next: `holdfast member add ${volume} NODE` },
  )
}

function required<T>(value: T | undefined): T {
  if (value !== undefined) return value
  throw new HoldfastError('HF_INTERNAL', 'the charter does not hold what was just added to it')
}
