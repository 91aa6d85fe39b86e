import { HoldfastError } from '@holdfast/ports'
import type { DemoNode } from './demo-node.ts'

/** The running nodes of the demo: none may end by itself. */
export class Crew {
  readonly #nodes: DemoNode[] = []
  #stopping = false
  #onLost: ((error: HoldfastError) => void) | undefined
  /** Rejects when a node ends although nobody stopped it. */
  readonly lost = new Promise<never>((_, reject) => (this.#onLost = reject))

  constructor() {
    this.lost.catch(() => undefined)
  }

  add(node: DemoNode): void {
    this.#nodes.push(node)
    void node.ended.then(() => {
      if (this.#stopping) return
      this.#onLost?.(
        new HoldfastError('HF_NOT_RUNNING', `node ${node.place.name} ended by itself:\n${node.lastWords()}`),
      )
    })
  }

  /** In order of their names in the demo, not of their start. */
  in(order: readonly string[]): DemoNode[] {
    return this.#nodes.toSorted((a, b) => order.indexOf(a.place.name) - order.indexOf(b.place.name))
  }

  /** Stops all of them cleanly. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#nodes.map((node) => node.stop()))
  }
}
