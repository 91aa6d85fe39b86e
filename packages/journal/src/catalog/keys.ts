/**
 * All key layouts of the catalog. Every key begins with `c`, the volume's id (16 bytes) and a letter for the table:
 *
 *   c ‖ directory ‖ 00 ‖ name                 what is at a path now
 *   h ‖ directory ‖ 00 ‖ name ‖ 00 ‖ ~seq     what was there before, newest first; deletions
 *   s ‖ seq                                   times and paths of some records from this one on
 *   t ‖ time                                  newest record of that ms
 *   m                                         position, counts
 *   l ‖ seq                                   link: last record of a batch → last record of the batch before
 *   f                                         record up to which no links are needed
 *
 * Paths hold no NUL, so rows sort by directory, name and age, whatever bytes a name has: `ab` never falls between the
 * versions of `a`. In this order a directory's children lie together, and every directory comes before what is in it,
 * because 00 sorts before `/`. Numbers are 8 bytes, big-endian.
 */
import type { VolumeId } from '@holdfast/ports'
import { VOLUME_ID_BYTES } from '@holdfast/ports'
import { joinPath } from '../path.ts'

/** From the first key (inclusive) to the last (exclusive). */
export interface KeyRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

/** Apart from whatever else is in the level, sublevels included. */
const CATALOG = 0x63
const HEADER_BYTES = 1 + VOLUME_ID_BYTES + 1
const NUMBER_BYTES = 8
const NUL = 0x00
const SLASH = 0x2f
/** Above every 8-byte number in use, so that newer numbers sort first. */
const NUMBER_MAX = 0xffff_ffff_ffff_ffffn

const TABLES = { current: 0x63, history: 0x68, seq: 0x73, time: 0x74, meta: 0x6d, link: 0x6c, settled: 0x66 } as const
type Table = keyof typeof TABLES
/** The two tables that are ordered by path. */
export type PathTable = 'current' | 'history'

export interface CatalogKeys {
  readonly meta: Uint8Array
  readonly settled: Uint8Array
  /** Everything of the volume. */
  readonly all: KeyRange
  current(path: Uint8Array): Uint8Array
  history(path: Uint8Array, seq: number): Uint8Array
  seq(seq: number): Uint8Array
  time(timeMs: number): Uint8Array
  link(seq: number): Uint8Array
  /** Links of batches that end at or before `seq`. */
  linksUpTo(seq: number): KeyRange
  /** The others. */
  linksAfter(seq: number): KeyRange
  /** All versions of one path in the history, from `seq` down. */
  versions(path: Uint8Array, seq?: number): KeyRange
  /** Direct children of a directory. */
  children(table: PathTable, directory: Uint8Array): KeyRange
  /** Everything below a directory, in one or two ranges. */
  below(table: PathTable, directory: Uint8Array): KeyRange[]
  /** Groups of records that begin at or before `seq`. */
  seqsUpTo(seq: number): KeyRange
  timesUpTo(timeMs: number): KeyRange
}

export function createCatalogKeys(volume: VolumeId): CatalogKeys {
  const key = (table: Table, ...parts: readonly (Uint8Array | number)[]): Uint8Array =>
    join([CATALOG, volume, TABLES[table], ...parts])
  const headers = { current: key('current'), history: key('history') }
  /** With `room` for so many more bytes. The last slash becomes the NUL; a path without one gets it in front. */
  const pathKey = (table: PathTable, path: Uint8Array, room = 0): Uint8Array => {
    const slash = path.lastIndexOf(SLASH)
    const pathAt = slash < 0 ? HEADER_BYTES + 1 : HEADER_BYTES
    const bytes = new Uint8Array(pathAt + path.byteLength + room)
    bytes.set(headers[table])
    bytes.set(path, pathAt)
    if (slash >= 0) bytes[HEADER_BYTES + slash] = NUL
    return bytes
  }
  const between = (table: Table, first: readonly (Uint8Array | number)[], end: readonly (Uint8Array | number)[]) => ({
    gte: key(table, ...first),
    lt: key(table, ...end),
  })
  return {
    meta: key('meta'),
    settled: key('settled'),
    all: { gte: join([CATALOG, volume]), lt: join([CATALOG, volume, 0xff]) },
    current: (path) => pathKey('current', path),
    history: (path, seq) => {
      const bytes = pathKey('history', path, 1 + NUMBER_BYTES)
      bytes.set(bigEndian(NUMBER_MAX - BigInt(seq)), bytes.byteLength - NUMBER_BYTES)
      return bytes
    },
    seq: (seq) => key('seq', bigEndian(BigInt(seq))),
    time: (timeMs) => key('time', bigEndian(BigInt(timeMs))),
    link: (seq) => key('link', bigEndian(BigInt(seq))),
    linksUpTo: (seq) => between('link', [], [bigEndian(BigInt(seq) + 1n)]),
    linksAfter: (seq) => between('link', [bigEndian(BigInt(seq) + 1n)], [bigEndian(NUMBER_MAX)]),
    versions: (path, seq) => {
      const lt = join([pathKey('history', path), NUL + 1])
      if (seq === undefined) return { gte: join([pathKey('history', path), NUL]), lt }
      return { gte: join([pathKey('history', path), NUL, bigEndian(NUMBER_MAX - BigInt(seq))]), lt }
    },
    children: (table, directory) => between(table, [directory, NUL], [directory, NUL + 1]),
    below: (table, directory) =>
      directory.byteLength === 0
        ? [{ gte: key(table), lt: join([CATALOG, volume, TABLES[table] + 1]) }]
        : [
            between(table, [directory, NUL], [directory, NUL + 1]),
            between(table, [directory, SLASH], [directory, SLASH + 1]),
          ],
    seqsUpTo: (seq) => between('seq', [], [bigEndian(BigInt(seq) + 1n)]),
    timesUpTo: (timeMs) => between('time', [], [bigEndian(BigInt(timeMs) + 1n)]),
  }
}

/** The part of a key of `current` or `history` that says which path it is: directory ‖ 00 ‖ name. A view. */
export function pathPart(table: PathTable, key: Uint8Array): Uint8Array {
  return key.subarray(HEADER_BYTES, table === 'current' ? undefined : key.byteLength - 1 - NUMBER_BYTES)
}

/** The path of such a part. */
export function pathOfPart(part: Uint8Array): Uint8Array {
  const end = part.indexOf(NUL)
  return joinPath(part.subarray(0, end), part.subarray(end + 1))
}

/** The least key of `history` behind all versions of the path that `key` is of. */
export function behindVersions(key: Uint8Array): Uint8Array {
  return join([key.subarray(0, key.byteLength - 1 - NUMBER_BYTES), NUL + 1])
}

/** The number at the end of a key: seq (of `history` as well) or time. */
export function numberOf(table: 'history' | 'seq' | 'time' | 'link', key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset + key.byteLength - NUMBER_BYTES, NUMBER_BYTES)
  const number = view.getBigUint64(0)
  return Number(table === 'history' ? NUMBER_MAX - number : number)
}

function bigEndian(value: bigint): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}

function join(parts: readonly (Uint8Array | number)[]): Uint8Array {
  let length = 0
  for (const part of parts) length += typeof part === 'number' ? 1 : part.byteLength
  const joined = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    if (typeof part === 'number') joined[at++] = part
    else {
      joined.set(part, at)
      at += part.byteLength
    }
  }
  return joined
}
