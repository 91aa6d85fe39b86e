import type { Catalog, CatalogRow } from '@holdfast/journal'
import { hasCode, hexOf, HoldfastError } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import { createOpener } from '@holdfast/sealing'
import type { PackStore } from '@holdfast/store-pack'
import type { Logger } from 'pino'
import type { CaptureService, CaptureSink, StatStore, VolumeCapture } from '../capture/index.ts'
import { knownSegments } from '../ingest/index.ts'
import type { IngestPool, KnownSegment } from '../ingest/index.ts'
import { reportCapture } from './capture-report.ts'
import { forgetLostContent } from './recapture.ts'
import type { Volume } from './volume.ts'

/** Segments told to the pool at once: a few milliseconds of the main thread. */
export const LEARN_BATCH = 4096

export interface CapturingParts {
  readonly volume: Volume
  readonly directory: string
  readonly sink: CaptureSink
  /** Names the state that the sink has recorded: its newest seq. */
  readonly stateSeq: () => number
  /** Called each time a complete walk has advanced the coverage. */
  readonly onCovered?: () => void
  /** Whether files whose content is lost with every member are read again. */
  readonly recapture: boolean
  readonly pool: IngestPool
  readonly service: CaptureService
  readonly stats: StatStore
  readonly store: PackStore
  readonly log: Logger
  /** Sentences for `status`; what capture reports is added and taken away. */
  readonly warnings: string[]
}

/** Starts the capture of one volume. What cannot be started is stopped again. */
export async function startCapture(parts: CapturingParts): Promise<VolumeCapture> {
  const { volume, directory, sink, stateSeq, onCovered, pool, service, stats, log } = parts
  const { catalog, ring } = volume.reader()
  pool.addVolume({ volume: volume.id, keyRing: ring.encode() })
  void learnKnown(parts).catch((error: unknown) =>
    log.warn({ err: error }, 'known content was not loaded; some may be stored twice'),
  )
  const recaptured = parts.recapture
    ? await forgetLostContent(volume, parts.store, stats)
    : (new Set() as ReadonlySet<string>)
  if (recaptured.size > 0)
    log.warn(
      { volume: volume.name, paths: recaptured.size },
      'content is lost here and with every member; it is read from the source again',
    )
  const capture = service.open({
    volume: volume.id,
    root: Buffer.from(directory),
    sink,
    stats,
    history: { seq: stateSeq, current: () => currentRows(catalog.walk(new Uint8Array(0)), recaptured) },
    ...(onCovered === undefined ? {} : { onCovered }),
    onHealth: (event) => reportCapture(event, { log, warnings: parts.warnings, volume: volume.name }),
  })
  try {
    await capture.start()
  } catch (error) {
    await capture.stop().catch(() => undefined)
    throw error
  }
  return capture
}

/** To be called at each complete walk: records, at the first one of the volume, that moments before it mean this one. A record
 *  that fails is tried again at the next walk, and after a restart. */
export function baselineAtWalks(
  catalog: Pick<Catalog, 'hasBaseline'>,
  commit: () => Promise<void>,
  onFailure: (error: unknown) => void,
): () => void {
  let isUnderWay = false
  return () => {
    if (isUnderWay || catalog.hasBaseline) return
    isUnderWay = true
    void commit()
      .catch(onFailure)
      .finally(() => {
        isUnderWay = false
      })
  }
}

async function* currentRows(rows: AsyncIterable<CatalogRow>, unlike: ReadonlySet<string>) {
  for await (const { content, ...row } of rows) {
    if (unlike.size > 0 && unlike.has(Buffer.from(row.path).toString('latin1'))) {
      yield { ...row, mtimeNs: 0n, content: undefined }
      continue
    }
    yield {
      ...row,
      content:
        content.type === 'inline'
          ? { inline: content.extents }
          : content.type === 'recipe'
            ? { recipe: content.root }
            : undefined,
    }
  }
}

/** Tells the pool what the live files consist of, so that equal content is found and not stored again. */
async function learnKnown({ volume, pool, store }: CapturingParts): Promise<void> {
  let batch: KnownSegment[] = []
  const add = (segment: KnownSegment): void => {
    if (store.has(volume.id, segment.chunk)) batch.push(segment)
    if (batch.length < LEARN_BATCH) return
    pool.learn(batch)
    batch = []
  }
  const { catalog, keys } = volume.reader()
  const options = { fetch: heldBy(store, volume), opener: createOpener(keys), fingerprint: keys.fingerprint }
  for await (const { content, refs, size } of catalog.walk(new Uint8Array(0))) {
    if (content.type === 'inline') {
      const storedBytes = new Map(refs.map((ref) => [hexOf(ref.id), ref.storedBytes]))
      for (const extent of content.extents) add({ ...extent, storedBytes: storedBytes.get(hexOf(extent.chunk)) ?? 0 })
    }
    if (content.type !== 'recipe' || !store.has(volume.id, content.root)) continue
    try {
      for await (const segment of knownSegments({ root: content.root, size }, options)) add(segment)
    } catch (error) {
      // A recipe that is not all here, or not whole, teaches less; it is fetched or captured again by others.
      if (!hasCode(error, 'HF_CHUNK_MISSING') && !hasCode(error, 'HF_CHUNK_CORRUPT')) throw error
    }
  }
  pool.learn(batch)
}

const heldBy =
  (store: PackStore, volume: Volume) =>
  async (id: ChunkId): Promise<Uint8Array> => {
    const stored = await store.get(volume.id, id)
    if (stored === undefined) throw new HoldfastError('HF_CHUNK_MISSING', 'a node of a recipe is not held here')
    return stored
  }
