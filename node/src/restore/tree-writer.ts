import fs, { constants } from 'node:fs'
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  cString,
  encodeTimes,
  errnoName,
  libc,
  OPEN_DIRECTORY,
  O_CLOEXEC,
  type Libc,
} from '@holdfast/capture'
import { HoldfastError } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'

/** Directories kept open while a tree is written; each costs a descriptor. */
export const OPEN_DIRECTORIES_MAX = 64
/** What a file is called until it is whole; a later run of the same restore writes over it. */
export const ASIDE_PREFIX = '.holdfast-restore-'

const SETUID_BITS = 0o6000

/** What a written path must look like. */
export interface Attributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
}

export interface FileAttributes extends Attributes {
  /** Bytes; what a killed run left beyond them is cut off. */
  readonly size: number
}

/**
 * Writes below one directory without ever following a symbolic link on the way: each parent is opened from the one above
 * it, so that neither a link in the destination nor one planted while it runs leads outside. Synchronous, for one thread.
 */
export class TreeWriter {
  readonly #libc: Libc
  readonly #root: number
  readonly #name: string
  readonly #own: boolean
  readonly #setuid: boolean
  readonly #directories = new Map<string, number>()

  /** @throws HF_DESTINATION */
  constructor(root: Uint8Array, options: { setuid: boolean }) {
    const library = libc()
    if (library === undefined)
      throw new HoldfastError('HF_DESTINATION', 'restore needs a Linux C library with openat and its kin')
    this.#libc = library
    this.#name = pathText(root)
    this.#root = this.#check(
      library.openat(AT_FDCWD, cString(root), constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC, 0),
      new Uint8Array(0),
    )
    this.#own = process.getuid?.() === 0
    this.#setuid = options.setuid
  }

  /** A directory and its parents; one that is there already stays. A parent that is something else is in the way. */
  makeDirectory(path: Uint8Array): void {
    this.#directory(path)
  }

  /** Opens a new file aside, of the given size. The caller writes at offsets and closes. */
  openAside(path: Uint8Array, aside: number): number {
    const { directory } = this.#split(path)
    const name = cString(asideName(aside))
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | O_CLOEXEC
    return this.#check(this.#libc.openat(directory, name, flags, 0o600), path)
  }

  /** Gives the file aside its attributes and its name. `fd` is open on it and is closed. */
  finishFile(path: Uint8Array, aside: number, fd: number, attributes: FileAttributes): void {
    const { directory, name } = this.#split(path)
    try {
      fs.ftruncateSync(fd, attributes.size)
      if (this.#own) fs.fchownSync(fd, attributes.uid, attributes.gid)
      fs.fchmodSync(fd, this.#mode(attributes.mode))
      this.#check(this.#libc.futimens(fd, encodeTimes(attributes.mtimeNs)), path)
    } catch (cause) {
      throw destinationError(path, cause)
    } finally {
      fs.closeSync(fd)
    }
    const renamed = this.#libc.renameat(directory, cString(asideName(aside)), directory, cString(name))
    if (renamed < 0 && (errnoName(renamed) === 'EISDIR' || errnoName(renamed) === 'ENOTEMPTY')) {
      this.remove(path)
      this.#check(this.#libc.renameat(directory, cString(asideName(aside)), directory, cString(name)), path)
    } else this.#check(renamed, path)
  }

  /** Removes what a given-up file left. */
  dropAside(path: Uint8Array, aside: number): void {
    this.#libc.unlinkat(this.#split(path).directory, cString(asideName(aside)), 0)
  }

  writeLink(path: Uint8Array, target: Uint8Array, attributes: Attributes): void {
    const { directory, name } = this.#split(path)
    const aside = cString(asideName(0))
    this.#libc.unlinkat(directory, aside, 0)
    this.#check(this.#libc.symlinkat(cString(target), directory, aside), path)
    if (this.#own)
      this.#check(this.#libc.fchownat(directory, aside, attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW), path)
    this.#check(this.#libc.utimensat(directory, aside, encodeTimes(attributes.mtimeNs), AT_SYMLINK_NOFOLLOW), path)
    const renamed = this.#libc.renameat(directory, aside, directory, cString(name))
    if (renamed >= 0) return
    this.remove(path)
    this.#check(this.#libc.renameat(directory, aside, directory, cString(name)), path)
  }

  /** Attributes of a directory; last, since writing into it changes its time. */
  finishDirectory(path: Uint8Array, attributes: Attributes): void {
    const fd = this.#directory(path)
    try {
      if (this.#own) fs.fchownSync(fd, attributes.uid, attributes.gid)
      fs.fchmodSync(fd, this.#mode(attributes.mode))
    } catch (cause) {
      throw destinationError(path, cause)
    }
    this.#check(this.#libc.futimens(fd, encodeTimes(attributes.mtimeNs)), path)
  }

  /** Removes a file, link or whole directory below the root; no error if it is not there. */
  remove(path: Uint8Array): void {
    const { directory, name } = this.#split(path)
    const result = this.#libc.unlinkat(directory, cString(name), 0)
    if (result >= 0 || errnoName(result) === 'ENOENT') return
    if (errnoName(result) !== 'EISDIR' && errnoName(result) !== 'EPERM') this.#check(result, path)
    const prefix = keyOf(path)
    const fd = this.#directory(path)
    for (const child of fs.readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' })) this.remove(joined(path, child))
    for (const [key, open] of this.#directories) {
      if (key !== prefix && !key.startsWith(`${prefix}/`)) continue
      fs.closeSync(open)
      this.#directories.delete(key)
    }
    this.#check(this.#libc.unlinkat(directory, cString(name), AT_REMOVEDIR), path)
  }

  /** Everything written reaches the disk. */
  sync(): void {
    this.#check(this.#libc.syncfs(this.#root), new Uint8Array(0))
  }

  close(): void {
    for (const fd of this.#directories.values()) fs.closeSync(fd)
    this.#directories.clear()
    fs.closeSync(this.#root)
  }

  #mode(mode: number): number {
    return (this.#setuid ? mode : mode & ~SETUID_BITS) & 0o7777
  }

  #split(path: Uint8Array): { directory: number; name: Uint8Array } {
    const slash = path.lastIndexOf(SLASH)
    return slash < 0
      ? { directory: this.#root, name: path }
      : { directory: this.#directory(path.subarray(0, slash)), name: path.subarray(slash + 1) }
  }

  #directory(path: Uint8Array): number {
    if (path.byteLength === 0) return this.#root
    const key = keyOf(path)
    const known = this.#directories.get(key)
    if (known !== undefined) {
      this.#directories.delete(key)
      this.#directories.set(key, known)
      return known
    }
    const { directory, name } = this.#split(path)
    const cName = cString(name)
    let fd = this.#libc.openat(directory, cName, OPEN_DIRECTORY, 0)
    if (fd < 0 && errnoName(fd) === 'ENOENT') {
      const made = this.#libc.mkdirat(directory, cName, 0o700)
      if (made < 0 && errnoName(made) !== 'EEXIST') this.#check(made, path)
      fd = this.#libc.openat(directory, cName, OPEN_DIRECTORY, 0)
    }
    this.#check(fd, path)
    this.#directories.set(key, fd)
    if (this.#directories.size > OPEN_DIRECTORIES_MAX) this.#closeOldest()
    return fd
  }

  #closeOldest(): void {
    const [oldest] = this.#directories
    if (oldest === undefined) return
    fs.closeSync(oldest[1])
    this.#directories.delete(oldest[0])
  }

  /** @throws HF_DESTINATION naming the path */
  #check(result: number, path: Uint8Array): number {
    if (result >= 0) return result
    const code = errnoName(result)
    const shown = path.byteLength === 0 ? this.#name : `${this.#name}/${pathText(path)}`
    const why =
      code === 'ELOOP' || code === 'ENOTDIR'
        ? 'a symbolic link or file stands where a directory belongs'
        : code === 'ENOSPC' || code === 'EDQUOT'
          ? 'there is no room'
          : code
    throw new HoldfastError(
      'HF_DESTINATION',
      `${shown} cannot be written: ${why}; what is complete there is right, the rest is missing`,
      {
        next: 'mend it and run the same restore again: it goes on where it was',
      },
    )
  }
}

/** A system error on a path as one of the destination. */
export function destinationError(path: Uint8Array, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'error'
  const why = code === 'ENOSPC' || code === 'EDQUOT' ? 'there is no room' : code
  return new HoldfastError(
    'HF_DESTINATION',
    `${pathText(path)} cannot be written: ${why}; what is complete there is right, the rest is missing`,
    {
      cause,
      next: 'mend it and run the same restore again: it goes on where it was',
    },
  )
}

const SLASH = 0x2f
const keyOf = (path: Uint8Array): string =>
  Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1')
const asideName = (aside: number): Uint8Array => Buffer.from(`${ASIDE_PREFIX}${aside}`)

function joined(directory: Uint8Array, name: Uint8Array): Uint8Array {
  return Buffer.concat([directory, Buffer.from('/'), name])
}
