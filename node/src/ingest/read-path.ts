import fs from 'node:fs'
import { decodeStat, isLinked, sameDevice, sameStat, typeOf } from '@holdfast/capture'
import type { Source, StatKey, XattrsRead } from '@holdfast/capture'
import type { Arena, Cutter } from '@holdfast/chunker'
import { HoldfastError } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'
import { READ_ATTEMPTS_MAX } from './limits.ts'
import type { Parents, Whereabouts } from './parents.ts'
import { readContent } from './read-content.ts'
import type { SegmentSink } from './read-content.ts'
import type { Draft } from './types.ts'

/** A draft without what only the chunks' names can tell. */
export type Found = Omit<Draft, 'extents' | 'recipe' | 'refs' | 'needs'>

export interface ReadTarget {
  /** Absolute path of the root, as bytes. */
  readonly root: Uint8Array
  readonly rootIdentity: { readonly dev: bigint; readonly ino: bigint } | undefined
  /** Relative to it. */
  readonly path: Uint8Array
}

/** What a worker reads with. */
export interface ReadingParts {
  readonly source: Source
  readonly parents: Parents
  readonly arena: Arena
  readonly cutter: Cutter
}

/**
 * Looks at one path and, if it is a file, sends its content to the sink. A file counts as read when it is the same before its
 * first byte and after its last, attributes included (device, inode, size, both times); else it is read again,
 * `READ_ATTEMPTS_MAX` times in all. Nothing but a regular file is ever opened for reading, and no link is followed, neither at the
 * end nor among the parents: a directory that is replaced by a link meanwhile leads nowhere.
 * It yields between pieces of work, so that its caller may look at the clock, and gives nothing only if it is ended early.
 * @throws HF_SOURCE_UNAVAILABLE if the path is absent and the root is not there, or not the same
 */
export function* readPath(
  target: ReadTarget,
  parts: ReadingParts,
  sink: SegmentSink,
): Generator<void, Found | undefined, undefined> {
  const { path } = target
  const { source, parents } = parts
  for (let reading = 1; ; reading++) {
    const isLast = reading === READ_ATTEMPTS_MAX
    sink.restart()
    const place = parents.of(target.root, path)
    const problem = typeof place === 'string' ? place : source.look(place.directory, place.name)
    if (typeof place === 'string' || problem !== undefined) {
      const code = problem ?? ''
      return ABSENCES.has(code) ? absent(target) : unreadable(path, code)
    }
    const seen = describe(path, source, place)
    const read = seen.type === 'file' ? yield* readFile(path, place, parts, sink) : readOther(seen, source, place)
    if (typeof read !== 'string') {
      if (isLast || !read.torn) return read
    } else if (isLast || !CHANGES.has(read)) {
      // Otherwise replaced or removed since it was looked at: look again, and believe the last look.
      return unreadable(path, read, seen.stat)
    }
  }
}

/** The file as it was when it was opened, with its content gone to the sink; `torn` if it changed meanwhile. Or the error. */
function* readFile(
  path: Uint8Array,
  place: Whereabouts,
  { source, arena, cutter }: ReadingParts,
  sink: SegmentSink,
): Generator<void, Found | string, undefined> {
  const fd = source.openFile(place.directory, place.name)
  if (typeof fd === 'string') return fd
  try {
    const problem = source.lookAtFile(fd)
    if (problem !== undefined) return problem
    if (typeOf(source.words) !== 'file') return REPLACED
    const before = source.words.slice()
    const size = decodeStat(before).size
    const { diskBytes } = source.facts
    const found = describe(path, source, place)
    const read = yield* readContent({ fd, size, diskBytes, source, arena, cutter }, sink)
    const xattrs = source.fileXattrs(fd)
    if (typeof xattrs === 'string') return xattrs
    const gone = source.lookAtFile(fd)
    if (gone !== undefined) return gone
    const torn = read.size !== size || !sameStat(before, 0, source.words, 0) || !sameDevice(before, 0, source.words, 0)
    return { ...withXattrs(found, xattrs), size: read.size, torn, ...(read.sparse ? { sparse: true } : {}) }
  } catch (error) {
    return codeOfSystemError(error)
  } finally {
    source.closeFile(fd)
  }
}

/** Anything but a file: what the look told, with target and attributes. */
function readOther(seen: Looked, source: Source, { directory, name }: Whereabouts): Found | string {
  const { type } = seen
  const found = type === 'other' ? withSpecial(seen, source) : seen
  const target = type === 'symlink' ? source.readLink(directory, name) : undefined
  if (typeof target === 'string') return target
  const xattrs = source.entryXattrs(directory, name, type === 'directory')
  if (typeof xattrs === 'string') return xattrs
  return withXattrs(target === undefined ? found : { ...found, target }, xattrs)
}

/** Errors of a path that is not there, or not as one would reach it. */
const ABSENCES: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP'])
/** Errors that say the path is not what it was a moment ago. */
const CHANGES: ReadonlySet<string> = new Set([...ABSENCES, 'EISDIR', 'ENXIO', 'EINVAL'])
const REPLACED = 'ENXIO'

type Looked = Found & { readonly stat: StatKey }

function describe(path: Uint8Array, { words, facts }: Source, { rootDevice }: Whereabouts): Looked {
  const stat = decodeStat(words)
  const { type, mode, uid, gid, mtimeNs } = stat
  const found: Looked = { path, type, mode, uid, gid, mtimeNs, size: 0, torn: false, stat }
  return isLinked(words) && facts.links > 1 ? { ...found, hardLink: hardLinkOf(stat, rootDevice) } : found
}

/** Inode and device, the root's own device as 0: its number may be another one after a restart. */
function hardLinkOf({ ino, dev }: StatKey, rootDevice: bigint): Uint8Array {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, ino, true)
  view.setBigUint64(8, dev === rootDevice ? 0n : dev, true)
  return bytes
}

const withSpecial = (found: Looked, { facts }: Source): Found =>
  facts.special === undefined ? found : { ...found, special: facts.special }

function withXattrs(found: Found, { xattrs, leftOut }: Exclude<XattrsRead, string>): Found {
  if (xattrs.length === 0 && leftOut === 0) return found
  const kept = xattrs.length === 0 ? found : { ...found, xattrs }
  if (leftOut === 0) return kept
  const message = `${pathText(found.path)} has more extended attributes than are kept: ${leftOut} are left out`
  return { ...kept, error: { code: 'HF_UNREADABLE', message } }
}

/** The code of an error of a system call; a defect stays one. */
function codeOfSystemError(error: unknown): string {
  if (error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string')
    return error.code
  throw error
}

const NOTHING = { mode: 0, uid: 0, gid: 0, mtimeNs: 0n, size: 0, torn: false } as const

/** Nothing is concluded from absence unless the root is there: an unmounted drive deletes no file. */
function absent(target: ReadTarget): Found {
  const problem = problemOfRoot(target)
  if (problem === undefined) return { path: target.path, type: 'absent', ...NOTHING }
  const root = pathText(target.root)
  throw new HoldfastError('HF_SOURCE_UNAVAILABLE', `${root} ${problem}; nothing is taken for deleted`, {
    retryable: true,
    next: `mount or restore ${root}, or unprotect the volume`,
  })
}

function problemOfRoot({ root, rootIdentity }: ReadTarget): string | undefined {
  let stats: fs.BigIntStats | undefined
  try {
    stats = fs.statSync(Buffer.from(root), { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    return `cannot be looked at (${codeOfSystemError(error)})`
  }
  if (stats === undefined) return 'is not there'
  if (!stats.isDirectory()) return 'is not a directory'
  if (rootIdentity === undefined) return undefined
  const isSameRoot = stats.dev === rootIdentity.dev && stats.ino === rootIdentity.ino
  return isSameRoot ? undefined : 'is another directory than before'
}

function unreadable(path: Uint8Array, code: string, stat?: StatKey): Found {
  const shown = stat === undefined ? NOTHING : { ...NOTHING, mode: stat.mode, uid: stat.uid, gid: stat.gid }
  const message = `${code}: ${pathText(path)} could not be read`
  const found: Found = { path, type: 'unreadable', ...shown, error: { code: 'HF_UNREADABLE', message } }
  return stat === undefined ? found : { ...found, stat }
}
