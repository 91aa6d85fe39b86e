import fs from 'node:fs'
import path from 'node:path'
import { HoldfastError } from '@holdfast/ports'
import { makeDirectory } from '../system/index.ts'
import { pathText } from '../api/path-text.ts'
import type { RestoreRow } from './types.ts'
import { ASIDE_PREFIX, destinationError } from './tree-writer.ts'

/** In a destination whose restore is not finished: what is being restored there. */
export const MARKER_NAME = '.holdfast-restore'
const SETUID_BITS = 0o6000

export const inDestination = (to: Uint8Array, file: Uint8Array): Buffer =>
  file.byteLength === 0 ? Buffer.from(to) : Buffer.concat([to, Buffer.from(path.sep), file])

/** Makes the destination ready; whether an unfinished restore of the same is continued.
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
  const ours = names.includes(MARKER_NAME)
  const resumed = ours && fs.readFileSync(marker, 'utf8') === `${identity}\n`
  if (!inPlace && !resumed && names.length > 0) {
    const what = ours ? 'an unfinished restore of something else' : `other things (${names.slice(0, 3).join(', ')})`
    throw new HoldfastError('HF_CONFLICT', `${pathText(to)} holds ${what}; nothing was changed`, {
      next: 'give an empty or new directory, or --in-place to write into this one',
    })
  }
  if (!dryRun) {
    try {
      fs.writeFileSync(marker, `${identity}\n`, { mode: 0o600 })
    } catch (cause) {
      throw destinationError(to, cause)
    }
  }
  return { resumed }
}

export function closeDestination(to: Uint8Array): void {
  fs.rmSync(inDestination(to, Buffer.from(MARKER_NAME)), { force: true })
}

/** Whether what is there has the version's type, size, time, mode and, for the superuser, owner. */
export function isIdentical(to: Uint8Array, file: Uint8Array, row: RestoreRow, setuid: boolean): boolean {
  let stat: fs.BigIntStats
  const place = inDestination(to, file)
  try {
    stat = fs.lstatSync(place, { bigint: true })
  } catch {
    return false
  }
  const mode = setuid ? row.mode : row.mode & ~SETUID_BITS
  const owned = process.getuid?.() !== 0 || (Number(stat.uid) === row.uid && Number(stat.gid) === row.gid)
  if (!owned || stat.mtimeNs !== row.mtimeNs) return false
  if (row.type === 'symlink') {
    return (
      stat.isSymbolicLink() && Buffer.compare(fs.readlinkSync(place, 'buffer'), Buffer.from(row.target ?? [])) === 0
    )
  }
  return row.type === 'file' && stat.isFile() && Number(stat.size) === row.size && Number(stat.mode & 0o7777n) === mode
}

/** Removes files that a killed restore had not named yet. */
export function sweepAsides(to: Uint8Array): void {
  for (const { place, name, entry } of entriesBelow(to, () => true)) {
    if (entry.isFile() && name.startsWith(ASIDE_PREFIX)) fs.rmSync(place)
  }
}

/** Paths in the destination that the version does not have, outermost only. */
export function* extraPaths(to: Uint8Array, wanted: ReadonlySet<string>): Generator<Uint8Array> {
  for (const { file } of entriesBelow(to, (path) => wanted.has(path))) {
    const path = file.toString('latin1')
    if (path !== MARKER_NAME && !wanted.has(path)) yield file
  }
}

interface Below {
  readonly place: Buffer
  readonly file: Buffer
  readonly name: string
  readonly entry: fs.Dirent<Buffer>
}

/** Everything below the destination; directories are entered where `enter` says so of their path (latin1). */
function* entriesBelow(to: Uint8Array, enter: (path: string) => boolean): Generator<Below> {
  const open: Buffer[] = [Buffer.alloc(0)]
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    for (const entry of fs.readdirSync(inDestination(to, directory), { withFileTypes: true, encoding: 'buffer' })) {
      const name = Buffer.from(entry.name)
      const file = directory.byteLength === 0 ? name : Buffer.concat([directory, Buffer.from('/'), name])
      yield { place: inDestination(to, file), file, name: name.toString('latin1'), entry }
      if (entry.isDirectory() && enter(file.toString('latin1'))) open.push(file)
    }
  }
}
