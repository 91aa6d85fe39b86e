import {
  chooseMembers,
  mayRead,
  withMember,
  type NodeInfo,
  type SealedKeyRing,
  type VolumeEntry,
} from '@holdfast/charter'
import { openSealed, sealTo, type SigningKey } from '@holdfast/keys'
import { equalBytes, HoldfastError } from '@holdfast/ports'
import type { NodeId } from '@holdfast/ports'
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

/** Gives the volumes whose primary is this node members until they have the copies asked for, one at a time. */
export class Placement {
  readonly #keeper: CharterKeeper
  readonly #changes: VolumeChanges
  readonly #signingKey: SigningKey
  readonly #isReachable: (node: NodeId) => boolean
  readonly #onProblem: (error: unknown) => void
  #running = false
  #again = false

  constructor(parts: {
    keeper: CharterKeeper
    changes: VolumeChanges
    signingKey: SigningKey
    isReachable: (node: NodeId) => boolean
    onProblem: (error: unknown) => void
  }) {
    this.#keeper = parts.keeper
    this.#changes = parts.changes
    this.#signingKey = parts.signingKey
    this.#isReachable = parts.isReachable
    this.#onProblem = parts.onProblem
  }

  /** Call when the charter changes or a peer connects. One run at a time; a call during a run makes another. */
  run(): void {
    this.#again = true
    if (this.#running) return
    this.#running = true
    void this.#loop().finally(() => {
      this.#running = false
    })
  }

  async #loop(): Promise<void> {
    while (this.#again) {
      this.#again = false
      try {
        for (const entry of this.#keeper.state.volumes()) {
          if (equalBytes(entry.primary, this.#signingKey.publicKey)) await this.#place(entry)
        }
      } catch (error) {
        this.#onProblem(error)
        return
      }
    }
  }

  async #place(entry: VolumeEntry): Promise<void> {
    const { volume } = entry
    const nextFor = (now: VolumeEntry): NodeInfo | undefined => {
      const nodes = this.#keeper.state.nodes()
      return chooseMembers({ volume, nodes, members: now.members, copies: now.copies }).find((node) =>
        this.#isReachable(node.id),
      )
    }
    for (let added = 0; added < entry.copies; added++) {
      const now = this.#keeper.state.volume(volume)
      if (now === undefined || nextFor(now) === undefined) return
      await this.#changes.change(volume, (newest) => {
        const node = nextFor(newest)
        return node === undefined ? undefined : memberAdded(newest, node, this.#signingKey)
      })
    }
  }
}
