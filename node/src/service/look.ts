import type { Catalog, CatalogRow, Moment as CatalogMoment } from '@holdfast/journal'
import { aspectsOf } from '@holdfast/journal'
import { HoldfastError } from '@holdfast/ports'
import { isoTime, isoTimeNs } from '../api/iso-time.ts'
import { pathField, pathText } from '../api/path-text.ts'
import type { DiffEntry, TreeEntry, VersionEntry } from '../api/look-messages.ts'
import type { NodeService } from '../api/service.ts'
import type { Moment } from '../api/vocabulary.ts'
import type { ListEvent, Notice } from '../api/work.ts'
import type { Volume } from '../volumes/volume.ts'
import { behindNotices } from './behind.ts'
import { fileContent } from './content.ts'
import type { ServiceParts } from './parts.ts'

type Look = Pick<NodeService, 'ls' | 'log' | 'find' | 'diff' | 'cat'>

/** Looking at the history of volumes that this node may read. */
export function createLook(parts: ServiceParts): Look {
  const { volumes } = parts
  return {
    async *ls({ volume: name, path, at, recursive }) {
      const volume = volumes.find(name)
      const { catalog } = volume.reader()
      yield* behindNotices(parts, volume)
      yield* momentNotices(volume, at)
      const moment = at === undefined ? undefined : catalogMoment(at)
      const isRoot = path.byteLength === 0
      const row = isRoot ? undefined : await rowAt(volume, path, at)
      const rows =
        row !== undefined && row.type !== 'directory'
          ? only(row)
          : recursive
            ? withoutSelf(catalog.walk(path, moment), path)
            : catalog.list(path, moment)
      yield* listing(rows, treeEntry)
    },

    async *log({ volume: name, path, limit }) {
      const volume = volumes.find(name)
      const { catalog } = volume.reader()
      yield* behindNotices(parts, volume)
      yield* listing(found(catalog.log(path, limit), volume, path), versionEntry)
    },

    async *find({ volume: name, pattern }) {
      yield* listing(volumes.find(name).reader().catalog.find(pattern), versionEntry)
    },

    async *diff({ volume: name, path, from, to }) {
      const volume = volumes.find(name)
      const { catalog } = volume.reader()
      yield* momentNotices(volume, from)
      yield* listing(
        catalog.diff(catalogMoment(from), catalogMoment(to), path),
        ({ path: changed, change, before, after }): DiffEntry => ({
          ...pathField(changed),
          change: change === 'metadata' ? 'modified' : change,
          aspects: before === undefined || after === undefined ? [] : aspectsOf(before, after),
          type: (after ?? before)?.type ?? 'other',
          sizeBefore: before?.size ?? null,
          sizeAfter: after?.size ?? null,
        }),
      )
    },

    async cat({ volume: name, path, at }, { signal }) {
      const volume = volumes.find(name)
      if (path.byteLength === 0) {
        throw new HoldfastError('HF_BAD_INPUT', `${volume.name} is a volume, not a file`, {
          next: `holdfast ls ${volume.name}, then holdfast cat ${volume.name}:PATH`,
        })
      }
      const row = await rowAt(volume, path, at)
      if (row.type !== 'file') {
        throw new HoldfastError('HF_BAD_INPUT', `${volume.name}:${pathText(path)} is a ${row.type}, not a file`, {
          next:
            row.type === 'directory'
              ? `holdfast ls ${volume.name}:${pathText(path)}`
              : 'holdfast restore brings it back as it was',
        })
      }
      const notices = [...behindNotices(parts, volume)].map((notice) => notice.message)
      // A version that was recorded by then is what was asked for, even if the first walk had not come to its end.
      const moment = at !== undefined && row.timeMs <= at.timeMs ? undefined : at
      for await (const notice of momentNotices(volume, moment)) notices.push(notice.message)
      return { size: row.size, notices, bytes: fileContent(parts, volume, row, signal) }
    },
  }
}

export const catalogMoment = (at: Moment): CatalogMoment => ({ timeMs: at.timeMs })

/** The version of a path at a moment, or more exactly at that of the catalog. @throws HF_NOT_FOUND */
export async function rowAt(
  volume: Volume,
  path: Uint8Array,
  at: Moment | undefined,
  moment = at === undefined ? undefined : catalogMoment(at),
): Promise<CatalogRow> {
  const { catalog } = volume.reader()
  const row = await catalog.get(path, moment)
  if (row !== undefined) return row
  throw await notFound(catalog, volume, path, at)
}

async function notFound(
  catalog: Catalog,
  volume: Volume,
  path: Uint8Array,
  at: Moment | undefined,
): Promise<HoldfastError> {
  const where = `${volume.name}:${pathText(path)}`
  const when = at === undefined ? 'now' : `at ${isoTime(at.timeMs)}`
  for await (const version of catalog.versions(path)) {
    return new HoldfastError(
      'HF_NOT_FOUND',
      `${where} does not exist ${when}; its newest version is of ${isoTime(version.timeMs)}`,
      {
        next: `holdfast log ${where}`,
      },
    )
  }
  return new HoldfastError('HF_NOT_FOUND', `${where} has never been captured`, {
    next: `holdfast find ${volume.name} '*NAME*' looks for it by name`,
  })
}

/** Says so when a moment lies before the first capture. */
export async function* momentNotices(volume: Volume, at: Moment | undefined): AsyncGenerator<Notice> {
  if (at === undefined) return
  const resolved = await volume.reader().catalog.resolve(catalogMoment(at))
  if (resolved?.earliest !== true) return
  yield {
    message_type: 'notice',
    message: `${isoTime(at.timeMs)} is before the first capture of ${volume.name}; showing the earliest version, of ${isoTime(resolved.timeMs)}`,
  }
}

async function* listing<Row, Entry>(
  rows: AsyncIterable<Row>,
  entryOf: (row: Row) => Entry,
): AsyncGenerator<ListEvent<Entry>> {
  let count = 0
  for await (const row of rows) {
    count += 1
    yield { message_type: 'entry', entry: entryOf(row) }
  }
  yield { message_type: 'summary', count }
}

async function* only<Row>(row: Row): AsyncGenerator<Row> {
  yield row
}

async function* withoutSelf(rows: AsyncIterable<CatalogRow>, path: Uint8Array): AsyncGenerator<CatalogRow> {
  for await (const row of rows) if (row.path.byteLength !== path.byteLength) yield row
}

/** The rows, or HF_NOT_FOUND if there are none and a path was asked for. */
async function* found(rows: AsyncIterable<CatalogRow>, volume: Volume, path: Uint8Array): AsyncGenerator<CatalogRow> {
  let any = false
  for await (const row of rows) {
    any = true
    yield row
  }
  if (!any && path.byteLength > 0) throw await notFound(volume.reader().catalog, volume, path, undefined)
}

function treeEntry(row: CatalogRow): TreeEntry {
  const target = row.target === undefined ? undefined : pathField(row.target)
  return {
    ...pathField(row.path),
    type: row.type,
    mode: row.mode.toString(8).padStart(4, '0'),
    uid: row.uid,
    gid: row.gid,
    size: row.size,
    mtime: isoTimeNs(row.mtimeNs),
    ...(target === undefined ? {} : { target: target.path }),
    ...(target?.pathBytes === undefined ? {} : { targetBytes: target.pathBytes }),
    ...specialFields(row),
    ...(row.xattrs === undefined ? {} : { xattrs: row.xattrs.map(({ name }) => pathText(name)) }),
    seq: row.seq,
    time: isoTime(row.timeMs),
    ...(row.torn ? { torn: true as const } : {}),
  }
}

function specialFields({ special }: CatalogRow): Pick<TreeEntry, 'special' | 'device'> {
  if (special === undefined) return {}
  const { kind, major, minor } = special
  return kind === 'fifo' ? { special: kind } : { special: kind, device: `${major}:${minor}` }
}

function versionEntry(row: CatalogRow): VersionEntry {
  return {
    ...pathField(row.path),
    seq: row.seq,
    epoch: row.epoch,
    time: isoTime(row.timeMs),
    kind: row.kind === 'delete' ? 'delete' : 'put',
    size: row.size,
    type: row.type,
    ...(row.torn ? { torn: true as const } : {}),
  }
}
