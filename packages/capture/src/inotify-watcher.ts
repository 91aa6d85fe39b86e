import { readFileSync, readSync, realpathSync } from 'node:fs'
import { HoldfastError } from '@holdfast/ports'
import { joinPath, keyOf } from './paths.ts'
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, cString, errnoName, OPEN_DIRECTORY, STATX_BYTES, type Libc } from './libc.ts'
import { mountsBelow } from './mounts.ts'
import { type WatchNode, WatchNodes } from './watch-nodes.ts'
import type { Watcher, WatchEvents, WatchOptions } from './watcher.ts'

/**
 * inotify(7) by the C library. Only directories are watched. Two rules make it complete: a directory is watched first and
 * listed then, so that what is created in between gives an event or is in the list; and a directory that comes into the tree is
 * announced (`onTree`) only when everything below it is watched, so that the walk that follows sees what the watches
 * missed. A moved directory keeps its watches: watching it again at its new place yields the same numbers. Where the queue
 * overflowed, the whole tree is listed again. The listing is done in small pieces, and the queue is emptied between them.
 * A directory that a bind mount shows at two places has one watch, and its events are told for both.
 * Must run on a thread that never blocks for long: the kernel's queue holds 16,384 events.
 */
export async function openInotifyWatcher(calls: Libc, options: WatchOptions): Promise<Watcher> {
  const watcher = new InotifyWatcher(calls, options)
  try {
    await watcher.open()
  } catch (error) {
    await watcher.close()
    throw error
  }
  return watcher
}

const IN_ATTRIB = 0x4
const IN_CLOSE_WRITE = 0x8
const IN_MOVED_FROM = 0x40
const IN_MOVED_TO = 0x80
const IN_CREATE = 0x100
const IN_DELETE = 0x200
const IN_DELETE_SELF = 0x400
const IN_MOVE_SELF = 0x800
const IN_UNMOUNT = 0x2000
const IN_Q_OVERFLOW = 0x4000
const IN_IGNORED = 0x8000
const IN_ONLYDIR = 0x1000000
const IN_DONT_FOLLOW = 0x2000000
const IN_MASK_ADD = 0x20000000
const IN_ISDIR = 0x40000000
const MASK = IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR
const MASK_ROOT = MASK | IN_DELETE_SELF | IN_MOVE_SELF
/** Added: the root may be shown below itself, and keeps its own. */
const MASK_BELOW = MASK | IN_DONT_FOLLOW | IN_MASK_ADD

/** Bytes read from the queue at once: some 2,000 events with short names. */
const EVENT_BYTES = 128 * 1024
const EVENT_HEADER_BYTES = 16
/** Reads of the queue before the thread may do something else; the poll calls again for what is left. */
const READS_PER_TURN = 16
const DIRENT_BYTES = 32 * 1024
const DIRENT_NAME = 19
const DT_UNKNOWN = 0
const DT_DIR = 4
const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
/** Directories watched and listed before the queue is emptied again: some 1 ms. */
const LISTED_PER_TURN = 32
const EMPTY = new Uint8Array(0)

/** A subtree that is being watched: what is left to list, and whether to announce it at the end. */
interface Listing {
  readonly top: Uint8Array
  readonly left: { readonly parent: WatchNode | undefined; readonly name: Uint8Array }[]
  readonly whole: boolean
  /** Part of it could not be watched. */
  refused: boolean
  /** There were no watches left, so that it ended early. */
  cut: boolean
}

class InotifyWatcher implements Watcher {
  readonly #calls: Libc
  readonly #root: Uint8Array
  readonly #events: WatchEvents
  readonly #exclude: ReadonlySet<string>
  readonly #nodes = new WatchNodes()
  readonly #listings: Listing[] = []
  readonly #buffer = new Uint8Array(EVENT_BYTES)
  readonly #view = new DataView(this.#buffer.buffer)
  readonly #dirents = new Uint8Array(DIRENT_BYTES)
  readonly #direntView = new DataView(this.#dirents.buffer)
  readonly #statx = new Uint8Array(STATX_BYTES)
  readonly #statxView = new DataView(this.#statx.buffer)
  #dirty: Uint8Array[] = []
  #created: Uint8Array[] = []
  /** Directories that moved away and have not been found at a new place yet. */
  #orphans: WatchNode[] = []
  #fd = -1
  #poll: { close(): void } | undefined
  #round = 0
  #overflowed = false
  #recovering = false
  /** The last listing of the whole tree, or one since, could not watch everything. */
  #partial = false
  /** Mounts below the root when the whole tree was listed last. */
  #mounts = ''
  /** They had changed: what is there now is to be walked. */
  #remounted = false
  #pumping = false
  #ready: { resolve: () => void; reject: (error: Error) => void } | undefined

  constructor(calls: Libc, options: WatchOptions) {
    this.#calls = calls
    this.#root = options.root
    this.#events = options.events
    this.#exclude = new Set((options.exclude ?? []).map(keyOf))
  }

  get watchCount(): number {
    return this.#nodes.count
  }

  /** Resolves when everything below the root is watched. */
  async open(): Promise<void> {
    const fd = this.#calls.inotifyInit()
    if (fd < 0) throw new HoldfastError('HF_SOURCE_UNAVAILABLE', `no watcher can be made: ${errnoName(fd)}`, NO_WATCHER)
    this.#fd = fd
    this.#listWhole()
    const ready = new Promise<void>((resolve, reject) => {
      this.#ready = { resolve, reject }
    })
    this.#poll = this.#calls.poll(fd, () => this.#pump())
    this.#pump()
    await ready
  }

  refresh(): void {
    if (this.#fd < 0 || this.#listings.some((listing) => listing.whole)) return
    const remounted = this.#readMounts() !== this.#mounts
    if (!this.#partial && !remounted) return
    this.#remounted = remounted
    this.#listWhole()
    this.#pump()
  }

  close(): Promise<void> {
    if (this.#fd >= 0) {
      this.#poll?.close()
      this.#calls.close(this.#fd)
      this.#fd = -1
      this.#listings.length = 0
      this.#ready?.reject(new HoldfastError('HF_CLOSED', 'the watcher is closed'))
    }
    return Promise.resolve()
  }

  // One turn: empty the queue, list a little, tell; again soon if there is more to list.

  #pump(): void {
    if (this.#fd < 0) return
    this.#drain()
    const hadOrphans = this.#orphans.length > 0
    for (let count = 0; count < LISTED_PER_TURN && this.#listings.length > 0; count++) this.#listNext()
    if (this.#listings.length === 0 && this.#overflowed) {
      this.#overflowed = false
      this.#recovering = true
      this.#listWhole()
    }
    if (this.#listings.length > 0 || hadOrphans) this.#pumpSoon()
  }

  #pumpSoon(): void {
    if (this.#pumping) return
    this.#pumping = true
    setImmediate(() => {
      this.#pumping = false
      if (this.#listings.length === 0) this.#dropOrphans()
      this.#pump()
    })
  }

  #tell(): void {
    const dirty = this.#dirty
    const created = this.#created
    this.#dirty = []
    this.#created = []
    if (dirty.length > 0) this.#events.onDirty(dirty)
    if (created.length > 0) this.#events.onCreated(created)
  }

  // Events

  #drain(): void {
    for (let reads = 0; reads < READS_PER_TURN; reads++) {
      let filled: number
      try {
        filled = readSync(this.#fd, this.#buffer, 0, EVENT_BYTES, null)
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'EAGAIN') this.#fail()
        return
      }
      for (let at = 0; at < filled;) {
        const nameBytes = this.#view.getUint32(at + 12, true)
        this.#take(at, nameBytes)
        at += EVENT_HEADER_BYTES + nameBytes
      }
      this.#tell()
    }
  }

  #take(at: number, nameBytes: number): void {
    const watch = this.#view.getInt32(at, true)
    const mask = this.#view.getUint32(at + 4, true)
    if ((mask & IN_Q_OVERFLOW) !== 0) this.#overflowed = true
    for (const node of this.#nodes.placesOf(watch)) {
      if ((mask & (IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)) !== 0) this.#takeGone(node, mask)
      if (nameBytes > 0) this.#takeChild(node, mask, this.#name(at + EVENT_HEADER_BYTES))
    }
    if ((mask & IN_IGNORED) !== 0) this.#nodes.remove(watch)
  }

  #takeGone(node: WatchNode, mask: number): void {
    if (!this.#nodes.isRoot(node) && (mask & IN_UNMOUNT) === 0) return
    const path = this.#nodes.pathOf(node)
    if (path !== undefined) this.#events.onLost(path, 'gone')
  }

  #takeChild(node: WatchNode, mask: number, name: Uint8Array): void {
    const directory = this.#nodes.pathOf(node)
    if (directory === undefined) return
    const path = joinPath(directory, name)
    if ((mask & IN_ISDIR) === 0) {
      if ((mask & IN_CREATE) !== 0 && this.#mayBeOpen(path)) this.#created.push(path)
      else this.#dirty.push(path)
      return
    }
    if (this.#exclude.has(keyOf(path))) return
    if ((mask & IN_MOVED_FROM) !== 0) {
      const moved = this.#nodes.child(node, name)
      if (moved !== undefined) this.#orphan(moved)
    }
    if ((mask & (IN_CREATE | IN_MOVED_TO)) === 0) this.#dirty.push(path)
    else this.#list(path, { parent: node, name })
  }

  /** A new regular file with one name is closed by its writer sooner or later; links, and files linked here when complete, are not. */
  #mayBeOpen(path: Uint8Array): boolean {
    const result = this.#calls.statx(AT_FDCWD, this.#absolute(path), AT_SYMLINK_NOFOLLOW, this.#statx)
    if (result < 0) return false
    const regular = (this.#statxView.getUint16(28, true) & S_IFMT) === S_IFREG
    return regular && this.#statxView.getUint32(16, true) === 1
  }

  #name(start: number): Uint8Array {
    return this.#buffer.slice(start, this.#buffer.indexOf(0, start))
  }

  #fail(): void {
    this.#events.onLost(EMPTY, 'failed')
    void this.close()
  }

  // Watching directories and listing them

  #listWhole(): void {
    this.#round++
    this.#mounts = this.#readMounts()
    this.#list(EMPTY, { parent: undefined, name: EMPTY })
  }

  #list(top: Uint8Array, first: Listing['left'][number]): void {
    this.#listings.push({ top, left: [first], whole: first.parent === undefined, refused: false, cut: false })
  }

  #readMounts(): string {
    try {
      return mountsBelow(readFileSync(MOUNTINFO, 'latin1'), realpathSync(Buffer.from(this.#root), 'buffer'))
    } catch {
      // No /proc, or no root: then only walks find what is mounted.
      return ''
    }
  }

  #listNext(): void {
    const listing = this.#listings[0]
    if (listing === undefined) return
    const next = listing.left.pop()
    if (next !== undefined) {
      this.#watchAndList(next.parent, next.name, listing)
      return
    }
    this.#listings.shift()
    if (listing.refused) this.#partial = true
    if (listing.whole) this.#wholeListed(listing)
    else this.#events.onTree(listing.top)
  }

  #wholeListed({ refused, cut }: Listing): void {
    // What a listing that ended early did not see may be there.
    if (!cut) for (const node of this.#nodes.olderThan(this.#round)) this.#unwatch(node)
    this.#partial = refused
    this.#ready?.resolve()
    this.#ready = undefined
    if (!refused) this.#events.onWatched()
    if (this.#recovering) this.#events.onLost(EMPTY, 'overflow')
    this.#recovering = false
    if (this.#remounted) this.#events.onTree(EMPTY)
    this.#remounted = false
  }

  #watchAndList(parent: WatchNode | undefined, name: Uint8Array, listing: Listing): void {
    const directory = parent === undefined ? EMPTY : this.#nodes.pathOf(parent)
    if (directory === undefined) return
    const path = parent === undefined ? EMPTY : joinPath(directory, name)
    if (path.byteLength > 0 && this.#exclude.has(keyOf(path))) return
    const absolute = this.#absolute(path)
    const watch = this.#calls.inotifyAddWatch(this.#fd, absolute, parent === undefined ? MASK_ROOT : MASK_BELOW)
    if (watch < 0) {
      this.#refused(path, errnoName(watch), listing)
      return
    }
    const before = parent === undefined ? undefined : this.#nodes.child(parent, name)
    if (before !== undefined && before.watch !== watch) this.#orphan(before)
    const node = this.#nodes.place(watch, parent, name, this.#round)
    const fd = this.#calls.openat(AT_FDCWD, absolute, parent === undefined ? FOLLOW : OPEN_DIRECTORY, 0)
    if (fd < 0) {
      this.#refused(path, errnoName(fd), listing)
      return
    }
    for (;;) {
      const filled = this.#calls.getdents(fd, this.#dirents)
      if (filled < 0) this.#refused(path, errnoName(filled), listing)
      if (filled <= 0) break
      for (let at = 0; at < filled; at += this.#direntView.getUint16(at + 16, true)) {
        const child = this.#subdirectory(fd, at)
        if (child !== undefined) listing.left.push({ parent: node, name: child })
      }
    }
    this.#calls.close(fd)
  }

  /** The name of a directory entry if it is a directory. */
  #subdirectory(fd: number, at: number): Uint8Array | undefined {
    const type = this.#dirents[at + DIRENT_NAME - 1]
    if (type !== DT_DIR && type !== DT_UNKNOWN) return undefined
    const start = at + DIRENT_NAME
    const name = this.#dirents.slice(start, this.#dirents.indexOf(0, start))
    if (isDots(name)) return undefined
    if (type === DT_DIR) return name
    const result = this.#calls.statx(fd, cString(name), AT_SYMLINK_NOFOLLOW, this.#statx)
    return result >= 0 && (this.#statxView.getUint16(28, true) & S_IFMT) === S_IFDIR ? name : undefined
  }

  #refused(path: Uint8Array, errno: string, listing: Listing): void {
    if (path.byteLength === 0) {
      const ready = this.#ready
      this.#ready = undefined
      if (ready === undefined) this.#events.onLost(path, 'gone')
      else ready.reject(new HoldfastError('HF_SOURCE_UNAVAILABLE', `the directory cannot be watched: ${errno}`))
      return
    }
    // Gone or replaced meanwhile: an event tells.
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return
    listing.refused = true
    if (errno !== 'ENOSPC') {
      this.#events.onLost(path, 'unreadable')
      return
    }
    listing.left.length = 0
    listing.cut = true
    this.#events.onLost(EMPTY, 'watch-limit')
  }

  /** The directory is not at its place any more; it may turn up at another. */
  #orphan(node: WatchNode): void {
    this.#nodes.detach(node)
    this.#orphans.push(node)
  }

  #dropOrphans(): void {
    const orphans = this.#orphans
    this.#orphans = []
    const gone = orphans.filter(({ parent }) => parent === undefined)
    for (const node of gone.flatMap((orphan) => [...this.#nodes.below(orphan)])) this.#unwatch(node)
  }

  #unwatch(node: WatchNode): void {
    if (this.#nodes.removePlace(node)) this.#calls.inotifyRemoveWatch(this.#fd, node.watch)
  }

  #absolute(path: Uint8Array): Uint8Array {
    return cString(path.byteLength === 0 ? this.#root : joinPath(this.#root, path))
  }
}

const MOUNTINFO = '/proc/self/mountinfo'
const FOLLOW = OPEN_DIRECTORY & ~0o400000
const NO_WATCHER = {
  retryable: true,
  next: 'raise fs.inotify.max_user_instances; until then only walks find changes',
}

const isDots = (name: Uint8Array): boolean =>
  name[0] === 0x2e && (name.byteLength === 1 || (name.byteLength === 2 && name[1] === 0x2e))
