import fs from 'node:fs'
import path from 'node:path'
import { RESTORE_NAME } from '@holdfast/capture'
import { HoldfastError, KIB } from '@holdfast/ports'
import { makeDirectory } from '../system/index.ts'
import { pathText } from '../api/path-text.ts'
import type { RestoreRow } from './types.ts'
import { destinationError, SETUID_BITS } from './tree-writer.ts'

/** In a destination whose restore is not finished: what is being restored there. */
export const MARKER_NAME = RESTORE_NAME
/** What is read of a marker: a name, a path and a moment are shorter. */
const MARKER_BYTES_MAX = 64 * KIB
const SLASH = 0x2f

export const inDestination = (to: Uint8Array, file: Uint8Array): Buffer =>
  file.byteLength === 0 ? Buffer.from(to) : Buffer.concat([to, Buffer.from(path.sep), file])

/** Makes the destination ready; whether an unfinished restore of the same is continued. A dry run looks and writes nothing.
 *  @throws HF_CONFLICT (it holds other things), HF_DESTINATION */
export function openDestination(
  to: Uint8Array,
  identity: string,
  inPlace: boolean,
  dryRun: boolean,
): { resumed: boolean } {
  const marker = inDestination(to, Buffer.from(MARKER_NAME))
  let names: string[]
  try {
    if (!dryRun) makeDirectory(to)
    else if (!fs.existsSync(Buffer.from(to))) return { resumed: false }
    names = fs.readdirSync(Buffer.from(to))
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOTDIR' || code === 'EEXIST') {
      throw new HoldfastError('HF_CONFLICT', `${pathText(to)} is not a directory; nothing was changed`, {
        cause,
        next: 'give an empty or new directory with --to',
      })
    }
    throw destinationError(to, cause)
  }
  const unfinished = names.includes(MARKER_NAME) ? readMarker(marker) : undefined
  const resumed = unfinished === identity
  if (!inPlace && !resumed && names.length > 0) {
    const what =
      unfinished === undefined
        ? `other things (${names.slice(0, 3).join(', ')})`
        : `an unfinished restore of something else (${unfinished})`
    throw new HoldfastError('HF_CONFLICT', `${pathText(to)} holds ${what}; nothing was changed`, {
      next: 'give an empty or new directory, or --in-place to write into this one',
    })
  }
  if (!dryRun) {
    try {
      writeMarker(marker, identity)
    } catch (cause) {
      throw destinationError(to, cause)
    }
  }
  return { resumed }
}

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants

/** The identity of the restore that was begun in a directory and is not finished, if there is one. */
export const unfinishedRestore = (to: Uint8Array): string | undefined =>
  readMarker(inDestination(to, Buffer.from(MARKER_NAME)))

/** What the marker says; undefined if it is none that a restore wrote. */
function readMarker(marker: Buffer): string | undefined {
  let fd: number | undefined
  try {
    fd = fs.openSync(marker, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    if (!fs.fstatSync(fd).isFile()) return undefined
    const into = Buffer.alloc(MARKER_BYTES_MAX)
    const text = into.subarray(0, fs.readSync(fd, into)).toString()
    return text.endsWith('\n') ? text.slice(0, -1) : undefined
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

/** Written as a new file: one that is there may be a link to elsewhere. */
function writeMarker(marker: Buffer, identity: string): void {
  fs.rmSync(marker, { force: true })
  fs.writeFileSync(marker, `${identity}\n`, { mode: 0o600, flag: 'wx' })
}

export function closeDestination(to: Uint8Array): void {
  fs.rmSync(inDestination(to, Buffer.from(MARKER_NAME)), { force: true })
}

/** Tells whether what is at a place has the version's type, size, time, mode and, for the superuser, owner. Behind a link or file
 *  that stands where a directory belongs nothing is identical. */
export function createComparison(to: Uint8Array, setuid: boolean): (file: Uint8Array, row: RestoreRow) => boolean {
  const own = process.getuid?.() === 0
  let reached = { directory: '', real: true }

  /** Rows come directory by directory: the last answer is the next one's. */
  const isReached = (directory: Buffer): boolean => {
    const key = directory.toString('latin1')
    if (key === '') return true
    if (key === reached.directory) return reached.real
    const slash = directory.lastIndexOf(SLASH)
    const above = isReached(directory.subarray(0, Math.max(0, slash)))
    reached = { directory: key, real: above && statOf(inDestination(to, directory))?.isDirectory() === true }
    return reached.real
  }

  return (file, row) => {
    const bytes = Buffer.from(file)
    if (!isReached(bytes.subarray(0, Math.max(0, bytes.lastIndexOf(SLASH))))) return false
    const place = inDestination(to, bytes)
    const stat = statOf(place)
    if (stat === undefined || stat.mtimeNs !== row.mtimeNs) return false
    if (own && (Number(stat.uid) !== row.uid || Number(stat.gid) !== row.gid)) return false
    if (row.type === 'symlink') {
      return (
        stat.isSymbolicLink() && Buffer.compare(fs.readlinkSync(place, 'buffer'), Buffer.from(row.target ?? [])) === 0
      )
    }
    const mode = setuid ? row.mode : row.mode & ~SETUID_BITS
    return stat.isFile() && Number(stat.size) === row.size && Number(stat.mode & 0o7777n) === mode
  }
}

function statOf(place: Buffer): fs.BigIntStats | undefined {
  try {
    return fs.lstatSync(place, { bigint: true })
  } catch {
    return undefined
  }
}
