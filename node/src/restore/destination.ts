import fs from 'node:fs'
import path from 'node:path'
import {
  ACL_ACCESS,
  createXattrReader,
  cString,
  deviceNumber,
  libc,
  placeOfPath,
  RESTORE_NAME,
} from '@holdfast/capture'
import { equalBytes, HoldfastError, KIB } from '@holdfast/ports'
import { makeDirectory } from '../system/index.ts'
import { pathText } from '../api/path-text.ts'
import type { RestoreRow } from './types.ts'
import { ALL_ABILITIES, keptXattrs, type Abilities } from './abilities.ts'
import { SETUID_BITS } from './attribute-writer.ts'
import { probe } from './probe.ts'
import { destinationError } from './tree-writer.ts'

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

/** What the destination can keep. @throws HF_DESTINATION */
export function probeDestination(to: Uint8Array, privileged: boolean): Abilities {
  const calls = libc()
  if (calls === undefined) return ALL_ABILITIES
  let root: number | undefined
  try {
    root = fs.openSync(Buffer.from(to), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    return probe(calls, root, privileged)
  } catch (cause) {
    throw destinationError(to, cause)
  } finally {
    if (root !== undefined) fs.closeSync(root)
  }
}

/** Tells whether what is at a place has the version's type, size, time, mode, owner and attributes, as far as the destination keeps
 *  them. Behind a link or file that stands where a directory belongs nothing is identical. */
export function createComparison(
  to: Uint8Array,
  abilities: Abilities,
  privileged: boolean,
): (file: Uint8Array, row: RestoreRow) => boolean {
  const own = !abilities.lacks.has('owners')
  const sameXattrs = createXattrComparison()
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
    const mode = privileged ? row.mode : row.mode & ~SETUID_BITS
    if (row.type !== 'symlink' && Number(stat.mode & 0o7777n) !== mode) return false
    return isSameThing(place, stat, row) && sameXattrs(place, keptXattrs(row, abilities, privileged) ?? [])
  }
}

function isSameThing(place: Buffer, stat: fs.BigIntStats, { type, size, target, special }: RestoreRow): boolean {
  if (type === 'symlink')
    return stat.isSymbolicLink() && Buffer.compare(fs.readlinkSync(place, 'buffer'), Buffer.from(target ?? [])) === 0
  if (type === 'file') return stat.isFile() && Number(stat.size) === size
  if (special === undefined) return false
  if (special.kind === 'fifo') return stat.isFIFO()
  const isKind = special.kind === 'block' ? stat.isBlockDevice() : stat.isCharacterDevice()
  return isKind && stat.rdev === deviceNumber(special.major, special.minor)
}

/** Whether a place has these attributes, and no other of a user or access list. What the system itself adds does not count. */
function createXattrComparison(): (place: Buffer, wanted: NonNullable<RestoreRow['xattrs']>) => boolean {
  const calls = libc()
  const read = createXattrReader()
  return (place, wanted) => {
    const found = calls === undefined ? NO_XATTRS : read(placeOfPath(calls, cString(place)))
    if (typeof found === 'string') return false
    const left = new Map(found.xattrs.map(({ name, value }) => [Buffer.from(name).toString('latin1'), value]))
    for (const { name, value } of wanted) {
      const key = Buffer.from(name).toString('latin1')
      const there = left.get(key)
      if (there === undefined || !equalBytes(there, value)) return false
      left.delete(key)
    }
    return ![...left.keys()].some((name) => name.startsWith('user.') || name === ACL_ACCESS)
  }
}

const NO_XATTRS = { xattrs: [], leftOut: 0 } as const

function statOf(place: Buffer): fs.BigIntStats | undefined {
  try {
    return fs.lstatSync(place, { bigint: true })
  } catch {
    return undefined
  }
}
