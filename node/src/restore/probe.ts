import fs, { constants } from 'node:fs'
import {
  ACL_ACCESS,
  AT_REMOVEDIR,
  cString,
  encodeTimes,
  errnoName,
  OPEN_DIRECTORY,
  O_CLOEXEC,
  XATTR_BYTES_MAX,
  RESTORE_NAME,
} from '@holdfast/capture'
import type { Libc } from '@holdfast/capture'
import { MIB } from '@holdfast/ports'
import { LONGEST_NAME_BYTES, type Abilities, type Lack } from './abilities.ts'

/** A directory in the destination that is there only while it is probed. */
const PROBE_NAME = `${RESTORE_NAME}-probe`

/**
 * Finds out what a directory can keep by trying it in a directory of its own below it, which is removed again. Some twenty
 * calls. `root` is open on the directory; `privileged`: devices will be made. The error number of the first call is thrown as its
 * name where nothing can be written at all.
 */
export function probe(calls: Libc, root: number, privileged: boolean): Abilities {
  const name = cString(Buffer.from(PROBE_NAME))
  const made = calls.mkdirat(root, name, 0o700)
  if (made < 0 && errnoName(made) !== 'EEXIST') throw new ProbeError(errnoName(made))
  const directory = calls.openat(root, name, OPEN_DIRECTORY, 0)
  if (directory < 0) throw new ProbeError(errnoName(directory))
  const trial = new Trial(calls, directory)
  try {
    return trial.run(privileged)
  } finally {
    trial.clear()
    calls.close(directory)
    calls.unlinkat(root, name, AT_REMOVEDIR)
  }
}

/** The name of the error that ended the probe. */
export class ProbeError extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

const FILE = 'probe'
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | O_CLOEXEC
const EARLY_NS = -86_400_000_000_001n
const LATE_NS = 1_700_000_000_123_456_789n
const OTHER_ID = 1
const ODD_MODE = 0o641
const HOLE_BYTES = MIB
/** The null device: nothing happens if it is left behind. */
const NULL_DEVICE = 0x103n
/** An access list that says what the mode says: version 2; owner rw-, group r--, others ---. */
const PLAIN_ACL = Buffer.from('0200000001000600ffffffff04000400ffffffff20000000ffffffff', 'hex')
const SPECIAL_CHARACTERS = 'p:"*<>?|\\\n'
const NOT_UTF8 = Uint8Array.of(0x70, 0xff, 0xfe)

class Trial {
  readonly #calls: Libc
  readonly #directory: number
  readonly #lacks = new Set<Lack>()
  readonly #names: Uint8Array[] = []

  constructor(calls: Libc, directory: number) {
    this.#calls = calls
    this.#directory = directory
  }

  run(privileged: boolean): Abilities {
    const fd = this.#create(Buffer.from(FILE))
    if (fd < 0) throw new ProbeError(errnoName(fd))
    const handsDownAcl =
      this.#calls.fgetxattr(fd, cString(Buffer.from(ACL_ACCESS)), new Uint8Array(XATTR_BYTES_MAX)) > 0
    try {
      this.#tryFile(fd)
    } finally {
      fs.closeSync(fd)
    }
    this.#tryKinds(privileged)
    return { nameBytesMax: this.#tryNames(), lacks: this.#lacks, handsDownAcl }
  }

  /** Removes what was made. */
  clear(): void {
    for (const name of this.#names) this.#calls.unlinkat(this.#directory, cString(name), 0)
  }

  #tryFile(fd: number): void {
    const calls = this.#calls
    const attribute = (name: string, value: Uint8Array): boolean =>
      calls.fsetxattr(fd, cString(Buffer.from(name)), value) >= 0
    const owns = process.getuid?.() === 0 && succeeds(() => fs.fchownSync(fd, OTHER_ID, OTHER_ID))
    this.#need('owners', owns && fs.fstatSync(fd).uid === OTHER_ID)
    const keepsModes = succeeds(() => fs.fchmodSync(fd, ODD_MODE)) && (fs.fstatSync(fd).mode & 0o7777) === ODD_MODE
    this.#need('modes', keepsModes)
    this.#need('nanoseconds', this.#keepsTime(fd, LATE_NS))
    this.#need(
      'early-times',
      this.#keepsTime(fd, EARLY_NS) || (this.#lacks.has('nanoseconds') && this.#keepsTime(fd, -2_000_000_000n)),
    )
    this.#need('user-attributes', attribute('user.holdfast', OTHER))
    this.#need('system-attributes', attribute('trusted.holdfast', OTHER) && attribute('security.holdfast', OTHER))
    this.#need('acls', attribute(ACL_ACCESS, PLAIN_ACL))
    const hole = succeeds(() => void fs.writeSync(fd, OTHER, 0, 1, HOLE_BYTES))
    this.#need('holes', hole && fs.fstatSync(fd).blocks * 512 < HOLE_BYTES)
  }

  #keepsTime(fd: number, timeNs: bigint): boolean {
    return this.#calls.futimens(fd, encodeTimes(timeNs)) >= 0 && fs.fstatSync(fd, { bigint: true }).mtimeNs === timeNs
  }

  #tryKinds(privileged: boolean): void {
    const calls = this.#calls
    const directory = this.#directory
    const makes = (name: string, make: (name: Uint8Array) => number): boolean => {
      const bytes = Buffer.from(name)
      const result = make(cString(bytes))
      if (result >= 0) this.#names.push(bytes)
      return result >= 0
    }
    this.#need(
      'symlinks',
      makes('symlink', (name) => calls.symlinkat(cString(Buffer.from(FILE)), directory, name)),
    )
    this.#need(
      'hard-links',
      makes('link', (name) => calls.linkat(directory, cString(Buffer.from(FILE)), directory, name, 0)),
    )
    this.#need(
      'fifos',
      makes('fifo', (name) => calls.mknodat(directory, name, constants.S_IFIFO | 0o600, 0n)),
    )
    if (privileged)
      this.#need(
        'devices',
        makes('null', (name) => calls.mknodat(directory, name, constants.S_IFCHR | 0o600, NULL_DEVICE)),
      )
  }

  /** Bytes that a name may have. */
  #tryNames(): number {
    this.#need('case', !this.#exists(FILE.toUpperCase()))
    if (this.#allows(Buffer.from('p\u00e9')) && this.#exists('pe\u0301')) this.#lacks.add('case')
    this.#need('name-bytes', this.#allows(NOT_UTF8))
    this.#need('name-characters', this.#allows(Buffer.from(SPECIAL_CHARACTERS)))
    if (this.#allows(Buffer.alloc(LONGEST_NAME_BYTES, 'n'))) return LONGEST_NAME_BYTES
    this.#lacks.add('name-length')
    let [allowed, refused] = [1, LONGEST_NAME_BYTES]
    while (refused - allowed > 1) {
      const length = Math.floor((allowed + refused) / 2)
      if (this.#allows(Buffer.alloc(length, 'n'))) allowed = length
      else refused = length
    }
    return allowed
  }

  #need(lack: Lack, has: boolean): void {
    if (!has) this.#lacks.add(lack)
  }

  #exists(name: string): boolean {
    const fd = this.#calls.openat(this.#directory, cString(Buffer.from(name)), constants.O_RDONLY | O_CLOEXEC, 0)
    if (fd >= 0) fs.closeSync(fd)
    return fd >= 0
  }

  #allows(name: Uint8Array): boolean {
    const fd = this.#create(name)
    if (fd >= 0) fs.closeSync(fd)
    return fd >= 0
  }

  #create(name: Uint8Array): number {
    const fd = this.#calls.openat(this.#directory, cString(name), CREATE, 0o600)
    if (fd >= 0) this.#names.push(name)
    return fd
  }
}

const OTHER = Uint8Array.of(0x78)

function succeeds(call: () => void): boolean {
  try {
    call()
    return true
  } catch {
    return false
  }
}
