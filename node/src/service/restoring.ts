import { joinPath } from '@holdfast/capture'
import { HoldfastError } from '@holdfast/ports'
import type { CatalogRow } from '@holdfast/journal'
import { isoTime } from '../api/iso-time.ts'
import { pathField, pathText } from '../api/path-text.ts'
import type { RestoreSummary } from '../api/look-messages.ts'
import type { NodeService } from '../api/service.ts'
import type { WorkEvent } from '../api/work.ts'
import { restoreTree, unfinishedRestore } from '../restore/index.ts'
import type { RestoreRow } from '../restore/index.ts'
import { behindNotices, caughtUp } from './behind.ts'
import { EventQueue } from './event-queue.ts'
import { catalogMoment, momentNotices, rowAt } from './look.ts'
import type { ServiceParts } from './parts.ts'

/** Writes a past state of a volume, or of one path in it, to a directory of this machine. */
export function createRestoring(parts: ServiceParts): Pick<NodeService, 'restore'> {
  const { volumes, chunks, clock } = parts
  return {
    async *restore(request, { signal }) {
      const volume = volumes.find(request.volume)
      const { catalog, ring } = volume.reader()
      const startedMs = clock.monotonicMs()
      await caughtUp(parts, volume, signal)
      yield* behindNotices(parts, volume)
      const label = `${volume.name}:${pathText(request.path)}`
      const unfinished = unfinishedRestore(Buffer.from(request.to))
      // Run again without a moment, it goes on with the one that it began with, whatever has changed since.
      const begunSeq = request.at === undefined ? seqOf(unfinished, label) : undefined
      const asked = request.at === undefined ? undefined : catalogMoment(request.at)
      const resolved = await catalog.resolve(begunSeq === undefined ? asked : { seq: begunSeq })
      if (resolved === undefined) {
        throw new HoldfastError('HF_NOT_FOUND', `nothing of volume ${volume.name} has been captured yet`, {
          next: `holdfast flush ${volume.name}`,
        })
      }
      // A moment by seq stays the same while the volume changes under a long restore.
      const moment = asked ?? { seq: resolved.seq }
      const row = request.path.byteLength === 0 ? undefined : await rowAt(volume, request.path, request.at, moment)
      if (request.delete && row !== undefined && row.type !== 'directory') {
        throw new HoldfastError('HF_BAD_INPUT', `${label} is one ${row.type}; nothing was changed`, {
          next: 'leave out --delete, which would remove everything else from the destination',
        })
      }
      yield* momentNotices(volume, request.at)
      if (begunSeq !== undefined) {
        const message = `going on with the unfinished restore of ${isoTime(resolved.timeMs)} in ${request.to}`
        yield { message_type: 'notice', message }
      }
      const events = new EventQueue<WorkEvent<RestoreSummary>>(signal)
      const said = new Set<string>()
      const work = restoreTree({
        volume: volume.id,
        rows: {
          [Symbol.asyncIterator]: () =>
            row !== undefined && row.type !== 'directory'
              ? single(row)
              : below(catalog.walk(request.path, moment), request.path),
        },
        chunks,
        keyRing: ring.encode(),
        to: Buffer.from(request.to),
        base: baseOf(request.path, row),
        identity: identityOf(label, isoTime(resolved.timeMs), resolved.seq),
        inPlace: request.inPlace,
        ...(request.delete ? { deleteBy: (directory) => catalog.list(joined(request.path, directory), moment) } : {}),
        verify: request.verify,
        dryRun: request.dryRun,
        privileged: request.privileged,
        onWarning: (message) => {
          said.add(message)
          events.push({ message_type: 'notice', message })
        },
        onProgress: (progress) => events.status({ message_type: 'status', ...progress }),
        onError: ({ path, code, message }) =>
          events.push({ message_type: 'error', hf_code: code, message, ...pathField(path) }),
        signal: events.signal,
      }).then((report) => {
        for (const message of report.warnings) if (!said.has(message)) events.push({ message_type: 'notice', message })
        return {
          message_type: 'summary' as const,
          volume: volume.name,
          to: request.to,
          at: isoTime(resolved.timeMs),
          dryRun: request.dryRun,
          files: report.files,
          directories: report.directories,
          symlinks: report.symlinks,
          specials: report.specials,
          bytes: report.bytes,
          skipped: report.skipped,
          deleted: report.deleted,
          fetchedBytes: report.fetchedBytes,
          errorCount: report.errorCount,
          seconds: (clock.monotonicMs() - startedMs) / 1000,
        }
      })
      yield* events.drain(work)
    },
  }
}

const identityOf = (label: string, time: string, seq: number): string => `${label} at ${time}, version ${seq}`

/** The moment of an unfinished restore of the same. */
function seqOf(unfinished: string | undefined, label: string): number | undefined {
  if (unfinished?.startsWith(`${label} at `) !== true) return undefined
  const [, seq] = /^[^ ]+, version ([0-9]{1,15})$/.exec(unfinished.slice(label.length + 4)) ?? []
  return seq === undefined ? undefined : Number(seq)
}

/** What is cut from the front of the paths: the directory itself, or the directory that holds the file. */
function baseOf(path: Uint8Array, row: CatalogRow | undefined): Uint8Array {
  if (row === undefined || row.type === 'directory') return path
  const slash = path.lastIndexOf(0x2f)
  return slash < 0 ? new Uint8Array(0) : path.subarray(0, slash)
}

/** The path in the volume of one relative to what is restored. */
function joined(path: Uint8Array, below: Uint8Array): Uint8Array {
  return path.byteLength === 0 || below.byteLength === 0 ? Buffer.concat([path, below]) : joinPath(path, below)
}

async function* single(row: CatalogRow): AsyncGenerator<RestoreRow> {
  yield restoreRow(row)
}

async function* below(rows: AsyncIterable<CatalogRow>, path: Uint8Array): AsyncGenerator<RestoreRow> {
  for await (const row of rows) if (row.path.byteLength !== path.byteLength) yield restoreRow(row)
}

function restoreRow(row: CatalogRow): RestoreRow {
  const { path, type, mode, uid, gid, mtimeNs, size, target, content, xattrs, hardLink, sparse, special } = row
  return {
    path,
    type,
    mode,
    uid,
    gid,
    mtimeNs,
    size,
    target,
    xattrs,
    hardLink,
    sparse,
    special,
    content:
      content.type === 'inline'
        ? { inline: content.extents }
        : content.type === 'recipe'
          ? { recipe: content.root }
          : undefined,
  }
}
