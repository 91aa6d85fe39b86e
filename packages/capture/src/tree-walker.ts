import { joinPath, type DirectoryReader, type OpenDirectory } from './directory-reader.ts'
import { CAPTURED, GONE, KEYED, LiveTree, PENDING, RACY } from './live-tree.ts'
import { isDirectory, sameDevice, sameInode, sameStat, sizeOf, STAT_WORDS, typeOf } from './stat-key.ts'

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

/** How a walk or check ended. `unavailable`: the root is missing, no directory, unreadable, or looks like another one: then nothing
 *  was reported as vanished. `rootChanged`: it is another directory than before, and was accepted: watchers must begin anew. */
export type WalkEnd =
  | { readonly type: 'done'; readonly totals: WalkTotals; readonly rootChanged: boolean }
  | { readonly type: 'unavailable'; readonly message: string }

/** Compares one directory tree on disk with its LiveTree. One walk or check at a time; captures may be noted in between. */
export interface TreeWalker {
  readonly tree: LiveTree
  /** Everything at and below `top` (empty: all). Yields after each unit of a few milliseconds, so that a thread can do other things in
   *  between. Symbolic links are not followed; other file systems are walked too. Each directory is reported before what is in it. */
  walk(top: Uint8Array, sink: ChangeSink): Generator<undefined, WalkEnd>
  /** Only these paths, and what was below those that are gone. Directories that are new come back: they must be walked. */
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

/** Directories kept open on the way down, at most: a descriptor each. Deeper trees are opened anew from the root. */
export const OPEN_DEPTH_MAX = 128
/** Vanished paths reported per unit of a walk. */
const VANISHED_PER_UNIT = 1000
/** Names compared to tell whether a root with another inode is the same tree. */
const ROOT_SAMPLE_MAX = 1000
/** Directories that a check keeps open, at most. */
const CHECK_OPEN_MAX = 64
const EMPTY = new Uint8Array(0)
const SLASH = 0x2f

interface Frame {
  readonly entry: number
  readonly path: Uint8Array
  /** Status of the directory itself. */
  readonly words: Uint32Array
  directory: OpenDirectory | undefined
  readonly subdirectories: number[]
  seen: number
}

class Walker implements TreeWalker {
  readonly tree = new LiveTree()
  readonly #root: Uint8Array
  readonly #reader: DirectoryReader
  readonly #exclude: ReadonlySet<string>
  readonly #excludedNames: ReadonlySet<string>
  /** Directories that were mount points and are none now. */
  readonly #unmounted = new Set<number>()
  #gone: number[] = []
  #walk = 0
  #totals = newTotals()

  constructor(options: TreeWalkerOptions) {
    this.#root = options.root
    this.#reader = options.reader
    this.#exclude = new Set((options.exclude ?? []).map(keyOf))
    this.#excludedNames = new Set([...this.#exclude].map((path) => path.slice(path.lastIndexOf('/') + 1)))
  }

  acceptRoot(): void {
    this.tree.clearFlag(0, KEYED)
  }

  *walk(top: Uint8Array, sink: ChangeSink): Generator<undefined, WalkEnd> {
    const root = this.#open()
    if (typeof root === 'string') return { type: 'unavailable', message: root }
    const frames: Frame[] = []
    try {
      const rootChanged = !this.#isKnownRoot()
      if (rootChanged && !this.#isPlausible(root)) return { type: 'unavailable', message: LOOKS_DIFFERENT }
      this.#walk++
      const first = this.#enterTop(root, top, sink)
      if (first !== undefined) {
        frames.push(first)
        yield* this.#read(first, sink)
      }
      for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
        const entry = frame.subdirectories.pop()
        if (entry === undefined) {
          this.#close(frames.pop(), root)
          continue
        }
        const child = this.#enter(root, frame, entry, sink)
        if (child === undefined) continue
        frames.push(child)
        yield* this.#read(child, sink)
        const outer = frames.at(-1 - OPEN_DEPTH_MAX)
        if (outer !== undefined) this.#close(outer, root)
      }
      yield* this.#reportGone(sink)
      return this.#finish(root, rootChanged)
    } finally {
      for (const frame of frames) {
        this.#close(frame, root)
        for (const entry of frame.subdirectories) this.#unmark(entry)
      }
      this.#gone = []
      this.#reader.close(root)
      this.tree.collect()
    }
  }

  check(paths: readonly Uint8Array[], sink: ChangeSink): { end: WalkEnd; directories: Uint8Array[] } {
    const directories: Uint8Array[] = []
    const root = this.#open()
    if (typeof root === 'string') return { end: { type: 'unavailable', message: root }, directories }
    const open = new Map<string, OpenDirectory>()
    const closeAll = (): void => {
      for (const directory of open.values()) this.#reader.close(directory)
      open.clear()
    }
    try {
      if (!this.#isKnownRoot()) return { end: { type: 'unavailable', message: LOOKS_DIFFERENT }, directories }
      this.#walk++
      for (const path of paths) {
        if (open.size > CHECK_OPEN_MAX) closeAll()
        if (path.byteLength > 0 && !this.#isExcludedBelow(path)) this.#look(root, open, path, directories, sink)
      }
      for (const step of this.#reportGone(sink)) void step
      return { end: this.#done(false), directories }
    } finally {
      closeAll()
      this.#reader.close(root)
      this.tree.collect()
    }
  }

  // The root

  #open(): OpenDirectory | string {
    this.#totals = newTotals()
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

  /** What was walked must still be what the path names: a drive may have gone meanwhile. */
  #finish(root: OpenDirectory, rootChanged: boolean): WalkEnd {
    const problem = this.#reader.stat(root, EMPTY)
    if (problem !== undefined) return { type: 'unavailable', message: describeRoot(problem) }
    const walked = this.#reader.words.slice()
    const again = this.#reader.openRoot(this.#root)
    if (typeof again === 'string') return { type: 'unavailable', message: describeRoot(again) }
    const same = this.#reader.stat(again, EMPTY) === undefined && sameInode(walked, 0, this.#reader.words, 0)
    this.#reader.close(again)
    if (!same) return { type: 'unavailable', message: 'it was replaced while it was walked' }
    this.tree.capture(EMPTY, walked, 0, { racy: false, ignored: true })
    return this.#done(rootChanged)
  }

  #done(rootChanged: boolean): WalkEnd {
    return { type: 'done', totals: this.#totals, rootChanged }
  }

  // Walking

  #enterTop(root: OpenDirectory, top: Uint8Array, sink: ChangeSink): Frame | undefined {
    if (top.byteLength === 0) return this.#enterOpened(0, EMPTY, root, sink)
    const open = new Map<string, OpenDirectory>()
    const directories: Uint8Array[] = []
    if (!this.#isExcludedBelow(top)) this.#look(root, open, top, directories, sink, true)
    for (const directory of open.values()) this.#reader.close(directory)
    if (directories.length === 0) return undefined
    const entry = this.tree.find(top)
    return entry < 0 ? undefined : this.#enterOpened(entry, top, this.#openPath(root, top), sink)
  }

  #enter(root: OpenDirectory, parent: Frame, entry: number, sink: ChangeSink): Frame | undefined {
    const name = this.tree.nameOf(entry)
    const path = joinPath(parent.path, name)
    const opened =
      parent.directory === undefined ? this.#openPath(root, path) : this.#reader.openChild(parent.directory, name)
    return this.#enterOpened(entry, path, opened, sink)
  }

  #enterOpened(entry: number, path: Uint8Array, opened: OpenDirectory | string, sink: ChangeSink): Frame | undefined {
    if (typeof opened === 'string') {
      this.#unmark(entry)
      // Gone or replaced since it was seen: the next look at its parent tells.
      if (opened !== 'ENOENT' && opened !== 'ENOTDIR' && opened !== 'ELOOP') this.#problem(path, opened, sink)
      return undefined
    }
    const problem = this.#reader.stat(opened, EMPTY)
    if (problem !== undefined) this.#problem(path, problem, sink)
    return newFrame(entry, path, this.#reader, opened)
  }

  *#read(frame: Frame, sink: ChangeSink): Generator<undefined, void> {
    const directory = frame.directory
    if (directory === undefined) return
    const visit = (bytes: Uint8Array, start: number, end: number, problem: string | undefined): void =>
      this.#visit(frame, bytes, start, end, problem, sink)
    for (;;) {
      const result = this.#reader.read(directory, visit)
      if ('problem' in result) {
        // A directory that was removed while it was read: the next look at its parent tells.
        if (result.problem !== 'ENOENT') this.#problem(frame.path, result.problem, sink)
        this.#unmounted.delete(frame.entry)
        this.#unmark(frame.entry)
        return
      }
      if (!result.more) break
      yield
    }
    this.tree.clearFlag(frame.entry, PENDING)
    if (this.#unmounted.delete(frame.entry) && !this.#reportMountPoint(frame, sink)) return
    if (this.tree.has(frame.entry, KEYED)) this.tree.setDevice(frame.entry, frame.words)
    this.#findVanished(frame, directory, sink)
    if (this.#gone.length > 0) yield* this.#reportGone(sink)
    this.tree.prune(frame.entry)
    yield
  }

  #visit(frame: Frame, bytes: Uint8Array, start: number, end: number, problem: string | undefined, sink: ChangeSink) {
    const tree = this.tree
    const words = this.#reader.words
    let entry = tree.child(frame.entry, bytes, start, end)
    if (entry >= 0) tree.stamp(entry, this.#walk)
    if (problem !== undefined) {
      this.#problem(joinPath(frame.path, bytes.subarray(start, end)), problem, sink)
      return
    }
    frame.seen++
    const directory = isDirectory(words)
    if (directory && this.#isExcluded(frame.path, bytes, start, end)) return
    this.#count(words)
    if (entry < 0) {
      sink.changed(joinPath(frame.path, bytes.subarray(start, end)), words, NEW)
      if (!directory) return
      entry = tree.ensureChild(frame.entry, bytes, start, end)
      tree.stamp(entry, this.#walk)
    } else if (directory && this.#wasMountPoint(frame, entry, words)) {
      this.#unmounted.add(entry)
    } else {
      this.#compare(entry, words, () => joinPath(frame.path, bytes.subarray(start, end)), sink)
    }
    if (directory) {
      tree.setFlag(entry, PENDING)
      frame.subdirectories.push(entry)
    }
  }

  #compare(entry: number, words: Uint32Array, path: () => Uint8Array, sink: ChangeSink): void {
    const tree = this.tree
    tree.clearFlag(entry, GONE)
    const same = tree.has(entry, KEYED) && sameStat(tree.stats, tree.statAt(entry), words, 0)
    if (!same || tree.has(entry, RACY)) sink.changed(path(), words, { known: tree.has(entry, CAPTURED), racy: same })
    if (!isDirectory(words) && tree.firstChildOf(entry) >= 0) this.#goneBelow(entry)
  }

  /** A drive that was mounted here is not any more. */
  #wasMountPoint(parent: Frame, entry: number, words: Uint32Array): boolean {
    const tree = this.tree
    return (
      tree.has(entry, KEYED) &&
      tree.has(parent.entry, KEYED) &&
      !sameDevice(tree.stats, tree.statAt(entry), tree.stats, tree.statAt(parent.entry)) &&
      sameDevice(words, 0, parent.words, 0)
    )
  }

  /** False if the former mount point is empty: its drive is unavailable, and what was on it is not taken for deleted. */
  #reportMountPoint(frame: Frame, sink: ChangeSink): boolean {
    if (frame.seen === 0 && this.tree.firstChildOf(frame.entry) >= 0) {
      this.#problem(frame.path, 'ENODEV', sink)
      return false
    }
    this.#compare(frame.entry, frame.words, () => frame.path, sink)
    return true
  }

  /** Children that the listing did not show are looked at one by one: a listing may miss what is renamed under it, and what was
   *  captured after the listing began is not in it. */
  #findVanished(frame: Frame, directory: OpenDirectory, sink: ChangeSink): void {
    const tree = this.tree
    const unseen: number[] = []
    for (let entry = tree.firstChildOf(frame.entry); entry >= 0; entry = tree.nextOf(entry))
      if (tree.stampOf(entry) !== this.#walk) unseen.push(entry)
    for (const entry of unseen) {
      const name = tree.nameOf(entry)
      const problem = this.#reader.stat(directory, name)
      if (problem === 'ENOENT') this.#goneWithAll(entry)
      else this.#visit(frame, name, 0, name.byteLength, problem, sink)
    }
  }

  // What is gone

  #goneBelow(entry: number): void {
    const tree = this.tree
    const children: number[] = []
    for (let child = tree.firstChildOf(entry); child >= 0; child = tree.nextOf(child)) children.push(child)
    for (const child of children) this.#goneWithAll(child)
  }

  /** Marks the entry and everything below; reported by `#reportGone`, children before parents. */
  #goneWithAll(top: number): void {
    const tree = this.tree
    const found = [top]
    for (let index = 0; index < found.length; index++) {
      const entry = found[index] ?? -1
      for (let child = tree.firstChildOf(entry); child >= 0; child = tree.nextOf(child)) found.push(child)
    }
    for (const entry of found.reverse()) {
      tree.clearFlag(entry, PENDING)
      if (tree.has(entry, CAPTURED)) {
        tree.setFlag(entry, GONE)
        this.#gone.push(entry)
      } else {
        tree.clearFlag(entry, KEYED | RACY)
        tree.prune(entry)
      }
    }
  }

  *#reportGone(sink: ChangeSink): Generator<undefined, void> {
    const gone = this.#gone
    this.#gone = []
    for (const [index, entry] of gone.entries()) {
      if (this.tree.has(entry, GONE)) sink.vanished(this.tree.pathOf(entry))
      if (index % VANISHED_PER_UNIT === VANISHED_PER_UNIT - 1) yield
    }
  }

  // Single paths

  #look(
    root: OpenDirectory,
    open: Map<string, OpenDirectory>,
    path: Uint8Array,
    directories: Uint8Array[],
    sink: ChangeSink,
    enterKnown = false,
  ): void {
    let parent = root
    for (let start = 0; ;) {
      const slash = path.indexOf(SLASH, start)
      const end = slash < 0 ? path.byteLength : slash
      const name = path.subarray(start, end)
      const prefix = path.subarray(0, end)
      const opened = slash < 0 ? 'last' : (open.get(keyOf(prefix)) ?? this.#reader.openChild(parent, name))
      if (typeof opened === 'string') {
        this.#lookAt(parent, prefix, name, directories, sink, enterKnown && slash < 0)
        return
      }
      open.set(keyOf(prefix), opened)
      parent = opened
      start = end + 1
    }
  }

  #lookAt(
    parent: OpenDirectory,
    path: Uint8Array,
    name: Uint8Array,
    directories: Uint8Array[],
    sink: ChangeSink,
    enterKnown: boolean,
  ): void {
    const tree = this.tree
    const problem = this.#reader.stat(parent, name)
    const entry = tree.find(path)
    if (problem === 'ENOENT') {
      if (entry > 0) this.#goneWithAll(entry)
      return
    }
    if (problem !== undefined) {
      this.#problem(path, problem, sink)
      return
    }
    const words = this.#reader.words
    const owned = new Uint8Array(path)
    const directory = isDirectory(words)
    const known = entry > 0 && tree.has(entry, KEYED) && sameInode(tree.stats, tree.statAt(entry), words, 0)
    const enter = directory && (enterKnown || !known)
    // A new directory is reported by the walk that it needs anyway.
    if (enter) directories.push(owned)
    if (enter && !enterKnown) return
    this.#count(words)
    if (entry < 0) sink.changed(owned, words, NEW)
    else this.#compare(entry, words, () => owned, sink)
    if (directory) tree.ensure(owned)
  }

  /** Opens a directory from the root, step by step. */
  #openPath(root: OpenDirectory, path: Uint8Array): OpenDirectory | string {
    let directory = root
    for (let start = 0; start < path.byteLength;) {
      const slash = path.indexOf(SLASH, start)
      const end = slash < 0 ? path.byteLength : slash
      const next = this.#reader.openChild(directory, path.subarray(start, end))
      if (directory !== root) this.#reader.close(directory)
      if (typeof next === 'string') return next
      directory = next
      start = end + 1
    }
    return directory
  }

  // Small things

  #close(frame: Frame | undefined, root: OpenDirectory): void {
    if (frame?.directory !== undefined && frame.directory !== root) this.#reader.close(frame.directory)
    if (frame !== undefined) frame.directory = undefined
  }

  #unmark(entry: number): void {
    this.tree.clearFlag(entry, PENDING)
    this.tree.prune(entry)
  }

  #isExcluded(directory: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#exclude.size === 0) return false
    const name = bytes.subarray(start, end)
    return this.#excludedNames.has(keyOf(name)) && this.#exclude.has(keyOf(joinPath(directory, name)))
  }

  #isExcludedBelow(path: Uint8Array): boolean {
    if (this.#exclude.size === 0) return false
    for (let end = path.indexOf(SLASH); end >= 0; end = path.indexOf(SLASH, end + 1))
      if (this.#exclude.has(keyOf(path.subarray(0, end)))) return true
    return this.#exclude.has(keyOf(path))
  }

  #problem(path: Uint8Array, errno: string, sink: ChangeSink): void {
    this.#totals.problems++
    sink.problem(path, errno)
  }

  #count(words: Uint32Array): void {
    const totals = this.#totals
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
}

const NEW = { known: false, racy: false }
const LOOKS_DIFFERENT = 'it is another directory than before, without most of what was in it'

const describeRoot = (errno: string): string =>
  errno === 'ENOENT' ? 'it is missing' : errno === 'ENOTDIR' ? 'it is not a directory' : `it cannot be read (${errno})`

const newTotals = () => ({ files: 0, bytes: 0, directories: 0, symlinks: 0, others: 0, problems: 0 })

/** The words of the reader are those of the directory. */
function newFrame(entry: number, path: Uint8Array, reader: DirectoryReader, directory: OpenDirectory): Frame {
  return { entry, path, words: reader.words.slice(0, STAT_WORDS), directory, subdirectories: [], seen: 0 }
}

/** Bytes as a string, one character each: for maps. */
const keyOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
