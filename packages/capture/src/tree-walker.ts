import type { DirectoryReader, OpenDirectory } from './directory-reader.ts'
import { Exclusion } from './exclusion.ts'
import { CAPTURED, KEYED, LiveTree } from './live-tree.ts'
import { Look } from './look.ts'
import { sameInode } from './stat-key.ts'
import { walkBelow } from './walk.ts'

/** What a walk or a check finds different from the tree. `words` is overwritten afterwards; paths are the receiver's. */
export interface ChangeSink {
  /** The path is there and not as it was captured, or that cannot be told from its key (`racy`). `known`: the history has a version of it. */
  changed(path: Uint8Array, words: Uint32Array, why: { readonly known: boolean; readonly racy: boolean }): void
  /** The history has the path, and it is gone; children come before parents. */
  vanished(path: Uint8Array): void
  /** It could not be looked at (`EACCES`, `EIO`); what is known of it and below stays as it is. */
  problem(path: Uint8Array, errno: string): void
}

export interface WalkTotals {
  readonly files: number
  /** Of the files' sizes. */
  readonly bytes: number
  readonly directories: number
  readonly symlinks: number
  readonly others: number
  readonly problems: number
}

/** How a walk or check ended. `unavailable`: the root is missing, no directory, unreadable, or looks like another one; what was reported
 *  before it was noticed is true, and nothing may be concluded from what was not. `rootChanged`: it is another directory than before, and
 *  was accepted: watchers must begin anew. */
export type WalkEnd =
  | { readonly type: 'done'; readonly totals: WalkTotals; readonly rootChanged: boolean }
  | { readonly type: 'unavailable'; readonly message: string }

/** Compares one directory tree on disk with its LiveTree. One walk at a time; between its units paths may be checked, captured and forgotten. */
export interface TreeWalker {
  readonly tree: LiveTree
  /** Everything at and below `top` (empty: all). Yields after each unit of a few milliseconds, so that a thread can do other things in
   *  between. Symbolic links are not followed; other file systems are walked too. Each directory is reported before what is in it.
   *  `thorough`: reports files that were young when they were captured, too. @default true */
  walk(top: Uint8Array, sink: ChangeSink, thorough?: boolean): Generator<undefined, WalkEnd>
  /** Only these paths, and what was below those that are gone. Directories that are new come back, and such as are gone with very much
   *  in them: they must be walked. */
  check(paths: readonly Uint8Array[], sink: ChangeSink): { readonly end: WalkEnd; readonly directories: Uint8Array[] }
  /** The root is meant as it is, even if it looks like another one than before. */
  acceptRoot(): void
}

export interface TreeWalkerOptions {
  /** Absolute path, bytes. */
  readonly root: Uint8Array
  readonly reader: DirectoryReader
  /** Relative directories that are not looked at, with everything below. */
  readonly exclude?: readonly Uint8Array[]
}

export const createTreeWalker = (options: TreeWalkerOptions): TreeWalker => new Walker(options)

/** Names compared to tell whether a root with another inode is the same tree. */
const ROOT_SAMPLE_MAX = 1000
const EMPTY = new Uint8Array(0)
const LOOKS_DIFFERENT = 'it is another directory than before, without most of what was in it'

class Walker implements TreeWalker {
  readonly tree = new LiveTree()
  readonly #root: Uint8Array
  readonly #reader: DirectoryReader
  readonly #exclusion: Exclusion
  #looks = 0
  #walking = false

  constructor(options: TreeWalkerOptions) {
    this.#root = options.root
    this.#reader = options.reader
    this.#exclusion = new Exclusion(options.exclude ?? [])
  }

  acceptRoot(): void {
    this.tree.clearFlag(0, KEYED)
  }

  *walk(top: Uint8Array, sink: ChangeSink, thorough = true): Generator<undefined, WalkEnd> {
    if (this.#walking) throw new TypeError('one walk at a time')
    const root = this.#open()
    if (typeof root === 'string') return { type: 'unavailable', message: root }
    this.#walking = true
    try {
      const rootChanged = !this.#isKnownRoot()
      if (rootChanged && !this.#isPlausible(root)) return { type: 'unavailable', message: LOOKS_DIFFERENT }
      const look = this.#newLook(sink, thorough)
      yield* walkBelow(look, root, top)
      const problem = this.#confirmRoot(root)
      return problem === undefined
        ? { type: 'done', totals: look.totals, rootChanged }
        : { type: 'unavailable', message: problem }
    } finally {
      this.#walking = false
      this.#reader.close(root)
      this.tree.collect()
    }
  }

  check(paths: readonly Uint8Array[], sink: ChangeSink): { end: WalkEnd; directories: Uint8Array[] } {
    const root = this.#open()
    if (typeof root === 'string') return { end: { type: 'unavailable', message: root }, directories: [] }
    try {
      if (!this.#isKnownRoot()) return { end: { type: 'unavailable', message: LOOKS_DIFFERENT }, directories: [] }
      const look = this.#newLook(sink, true)
      const directories = look.atPaths(root, paths, false)
      return { end: { type: 'done', totals: look.totals, rootChanged: false }, directories }
    } finally {
      this.#reader.close(root)
      if (!this.#walking) this.tree.collect()
    }
  }

  #newLook(sink: ChangeSink, thorough: boolean): Look {
    const number = ++this.#looks
    return new Look({ tree: this.tree, reader: this.#reader, exclusion: this.#exclusion, sink, number, thorough })
  }

  #open(): OpenDirectory | string {
    const root = this.#reader.openRoot(this.#root)
    if (typeof root === 'string') return describeRoot(root)
    const problem = this.#reader.stat(root, EMPTY)
    if (problem === undefined) return root
    this.#reader.close(root)
    return describeRoot(problem)
  }

  /** Whether the status read last is that of the directory walked before; true if none was. */
  #isKnownRoot(): boolean {
    return !this.tree.has(0, KEYED) || sameInode(this.tree.stats, 0, this.#reader.words, 0)
  }

  /** A moved or newly mounted tree still has most of its names; an unmounted drive leaves a directory without them. */
  #isPlausible(root: OpenDirectory): boolean {
    const tree = this.tree
    let known = 0
    let found = 0
    for (let entry = tree.firstChildOf(0); entry >= 0 && known < ROOT_SAMPLE_MAX; entry = tree.nextOf(entry)) {
      if (!tree.has(entry, CAPTURED)) continue
      known++
      if (this.#reader.stat(root, tree.nameOf(entry)) === undefined) found++
    }
    return found * 2 > known || known === 0
  }

  /** What was walked must still be what the path names: a drive may have gone meanwhile. Notes which directory it was. */
  #confirmRoot(root: OpenDirectory): string | undefined {
    const problem = this.#reader.stat(root, EMPTY)
    if (problem !== undefined) return describeRoot(problem)
    const walked = this.#reader.words.slice()
    const again = this.#open()
    if (typeof again === 'string') return again
    this.#reader.close(again)
    if (!sameInode(walked, 0, this.#reader.words, 0)) return 'it was replaced while it was walked'
    this.tree.capture(EMPTY, walked, 0, { racy: false, young: false, ignored: true })
    return undefined
  }
}

const describeRoot = (errno: string): string =>
  errno === 'ENOENT' ? 'it is missing' : errno === 'ENOTDIR' ? 'it is not a directory' : `it cannot be read (${errno})`
