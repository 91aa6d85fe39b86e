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
  /** Gives a file another name; `flags`: 0 (a symbolic link is not followed) or `AT_SYMLINK_FOLLOW`. */
  linkat(from: number, fromName: Uint8Array, to: number, toName: Uint8Array, flags: number): number
  /** A fifo or device: `mode` with the type's bits. */
  mknodat(directory: number, name: Uint8Array, mode: number, device: bigint): number
  /** Bytes written into `into`, which may be cut short. */
  readlinkat(directory: number, name: Uint8Array, into: Uint8Array): number
  fchownat(directory: number, name: Uint8Array, uid: number, gid: number, flags: number): number
  /** `times`: access and modification time as two `struct timespec`; `encodeTimes` makes them. */
  utimensat(directory: number, name: Uint8Array, times: Uint8Array, flags: number): number
  futimens(fd: number, times: Uint8Array): number
  /** Fills `into` (256 bytes) with a `struct statx`. */
  statx(directory: number, name: Uint8Array, flags: number, into: Uint8Array): number
  /** Names of extended attributes, each with a final NUL. `f…` by descriptor; `l…` by path, not following a link at its end. */
  flistxattr(fd: number, into: Uint8Array): number
  llistxattr(path: Uint8Array, into: Uint8Array): number
  fgetxattr(fd: number, name: Uint8Array, into: Uint8Array): number
  lgetxattr(path: Uint8Array, name: Uint8Array, into: Uint8Array): number
  fsetxattr(fd: number, name: Uint8Array, value: Uint8Array): number
  lsetxattr(path: Uint8Array, name: Uint8Array, value: Uint8Array): number
  fremovexattr(fd: number, name: Uint8Array): number
  /** `whence`: `SEEK_DATA` or `SEEK_HOLE`. Moves the descriptor's position, which reads by offset do not use. */
  lseek(fd: number, offset: number, whence: number): number
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
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_EMPTY_PATH = 0x1000
export const O_CLOEXEC = 0o2000000
/** A descriptor that only stands for a place: nothing is opened, no right to read is needed. */
export const O_PATH = 0o10000000
/** Opens a directory, never through a symbolic link. */
export const OPEN_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC
export const STATX_BYTES = 256
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

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
    const bind: Bind = (declaration) => {
      const call: (...args: unknown[]) => number = library.func(declaration)
      return (...args: unknown[]): number => {
        const result = call(...args)
        return result < 0 ? -koffi.errno() : result
      }
    }
    const statx = bind('int statx(int, const void*, int, unsigned int, void*)')
    const fsetxattr = bind('int fsetxattr(int, const void*, const void*, size_t, int)')
    const lsetxattr = bind('int lsetxattr(const void*, const void*, const void*, size_t, int)')
    const inotifyInit = bind('int inotify_init1(int)')
    return {
      openat: bind('int openat(int, const void*, int, unsigned int)'),
      mkdirat: bind('int mkdirat(int, const void*, unsigned int)'),
      unlinkat: bind('int unlinkat(int, const void*, int)'),
      renameat: bind('int renameat(int, const void*, int, const void*)'),
      symlinkat: bind('int symlinkat(const void*, int, const void*)'),
      linkat: bind('int linkat(int, const void*, int, const void*, int)'),
      mknodat: bindMknodat(bind),
      readlinkat: withLength(bind('long readlinkat(int, const void*, void*, size_t)')),
      fchownat: bind('int fchownat(int, const void*, unsigned int, unsigned int, int)'),
      utimensat: bind('int utimensat(int, const void*, const void*, int)'),
      futimens: bind('int futimens(int, const void*)'),
      statx: (directory, name, flags, into) => statx(directory, name, flags, STATX_BASIC, into),
      getdents: withLength(bind('long getdents64(int, void*, size_t)')),
      flistxattr: withLength(bind('long flistxattr(int, void*, size_t)')),
      llistxattr: withLength(bind('long llistxattr(const void*, void*, size_t)')),
      fgetxattr: withLength(bind('long fgetxattr(int, const void*, void*, size_t)')),
      lgetxattr: withLength(bind('long lgetxattr(const void*, const void*, void*, size_t)')),
      fsetxattr: (fd, name, value) => fsetxattr(fd, name, value, value.byteLength, 0),
      lsetxattr: (path, name, value) => lsetxattr(path, name, value, value.byteLength, 0),
      fremovexattr: bind('int fremovexattr(int, const void*)'),
      lseek: bind('int64_t lseek(int, int64_t, int)'),
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

type Bind = (declaration: string) => (...args: unknown[]) => number

/** Before version 2.33 the C library of GNU has it under another name, with the device behind a pointer. */
function bindMknodat(bind: Bind): Libc['mknodat'] {
  try {
    return bind('int mknodat(int, const void*, unsigned int, uint64_t)')
  } catch {
    const call = bind('int __xmknodat(int, int, const void*, unsigned int, const void*)')
    return (directory, name, mode, device) => call(0, directory, name, mode, new BigUint64Array([device]))
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

/** A device's number as the calls take it: `makedev` of the C library. */
export function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)]
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn)
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
