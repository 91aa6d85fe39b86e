import { constants } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'

/**
 * The calls of the C library that Node lacks: names relative to an open directory (so that no symbolic link in a parent is
 * ever followed), times in nanoseconds, directory entries and their status without an object for each. Linux only.
 * Every call returns its result (≥ 0) or the negative error number; names are bytes with a final NUL (`cString`).
 */
export interface Libc {
  openat(directory: number, name: Uint8Array, flags: number, mode: number): number
  mkdirat(directory: number, name: Uint8Array, mode: number): number
  /** `flags`: 0, or `AT_REMOVEDIR`. */
  unlinkat(directory: number, name: Uint8Array, flags: number): number
  renameat(from: number, fromName: Uint8Array, to: number, toName: Uint8Array): number
  symlinkat(target: Uint8Array, directory: number, name: Uint8Array): number
  /** Bytes written into `into`, which may be cut short. */
  readlinkat(directory: number, name: Uint8Array, into: Uint8Array): number
  fchownat(directory: number, name: Uint8Array, uid: number, gid: number, flags: number): number
  /** `times`: access and modification time as two `struct timespec`; `encodeTimes` makes them. */
  utimensat(directory: number, name: Uint8Array, times: Uint8Array, flags: number): number
  futimens(fd: number, times: Uint8Array): number
  /** Fills `into` (256 bytes) with a `struct statx`. */
  statx(directory: number, name: Uint8Array, flags: number, into: Uint8Array): number
  /** Bytes of `struct linux_dirent64` written into `into`; 0 at the end. */
  getdents(fd: number, into: Uint8Array): number
  syncfs(fd: number): number
  /** Descriptors of these calls are closed by it: on a worker thread Node warns of those that it did not open. */
  close(fd: number): number
  inotifyInit(): number
  inotifyAddWatch(fd: number, path: Uint8Array, mask: number): number
  inotifyRemoveWatch(fd: number, watch: number): number
  /** Calls back each time the descriptor has something to read, on this thread's event loop, until `close`. */
  poll(fd: number, callback: () => void): { close(): void }
}

export const AT_FDCWD = -100
export const AT_REMOVEDIR = 0x200
export const AT_SYMLINK_NOFOLLOW = 0x100
export const O_CLOEXEC = 0o2000000
/** Opens a directory, never through a symbolic link. */
export const OPEN_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC
export const STATX_BYTES = 256

const STATX_BASIC = 0x7ff
const UTIME_OMIT = 0x3ffffffen
const NS = 1_000_000_000n
const INOTIFY_FLAGS = O_CLOEXEC | constants.O_NONBLOCK

let loaded: Libc | undefined
let tried = false

/** The C library of this process; undefined where its calls are missing (not Linux, or an old one). */
export function libc(): Libc | undefined {
  if (!tried) {
    tried = true
    loaded = process.platform === 'linux' ? load() : undefined
  }
  return loaded
}

function load(): Libc | undefined {
  try {
    const library = koffi.load(null)
    const bind = (declaration: string) => {
      const call: (...args: unknown[]) => number = library.func(declaration)
      return (...args: unknown[]): number => {
        const result = call(...args)
        return result < 0 ? -koffi.errno() : result
      }
    }
    const statx = bind('int statx(int, const void*, int, unsigned int, void*)')
    const inotifyInit = bind('int inotify_init1(int)')
    return {
      openat: bind('int openat(int, const void*, int, unsigned int)'),
      mkdirat: bind('int mkdirat(int, const void*, unsigned int)'),
      unlinkat: bind('int unlinkat(int, const void*, int)'),
      renameat: bind('int renameat(int, const void*, int, const void*)'),
      symlinkat: bind('int symlinkat(const void*, int, const void*)'),
      readlinkat: withLength(bind('long readlinkat(int, const void*, void*, size_t)')),
      fchownat: bind('int fchownat(int, const void*, unsigned int, unsigned int, int)'),
      utimensat: bind('int utimensat(int, const void*, const void*, int)'),
      futimens: bind('int futimens(int, const void*)'),
      statx: (directory, name, flags, into) => statx(directory, name, flags, STATX_BASIC, into),
      getdents: withLength(bind('long getdents64(int, void*, size_t)')),
      syncfs: bind('int syncfs(int)'),
      close: bind('int close(int)'),
      inotifyInit: () => inotifyInit(INOTIFY_FLAGS),
      inotifyAddWatch: bind('int inotify_add_watch(int, const void*, unsigned int)'),
      inotifyRemoveWatch: bind('int inotify_rm_watch(int, int)'),
      poll: (fd, callback) => koffi.node.poll(fd, { readable: true }, callback),
    }
  } catch {
    return undefined
  }
}

/** Passes the length of the last argument, a buffer, after it. */
function withLength(call: (...args: unknown[]) => number): (...args: [...unknown[], Uint8Array]) => number {
  return (...args) => call(...args, (args.at(-1) as Uint8Array).byteLength)
}

/** Name of a negative error number: `ENOENT`. */
export const errnoName = (result: number): string => getSystemErrorName(result)

/** The bytes with a final NUL, as the calls take names. */
export function cString(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.byteLength + 1)
  result.set(bytes)
  return result
}

/** The times argument of `utimensat`: access time untouched, modification time in ns since 1970 (negative before). */
export function encodeTimes(mtimeNs: bigint): Uint8Array {
  let seconds = mtimeNs / NS
  let rest = mtimeNs % NS
  if (rest < 0n) {
    seconds -= 1n
    rest += NS
  }
  const times = new BigInt64Array([0n, UTIME_OMIT, seconds, rest])
  return new Uint8Array(times.buffer)
}
