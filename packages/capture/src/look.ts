import type { DirectoryReader, OpenDirectory } from './directory-reader.ts'
import type { Exclusion } from './exclusion.ts'
import { InodeSet } from './inode-set.ts'
import { CAPTURED, GONE, KEYED, type LiveTree, PENDING, RACY, YOUNG } from './live-tree.ts'
import { keyOf } from './paths.ts'
import { isDirectory, isLinked, sameInode, sameStat, sizeOf, typeOf } from './stat-key.ts'
import type { ChangeSink } from './tree-walker.ts'

export interface LookParts {
  readonly tree: LiveTree
  readonly reader: DirectoryReader
  readonly exclusion: Exclusion
  readonly sink: ChangeSink
  /** Rises with every look. */
  readonly number: number
  /** Reports what was young when it was captured, too. */
  readonly thorough: boolean
}

/** Directories that a check of single paths keeps open, at most. */
const OPEN_MAX = 64
/** Other names of changed files that a check looks at, at most; what is beyond, the next walk finds. */
export const OTHER_NAMES_MAX = 4096
/** Paths below what is gone that a check tells of, at most; beyond, it hands them back to be walked, for a walk is told to wait. */
export const CHECK_GONE_MAX = 4096
const SLASH = 0x2f
export const NEW = { known: false, racy: false }

/** One walk or check: what it compares with, whom it tells, what it counted and what it found gone. */
export class Look {
  readonly tree: LiveTree
  readonly reader: DirectoryReader
  readonly exclusion: Exclusion
  readonly sink: ChangeSink
  readonly number: number
  readonly totals = { files: 0, bytes: 0, directories: 0, symlinks: 0, others: 0, problems: 0 }
  /** Flags of entries whose equal key proves nothing to this look. */
  readonly #doubts: number
  /** Entries found gone, and how many of them were told. */
  #gone: number[] = []
  #goneAt = 0
  /** Where a check puts what is to be walked, and how many gone paths it may tell of yet; undefined in a walk. */
  #check: { readonly toWalk: Uint8Array[]; goneLeft: number } | undefined
  /** Inodes with several names that a check found changed. */
  #linked: InodeSet | undefined

  constructor(parts: LookParts) {
    this.tree = parts.tree
    this.reader = parts.reader
    this.exclusion = parts.exclusion
    this.sink = parts.sink
    this.number = parts.number
    this.#doubts = parts.thorough ? RACY | YOUNG : RACY
  }

  /** Reports the path if it is not as it was captured; what was below something that is no directory now is gone. */
  compare(entry: number, words: Uint32Array, path: () => Uint8Array): void {
    const tree = this.tree
    tree.clearFlag(entry, GONE)
    const same = tree.has(entry, KEYED) && sameStat(tree.stats, tree.statAt(entry), words, 0)
    if (!same || tree.has(entry, this.#doubts))
      this.sink.changed(path(), words, { known: tree.has(entry, CAPTURED), racy: same })
    if (!same && isLinked(words)) this.#linked?.add(words)
    if (isDirectory(words) || tree.firstChildOf(entry) < 0 || this.#isLeftToWalk(entry, path)) return
    const children: number[] = []
    for (let child = tree.firstChildOf(entry); child >= 0; child = tree.nextOf(child)) children.push(child)
    for (const child of children) this.goneWithAll(child)
  }

  /** In a check: whether there is more below the entry than it may tell of. */
  #isLeftToWalk(entry: number, path: () => Uint8Array): boolean {
    const check = this.#check
    if (check === undefined) return false
    const found = [entry]
    for (let index = 0; index < found.length && found.length <= check.goneLeft; index++)
      for (let at = this.tree.firstChildOf(found[index] ?? -1); at >= 0; at = this.tree.nextOf(at)) {
        if (found.length > check.goneLeft) break
        found.push(at)
      }
    if (found.length > check.goneLeft) {
      check.toWalk.push(path())
      return true
    }
    check.goneLeft -= found.length
    return false
  }

  problem(path: Uint8Array, errno: string): void {
    this.totals.problems++
    this.sink.problem(path, errno)
  }

  count(words: Uint32Array): void {
    const totals = this.totals
    switch (typeOf(words)) {
      case 'file':
        totals.files++
        totals.bytes += sizeOf(words)
        break
      case 'directory':
        totals.directories++
        break
      case 'symlink':
        totals.symlinks++
        break
      case 'other':
        totals.others++
    }
  }

  /** Marks the entry and everything below; `reportGone` tells of them. */
  goneWithAll(top: number): void {
    const tree = this.tree
    const found = [top]
    for (let index = 0; index < found.length; index++) {
      const entry = found[index] ?? -1
      for (let child = tree.firstChildOf(entry); child >= 0; child = tree.nextOf(child)) found.push(child)
    }
    for (const entry of found.toReversed()) {
      tree.clearFlag(entry, PENDING)
      if (tree.has(entry, CAPTURED)) {
        if (isLinked(tree.stats, tree.statAt(entry))) this.#linked?.add(tree.stats, tree.statAt(entry))
        tree.setFlag(entry, GONE)
        this.#gone.push(entry)
      } else {
        tree.clearFlag(entry, KEYED | RACY | YOUNG)
        tree.prune(entry)
      }
    }
  }

  /** Tells of what is gone, children before parents, up to `max`; true if there is more. Not of what was captured anew or forgotten since. */
  reportGone(max: number): boolean {
    const end = Math.min(this.#goneAt + max, this.#gone.length)
    for (const entry of this.#gone.slice(this.#goneAt, end))
      if (this.tree.has(entry, GONE)) this.sink.vanished(this.tree.pathOf(entry))
    this.#goneAt = end
    if (end < this.#gone.length) return true
    this.#gone = []
    this.#goneAt = 0
    return false
  }

  /** Looks at single paths, and at other known names of the files that changed there: a change through one name is told of one name
   *  only. Directories to be walked come back: those that are new or gone with very much in them; with `enterKnown`, which is for a
   *  walk, all, and what is gone is left to be reported. */
  atPaths(root: OpenDirectory, paths: readonly Uint8Array[], enterKnown: boolean): Uint8Array[] {
    const open = new Map<string, OpenDirectory>()
    const directories: Uint8Array[] = []
    const closeAll = (): void => {
      for (const directory of open.values()) this.reader.close(directory)
      open.clear()
    }
    try {
      const look = (path: Uint8Array): void => {
        if (path.byteLength === 0 || this.exclusion.covers(path)) return
        if (open.size > OPEN_MAX) closeAll()
        this.#atPath(root, open, path, directories, enterKnown)
      }
      if (!enterKnown) {
        this.#linked = new InodeSet()
        this.#check = { toWalk: directories, goneLeft: CHECK_GONE_MAX }
      }
      for (const path of paths) look(path)
      for (const path of this.#otherNames(paths)) look(path)
    } finally {
      closeAll()
    }
    if (!enterKnown) this.reportGone(Infinity)
    return directories
  }

  /** Known names of what was found changed that are not among the paths. */
  #otherNames(paths: readonly Uint8Array[]): Uint8Array[] {
    const linked = this.#linked
    this.#linked = undefined
    if (linked === undefined || linked.size === 0) return []
    const seen = new Set(paths.map(keyOf))
    const names = this.tree.withInodes(linked, OTHER_NAMES_MAX).map((entry) => this.tree.pathOf(entry))
    return names.filter((path) => !seen.has(keyOf(path)))
  }

  /** Steps down from the root; where a parent is no directory (any more), that parent is what is looked at. */
  #atPath(
    root: OpenDirectory,
    open: Map<string, OpenDirectory>,
    path: Uint8Array,
    directories: Uint8Array[],
    enterKnown: boolean,
  ): void {
    let parent = root
    for (let start = 0; ;) {
      const slash = path.indexOf(SLASH, start)
      const end = slash < 0 ? path.byteLength : slash
      const name = path.subarray(start, end)
      const prefix = path.slice(0, end)
      const opened = slash < 0 ? undefined : (open.get(keyOf(prefix)) ?? this.reader.openChild(parent, name))
      if (opened === undefined || typeof opened === 'string') {
        this.#atName(parent, prefix, name, directories, enterKnown && slash < 0)
        return
      }
      open.set(keyOf(prefix), opened)
      parent = opened
      start = end + 1
    }
  }

  #atName(
    parent: OpenDirectory,
    path: Uint8Array,
    name: Uint8Array,
    directories: Uint8Array[],
    enterKnown: boolean,
  ): void {
    const { tree, reader } = this
    const problem = reader.stat(parent, name)
    const entry = tree.find(path)
    if (problem === 'ENOENT') {
      if (entry > 0 && !this.#isLeftToWalk(entry, () => path)) this.goneWithAll(entry)
      return
    }
    if (problem !== undefined) {
      this.problem(path, problem)
      return
    }
    const words = reader.words
    if (entry <= 0 && isLinked(words)) this.#linked?.add(words)
    if (isDirectory(words)) {
      const known = entry > 0 && tree.has(entry, KEYED) && sameInode(tree.stats, tree.statAt(entry), words, 0)
      if (enterKnown || !known) directories.push(path)
      // A new directory is reported by the walk that it needs anyway.
      if (!enterKnown && !known) return
    }
    this.count(words)
    if (entry > 0) this.compare(entry, words, () => path)
    else this.sink.changed(path, words, NEW)
  }
}

/** Opens a directory step by step from the root, never through a symbolic link. */
export function openPath(
  reader: Pick<DirectoryReader, 'openChild' | 'close'>,
  root: OpenDirectory,
  path: Uint8Array,
): OpenDirectory | string {
  let directory = root
  for (let start = 0; start < path.byteLength;) {
    const slash = path.indexOf(SLASH, start)
    const end = slash < 0 ? path.byteLength : slash
    const next = reader.openChild(directory, path.subarray(start, end))
    if (directory !== root) reader.close(directory)
    if (typeof next === 'string') return next
    directory = next
    start = end + 1
  }
  return directory
}
