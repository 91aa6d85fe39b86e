import { joinPath, keyOf } from './paths.ts'

/** A watched directory: its place is the chain of names up to the root node. */
export interface WatchNode {
  readonly watch: number
  parent: WatchNode | undefined
  name: Uint8Array
  readonly children: Map<string, WatchNode>
  /** Number of the listing of the whole tree that saw it last. */
  round: number
}

/** The watched directories of one root, by watch number and by place. */
export class WatchNodes {
  #root: WatchNode | undefined
  readonly #byWatch = new Map<number, WatchNode>()

  get count(): number {
    return this.#byWatch.size
  }

  get(watch: number): WatchNode | undefined {
    return this.#byWatch.get(watch)
  }

  isRoot(node: WatchNode): boolean {
    return node === this.#root
  }

  /** The path of a node; undefined if it is not below the root (any more). */
  pathOf(node: WatchNode): Uint8Array | undefined {
    if (node === this.#root) return EMPTY
    if (node.parent === undefined) return undefined
    const parent = this.pathOf(node.parent)
    return parent === undefined ? undefined : joinPath(parent, node.name)
  }

  /** Notes that the watch is for the directory at this place; a directory that was moved keeps its watch. */
  place(watch: number, parent: WatchNode | undefined, name: Uint8Array, round: number): WatchNode {
    let node = this.#byWatch.get(watch)
    if (node === undefined) {
      node = { watch, parent: undefined, name, children: new Map(), round }
      this.#byWatch.set(watch, node)
    }
    node.round = round
    if (parent === undefined) {
      this.#root = node
      return node
    }
    if (node.parent === parent && keyOf(node.name) === keyOf(name)) return node
    this.detach(node)
    // A directory cannot come to lie below itself; only a stale place can seem so.
    for (let at: WatchNode | undefined = parent; at !== undefined; at = at.parent) if (at === node) return node
    node.parent = parent
    node.name = name
    parent.children.set(keyOf(name), node)
    return node
  }

  child(parent: WatchNode, name: Uint8Array): WatchNode | undefined {
    return parent.children.get(keyOf(name))
  }

  /** Takes the node, with all below it, out of its place; its watches stay. */
  detach(node: WatchNode): void {
    const key = keyOf(node.name)
    if (node.parent?.children.get(key) === node) node.parent.children.delete(key)
    node.parent = undefined
  }

  /** Forgets one watch that the system has removed; what is below it is no longer in the tree. */
  remove(watch: number): void {
    const node = this.#byWatch.get(watch)
    if (node === undefined) return
    this.#byWatch.delete(watch)
    this.detach(node)
    for (const child of node.children.values()) child.parent = undefined
  }

  /** The node and everything below it. */
  *below(node: WatchNode): Generator<WatchNode> {
    const found = [node]
    for (let at = found.pop(); at !== undefined; at = found.pop()) {
      found.push(...at.children.values())
      yield at
    }
  }

  /** Nodes that the last listing of the whole tree did not see. */
  olderThan(round: number): WatchNode[] {
    return [...this.#byWatch.values()].filter((node) => node.round < round)
  }
}

const EMPTY = new Uint8Array(0)
