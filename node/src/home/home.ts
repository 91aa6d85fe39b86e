import fs from 'node:fs'
import path from 'node:path'
import { signingKeyFromSeed, unlockMethod, unwrapSecret, wrapSecret, type SigningKey } from '@holdfast/keys'
import { HoldfastError } from '@holdfast/ports'
import type { Random } from '@holdfast/ports'
import { makeDirectory } from '../system/index.ts'
import { readIfPresent, syncDirectory, writeDurably } from './durable-file.ts'
import { lockHome, type HomeLock } from './home-lock.ts'
import { decodeIdentity, encodeIdentity, IDENTITY_BYTES_MAX, type Identity } from './identity.ts'

/** Format of the home's layout. A home of a newer one is refused. */
export const HOME_FORMAT = 1

/** Names in a home. */
const FORMAT_FILE = 'format'
const IDENTITY_FILE = 'identity'
const KEY_FILE = 'key'
const PLACE_FILE = 'place'
const LOCK_FILE = 'lock'

export type StateName = 'charter' | 'acceptor' | 'votes' | 'epochs' | 'directories'

export interface NewHome {
  readonly directory: string
  readonly seed: Uint8Array
  /** Wraps the node's key; a random key file does if absent. */
  readonly passphrase?: string
  readonly identity: Omit<Identity, 'wrappedSeed'>
  readonly config: string
  readonly state: Partial<Record<StateName, Uint8Array>>
}

/** The directory that makes this machine a node: identity, key, charter and what else must never be lost by a crash. */
export class Home {
  readonly directory: string
  readonly identity: Identity
  readonly signingKey: SigningKey
  /** Sentences about the home that a person should know. */
  readonly notices: readonly string[]
  readonly #lock: HomeLock

  constructor(
    directory: string,
    identity: Identity,
    signingKey: SigningKey,
    lock: HomeLock,
    notices: readonly string[] = [],
  ) {
    this.directory = directory
    this.identity = identity
    this.signingKey = signingKey
    this.notices = notices
    this.#lock = lock
  }

  get driveDirectory(): string {
    return this.identity.drive === '' ? path.join(this.directory, 'drive') : this.identity.drive
  }

  get indexDirectory(): string {
    return path.join(this.directory, 'index')
  }

  get journalDirectory(): string {
    return path.join(this.directory, 'journal')
  }

  /** For logs that are thrown away. */
  get scratchDirectory(): string {
    return path.join(this.directory, 'journal-scratch')
  }

  /** Undefined if it was never written. */
  readState(name: StateName): Uint8Array | undefined {
    return readIfPresent(path.join(this.directory, name))
  }

  /** Durable when it returns. @throws HF_HOME_READ_ONLY, HF_DRIVE_FULL, HF_DRIVE_FAILED; the old state is in place then */
  writeState(name: StateName, bytes: Uint8Array): void {
    try {
      writeDurably(path.join(this.directory, name), bytes)
    } catch (cause) {
      throw homeError(this.directory, cause)
    }
  }

  close(): void {
    this.#lock.release()
  }
}

/** A home that is complete but for its identity, which makes it one; locked until it is committed or abandoned. */
export interface PreparedHome {
  /** Makes it a home; durable when it returns. @throws HF_HOME_READ_ONLY, HF_DRIVE_FULL, HF_DRIVE_FAILED; it is abandoned then */
  commit(): void
  /** Removes what was written. Does nothing once it is committed. */
  abandon(): void
}

/** Makes a home at once. @throws as `prepareHome` */
export function createHome(options: NewHome, random: Random): void {
  prepareHome(options, random).commit()
}

/** Writes all of a home but the identity, which comes last so that a crash leaves no half node.
 *  @throws HF_HOME_EXISTS, HF_HOME_IN_USE while another process makes it, HF_HOME_READ_ONLY, HF_BAD_INPUT, HF_CONFLICT, HF_DRIVE_FULL */
export function prepareHome(options: NewHome, random: Random): PreparedHome {
  const { directory } = options
  const file = (name: string): string => path.join(directory, name)
  const unlock = options.passphrase === undefined ? { keyFile: random.bytes(32) } : { passphrase: options.passphrase }
  const contents: [name: string, content: Uint8Array | string][] = [
    [FORMAT_FILE, `holdfast home ${HOME_FORMAT}\n`],
    ['config.toml', options.config],
    ...('keyFile' in unlock ? [[KEY_FILE, unlock.keyFile] as [string, Uint8Array]] : []),
    ...Object.entries(options.state),
  ]
  const lock = claimNewHome(directory)
  let open = true
  const end = (): void => {
    open = false
    lock.release()
  }
  const abandon = (): void => {
    if (!open) return
    // Not the lock's file: another process may be waiting for it.
    for (const name of [...contents.map(([each]) => each), PLACE_FILE, IDENTITY_FILE])
      for (const each of [name, `${name}.new`]) removeIfPossible(file(each))
    end()
  }
  const orAbandon = (write: () => void): void => {
    try {
      write()
    } catch (cause) {
      abandon()
      throw homeError(directory, cause)
    }
  }
  let identity: Uint8Array
  orAbandon(() => {
    for (const [name, content] of contents) writeDurably(file(name), content)
    writeDurably(file(PLACE_FILE), placeOf(directory))
    identity = encodeIdentity({ ...options.identity, wrappedSeed: wrapSecret(options.seed, unlock, random) })
  })
  return {
    abandon,
    commit() {
      orAbandon(() => {
        writeDurably(file(IDENTITY_FILE), identity)
        syncDirectory(path.dirname(directory))
      })
      end()
    },
  }
}

function removeIfPossible(file: string): void {
  try {
    fs.rmSync(file, { force: true })
  } catch {
    // Without an identity it is no home, whatever else lies there.
  }
}

/** Makes the directory private and locks it, if it can become a home. */
function claimNewHome(directory: string): HomeLock {
  try {
    refuseHome(directory)
    makeDirectory(directory, 0o700)
    const strange = fs.readdirSync(directory).filter((name) => !isOurs(name))
    if (strange.length > 0) {
      throw new HoldfastError(
        'HF_CONFLICT',
        `${directory} holds other things (${strange.slice(0, 3).join(', ')}); nothing was changed`,
        {
          next: 'give an empty or new directory as --home',
        },
      )
    }
    fs.chmodSync(directory, 0o700)
    const lock = lockHome(path.join(directory, LOCK_FILE))
    try {
      // Another process may have been faster.
      refuseHome(directory)
      return lock
    } catch (error) {
      lock.release()
      throw error
    }
  } catch (cause) {
    throw homeError(directory, cause)
  }
}

function refuseHome(directory: string): void {
  if (!fs.existsSync(path.join(directory, IDENTITY_FILE))) return
  throw new HoldfastError('HF_HOME_EXISTS', `${directory} is a node already; nothing was changed`, {
    next: `holdfast up --home ${directory} runs it; another --home makes another node`,
  })
}

const OURS = /^(?:format|identity|key|place|lock|config\.toml|charter|acceptor|votes|epochs|directories)(?:\.new)?$/
const isOurs = (name: string): boolean => OURS.test(name)

/** Whether the node's key is opened by a passphrase. @throws HF_HOME_MISSING, HF_DECODE */
export function needsPassphrase(directory: string): boolean {
  return unlockMethod(readIdentity(directory).wrappedSeed) === 'passphrase'
}

/** Opens and locks a home. @throws HF_HOME_MISSING, HF_HOME_NEWER, HF_HOME_COPIED, HF_HOME_IN_USE, HF_HOME_READ_ONLY, HF_WRONG_KEY, HF_DECODE */
export function openHome(directory: string, passphrase?: string): Home {
  const identity = readIdentity(directory)
  checkFormat(directory)
  let lock: HomeLock
  try {
    lock = lockHome(path.join(directory, LOCK_FILE))
  } catch (cause) {
    throw homeError(directory, cause)
  }
  try {
    checkPlace(directory)
    const seed = unwrapSecret(identity.wrappedSeed, unlockWith(directory, identity, passphrase))
    return new Home(directory, identity, signingKeyFromSeed(seed), lock, closeKeyFile(directory))
  } catch (cause) {
    lock.release()
    throw homeError(directory, cause)
  }
}

function unlockWith(
  directory: string,
  identity: Identity,
  passphrase: string | undefined,
): { passphrase: string } | { keyFile: Uint8Array } {
  if (unlockMethod(identity.wrappedSeed) === 'passphrase') {
    if (passphrase !== undefined) return { passphrase }
    throw new HoldfastError(
      'HF_WRONG_KEY',
      'the key of this node is opened by a passphrase, and none was given; nothing was touched',
      {
        next: 'holdfast up --passphrase-file FILE, or run it on a terminal',
      },
    )
  }
  const keyFile = readIfPresent(path.join(directory, KEY_FILE))
  if (keyFile !== undefined) return { keyFile }
  throw new HoldfastError('HF_WRONG_KEY', `the key file of this node is missing; nothing was touched`, {
    next: `bring ${path.join(directory, KEY_FILE)} back from a copy`,
  })
}

/** Takes the key file away from other users, who may have got it when the home was brought back from a copy; a sentence if so. */
function closeKeyFile(directory: string): string[] {
  const file = path.join(directory, KEY_FILE)
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  if (stat === undefined || (stat.mode & 0o077) === 0) return []
  fs.chmodSync(file, 0o600)
  return [`${file} could be read by other users of this machine; it is closed to them now`]
}

/** @throws HF_HOME_MISSING, HF_DECODE, HF_HOME_NEWER, HF_HOME_READ_ONLY if it may not be read, HF_BAD_INPUT if it is no directory */
export function readIdentity(directory: string): Identity {
  let bytes: Uint8Array | undefined
  try {
    bytes = readIfPresent(path.join(directory, IDENTITY_FILE))
  } catch (cause) {
    throw homeError(directory, cause)
  }
  if (bytes === undefined) {
    throw new HoldfastError('HF_HOME_MISSING', `there is no node in ${directory}`, {
      next: `holdfast init --home ${directory} makes one, holdfast join TOKEN makes one in a mesh that exists`,
    })
  }
  if (bytes.byteLength > IDENTITY_BYTES_MAX)
    throw new HoldfastError('HF_DECODE', 'the identity file of this home is damaged')
  return decodeIdentity(bytes)
}

function checkFormat(directory: string): void {
  const text = readIfPresent(path.join(directory, FORMAT_FILE))?.toString('utf8') ?? ''
  const format = Number(/^holdfast home (\d+)\n$/.exec(text)?.[1] ?? 0)
  if (format === HOME_FORMAT) return
  if (format > HOME_FORMAT) {
    throw new HoldfastError(
      'HF_HOME_NEWER',
      `${directory} has the format ${format} of a newer version, this one reads ${HOME_FORMAT}; nothing was changed`,
      {
        next: 'run the version of holdfast that last ran here, or a newer one',
      },
    )
  }
  throw new HoldfastError('HF_DECODE', `the format file of ${directory} is damaged`, {
    next: `it must read "holdfast home ${HOME_FORMAT}"`,
  })
}

const placeOf = (directory: string): string => {
  const { dev, ino, birthtimeNs } = fs.statSync(directory, { bigint: true })
  return `${dev} ${ino} ${birthtimeNs}\n`
}

/** Whether two places are one. A copy is born later than its original and mostly has another inode. Device numbers count only
 *  where a file system tells no birth times (0): a reboot may number devices anew. */
function isSamePlace(recorded: string, now: string): boolean {
  const [device, inode, birth] = recorded.trim().split(' ')
  const [deviceNow, inodeNow, birthNow] = now.trim().split(' ')
  if (inode !== inodeNow || birth !== birthNow) return false
  return birth === '0' ? device === deviceNow : true
}

/** Two nodes with one identity would sign against each other: a home that lies elsewhere than where it was made is not opened.
 *  A person who has moved it says so by removing the file. */
function checkPlace(directory: string): void {
  const file = path.join(directory, PLACE_FILE)
  const recorded = readIfPresent(file)?.toString('utf8')
  const place = placeOf(directory)
  if (recorded === undefined) return writeDurably(file, place)
  if (isSamePlace(recorded, place)) return
  throw new HoldfastError(
    'HF_HOME_COPIED',
    `${directory} was copied or moved here from another place; it is not opened, since two nodes of one identity would damage each other`,
    {
      next: `if the original is gone for good, remove ${file} and try again`,
    },
  )
}

/** What a system error means for a home. */
function homeError(directory: string, cause: unknown): unknown {
  if (cause instanceof HoldfastError) return cause
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
    return new HoldfastError('HF_HOME_READ_ONLY', `${directory} cannot be written (${code}); nothing was changed`, {
      cause,
      next: 'run as the user that owns it, or mount it writable',
    })
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new HoldfastError('HF_DRIVE_FULL', `${directory} has no room; nothing was changed`, {
      cause,
      next: 'make room and try again',
    })
  }
  if (code === 'ENOTDIR' || code === 'EEXIST') {
    return new HoldfastError('HF_BAD_INPUT', `${directory} is not a directory`, {
      cause,
      next: 'give a directory as --home',
    })
  }
  return new HoldfastError('HF_DRIVE_FAILED', `${directory} could not be read or written (${code ?? String(cause)})`, {
    cause,
  })
}
