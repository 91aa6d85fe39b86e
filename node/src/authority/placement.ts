import {
  chooseMembers,
  mayRead,
  mayVote,
  withMember,
  type NodeInfo,
  type Role,
  type SealedKeyRing,
  type VolumeEntry,
} from '@holdfast/charter'
import { openSealed, sealTo, type SigningKey } from '@holdfast/keys'
import { equalBytes, HoldfastError, MINUTE_MS, SECOND_MS } from '@holdfast/ports'
import type { Clock, NodeId, Timer } from '@holdfast/ports'
import type { CharterKeeper } from './charter-keeper.ts'
import type { VolumeChanges } from './volume-changes.ts'

/** The encoded key ring that an entry seals to this node. @throws HF_WRONG_KEY if none is, or it does not open */
export function ringFor(entry: VolumeEntry, signingKey: SigningKey): Uint8Array {
  const sealed = entry.sealedKeys.find(({ to }) => equalBytes(to, signingKey.publicKey))
  const ring = sealed === undefined ? undefined : openSealed(signingKey, sealed.sealed)
  if (ring !== undefined) return ring
  throw new HoldfastError('HF_WRONG_KEY', `this node has no key to volume ${entry.name}`)
}

/** The members and sealed keys of a volume with one node more. */
export function memberAdded(
  entry: VolumeEntry,
  node: NodeInfo,
  signingKey: SigningKey,
): Pick<VolumeEntry, 'members' | 'sealedKeys'> {
  const sealedKeys: readonly SealedKeyRing[] = mayRead(node.role)
    ? [...entry.sealedKeys, { to: node.id, sealed: sealTo(node.id, ringFor(entry, signingKey)) }]
    : entry.sealedKeys
  return { members: withMember(entry, node), sealedKeys }
}

/** The members and sealed keys of a volume with another role for one of them; undefined if it has that role. A vote is kept where
 *  the role may have one, and never given: that is for `memberAdded` or a person to say.
 *  @throws HF_POLICY if the key would have to be taken away from a member that has it */
export function memberWithRole(
  entry: VolumeEntry,
  node: NodeId,
  role: Role,
  signingKey: SigningKey,
): Pick<VolumeEntry, 'members' | 'sealedKeys'> | undefined {
  const before = entry.members.find((member) => equalBytes(member.node, node))
  if (before === undefined || before.role === role) return undefined
  if (mayRead(before.role) && !mayRead(role)) {
    throw new HoldfastError(
      'HF_POLICY',
      `this member has the key of volume ${entry.name}, which cannot be taken back from it; nothing was changed`,
      { next: 'remove it, and let another node join as blind' },
    )
  }
  const changed = { ...before, role, voter: before.voter && mayVote(role) }
  const members = entry.members.map((member) => (member === before ? changed : member))
  const sealed = entry.sealedKeys.some(({ to }) => equalBytes(to, node))
  if (sealed || !mayRead(role)) return { members, sealedKeys: entry.sealedKeys }
  const key: SealedKeyRing = { to: node, sealed: sealTo(node, ringFor(entry, signingKey)) }
  return { members, sealedKeys: [...entry.sealedKeys, key] }
}

/** First wait before a volume that could not be given a member is tried again, ms; it doubles with each failure. Voters that
 *  do not answer are mostly starting, or busy. */
export const PLACEMENT_RETRY_MS = 15 * SECOND_MS
/** Longest such wait, ms. */
export const PLACEMENT_RETRY_MS_MAX = 5 * MINUTE_MS

export interface PlacementParts {
  readonly keeper: Pick<CharterKeeper, 'state'>
  readonly changes: Pick<VolumeChanges, 'change'>
  readonly signingKey: SigningKey
  readonly isReachable: (node: NodeId) => boolean
  readonly clock: Clock
  readonly onProblem: (error: unknown) => void
}

/** Gives the volumes whose primary is this node members until they have the copies asked for, one at a time. */
export class Placement {
  readonly #parts: PlacementParts
  #running = false
  #again = false
  #stopped = false
  #failures = 0
  #retry: Timer | undefined

  constructor(parts: PlacementParts) {
    this.#parts = parts
  }

  /** Call when the charter changes or a peer connects. One run at a time; a call during a run makes another. */
  run(): void {
    if (this.#stopped) return
    this.#again = true
    if (this.#running) return
    this.#running = true
    this.#retry?.cancel()
    void this.#loop()
  }

  stop(): void {
    this.#stopped = true
    this.#again = false
    this.#retry?.cancel()
  }

  async #loop(): Promise<void> {
    let retryable = false
    while (this.#again) {
      this.#again = false
      retryable = await this.#placeAll()
    }
    this.#running = false
    this.#failures = retryable ? this.#failures + 1 : 0
    if (!retryable || this.#stopped) return
    const delayMs = Math.min(PLACEMENT_RETRY_MS * 2 ** (this.#failures - 1), PLACEMENT_RETRY_MS_MAX)
    this.#retry = this.#parts.clock.setTimer(delayMs, () => this.run())
  }

  /** Whether something failed that time may mend. One volume's failure is no other's. */
  async #placeAll(): Promise<boolean> {
    const { keeper, signingKey, onProblem } = this.#parts
    let retryable = false
    for (const entry of keeper.state.volumes()) {
      if (!equalBytes(entry.primary, signingKey.publicKey)) continue
      try {
        await this.#place(entry)
      } catch (error) {
        onProblem(error)
        retryable ||= error instanceof HoldfastError && error.retryable
      }
    }
    return retryable
  }

  async #place(entry: VolumeEntry): Promise<void> {
    const { keeper, changes, signingKey, isReachable } = this.#parts
    const { volume } = entry
    const nextFor = (now: VolumeEntry): NodeInfo | undefined => {
      const nodes = keeper.state.nodes()
      return chooseMembers({ volume, nodes, members: now.members, copies: now.copies }).find((node) =>
        isReachable(node.id),
      )
    }
    for (let added = 0; added < entry.copies; added++) {
      const now = keeper.state.volume(volume)
      if (this.#stopped || now === undefined || nextFor(now) === undefined) return
      await changes.change(volume, (newest) => {
        const node = nextFor(newest)
        return node === undefined ? undefined : memberAdded(newest, node, signingKey)
      })
    }
  }
}
