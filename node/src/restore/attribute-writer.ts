import fs from 'node:fs'
import {
  ACL_ACCESS,
  ACL_DEFAULT,
  AT_SYMLINK_NOFOLLOW,
  cString,
  encodeTimes,
  errnoName,
  O_CLOEXEC,
  O_PATH,
  XATTR_BYTES_MAX,
  type ExtendedAttribute,
  type Libc,
} from '@holdfast/capture'
import type { Abilities } from './abilities.ts'

/** Bits of a mode that let a file act as its owner or group. */
export const SETUID_BITS = 0o6000

/** What a written path must look like. */
export interface Attributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  /** Those that the destination keeps. */
  readonly xattrs?: readonly ExtendedAttribute[]
}

/** An attribute that the destination refused although it keeps others of its kind. */
export interface Unkept {
  readonly path: Uint8Array
  readonly name: string
  /** The name of the system's error. */
  readonly code: string
}

export interface AttributeWriterOptions {
  readonly abilities: Abilities
  /** Sets setuid and setgid bits. */
  readonly privileged: boolean
}

/** Sets owners, modes, times and extended attributes, in the order in which none undoes another. Errors are those of the system. */
export class AttributeWriter {
  readonly #libc: Libc
  readonly #abilities: Abilities
  readonly #privileged: boolean
  readonly #names = new Uint8Array(XATTR_BYTES_MAX)
  #unkept: Unkept[] = []

  constructor(library: Libc, { abilities, privileged }: AttributeWriterOptions) {
    this.#libc = library
    this.#abilities = abilities
    this.#privileged = privileged
  }

  /** What was refused since the last call. */
  takeUnkept(): Unkept[] {
    const unkept = this.#unkept
    this.#unkept = []
    return unkept
  }

  /** Of an open file, new in its place. The result of the last call: negative is an error. @throws the system's error */
  setFile(fd: number, path: Uint8Array, attributes: Attributes): number {
    this.#own(fd, attributes)
    // While its owner may write to it: extended attributes of a read-only file are not for others to set.
    if (this.#abilities.handsDownAcl) this.#take(fd, ACL_ACCESS)
    this.#setXattrs(path, attributes, (name, value) => this.#libc.fsetxattr(fd, name, value))
    return this.#finish(fd, attributes)
  }

  /** Of an open directory, which may have been there and have others. As `setFile`. */
  setDirectory(fd: number, path: Uint8Array, attributes: Attributes): number {
    this.#own(fd, attributes)
    this.#takeOthers(fd, attributes.xattrs ?? [])
    this.#setXattrs(path, attributes, (name, value) => this.#libc.fsetxattr(fd, name, value))
    return this.#finish(fd, attributes)
  }

  /** Of what cannot be opened: a link, or with `hasMode` a fifo or device. Nothing is followed. As `setFile`. */
  setEntry(directory: number, name: Uint8Array, path: Uint8Array, attributes: Attributes, hasMode: boolean): number {
    const calls = this.#libc
    const { uid, gid, mtimeNs } = attributes
    if (!this.#abilities.lacks.has('owners')) {
      const owned = calls.fchownat(directory, name, uid, gid, AT_SYMLINK_NOFOLLOW)
      if (owned < 0) return owned
    }
    if (attributes.xattrs !== undefined) {
      const through = Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name])
      this.#setXattrs(path, attributes, (attribute, value) => calls.lsetxattr(through, attribute, value))
    }
    const moded = hasMode && !this.#abilities.lacks.has('modes') ? this.#setModeOf(directory, name, attributes.mode) : 0
    return moded < 0 ? moded : calls.utimensat(directory, name, encodeTimes(mtimeNs), AT_SYMLINK_NOFOLLOW)
  }

  #own(fd: number, { uid, gid }: Attributes): void {
    if (!this.#abilities.lacks.has('owners')) fs.fchownSync(fd, uid, gid)
  }

  #finish(fd: number, { mode, mtimeNs }: Attributes): number {
    if (!this.#abilities.lacks.has('modes')) fs.fchmodSync(fd, this.#mode(mode))
    return this.#libc.futimens(fd, encodeTimes(mtimeNs))
  }

  /** Through a descriptor that stands for the entry itself, so that a link in its place is not followed. */
  #setModeOf(directory: number, name: Uint8Array, mode: number): number {
    const fd = this.#libc.openat(directory, name, O_PATH | fs.constants.O_NOFOLLOW | O_CLOEXEC, 0)
    if (fd < 0) return fd
    try {
      fs.chmodSync(`/proc/self/fd/${fd}`, this.#mode(mode))
      return 0
    } finally {
      fs.closeSync(fd)
    }
  }

  #mode(mode: number): number {
    return (this.#privileged ? mode : mode & ~SETUID_BITS) & 0o7777
  }

  #setXattrs(path: Uint8Array, { xattrs }: Attributes, set: (name: Uint8Array, value: Uint8Array) => number): void {
    for (const { name, value } of xattrs ?? []) {
      const result = set(cString(name), value)
      if (result < 0) this.#unkept.push({ path, name: Buffer.from(name).toString('latin1'), code: errnoName(result) })
    }
  }

  #take(fd: number, name: string): void {
    this.#libc.fremovexattr(fd, cString(Buffer.from(name)))
  }

  /** Takes off what the version does not have. What the system put there itself (`security.*`) stays. */
  #takeOthers(fd: number, wanted: readonly ExtendedAttribute[]): void {
    const length = this.#libc.flistxattr(fd, this.#names)
    if (length <= 0) return
    const kept = new Set(wanted.map(({ name }) => Buffer.from(name).toString('latin1')))
    for (const name of Buffer.from(this.#names.subarray(0, length)).toString('latin1').split('\0')) {
      const isOurs = name.startsWith('user.') || name === ACL_ACCESS || name === ACL_DEFAULT
      if (isOurs && !kept.has(name)) this.#libc.fremovexattr(fd, cString(Buffer.from(name, 'latin1')))
    }
  }
}
