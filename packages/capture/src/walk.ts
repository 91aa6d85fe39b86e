import type { OpenDirectory } from './directory-reader.ts'
import { isOfRestore } from './exclusion.ts'
import { KEYED, PENDING } from './live-tree.ts'
import { type Look, NEW, openPath } from './look.ts'
import { joinPath } from './paths.ts'
import { isDirectory, sameDevice } from './stat-key.ts'

/** Directories kept open on the way down, at most: a descriptor each. Deeper trees are opened anew from the root. */
export const OPEN_DEPTH_MAX = 128
/** Vanished paths looked at, or told, per unit. */
const VANISHED_PER_UNIT = 1000
const EMPTY = new Uint8Array(0)

/** A directory on the way down. */
interface Frame {
  readonly entry: number
  readonly path: Uint8Array
  /** Status of the directory itself. */
  readonly words: Uint32Array
  directory: OpenDirectory | undefined
  /** Entries of subdirectories not entered yet; marked as pending. */
  readonly left: number[]
  seen: number
}

/** Depth first, each directory read whole before its subdirectories are entered; all found is told to the look's sink. */
export function* walkBelow(look: Look, root: OpenDirectory, top: Uint8Array): Generator<undefined, void> {
  const walk = new Walk(look, root)
  try {
    yield* walk.run(top)
  } finally {
    walk.close()
  }
}

class Walk {
  readonly #look: Look
  readonly #root: OpenDirectory
  readonly #frames: Frame[] = []
  /** Directories that were mount points and are none now. */
  readonly #unmounted = new Set<number>()

  constructor(look: Look, root: OpenDirectory) {
    this.#look = look
    this.#root = root
  }

  *run(top: Uint8Array): Generator<undefined, void> {
    const frames = this.#frames
    const first = this.#enterTop(top)
    if (first !== undefined) yield* this.#readInto(first)
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const entry = frame.left.pop()
      if (entry === undefined) {
        this.#closeFrame(frame)
        frames.pop()
        continue
      }
      const child = this.#enter(frame, entry)
      if (child !== undefined) yield* this.#readInto(child)
    }
    while (this.#look.reportGone(VANISHED_PER_UNIT)) yield
  }

  close(): void {
    for (const frame of this.#frames) {
      this.#closeFrame(frame)
      for (const entry of frame.left) this.#unmark(entry)
    }
  }

  // On the way down

  #enterTop(top: Uint8Array): Frame | undefined {
    const { tree, reader } = this.#look
    if (top.byteLength === 0) return this.#frameOf(0, EMPTY, this.#root)
    if (this.#look.atPaths(this.#root, [top], true).length === 0) return undefined
    return this.#frameOf(tree.ensure(top), top, openPath(reader, this.#root, top))
  }

  #enter(parent: Frame, entry: number): Frame | undefined {
    const { tree, reader } = this.#look
    // Found gone by a check in between.
    if (!tree.isUsed(entry)) return undefined
    const name = tree.nameOf(entry)
    const path = joinPath(parent.path, name)
    const { directory } = parent
    return this.#frameOf(
      entry,
      path,
      directory === undefined ? openPath(reader, this.#root, path) : reader.openChild(directory, name),
    )
  }

  #frameOf(entry: number, path: Uint8Array, opened: OpenDirectory | string): Frame | undefined {
    const { reader } = this.#look
    if (typeof opened === 'string') {
      this.#unmark(entry)
      // Gone or replaced since it was seen, which is for the next look to tell.
      if (!REPLACED.has(opened)) this.#look.problem(path, opened)
      return undefined
    }
    const problem = reader.stat(opened, EMPTY)
    if (problem !== undefined) this.#look.problem(path, problem)
    return { entry, path, words: reader.words.slice(), directory: opened, left: [], seen: 0 }
  }

  *#readInto(frame: Frame): Generator<undefined, void> {
    this.#frames.push(frame)
    const outer = this.#frames.at(-1 - OPEN_DEPTH_MAX)
    if (outer !== undefined) this.#closeFrame(outer)
    yield* this.#read(frame)
    yield
  }

  #closeFrame(frame: Frame): void {
    if (frame.directory !== undefined && frame.directory !== this.#root) this.#look.reader.close(frame.directory)
    frame.directory = undefined
  }

  #unmark(entry: number): void {
    this.#look.tree.clearFlag(entry, PENDING)
    this.#look.tree.prune(entry)
  }

  // One directory

  *#read(frame: Frame): Generator<undefined, void> {
    const { tree, reader } = this.#look
    const { entry, directory } = frame
    const visit = (bytes: Uint8Array, start: number, end: number, problem: string | undefined): void =>
      this.#visit(frame, bytes, start, end, problem)
    if (directory === undefined) return
    for (let more = true; more;) {
      const result = reader.read(directory, visit)
      if ('problem' in result) {
        if (!REPLACED.has(result.problem)) this.#look.problem(frame.path, result.problem)
        this.#unmounted.delete(entry)
        this.#unmark(entry)
        return
      }
      more = result.more
      if (more) yield
    }
    tree.clearFlag(entry, PENDING)
    if (this.#unmounted.delete(entry) && !this.#lookAtMountPoint(frame)) return
    if (tree.has(entry, KEYED)) tree.setDevice(entry, frame.words)
    yield* this.#findVanished(frame, directory)
    while (this.#look.reportGone(VANISHED_PER_UNIT)) yield
    tree.prune(entry)
  }

  #visit(frame: Frame, bytes: Uint8Array, start: number, end: number, problem: string | undefined): void {
    const { tree, reader, sink } = this.#look
    const words = reader.words
    const path = (): Uint8Array => joinPath(frame.path, bytes.subarray(start, end))
    // The directory itself was found gone by a check in between.
    if (!tree.isUsed(frame.entry)) return
    let entry = tree.child(frame.entry, bytes, start, end)
    if (entry >= 0) tree.stamp(entry, this.#look.number)
    else if (isOfRestore(bytes, start, end)) return
    if (problem !== undefined) {
      this.#look.problem(path(), problem)
      return
    }
    frame.seen++
    const directory = isDirectory(words)
    if (directory && this.#look.exclusion.hasChild(frame.path, bytes, start, end)) return
    this.#look.count(words)
    if (entry < 0) {
      sink.changed(path(), words, NEW)
      if (!directory) return
      entry = tree.ensureChild(frame.entry, bytes, start, end)
      tree.stamp(entry, this.#look.number)
    } else if (directory && this.#wasMountPoint(frame, entry, words)) {
      this.#unmounted.add(entry)
    } else {
      this.#look.compare(entry, words, path)
    }
    if (directory) {
      tree.setFlag(entry, PENDING)
      frame.left.push(entry)
    }
  }

  /** Children that the listing did not show are looked at one by one: a listing may miss what is renamed under it, and what was
   *  captured after the listing began is not in it. */
  *#findVanished(frame: Frame, directory: OpenDirectory): Generator<undefined, void> {
    const { tree, reader, number } = this.#look
    const unseen: number[] = []
    for (let entry = tree.firstChildOf(frame.entry); entry >= 0; entry = tree.nextOf(entry))
      if (tree.stampOf(entry) !== number) unseen.push(entry)
    for (const [index, entry] of unseen.entries()) {
      if (index % VANISHED_PER_UNIT === VANISHED_PER_UNIT - 1) yield
      // Found gone by a check in between.
      if (!tree.isUsed(entry)) continue
      const name = tree.nameOf(entry)
      const problem = reader.stat(directory, name)
      if (problem === 'ENOENT') this.#look.goneWithAll(entry)
      else this.#visit(frame, name, 0, name.byteLength, problem)
    }
  }

  /** A drive that was mounted here is not any more. */
  #wasMountPoint(parent: Frame, entry: number, words: Uint32Array): boolean {
    const { tree } = this.#look
    return (
      tree.has(entry, KEYED) &&
      tree.has(parent.entry, KEYED) &&
      !sameDevice(tree.stats, tree.statAt(entry), tree.stats, tree.statAt(parent.entry)) &&
      sameDevice(words, 0, parent.words, 0)
    )
  }

  /** False if the former mount point is empty: its drive is unavailable, and what was on it is not taken for deleted. */
  #lookAtMountPoint(frame: Frame): boolean {
    if (frame.seen === 0 && this.#look.tree.firstChildOf(frame.entry) >= 0) {
      this.#look.problem(frame.path, 'ENODEV')
      return false
    }
    this.#look.compare(frame.entry, frame.words, () => frame.path)
    return true
  }
}

const REPLACED: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP'])
