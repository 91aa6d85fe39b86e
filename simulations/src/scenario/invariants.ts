import { equalBytes, hexOf } from '@holdfast/ports'
import { evaluateQuorum } from '@holdfast/replication'
import type { SimulatedNode } from '../node/simulated-node.ts'

/** What must be so whatever happens. It keeps what was seen, and says what is not so any more. */
export class Invariants {
  /** Tree hash of each length that the writer published. */
  readonly #history = new Map<number, string>([[0, '']])
  /** What each node has acknowledged, by its name. */
  readonly #acknowledged = new Map<string, { accepted: number; complete: number }>()
  readonly #rotten = new Map<string, Set<string>>()
  #publishedLength = 0
  #quorumLength = 0

  get publishedLength(): number {
    return this.#publishedLength
  }

  /** Greatest length that ever was acknowledged at `quorum`. */
  get quorumLength(): number {
    return this.#quorumLength
  }

  published(length: number, treeHash: Uint8Array): void {
    const known = this.#history.get(length)
    check(known === undefined || known === hexOf(treeHash), `two histories of ${length} blocks were published`)
    this.#history.set(length, hexOf(treeHash))
    this.#publishedLength = Math.max(this.#publishedLength, length)
  }

  rotted(node: SimulatedNode, chunk: string): void {
    const chunks = this.#rotten.get(node.name) ?? new Set()
    this.#rotten.set(node.name, chunks.add(chunk))
  }

  /** After every step, for a node that runs. */
  checkNode(node: SimulatedNode): void {
    const { volume, replication } = node.running ?? {}
    if (volume === undefined || replication === undefined) return
    const { length, treeHash } = volume.log.head()
    if (length > 0 && length <= this.#publishedLength) {
      check(this.#history.get(length) === hexOf(treeHash), `${node.name} has a history of its own at ${length} blocks`)
    }
    const seen = this.#acknowledged.get(node.name) ?? { accepted: 0, complete: 0 }
    for (const ack of replication.acks(volume.id)) {
      if (!equalBytes(ack.member, node.self)) continue
      if (ack.level === 'accepted') seen.accepted = Math.max(seen.accepted, ack.length)
      else if (ack.level === 'complete') seen.complete = ack.length
    }
    this.#acknowledged.set(node.name, seen)
    if (volume.role === 'primary') this.#noteQuorum(node)
  }

  /** After a start: what the node acknowledged before, it still has. */
  checkKept(node: SimulatedNode): void {
    const volume = node.running?.volume
    const seen = this.#acknowledged.get(node.name)
    if (volume === undefined || seen === undefined) return
    const { length } = volume.log.head()
    check(length >= seen.accepted, `${node.name} acknowledged ${seen.accepted} blocks and has ${length} after a start`)
    const rotten = this.#rotten.get(node.name) ?? new Set()
    const store = node.running?.store
    const lost = volume
      .named(seen.complete)
      .filter(({ id }) => store?.has(volume.id, id) !== true && !rotten.has(hexOf(id)))
    check(
      lost.length === 0,
      `${node.name} acknowledged ${seen.complete} blocks as complete and lost ${lost.length} chunks`,
    )
  }

  /** At the end, when everything was mended. */
  isLevel(nodes: readonly SimulatedNode[]): boolean {
    return nodes.every(({ running }) => {
      if (running === undefined) return false
      const { log } = running.volume
      return log.head().length === this.#publishedLength && running.volume.completeLength() === this.#publishedLength
    })
  }

  checkNothingLost(nodes: readonly SimulatedNode[]): void {
    for (const { name, running } of nodes) {
      const length = running?.volume.log.head().length ?? 0
      check(
        length >= this.#quorumLength,
        `${name} has ${length} blocks of the ${this.#quorumLength} acknowledged at quorum`,
      )
    }
  }

  #noteQuorum(primary: SimulatedNode): void {
    const { volume, replication } = primary.running ?? {}
    if (volume === undefined || replication === undefined) return
    const acks = replication.acks(volume.id)
    const isReached = (length: number): boolean => evaluateQuorum(volume.members, acks, volume.coreKey, length).reached
    while (this.#quorumLength < volume.log.head().length && isReached(this.#quorumLength + 1)) this.#quorumLength++
  }
}

/** A sentence that has to be true of the world. */
export class InvariantBroken extends Error {}

export function check(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new InvariantBroken(otherwise)
}
