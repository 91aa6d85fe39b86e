import { joinPath, keyOf } from './paths.ts'

/** A place of a watched directory: the chain of names up to the root node. */
export interface WatchNode {
  readonly watch: number
  parent: WatchNode | undefined
  name: Uint8Array
  readonly children: Map<string, WatchNode>
  /** Number of the listing of the whole tree that saw it last. */
  round: number
}

/**
 * The watched directories of one root, by watch number and by place. One directory can have several places: a bind mount shows
 * it, and all below it, a second time, and a place that it was moved away from lasts until the event of that is read.
 */
export class WatchNodes {
  #root: WatchNode | undefined
  readonly #byWatch = new Map<number, WatchNode[]>()

  /** Watches, not places. */
  get count(): number {
    return this.#byWatch.size
  }

  placesOf(watch: number): readonly WatchNode[] {
    return this.#byWatch.get(watch) ?? NONE
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

  /** Notes that the watch is for the directory at this place, below the root and free, or its own. A directory that was moved
   *  brings along what is below it. */
  place(watch: number, parent: WatchNode | undefined, name: Uint8Array, round: number): WatchNode {
    const node = this.#nodeFor(watch, parent, name, round)
    node.round = round
    if (parent === undefined) this.#root = node
    else if (node.parent === undefined) {
      node.parent = parent
      node.name = name
      parent.children.set(keyOf(name), node)
    }
    return node
  }

  child(parent: WatchNode, name: Uint8Array): WatchNode | undefined {
    return parent.children.get(keyOf(name))
  }

  /** Takes the node, with all below it, out of its place; its watches stay. */
  detach(node: WatchNode): void {
    node.parent?.children.delete(keyOf(node.name))
    node.parent = undefined
  }

  /** Forgets one watch that the system has removed; what is below it is no longer in the tree. */
  remove(watch: number): void {
    for (const node of this.placesOf(watch)) this.#cut(node)
    this.#byWatch.delete(watch)
  }

  /** Forgets one place; true if it was the last one of its watch. */
  removePlace(node: WatchNode): boolean {
    const places = this.#byWatch.get(node.watch)
    if (places === undefined) return false
    this.#cut(node)
    const left = places.filter((place) => place !== node)
    if (left.length > 0) this.#byWatch.set(node.watch, left)
    else this.#byWatch.delete(node.watch)
    return left.length === 0
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
    return [...this.#byWatch.values()].flatMap((places) => places.filter((node) => node.round < round))
  }

  /** What is at this place already, else a place of the same directory that is not in the tree any more, else a new one. */
  #nodeFor(watch: number, parent: WatchNode | undefined, name: Uint8Array, round: number): WatchNode {
    const here = parent === undefined ? this.#root : this.child(parent, name)
    if (here?.watch === watch) return here
    const places = this.#byWatch.get(watch) ?? []
    const moved = places.find((node) => this.pathOf(node) === undefined)
    if (moved !== undefined) {
      this.detach(moved)
      return moved
    }
    const node = { watch, parent: undefined, name, children: new Map(), round }
    this.#byWatch.set(watch, [...places, node])
    return node
  }

  #cut(node: WatchNode): void {
    this.detach(node)
    for (const child of node.children.values()) child.parent = undefined
    node.children.clear()
  }
}

const EMPTY = new Uint8Array(0)
const NONE: readonly WatchNode[] = []
