/**
 * The drive port on a directory of a file system. Writes are synchronous (they reach the page cache in microseconds), reads and
 * syncs run in libuv's threads. Once a sync has failed the kernel may have dropped the dirty pages and marked them clean, so a
 * second try would lie: the drive counts as failed from then on.
 */
import fs from 'node:fs'
import path from 'node:path'
import { HoldfastError } from '@holdfast/ports'
import type { Drive, DriveFile, ErrorCode } from '@holdfast/ports'

/** The calls that tests make fail; everything else goes to `node:fs` directly. */
export interface DriveSystemCalls {
  writeSync(fd: number, bytes: Uint8Array, from: number, length: number, position: number): number
  fdatasync(fd: number, done: (error: NodeJS.ErrnoException | null) => void): void
  fsync(fd: number, done: (error: NodeJS.ErrnoException | null) => void): void
}

const SYSTEM_CALLS: DriveSystemCalls = {
  writeSync: (fd, bytes, from, length, position) => fs.writeSync(fd, bytes, from, length, position),
  fdatasync: (fd, done) => fs.fdatasync(fd, done),
  fsync: (fd, done) => fs.fsync(fd, done),
}

/** Files are the owner's only: packs hold public parts of records that other users of the machine need not see. */
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

/** A drive on the directory `root`, which exists or is made by `makeDirectory`. */
export function openFsDrive(root: string, calls: DriveSystemCalls = SYSTEM_CALLS): Drive {
  return new FsDrive(path.resolve(root), calls)
}

class FsDrive implements Drive {
  readonly #root: string
  readonly #state: DriveState

  constructor(root: string, calls: DriveSystemCalls) {
    this.#root = root
    this.#state = new DriveState(calls)
  }

  create(at: string): DriveFile {
    this.#state.refuseIfFailed()
    return this.#openFile(at, 'wx+', true)
  }

  open(at: string, options: { writable?: boolean } = {}): DriveFile {
    const writable = options.writable ?? false
    return this.#openFile(at, writable ? 'r+' : 'r', writable)
  }

  rename(from: string, to: string): void {
    this.#state.refuseIfFailed()
    attempt(`rename ${from}`, () => fs.renameSync(this.#resolve(from), this.#resolve(to)))
  }

  remove(at: string): void {
    this.#state.refuseIfFailed()
    attempt(`remove ${at}`, () => fs.rmSync(this.#resolve(at), { force: true }))
  }

  makeDirectory(at: string): void {
    this.#state.refuseIfFailed()
    attempt(`make ${at}`, () => fs.mkdirSync(this.#resolve(at), { recursive: true, mode: DIRECTORY_MODE }))
  }

  list(at: string): string[] {
    const resolved = this.#resolve(at)
    try {
      return fs.readdirSync(resolved).toSorted()
    } catch (cause) {
      const error = driveError(`list ${at}`, cause)
      if (error.code === 'HF_NOT_FOUND') return []
      throw error
    }
  }

  async syncDirectory(at: string): Promise<void> {
    const resolved = this.#resolve(at)
    this.#state.refuseIfFailed()
    const fd = attempt(`open ${at}`, () => fs.openSync(resolved, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY))
    try {
      await this.#state.sync(at, (done) => this.#state.calls.fsync(fd, done))
    } finally {
      fs.closeSync(fd)
    }
  }

  space(): { freeBytes: number; totalBytes: number } {
    const stat = attempt('measure the drive', () => fs.statfsSync(this.#root))
    return { freeBytes: stat.bavail * stat.bsize, totalBytes: stat.blocks * stat.bsize }
  }

  #openFile(at: string, flags: string, writable: boolean): DriveFile {
    const resolved = this.#resolve(at)
    const fd = attempt(`open ${at}`, () => fs.openSync(resolved, flags, FILE_MODE))
    return new FsDriveFile(fd, at, writable, this.#state)
  }

  #resolve(at: string): string {
    if (
      at !== '' &&
      at.split('/').some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))
    ) {
      throw new TypeError(`not a path of a drive: ${at}`)
    }
    return path.join(this.#root, at)
  }
}

/** What a drive and its files share: the calls, and whether a sync has failed. */
class DriveState {
  readonly calls: DriveSystemCalls
  #failure: HoldfastError | undefined

  constructor(calls: DriveSystemCalls) {
    this.calls = calls
  }

  refuseIfFailed(): void {
    if (this.#failure === undefined) return
    throw new HoldfastError('HF_DRIVE_FAILED', 'the drive failed at an earlier sync', { cause: this.#failure })
  }

  async sync(at: string, call: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
    this.refuseIfFailed()
    await new Promise<void>((resolve, reject) => {
      call((cause) => {
        if (cause !== null) this.#failure ??= new HoldfastError('HF_DRIVE_FAILED', `sync of ${at} failed`, { cause })
        if (this.#failure === undefined) resolve()
        else reject(this.#failure)
      })
    })
  }
}

class FsDriveFile implements DriveFile {
  readonly #fd: number
  readonly #path: string
  readonly #writable: boolean
  readonly #state: DriveState
  #closed = false
  /** Reads and syncs in flight: the descriptor is given back after the last, or another file could get its number meanwhile. */
  #inFlight = 0

  constructor(fd: number, at: string, writable: boolean, state: DriveState) {
    this.#fd = fd
    this.#path = at
    this.#writable = writable
    this.#state = state
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#refuseWrite()
    let done = 0
    while (done < bytes.byteLength) {
      const from = done
      const written = attempt(`write ${this.#path}`, () =>
        this.#state.calls.writeSync(this.#fd, bytes, from, bytes.byteLength - from, offset + from),
      )
      if (written === 0) throw new HoldfastError('HF_DRIVE_FAILED', `write ${this.#path}: nothing was taken`)
      done += written
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#refuseIfClosed()
    const out = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
    let done = 0
    this.#inFlight++
    try {
      while (done < length) {
        const count = await readOnce(this.#fd, out, done, offset + done, this.#path)
        if (count === 0) break
        done += count
      }
    } finally {
      this.#landed()
    }
    return done === length ? out : out.subarray(0, done)
  }

  size(): number {
    this.#refuseIfClosed()
    return attempt(`stat ${this.#path}`, () => fs.fstatSync(this.#fd).size)
  }

  truncate(length: number): void {
    this.#refuseWrite()
    attempt(`truncate ${this.#path}`, () => fs.ftruncateSync(this.#fd, length))
  }

  async datasync(): Promise<void> {
    this.#refuseIfClosed()
    this.#inFlight++
    try {
      await this.#state.sync(this.#path, (done) => this.#state.calls.fdatasync(this.#fd, done))
    } finally {
      this.#landed()
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#inFlight === 0) fs.closeSync(this.#fd)
  }

  #landed(): void {
    this.#inFlight--
    if (this.#closed && this.#inFlight === 0) fs.closeSync(this.#fd)
  }

  #refuseWrite(): void {
    this.#refuseIfClosed()
    if (!this.#writable) throw new TypeError(`${this.#path} is open for reading only`)
    this.#state.refuseIfFailed()
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new HoldfastError('HF_CLOSED', `${this.#path} is closed`)
  }
}

function readOnce(fd: number, into: Uint8Array, from: number, position: number, at: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, into, from, into.byteLength - from, position, (cause, count) => {
      if (cause === null) resolve(count)
      else reject(driveError(`read ${at}`, cause))
    })
  })
}

function attempt<T>(what: string, call: () => T): T {
  try {
    return call()
  } catch (cause) {
    throw driveError(what, cause)
  }
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  EDQUOT: 'HF_DRIVE_FULL',
  EEXIST: 'HF_ALREADY_EXISTS',
  ENOENT: 'HF_NOT_FOUND',
  ENOSPC: 'HF_DRIVE_FULL',
}

/** The drive's error for one of the system's. A misuse stays what it is. */
function driveError(what: string, cause: unknown): HoldfastError {
  if (!(cause instanceof Error) || !('code' in cause) || cause instanceof TypeError) throw cause
  const code = CODES[String(cause.code)] ?? 'HF_DRIVE_FAILED'
  const full =
    code === 'HF_DRIVE_FULL' ? { retryable: true, next: 'make room on the drive; the node then goes on' } : {}
  return new HoldfastError(code, `${what}: ${cause.message}`, { cause, ...full })
}
