/** What kind of thing a path is; `other` is a fifo, socket or device. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'other'

/** What `lstat` says about a path, as far as it tells whether the thing changed. Times in ns since 1970 (negative before). */
export interface StatKey {
  readonly type: EntryType
  readonly dev: bigint
  readonly ino: bigint
  /** Bytes; 0 for directories. */
  readonly size: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** Permission bits and setuid, setgid, sticky: the lower twelve. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** It has other names, here or elsewhere; never true of a directory. */
  readonly linked: boolean
}

/**
 * A StatKey as words of 32 bits: the form in which trees of them are kept, compared and sent between threads without an
 * object for each. The words, 64-bit values with the low word first:
 * ino 0-1, size 2-3, mtime seconds 4-5, ctime seconds 6-7, mtime ns 8, ctime ns 9, st_mode 10 (with `LINKED`), uid 11, gid 12, dev 13-14.
 */
export const STAT_WORDS = 15
export const STAT_BYTES = STAT_WORDS * 4

const SIZE = 2
const MTIME = 4
const CTIME = 6
const MTIME_NS = 8
const CTIME_NS = 9
const MODE = 10
const UID = 11
const GID = 12
const DEV = 13

/** In the word of the mode, which has sixteen bits to spare: the file has other names. */
const LINKED = 0x10000
const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const TYPE_BITS: Record<EntryType, number> = { file: 0o100000, directory: S_IFDIR, symlink: 0o120000, other: 0 }
const NS = 1_000_000_000n

/** Whether the thing is as it was: type, mode, owner, size, times and inode; of a directory not inode and size. The change time tells
 *  of attributes, too. The device is left out: its number may change at a restart, and nothing can forge a change time. */
export function sameStat(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean {
  if (a[aAt + MODE] !== b[bAt + MODE] || a[aAt + UID] !== b[bAt + UID] || a[aAt + GID] !== b[bAt + GID]) return false
  if (a[aAt + MTIME] !== b[bAt + MTIME] || a[aAt + MTIME_NS] !== b[bAt + MTIME_NS]) return false
  if (a[aAt + MTIME + 1] !== b[bAt + MTIME + 1]) return false
  if (a[aAt + CTIME] !== b[bAt + CTIME] || a[aAt + CTIME_NS] !== b[bAt + CTIME_NS]) return false
  if (a[aAt + CTIME + 1] !== b[bAt + CTIME + 1]) return false
  if (isDirectory(a, aAt)) return true
  for (let word = 0; word < MTIME; word++) if (a[aAt + word] !== b[bAt + word]) return false
  return true
}

/** Whether records of both would show the same type, mode, owner and times, and for files the same size. */
export function sameShown(a: Uint32Array, b: Uint32Array): boolean {
  if (((a[MODE] ?? 0) & ~LINKED) !== ((b[MODE] ?? 0) & ~LINKED) || a[UID] !== b[UID] || a[GID] !== b[GID]) return false
  if (a[MTIME] !== b[MTIME] || a[MTIME + 1] !== b[MTIME + 1] || a[MTIME_NS] !== b[MTIME_NS]) return false
  return typeOf(a) !== 'file' || (a[SIZE] === b[SIZE] && a[SIZE + 1] === b[SIZE + 1])
}

export const isDirectory = (words: Uint32Array, at = 0): boolean => ((words[at + MODE] ?? 0) & S_IFMT) === S_IFDIR

export const isLinked = (words: Uint32Array, at = 0): boolean => ((words[at + MODE] ?? 0) & LINKED) !== 0

export const sameDevice = (a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean =>
  a[aAt + DEV] === b[bAt + DEV] && a[aAt + DEV + 1] === b[bAt + DEV + 1]

export const sameInode = (a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean =>
  a[aAt] === b[bAt] && a[aAt + 1] === b[bAt + 1] && sameDevice(a, aAt, b, bAt)

export const typeOf = (words: Uint32Array, at = 0): EntryType => typeOfMode(words[at + MODE] ?? 0)

/** Bytes; 0 for directories. */
export const sizeOf = (words: Uint32Array, at = 0): number =>
  (words[at + SIZE + 1] ?? 0) * 0x1_0000_0000 + (words[at + SIZE] ?? 0)

export function typeOfMode(mode: number): EntryType {
  switch (mode & S_IFMT) {
    case TYPE_BITS.file:
      return 'file'
    case TYPE_BITS.directory:
      return 'directory'
    case TYPE_BITS.symlink:
      return 'symlink'
    default:
      return 'other'
  }
}

/** What `lstatSync` with `bigint` gives. */
export interface BigStat {
  readonly dev: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly mode: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly nlink: bigint
}

export function statOfBig(stat: BigStat): StatKey {
  const type = typeOfMode(Number(stat.mode))
  return {
    type,
    dev: stat.dev,
    ino: stat.ino,
    size: type === 'directory' ? 0 : Number(stat.size),
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    linked: type !== 'directory' && stat.nlink > 1n,
  }
}

export function encodeStat(key: StatKey, into: Uint32Array, at = 0): void {
  put64(into, at, key.ino)
  putNumber(into, at + SIZE, key.size)
  putTime(into, at + MTIME, at + MTIME_NS, key.mtimeNs)
  putTime(into, at + CTIME, at + CTIME_NS, key.ctimeNs)
  into[at + MODE] = TYPE_BITS[key.type] | key.mode | (key.linked ? LINKED : 0)
  into[at + UID] = key.uid
  into[at + GID] = key.gid
  put64(into, at + DEV, key.dev)
}

export function decodeStat(words: Uint32Array, at = 0): StatKey {
  const mode = words[at + MODE] ?? 0
  return {
    type: typeOfMode(mode),
    dev: get64(words, at + DEV),
    ino: get64(words, at),
    size: sizeOf(words, at),
    mtimeNs: getTime(words, at + MTIME, at + MTIME_NS),
    ctimeNs: getTime(words, at + CTIME, at + CTIME_NS),
    mode: mode & 0o7777,
    uid: words[at + UID] ?? 0,
    gid: words[at + GID] ?? 0,
    linked: isLinked(words, at),
  }
}

/** Translates a `struct statx`, given as words, without an object in between. */
export function encodeStatx(statx: Uint32Array, into: Uint32Array): void {
  const mode = (statx[7] ?? 0) & 0xffff
  const directory = (mode & S_IFMT) === S_IFDIR
  into[0] = statx[8] ?? 0
  into[1] = statx[9] ?? 0
  into[SIZE] = directory ? 0 : (statx[10] ?? 0)
  into[SIZE + 1] = directory ? 0 : (statx[11] ?? 0)
  into[MTIME] = statx[28] ?? 0
  into[MTIME + 1] = statx[29] ?? 0
  into[MTIME_NS] = statx[30] ?? 0
  into[CTIME] = statx[24] ?? 0
  into[CTIME + 1] = statx[25] ?? 0
  into[CTIME_NS] = statx[26] ?? 0
  into[MODE] = knownMode(mode) | (!directory && (statx[4] ?? 0) > 1 ? LINKED : 0)
  into[UID] = statx[5] ?? 0
  into[GID] = statx[6] ?? 0
  const major = statx[34] ?? 0
  const minor = statx[35] ?? 0
  into[DEV] = ((major & 0xfff) << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12)
  into[DEV + 1] = (major & 0xfffff000) | (minor >>> 20)
}

/** Fifos, sockets and devices are one type here, so that a key equals its own decoding. */
const knownMode = (mode: number): number => TYPE_BITS[typeOfMode(mode)] | (mode & 0o7777)

const HIGH = 0x1_0000_0000

/** Numbers where they are exact: arithmetic on big ones takes many times as long. */
function put64(words: Uint32Array, at: number, value: bigint): void {
  const number = Number(value)
  if (Number.isSafeInteger(number)) {
    putNumber(words, at, number)
    return
  }
  words[at] = Number(value & 0xffffffffn)
  words[at + 1] = Number((value >> 32n) & 0xffffffffn)
}

function putNumber(words: Uint32Array, at: number, value: number): void {
  words[at] = value >>> 0
  words[at + 1] = Math.floor(value / HIGH)
}

const get64 = (words: Uint32Array, at: number): bigint => (BigInt(words[at + 1] ?? 0) << 32n) | BigInt(words[at] ?? 0)

function putTime(words: Uint32Array, secondsAt: number, nsAt: number, timeNs: bigint): void {
  const seconds = timeNs / NS
  const rest = Number(timeNs - seconds * NS)
  // Division rounds towards 1970.
  putNumber(words, secondsAt, rest < 0 ? Number(seconds) - 1 : Number(seconds))
  words[nsAt] = rest < 0 ? rest + 1_000_000_000 : rest
}

const getTime = (words: Uint32Array, secondsAt: number, nsAt: number): bigint =>
  BigInt.asIntN(64, get64(words, secondsAt)) * NS + BigInt(words[nsAt] ?? 0)
