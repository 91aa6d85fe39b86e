import { CharterState, type CharterChanges } from '@holdfast/charter'
import { equalBytes, shortId } from '@holdfast/ports'
import type { NodeId } from '@holdfast/ports'
import type { Home } from '../home/index.ts'
import type { CharterService } from '../replication/index.ts'

/** The charter of this node: verified, durable before anybody hears of a change. */
export class CharterKeeper implements CharterService {
  readonly #home: Pick<Home, 'writeState'>
  readonly #self: NodeId
  readonly #listeners = new Set<() => void>()
  readonly #onConflict: (conflict: string) => void
  #state: CharterState

  constructor(
    home: Pick<Home, 'writeState'>,
    self: NodeId,
    state: CharterState,
    onConflict: (conflict: string) => void,
  ) {
    this.#home = home
    this.#self = self
    this.#state = state
    this.#onConflict = onConflict
  }

  get state(): CharterState {
    return this.#state
  }

  peers(): { id: NodeId; addresses: readonly string[] }[] {
    return this.#state
      .nodes()
      .filter((node) => !equalBytes(node.id, this.#self))
      .map((node) => ({ id: node.id, addresses: this.#state.addressesOf(node.id) }))
  }

  bundle(): Uint8Array {
    return this.#state.encodeBundle()
  }

  merge(bundle: Uint8Array): Promise<boolean> {
    // In one turn, so that no other merge comes between.
    try {
      return Promise.resolve(this.apply(bundle).changed)
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** Merges, makes the result durable, then tells everybody. @throws HF_CHARTER_REFUSED, HF_DECODE, and as `Home.writeState` */
  apply(bundle: Uint8Array): { changed: boolean; changes: CharterChanges } {
    const { state, changed, changes } = this.#state.merge(bundle)
    for (const conflict of changes.conflicts) this.#onConflict(conflict)
    if (changed) {
      this.#home.writeState('charter', state.encodeBundle())
      this.#state = state
      for (const listener of this.#listeners) listener()
    }
    return { changed, changes }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Name of a node that is or was in the mesh; else the start of its id. */
  nameOf(node: Uint8Array): string {
    return this.#state.nodeEver(node)?.name ?? shortId(node)
  }

  /** Whether the node is in the mesh now. */
  isNode(node: Uint8Array): boolean {
    return this.#state.node(node) !== undefined
  }
}
