import { HoldfastError } from '@holdfast/ports'
import { MemoryFile } from './memory-file.ts'

type Node = MemoryFile | 'directory'

/** One change of names that is not durable yet. */
export interface NameChange {
  readonly type: 'link' | 'unlink' | 'rename'
  readonly order: number
  /** The name that appears or goes. */
  readonly path: string
  /** Rename: the name that goes. */
  readonly from?: string
  readonly node?: Node
  /** Directories that must be synced before it is durable. */
  readonly unsyncedParents: Set<string>
}

/** The names of a drive, as readers see them and as the drive would keep them. */
export class MemoryNames {
  #seen = new Map<string, Node>()
  #durable = new Map<string, Node>()
  #changes: NameChange[] = []
  #order = 0

  readonly nextOrder = (): number => this.#order++

  file(at: string): MemoryFile {
    const node = this.#seen.get(at)
    if (node === undefined) throw new HoldfastError('HF_NOT_FOUND', `${at} is absent`)
    if (node === 'directory') throw new HoldfastError('HF_DRIVE_FAILED', `${at} is a directory`)
    return node
  }

  checkDirectory(at: string): void {
    if (at !== '' && this.#seen.get(at) !== 'directory') throw new HoldfastError('HF_NOT_FOUND', `${at} is absent`)
  }

  checkParent(at: string): void {
    this.checkDirectory(parentOf(at))
  }

  checkNew(at: string): void {
    this.checkParent(at)
    if (this.#seen.has(at)) throw new HoldfastError('HF_ALREADY_EXISTS', `${at} exists`)
  }

  list(at: string): string[] {
    const prefix = at === '' ? '' : `${at}/`
    return [...this.#seen.keys()]
      .filter((path) => parentOf(path) === at)
      .map((path) => path.slice(prefix.length))
      .toSorted()
  }

  link(at: string, node: Node): void {
    this.#seen.set(at, node)
    this.#add({ type: 'link', path: at, node })
  }

  unlink(at: string): void {
    if (this.#seen.delete(at)) this.#add({ type: 'unlink', path: at })
  }

  rename(from: string, to: string): void {
    const node = this.file(from)
    this.#seen.delete(from)
    this.#seen.set(to, node)
    this.#add({ type: 'rename', path: to, from, node })
  }

  makeDirectory(at: string): void {
    if (at === '' || this.#seen.get(at) === 'directory') return
    if (this.#seen.has(at)) throw new HoldfastError('HF_DRIVE_FAILED', `${at} is a file`)
    this.makeDirectory(parentOf(at))
    this.link(at, 'directory')
  }

  /** Changes of this directory made before `order` become durable; a rename between two when both are synced. */
  sync(directory: string, order: number): void {
    for (const change of this.#changes) {
      if (change.order < order) change.unsyncedParents.delete(directory)
      if (change.unsyncedParents.size === 0) apply(change, this.#durable)
    }
    this.#changes = this.#changes.filter((change) => change.unsyncedParents.size > 0)
  }

  changes(): readonly NameChange[] {
    return this.#changes
  }

  /** Files that readers see or that a crash may bring back, each with one of its names. */
  reachable(): Map<MemoryFile, string> {
    const names = new Map<MemoryFile, string>()
    const note = (path: string, node: Node | undefined): void => {
      if (node instanceof MemoryFile) names.set(node, path)
    }
    for (const [path, node] of this.#durable) note(path, node)
    for (const change of this.#changes) note(change.path, change.node)
    for (const [path, node] of this.#seen) note(path, node)
    return names
  }

  usedBytes(): number {
    let total = 0
    for (const node of this.#seen.values()) if (node instanceof MemoryFile) total += node.size
    return total
  }

  /** The names as the next start finds them, with `kept` of the changes in doubt, and the file that each file became. What lies in
   *  a directory that was lost is lost too. This drive's own names stay as they are. */
  afterCrash(kept: ReadonlySet<NameChange>): { names: MemoryNames; became: Map<MemoryFile, MemoryFile> } {
    const after = new Map(this.#durable)
    for (const change of this.#changes) if (kept.has(change)) apply(change, after)
    const names = new MemoryNames()
    const became = new Map<MemoryFile, MemoryFile>()
    for (const [path, node] of [...after].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const parent = parentOf(path)
      if (parent !== '' && names.#durable.get(parent) !== 'directory') continue
      if (node === 'directory') {
        names.#durable.set(path, node)
        continue
      }
      const file = became.get(node) ?? node.afterCrash(names.nextOrder)
      became.set(node, file)
      names.#durable.set(path, file)
    }
    names.#seen = new Map(names.#durable)
    return { names, became }
  }

  #add(change: { type: NameChange['type']; path: string; from?: string; node?: Node }): void {
    const unsyncedParents = new Set([parentOf(change.path)])
    if (change.from !== undefined) unsyncedParents.add(parentOf(change.from))
    this.#changes.push({ ...change, order: this.nextOrder(), unsyncedParents })
  }
}

function apply(change: NameChange, names: Map<string, Node>): void {
  if (change.from !== undefined) names.delete(change.from)
  if (change.node === undefined) names.delete(change.path)
  else names.set(change.path, change.node)
}

function parentOf(at: string): string {
  const slash = at.lastIndexOf('/')
  return slash === -1 ? '' : at.slice(0, slash)
}
