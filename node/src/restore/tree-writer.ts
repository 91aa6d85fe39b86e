import fs, { constants } from 'node:fs'
import {
  AT_FDCWD,
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  cString,
  deviceNumber,
  errnoName,
  libc,
  OPEN_DIRECTORY,
  O_CLOEXEC,
  O_PATH,
  RESTORE_NAME,
  STATX_BYTES,
  type Libc,
  type SpecialFile,
} from '@holdfast/capture'
import { HoldfastError } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'
import { AttributeWriter, type Attributes, type AttributeWriterOptions, type Unkept } from './attribute-writer.ts'

/** Directories kept open while a tree is written; each costs a descriptor. */
export const OPEN_DIRECTORIES_MAX = 64
/** How the name begins that a file has until it is whole; a later run of the same restore removes what a killed one left. */
export const ASIDE_PREFIX = `${RESTORE_NAME}-`

export interface FileAttributes extends Attributes {
  /** Bytes; what a killed run left beyond them is cut off. */
  readonly size: number
  /** Blocks of zeros are left out. */
  readonly sparse?: true
}

export interface TreeWriterOptions extends AttributeWriterOptions {
  /** Tells the files aside of this restore from what others left or planted. */
  readonly run: string
}

/**
 * Writes below one directory without ever following a symbolic link on the way: each parent is opened from the one above
 * it, so that neither a link in the destination nor one planted while it runs leads outside. Synchronous, for one thread.
 */
export class TreeWriter {
  readonly #libc: Libc
  readonly #root: number
  readonly #name: string
  readonly #isSuperuser = process.getuid?.() === 0
  readonly #attributes: AttributeWriter
  readonly #asidePrefix: string
  readonly #directories = new Map<string, number>()

  /** @throws HF_DESTINATION */
  constructor(root: Uint8Array, options: TreeWriterOptions) {
    const library = libc()
    if (library === undefined)
      throw new HoldfastError('HF_DESTINATION', 'restore needs a Linux C library with openat and its kin')
    this.#libc = library
    this.#name = pathText(root)
    this.#root = this.#check(
      library.openat(AT_FDCWD, cString(root), constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC, 0),
      new Uint8Array(0),
    )
    this.#attributes = new AttributeWriter(library, options)
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
      if (!this.#isSuperuser) fs.fchmodSync(fd, 0o700)
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
      this.#check(this.#attributes.setFile(fd, path, attributes), path)
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
      this.#check(this.#attributes.setFile(fd, path, attributes), path)
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

  /** A symbolic link to `what`, or a fifo or device. */
  writeEntry(path: Uint8Array, what: Uint8Array | SpecialFile, attributes: Attributes): void {
    const { directory } = this.#split(path)
    const aside = this.#asideName(LINK_ASIDE)
    const isLink = what instanceof Uint8Array
    this.#libc.unlinkat(directory, aside, 0)
    const made = isLink
      ? this.#libc.symlinkat(cString(what), directory, aside)
      : this.#makeSpecial(directory, aside, what)
    this.#check(made, path)
    try {
      this.#check(this.#attributes.setEntry(directory, aside, path, attributes, !isLink), path)
    } catch (cause) {
      throw destinationError(path, cause)
    }
    this.#giveName(path, LINK_ASIDE)
  }

  #makeSpecial(directory: number, name: Uint8Array, { kind, major, minor }: SpecialFile): number {
    return this.#libc.mknodat(directory, name, SPECIAL_MODES[kind] | 0o600, deviceNumber(major, minor))
  }

  /** Gives what is there another name, whatever it is; false if it has that name already. */
  linkTo(path: Uint8Array, existing: Uint8Array): boolean {
    const from = this.#split(existing)
    const flags = O_PATH | constants.O_NOFOLLOW | O_CLOEXEC
    // The thing itself is held, since looking up the other name may close its directory.
    const fd = this.#check(this.#libc.openat(from.directory, cString(from.name), flags, 0), existing)
    try {
      const { directory, name } = this.#split(path)
      const inode = this.#inodeOf(fd, SELF, AT_EMPTY_PATH)
      if (inode !== undefined && inode === this.#inodeOf(directory, cString(name), AT_SYMLINK_NOFOLLOW)) return false
      const aside = this.#asideName(LINK_ASIDE)
      this.#libc.unlinkat(directory, aside, 0)
      const through = cString(Buffer.from(`/proc/self/fd/${fd}`))
      this.#check(this.#libc.linkat(AT_FDCWD, through, directory, aside, AT_SYMLINK_FOLLOW), path)
    } finally {
      fs.closeSync(fd)
    }
    this.#giveName(path, LINK_ASIDE)
    return true
  }

  /** Inode and device as text that can be compared; undefined if it cannot be looked at. */
  #inodeOf(directory: number, name: Uint8Array, flags: number): string | undefined {
    const statx = new Uint32Array(STATX_BYTES / 4)
    const result = this.#libc.statx(directory, name, flags, new Uint8Array(statx.buffer))
    return result < 0 ? undefined : [statx[8], statx[9], statx[34], statx[35]].join(' ')
  }

  /** Attributes of a directory; last, since writing into it changes its time. */
  finishDirectory(path: Uint8Array, attributes: Attributes): void {
    const fd = this.#directory(path)
    try {
      this.#check(this.#attributes.setDirectory(fd, path, attributes), path)
    } catch (cause) {
      throw destinationError(path, cause)
    }
  }

  /** Extended attributes that were refused since the last call. */
  takeUnkept(): Unkept[] {
    return this.#attributes.takeUnkept()
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
const SELF = new Uint8Array(1)
const SPECIAL_MODES: Readonly<Record<SpecialFile['kind'], number>> = {
  fifo: constants.S_IFIFO,
  character: constants.S_IFCHR,
  block: constants.S_IFBLK,
}
/** Links are made one after the other: one name serves all of a directory. */
const LINK_ASIDE = 0
const isInTheWay = (code: string): boolean => code === 'ELOOP' || code === 'ENOTDIR'
const keyOf = (path: Uint8Array): string =>
  Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1')

function joined(directory: Uint8Array, name: Uint8Array): Uint8Array {
  return Buffer.concat([directory, Buffer.from('/'), name])
}
