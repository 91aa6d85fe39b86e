import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import type { DirectoryReader, OpenDirectory } from './directory-reader.ts'
import { joinPath } from './paths.ts'
import { encodeStat, STAT_WORDS, statOfBig } from './stat-key.ts'
import type { Facts, Source } from './source.ts'
import type { XattrsRead } from './xattrs.ts'

/** By Node's own calls, for systems whose C library is not known here: without extended attributes, holes and device numbers, and a
 *  parent that is replaced by a link meanwhile is followed. */
export function createNodeSource(reader: DirectoryReader): Source {
  const words = new Uint32Array(STAT_WORDS)
  const facts: Facts = { links: 1, diskBytes: 0, special: undefined }
  const note = (stat: BigIntStats): void => {
    encodeStat(statOfBig(stat), words)
    facts.links = Number(stat.nlink)
    facts.diskBytes = Number(stat.size)
    facts.special = stat.isFIFO() ? { kind: 'fifo', major: 0, minor: 0 } : undefined
  }
  const at = (directory: OpenDirectory, name: Uint8Array): Buffer =>
    Buffer.from(name.byteLength === 0 ? directory.path : joinPath(directory.path, name))
  const looked = (stat: () => BigIntStats): string | undefined => {
    const result = attempt(stat)
    if (typeof result === 'string') return result
    note(result)
    return undefined
  }
  return {
    words,
    facts,
    openRoot: (path) => reader.openRoot(path),
    openDirectory: (root, path) => (path.byteLength === 0 ? root : reader.openRoot(joinPath(root.path, path))),
    closeDirectory: (directory) => reader.close(directory),
    look: (directory, name) => looked(() => lstatSync(at(directory, name), { bigint: true })),
    openFile: (directory, name) =>
      attempt(() => openSync(at(directory, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)),
    lookAtFile: (fd) => looked(() => fstatSync(fd, { bigint: true })),
    closeFile: (fd) => closeSync(fd),
    readLink: (directory, name) =>
      attempt(() => new Uint8Array(readlinkSync(at(directory, name), { encoding: 'buffer' }))),
    fileXattrs: () => NONE,
    entryXattrs: () => NONE,
    nextHole: () => undefined,
  }
}

const NONE: XattrsRead = { xattrs: [], leftOut: 0 }

function attempt<T>(call: () => T): T | string {
  try {
    return call()
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (typeof code !== 'string') throw error
    return code
  }
}
