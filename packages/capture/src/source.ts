import { constants } from 'node:fs'
import { createNodeReader, type OpenDirectory } from './directory-reader.ts'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  cString,
  errnoName,
  libc,
  OPEN_DIRECTORY,
  O_CLOEXEC,
  O_PATH,
  SEEK_DATA,
  SEEK_HOLE,
  STATX_BYTES,
  type Libc,
} from './libc.ts'
import { openPath } from './look.ts'
import { createNodeSource } from './node-source.ts'
import { encodeStatx, STAT_WORDS } from './stat-key.ts'
import { createXattrReader, placeOfFd, placeOfPath, type XattrsRead } from './xattrs.ts'

/** A fifo, or a device with its numbers. */
export interface SpecialFile {
  readonly kind: 'fifo' | 'character' | 'block'
  readonly major: number
  readonly minor: number
}

/** What the last look said beside the words. */
export interface Facts {
  /** Names that the file has, here and elsewhere. */
  links: number
  /** Bytes that it takes on its drive: fewer than its size if it has holes. */
  diskBytes: number
  /** Undefined for a socket, and for all that is no special file. */
  special: SpecialFile | undefined
}

/**
 * Reads what is at single paths below a root. Every entry is reached through the open directory that holds it, so that a
 * directory which is replaced by a symbolic link meanwhile is refused, never followed out of the root. Results that may fail
 * are an error's name (`ENOENT`), never an exception. Not re-entrant: status and buffers are shared by all calls.
 */
export interface Source {
  /** The status that the last look left here; see `STAT_WORDS`. */
  readonly words: Uint32Array
  readonly facts: Readonly<Facts>
  /** Opens an absolute path; symbolic links are followed, for the root is what the operator named. */
  openRoot(path: Uint8Array): OpenDirectory | string
  /** A directory below the root, step by step; empty: the root itself. Close it unless it is the root. */
  openDirectory(root: OpenDirectory, path: Uint8Array): OpenDirectory | string
  closeDirectory(directory: OpenDirectory): void
  /** Status of an entry, or with an empty name of the directory itself. */
  look(directory: OpenDirectory, name: Uint8Array): string | undefined
  /** Opens a file for reading, without waiting should a fifo have taken its place. A descriptor, to be closed here. */
  openFile(directory: OpenDirectory, name: Uint8Array): number | string
  lookAtFile(fd: number): string | undefined
  closeFile(fd: number): void
  readLink(directory: OpenDirectory, name: Uint8Array): Uint8Array | string
  fileXattrs(fd: number): XattrsRead
  /** Of anything but a file; with an empty name of the directory itself. */
  entryXattrs(directory: OpenDirectory, name: Uint8Array, isDirectory: boolean): XattrsRead
  /** Where the first hole begins at or after the offset, and where data goes on behind it; `size` for the end. Undefined where the system does not tell. */
  nextHole(fd: number, offset: number, size: number): { readonly start: number; readonly end: number } | undefined
}

export function createSource(): Source {
  const calls = libc()
  return calls === undefined ? createNodeSource(createNodeReader()) : createLibcSource(calls)
}

const SELF = new Uint8Array(1)
const TARGET_BYTES_MAX = 4096
const DOT = Uint8Array.of(0x2e)
/** Opens a directory only to reach what is in it: that takes the right to search it, not to list it. */
const REACH = constants.O_DIRECTORY | constants.O_NOFOLLOW | O_PATH | O_CLOEXEC
const REACH_ROOT = REACH & ~constants.O_NOFOLLOW
const OPEN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC
const BLOCK_BYTES = 512
const HIGH = 0x1_0000_0000

function createLibcSource(calls: Libc): Source {
  const statx = new Uint8Array(STATX_BYTES)
  const statxWords = new Uint32Array(statx.buffer)
  const words = new Uint32Array(STAT_WORDS)
  const facts: Facts = { links: 1, diskBytes: 0, special: undefined }
  const link = new Uint8Array(TARGET_BYTES_MAX)
  const readXattrs = createXattrReader()

  const statAt = (fd: number, name: Uint8Array, flags: number): string | undefined => {
    const result = calls.statx(fd, name, flags, statx)
    if (result < 0) return errnoName(result)
    encodeStatx(statxWords, words)
    facts.links = statxWords[4] ?? 1
    facts.diskBytes = BLOCK_BYTES * ((statxWords[13] ?? 0) * HIGH + (statxWords[12] ?? 0))
    facts.special = specialOf((statxWords[7] ?? 0) & 0xffff, statxWords[32] ?? 0, statxWords[33] ?? 0)
    return undefined
  }

  const seek = (fd: number, offset: number, size: number, whence: number): number | undefined => {
    const found = calls.lseek(fd, offset, whence)
    if (found >= 0) return Math.min(found, size)
    return errnoName(found) === 'ENXIO' ? size : undefined
  }

  const close = ({ fd }: OpenDirectory): void => void calls.close(fd)
  const opened = (fd: number, path: Uint8Array): OpenDirectory | string => (fd < 0 ? errnoName(fd) : { fd, path })
  const reach = {
    openChild: (parent: OpenDirectory, name: Uint8Array) =>
      opened(calls.openat(parent.fd, cString(name), REACH, 0), name),
    close,
  }

  return {
    words,
    facts,
    openRoot: (path) => opened(calls.openat(AT_FDCWD, cString(path), REACH_ROOT, 0), path),
    openDirectory: (root, path) => openPath(reach, root, path),
    closeDirectory: close,
    look: (directory, name) =>
      name.byteLength === 0
        ? statAt(directory.fd, SELF, AT_EMPTY_PATH)
        : statAt(directory.fd, cString(name), AT_SYMLINK_NOFOLLOW),
    openFile(directory, name) {
      const fd = calls.openat(directory.fd, cString(name), OPEN_FILE, 0)
      return fd < 0 ? errnoName(fd) : fd
    },
    lookAtFile: (fd) => statAt(fd, SELF, AT_EMPTY_PATH),
    closeFile: (fd) => void calls.close(fd),
    readLink(directory, name) {
      const length = calls.readlinkat(directory.fd, cString(name), link)
      return length < 0 ? errnoName(length) : link.slice(0, length)
    },
    fileXattrs: (fd) => readXattrs(placeOfFd(calls, fd)),
    entryXattrs(directory, name, isDirectory) {
      const at = name.byteLength === 0 ? DOT : name
      const fd = isDirectory ? calls.openat(directory.fd, cString(at), OPEN_DIRECTORY, 0) : -1
      // What cannot be opened is named through the descriptor of its directory: only the last name is looked up, and not followed.
      if (fd < 0) return readXattrs(placeOfPath(calls, pathThrough(directory.fd, at)))
      try {
        return readXattrs(placeOfFd(calls, fd))
      } finally {
        calls.close(fd)
      }
    },
    nextHole(fd, offset, size) {
      const start = seek(fd, offset, size, SEEK_HOLE)
      if (start === undefined) return undefined
      const end = start < size ? seek(fd, start, size, SEEK_DATA) : size
      return end === undefined ? undefined : { start, end }
    },
  }
}

const pathThrough = (fd: number, name: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name, SELF])

const KINDS: Readonly<Record<number, SpecialFile['kind']>> = {
  [constants.S_IFIFO]: 'fifo',
  [constants.S_IFCHR]: 'character',
  [constants.S_IFBLK]: 'block',
}

/** What `st_mode` and device numbers say; undefined for a socket or no special file. */
export function specialOf(mode: number, major: number, minor: number): SpecialFile | undefined {
  const kind = KINDS[mode & constants.S_IFMT]
  if (kind === undefined) return undefined
  return kind === 'fifo' ? { kind, major: 0, minor: 0 } : { kind, major, minor }
}
