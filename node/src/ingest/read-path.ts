import type { BigIntStats } from 'node:fs'
import fs from 'node:fs'
import type { EntryType, StatKey } from '@holdfast/capture'
import { SEGMENT_BYTES_MAX } from '@holdfast/chunker'
import type { Arena, Cutter } from '@holdfast/chunker'
import { HoldfastError } from '@holdfast/ports'
import { READ_ATTEMPTS_MAX, READ_BYTES } from './limits.ts'
import type { Draft } from './types.ts'

/** A draft without what only the chunks' names can tell. */
export type Found = Omit<Draft, 'extents' | 'recipe' | 'refs' | 'needs'>

/** Where the content of a file goes, segment by segment. */
export interface SegmentSink {
  /** The file is read from its beginning, maybe again: what came before is void. */
  restart(): void
  /** The view is valid during the call. Answers whether reading should pause here. */
  segment(bytes: Uint8Array): boolean
}

export interface ReadTarget {
  /** Absolute path of the root, as bytes. */
  readonly root: Uint8Array
  readonly rootIdentity: { readonly dev: bigint; readonly ino: bigint } | undefined
  /** Relative to it. */
  readonly path: Uint8Array
}

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } = fs.constants
const SLASH = Buffer.from('/')

/**
 * Looks at one path and, if it is a file, sends its content to the sink. A file counts as read when it is the same before it was
 * opened and after its last byte (device, inode, size, both times); else it is read again, `READ_ATTEMPTS_MAX` times in all.
 * Nothing but a regular file is ever opened, and a link is not followed. Links among the parents are: a walk does not go below
 * one, so the path has them only if a directory was replaced since.
 * It yields between pieces of work, so that its caller may look at the clock, and gives nothing only if it is ended early.
 * @throws HF_SOURCE_UNAVAILABLE if the path is absent and the root is not there, or not the same
 */
export function* readPath(
  target: ReadTarget,
  arena: Arena,
  cutter: Cutter,
  sink: SegmentSink,
): Generator<void, Found | undefined, undefined> {
  const { path } = target
  const absolute = path.length === 0 ? target.root : Buffer.concat([target.root, SLASH, path])
  for (let reading = 1; ; reading++) {
    const isLast = reading === READ_ATTEMPTS_MAX
    sink.restart()
    const before = attempt(() => fs.lstatSync(asPath(absolute), { bigint: true, throwIfNoEntry: false }))
    if (before === undefined || codeOf(before) === 'ENOTDIR') return absent(target)
    if (before instanceof Error) return unreadable(path, before)
    const found = describe(path, before)
    if (found.type === 'symlink') {
      const link = attempt(() => fs.readlinkSync(asPath(absolute), { encoding: 'buffer' }))
      if (link instanceof Error && !isLast) continue
      return link instanceof Error ? unreadable(path, link, found.stat) : { ...found, target: link }
    }
    if (found.type !== 'file') return found
    const read = yield* readFile(absolute, before, arena, cutter, sink)
    if (read instanceof Error) {
      // Replaced or removed since it was looked at: look again, and believe the last look.
      if (isChange(read) && !isLast) continue
      return unreadable(path, read, found.stat)
    }
    if (read.isSame || isLast) return { ...found, size: read.size, torn: !read.isSame }
  }
}

/** The result of a system call, or the error that it gave; a defect stays one. */
function attempt<T>(call: () => T): T | Error {
  try {
    return call()
  } catch (error) {
    return asSystemError(error)
  }
}

function asSystemError(error: unknown): Error {
  if (error instanceof Error && 'syscall' in error) return error
  throw error
}

/** Reads as many bytes as the file had when it was looked at: one that grows all the time ends too. */
function* readFile(
  absolute: Uint8Array,
  before: BigIntStats,
  arena: Arena,
  cutter: Cutter,
  sink: SegmentSink,
): Generator<void, { readonly isSame: boolean; readonly size: number } | Error, undefined> {
  let fd: number | undefined
  try {
    // Without waiting, should a fifo have taken its place.
    fd = fs.openSync(asPath(absolute), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    let left = Number(before.size)
    let size = 0
    let start = 0
    let end = 0
    while (left > 0 || start < end) {
      arena.bytes.copyWithin(0, start, end)
      end -= start
      start = 0
      while (left > 0 && end < arena.bytes.length) {
        const count = fs.readSync(fd, arena.bytes, end, Math.min(arena.bytes.length - end, left, READ_BYTES), null)
        end += count
        size += count
        left = count === 0 ? 0 : left - count
      }
      // Short of the end of the file, a cut is final only with the largest segment at hand.
      const atHandMin = left === 0 ? 1 : SEGMENT_BYTES_MAX
      while (end - start >= atHandMin) {
        const length = cutter.cut(start, end - start)
        if (sink.segment(arena.bytes.subarray(start, start + length))) yield
        start += length
      }
      yield
    }
    return { isSame: isSame(before, fs.fstatSync(fd, { bigint: true })) && size === Number(before.size), size }
  } catch (error) {
    return asSystemError(error)
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

const isSame = (a: BigIntStats, b: BigIntStats): boolean =>
  a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs

/** Errors that say the path is not what it was a moment ago. */
const CHANGES: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO'])
const isChange = (error: Error): boolean => CHANGES.has(codeOf(error) ?? '')

const codeOf = (error: object): string | undefined =>
  'code' in error && typeof error.code === 'string' ? error.code : undefined

/** The system's calls take bytes as a Buffer. */
const asPath = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function describe(path: Uint8Array, stats: BigIntStats): Found & { readonly stat: StatKey } {
  const type = typeOf(Number(stats.mode))
  const mode = Number(stats.mode) & 0o7777
  const { dev, ino, mtimeNs, ctimeNs } = stats
  const uid = Number(stats.uid)
  const gid = Number(stats.gid)
  const stat = { type, dev, ino, size: type === 'directory' ? 0 : Number(stats.size), mtimeNs, ctimeNs, mode, uid, gid }
  return { path, type, mode, uid, gid, mtimeNs, size: 0, torn: false, stat }
}

function typeOf(mode: number): EntryType {
  const type = mode & S_IFMT
  if (type === S_IFREG) return 'file'
  if (type === S_IFDIR) return 'directory'
  return type === S_IFLNK ? 'symlink' : 'other'
}

const NOTHING = { mode: 0, uid: 0, gid: 0, mtimeNs: 0n, size: 0, torn: false } as const

/** Nothing is concluded from absence unless the root is there: an unmounted drive deletes no file. */
function absent(target: ReadTarget): Found {
  const problem = problemOfRoot(target)
  if (problem === undefined) return { path: target.path, type: 'absent', ...NOTHING }
  const root = Buffer.from(target.root).toString()
  throw new HoldfastError('HF_SOURCE_UNAVAILABLE', `${root} ${problem}; nothing is taken for deleted`, {
    retryable: true,
    next: `mount or restore ${root}, or unprotect the volume`,
  })
}

function problemOfRoot({ root, rootIdentity }: ReadTarget): string | undefined {
  const stats = attempt(() => fs.statSync(asPath(root), { bigint: true, throwIfNoEntry: false }))
  if (stats === undefined) return 'is not there'
  if (stats instanceof Error) return `cannot be looked at (${codeOf(stats)})`
  if (!stats.isDirectory()) return 'is not a directory'
  if (rootIdentity === undefined) return undefined
  const isSameRoot = stats.dev === rootIdentity.dev && stats.ino === rootIdentity.ino
  return isSameRoot ? undefined : 'is another directory than before'
}

function unreadable(path: Uint8Array, error: Error, stat?: StatKey): Found {
  const shown = stat === undefined ? NOTHING : { ...NOTHING, mode: stat.mode, uid: stat.uid, gid: stat.gid }
  const message = `${codeOf(error)}: ${Buffer.from(path).toString()} could not be read`
  const found: Found = { path, type: 'unreadable', ...shown, error: { code: 'HF_UNREADABLE', message } }
  return stat === undefined ? found : { ...found, stat }
}
