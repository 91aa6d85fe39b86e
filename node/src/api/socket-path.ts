import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { HoldfastError } from '@holdfast/ports'

/** Name of the control socket in the home. */
export const SOCKET_NAME = 'control.sock'
/** Present when the socket is elsewhere: its absolute path and a newline. */
export const SOCKET_POINTER_NAME = 'control.path'
/** Longest path, in bytes, at which the socket stays in the home. The kernel takes 107 (Linux) or 103 (BSD, macOS). */
export const SOCKET_PATH_BYTES_MAX = 100

/** Where a client finds the socket of a home: in it, or where the pointer says. The socket need not exist. */
export function findSocket(home: string): string {
  const pointer = join(home, SOCKET_POINTER_NAME)
  try {
    const path = readFileSync(pointer, 'utf8').trim()
    if (path !== '') return path
  } catch {
    // No pointer: the socket is in the home.
  }
  return join(home, SOCKET_NAME)
}

/**
 * Picks the place for the socket of this home, leaves the pointer right for it, and removes what an earlier process left
 * there. Only for the process that holds the lock of the home. @throws HF_HOME_READ_ONLY, HF_POLICY (no safe directory)
 */
export function claimSocket(home: string, environment: Readonly<Record<string, string | undefined>>): string {
  const inHome = join(resolve(home), SOCKET_NAME)
  const pointer = join(home, SOCKET_POINTER_NAME)
  const long = Buffer.byteLength(inHome) > SOCKET_PATH_BYTES_MAX
  const path = long ? join(runtimeDirectory(environment), `holdfast-${digest(resolve(home))}.sock`) : inHome
  try {
    if (long) {
      writeFileSync(`${pointer}.new`, `${path}\n`, { mode: 0o600 })
      renameSync(`${pointer}.new`, pointer)
    } else rmSync(pointer, { force: true })
    rmSync(path, { force: true })
  } catch (cause) {
    throw new HoldfastError('HF_HOME_READ_ONLY', `cannot place the control socket of ${home}`, { cause })
  }
  return path
}

/** Idempotent. */
export function releaseSocket(home: string, path: string): void {
  rmSync(path, { force: true })
  rmSync(join(home, SOCKET_POINTER_NAME), { force: true })
}

/** A directory of this user alone: whoever could replace the socket could pose as the node. @throws HF_POLICY */
function runtimeDirectory(environment: Readonly<Record<string, string | undefined>>): string {
  const given = environment['XDG_RUNTIME_DIR']
  if (given !== undefined && given !== '' && isPrivate(given)) return given
  const directory = join(tmpdir(), `holdfast-${process.getuid?.() ?? 0}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (isPrivate(directory)) return directory
  throw new HoldfastError('HF_POLICY', `${directory} can be used by others, the control socket is not put there`, {
    next: 'set XDG_RUNTIME_DIR to a directory of yours alone (mode 0700), or choose a home with a shorter path',
  })
}

/** Whether it is a directory, no link to one, that nobody else can use. */
function isPrivate(directory: string): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false })
  if (stat?.isDirectory() !== true) return false
  return stat.uid === (process.getuid?.() ?? 0) && (stat.mode & 0o077) === 0
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)
