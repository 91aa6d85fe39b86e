/** The judge of fidelity: what a directory tree is, entry by entry, and the first ways in which two trees differ. It shares no code
 *  with what it judges: names are bytes, contents are compared by SHA-256, times in nanoseconds. */
import { createHash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type BigIntStats } from 'node:fs'
import { attributesOf } from './attributes.ts'

/** What can be compared. `links` is which paths are one file; `mtime` is in nanoseconds, directories and symlinks included; `attributes`
 *  are the extended ones, ACLs among them; `holes`: what a file with holes takes on the drive. */
export type Aspect = 'content' | 'mode' | 'owner' | 'mtime' | 'links' | 'attributes' | 'holes'

/** What Holdfast keeps of every entry. */
export const KEPT_ASPECTS: readonly Aspect[] = ['content', 'mode', 'owner', 'mtime', 'links', 'attributes', 'holes']

export interface TreeEntry {
  readonly type: 'file' | 'directory' | 'symlink' | 'other'
  /** Permission bits; 0 for a symlink. */
  readonly mode: number
  /** `uid:gid`. */
  readonly owner: string
  readonly mtimeNs: bigint
  /** Bytes; 0 for all but files. */
  readonly size: number
  /** SHA-256 in hex of a file's content, the target of a symlink in latin1, or what kind of special file it is, with the numbers of a device;
   *  empty for a directory. */
  readonly content: string
  /** `name=value` in hex, one a line, in order of name. */
  readonly attributes: string
  /** Bytes that a file with holes takes on the drive; undefined without holes. */
  readonly sparseBytes: number | undefined
  /** First path of the group of hard links that this is part of; undefined when it stands alone. */
  readonly linkedTo: string | undefined
}

/** Entries by path relative to the root, each byte of the path as one latin1 character. */
export type TreeManifest = ReadonlyMap<string, TreeEntry>

const READ_BYTES = 1024 * 1024

/** Everything under `root`; the root itself is whose it is and not part of it. Reads every byte of every file; symlinks are not followed. */
export function manifestOf(root: string): TreeManifest {
  const entries = new Map<string, TreeEntry>()
  const firstByInode = new Map<string, string>()
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  const pending = [...namesIn(root, '')]
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const entry = describe(absolutePath(root, path), path, firstByInode, buffer)
    entries.set(path, entry)
    if (entry.type === 'directory') pending.push(...namesIn(root, `${path}/`))
  }
  return entries
}

const absolutePath = (root: string, path: string): Buffer =>
  Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')])

/** Paths of the entries of a directory, the last first; `prefix` is empty or ends in a slash. */
function namesIn(root: string, prefix: string): string[] {
  const names = readdirSync(absolutePath(root, prefix), { encoding: 'buffer' })
  return names
    .map((name) => prefix + name.toString('latin1'))
    .toSorted()
    .toReversed()
}

function describe(absolute: Buffer, path: string, firstByInode: Map<string, string>, buffer: Buffer): TreeEntry {
  const stat = lstatSync(absolute, { bigint: true })
  let linkedTo: string | undefined
  if (stat.nlink > 1n && !stat.isDirectory()) {
    const inode = `${stat.dev}:${stat.ino}`
    linkedTo = firstByInode.get(inode) ?? path
    firstByInode.set(inode, linkedTo)
  }
  const owner = `${stat.uid}:${stat.gid}`
  const shared = { owner, mtimeNs: stat.mtimeNs, linkedTo, attributes: attributesOf(absolute), sparseBytes: undefined }
  const mode = Number(stat.mode & 0o7777n)
  if (stat.isSymbolicLink()) {
    const content = readlinkSync(absolute, { encoding: 'buffer' }).toString('latin1')
    return { ...shared, type: 'symlink', mode: 0, size: 0, content }
  }
  if (stat.isDirectory()) return { ...shared, type: 'directory', mode, size: 0, content: '' }
  if (!stat.isFile()) return { ...shared, type: 'other', mode, size: 0, content: kindOf(stat) }
  const diskBytes = Number(stat.blocks) * 512
  const sparseBytes = diskBytes < stat.size ? diskBytes : undefined
  return { ...shared, type: 'file', mode, size: Number(stat.size), content: sha256(absolute, buffer), sparseBytes }
}

function kindOf(stat: BigIntStats): string {
  if (stat.isFIFO()) return 'fifo'
  if (stat.isSocket()) return 'socket'
  return `${stat.isBlockDevice() ? 'block' : 'character'} device ${stat.rdev}`
}

function sha256(file: Buffer, buffer: Buffer): string {
  const hash = createHash('sha256')
  const fd = openSync(file, 'r')
  try {
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
      hash.update(buffer.subarray(0, count))
  } finally {
    closeSync(fd)
  }
  return hash.digest('hex')
}

/** The first `limit` differences, one line each, in order of path; empty if the trees are equal in every asked aspect. */
export function differences(
  expected: TreeManifest,
  actual: TreeManifest,
  aspects: readonly Aspect[] = KEPT_ASPECTS,
  limit = 10,
): string[] {
  const found: string[] = []
  const paths = [...new Set([...expected.keys(), ...actual.keys()])].toSorted()
  for (const path of paths) {
    if (found.length >= limit) break
    const left = expected.get(path)
    const right = actual.get(path)
    if (left === undefined) found.push(`${shown(path)}: not expected`)
    else if (right === undefined) found.push(`${shown(path)}: missing`)
    else for (const aspect of aspects) compare(aspect, left, right, path, found)
  }
  return found.slice(0, limit)
}

function compare(aspect: Aspect, left: TreeEntry, right: TreeEntry, path: string, found: string[]): void {
  const [expected, actual] = [valueOf(aspect, left), valueOf(aspect, right)]
  if (expected !== actual) found.push(`${shown(path)}: ${aspect} is ${actual}, expected ${expected}`)
}

function valueOf(aspect: Aspect, entry: TreeEntry): string {
  switch (aspect) {
    case 'content':
      return `${entry.type} ${entry.size} ${shown(entry.content)}`
    case 'mode':
      return entry.mode.toString(8)
    case 'owner':
      return entry.owner
    case 'mtime':
      return entry.mtimeNs.toString()
    case 'links':
      return entry.linkedTo === undefined ? 'alone' : shown(entry.linkedTo)
    case 'attributes':
      return entry.attributes === '' ? 'none' : entry.attributes
    case 'holes':
      return entry.sparseBytes === undefined ? 'none' : `${entry.sparseBytes} bytes on the drive`
  }
}

const shown = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8')

/** @throws Error that names the first differences. */
export function assertSameTree(expected: TreeManifest, actual: TreeManifest, aspects?: readonly Aspect[]): void {
  const found = differences(expected, actual, aspects)
  if (found.length > 0) throw new Error(`the trees differ:\n  ${found.join('\n  ')}`)
}

/** Number of files and their bytes, for reports. */
export function totalsOf(tree: TreeManifest): { files: number; bytes: number } {
  const files = [...tree.values()].filter((entry) => entry.type === 'file')
  return { files: files.length, bytes: files.reduce((sum, entry) => sum + entry.size, 0) }
}
