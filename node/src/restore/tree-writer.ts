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
  RESTORE_NAME,
  type Libc,
} from '@holdfast/capture'
import { HoldfastError } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'

/** Directories kept open while a tree is written; each costs a descriptor. */
export const OPEN_DIRECTORIES_MAX = 64
/** How the name begins that a file has until it is whole; a later run of the same restore removes what a killed one left. */
export const ASIDE_PREFIX = `${RESTORE_NAME}-`

/** Bits of a mode that let a file act as its owner or group. */
export const SETUID_BITS = 0o6000

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
  readonly #asidePrefix: string
  readonly #directories = new Map<string, number>()

  /** `run` tells the files aside of this restore from what others left or planted. @throws HF_DESTINATION */
  constructor(root: Uint8Array, options: { setuid: boolean; run: string }) {
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
    this.#asidePrefix = `${ASIDE_PREFIX}${options.run}-`
  }

  /** A directory; one that is there already stays, anything else of that name gives way. Its parents are made if they are not
   *  there; one that is something else is in the way. */
  makeDirectory(path: Uint8Array): void {
    const { directory, name } = this.#split(path)
    const fd = this.#libc.openat(directory, cString(name), OPEN_DIRECTORY, 0)
    if (fd >= 0) this.#openUp(fd)
    else if (isInTheWay(errnoName(fd))) this.#check(this.#libc.unlinkat(directory, cString(name), 0), path)
    this.#directory(path)
  }

  /** A directory that is there may forbid writing even to its owner, until it gets its attributes at the end. */
  #openUp(fd: number): void {
    try {
      if (!this.#own) fs.fchmodSync(fd, 0o700)
    } catch {
      // It is another's: writing into it says whether that matters.
    } finally {
      fs.closeSync(fd)
    }
  }

  /** Opens a new file aside, of the given size. The caller writes at offsets and closes. */
  openAside(path: Uint8Array, aside: number): number {
    const { directory } = this.#split(path)
    const name = this.#asideName(aside)
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | O_CLOEXEC
    return this.#check(this.#libc.openat(directory, name, flags, 0o600), path)
  }

  /** Gives the file aside its attributes and its name. `fd` is open on it and is closed. */
  finishFile(path: Uint8Array, aside: number, fd: number, attributes: FileAttributes): void {
    try {
      fs.ftruncateSync(fd, attributes.size)
      this.#setAttributes(fd, path, attributes)
    } catch (cause) {
      throw destinationError(path, cause)
    } finally {
      fs.closeSync(fd)
    }
    this.#giveName(path, aside)
  }

  /** Writes a whole file aside and gives it its attributes and name. */
  writeFile(path: Uint8Array, aside: number, bytes: Uint8Array, attributes: FileAttributes): void {
    const { directory, name } = this.#split(path)
    const asideName = this.#asideName(aside)
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | O_CLOEXEC
    const fd = this.#check(this.#libc.openat(directory, asideName, flags, 0o600), path)
    try {
      writeAll(fd, bytes, 0)
      this.#setAttributes(fd, path, attributes)
    } catch (cause) {
      throw destinationError(path, cause)
    } finally {
      fs.closeSync(fd)
    }
    const renamed = this.#libc.renameat(directory, asideName, directory, cString(name))
    if (renamed < 0) this.#giveName(path, aside)
  }

  /** Removes what a given-up file left. */
  dropAside(path: Uint8Array, aside: number): void {
    this.#libc.unlinkat(this.#split(path).directory, this.#asideName(aside), 0)
  }

  writeLink(path: Uint8Array, target: Uint8Array, attributes: Attributes): void {
    const { directory } = this.#split(path)
    const aside = this.#asideName(LINK_ASIDE)
    this.#libc.unlinkat(directory, aside, 0)
    this.#check(this.#libc.symlinkat(cString(target), directory, aside), path)
    if (this.#own)
      this.#check(this.#libc.fchownat(directory, aside, attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW), path)
    this.#check(this.#libc.utimensat(directory, aside, encodeTimes(attributes.mtimeNs), AT_SYMLINK_NOFOLLOW), path)
    this.#giveName(path, LINK_ASIDE)
  }

  /** Attributes of a directory; last, since writing into it changes its time. */
  finishDirectory(path: Uint8Array, attributes: Attributes): void {
    const fd = this.#directory(path)
    try {
      this.#setAttributes(fd, path, attributes)
    } catch (cause) {
      throw destinationError(path, cause)
    }
  }

  #setAttributes(fd: number, path: Uint8Array, { mode, uid, gid, mtimeNs }: Attributes): void {
    if (this.#own) fs.fchownSync(fd, uid, gid)
    fs.fchmodSync(fd, this.#mode(mode))
    this.#check(this.#libc.futimens(fd, encodeTimes(mtimeNs)), path)
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
    // What was below may have needed the room of the parent's descriptor: it is looked up again.
    this.#check(this.#libc.unlinkat(this.#split(path).directory, cString(name), AT_REMOVEDIR), path)
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

  #asideName(aside: number): Uint8Array {
    return cString(Buffer.from(`${this.#asidePrefix}${aside}`))
  }

  /** Names what is aside; a directory of that name gives way, everything else is replaced by the rename. */
  #giveName(path: Uint8Array, aside: number): void {
    const rename = (): number => {
      const { directory, name } = this.#split(path)
      return this.#libc.renameat(directory, this.#asideName(aside), directory, cString(name))
    }
    const renamed = rename()
    if (renamed >= 0 || errnoName(renamed) !== 'EISDIR') this.#check(renamed, path)
    else {
      this.remove(path)
      this.#check(rename(), path)
    }
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
    const shown = path.byteLength === 0 ? this.#name : `${this.#name}/${pathText(path)}`
    throw cannotBeWritten(shown, errnoName(result))
  }
}

/** @throws the system's error */
export function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  let written = 0
  while (written < bytes.byteLength)
    written += fs.writeSync(fd, bytes, written, bytes.byteLength - written, offset + written)
}

/** A system error on a path as one of the destination. */
export function destinationError(path: Uint8Array, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  return cannotBeWritten(pathText(path), (cause as NodeJS.ErrnoException | undefined)?.code ?? 'error', cause)
}

function cannotBeWritten(shown: string, code: string, cause?: unknown): HoldfastError {
  const why = isInTheWay(code)
    ? 'a symbolic link or file stands where a directory belongs'
    : code === 'ENOSPC' || code === 'EDQUOT'
      ? 'there is no room'
      : code
  const message = `${shown} cannot be written: ${why}; what is complete there is right, the rest is missing`
  return new HoldfastError('HF_DESTINATION', message, {
    cause,
    next: 'mend it and run the same restore again: it goes on where it was',
  })
}

const SLASH = 0x2f
/** Links are made one after the other: one name serves all of a directory. */
const LINK_ASIDE = 0
const isInTheWay = (code: string): boolean => code === 'ELOOP' || code === 'ENOTDIR'
const keyOf = (path: Uint8Array): string =>
  Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1')

function joined(directory: Uint8Array, name: Uint8Array): Uint8Array {
  return Buffer.concat([directory, Buffer.from('/'), name])
}
