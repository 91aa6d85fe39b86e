import type { CatalogRow } from '@holdfast/journal'
import { hexOf, throwIfAborted } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import { isoTime } from '../api/iso-time.ts'
import { pathField, pathText } from '../api/path-text.ts'
import type { WorkError } from '../api/work.ts'
import { needsAny } from '../volumes/recapture.ts'
import type { Volume } from '../volumes/volume.ts'

/** Lost versions of one volume that are named one by one. */
export const LOST_VERSIONS_NAMED_MAX = 20

interface LostVersions {
  /** Files whose newest version lacks content. */
  readonly presentCount: number
  /** Older versions that do. */
  readonly oldCount: number
  /** The first of them, newest first. */
  readonly named: readonly { readonly row: CatalogRow; readonly isPresent: boolean }[]
}

/** What a person should know about chunks of a volume that are nowhere: which versions are lost with them, whether what is there now is
 *  whole, and what to do. Reads the catalog of a volume that lacks something, one row at a time. */
export async function* lostContent(volume: Volume, store: PackStore, signal: AbortSignal): AsyncGenerator<WorkError> {
  const { missingCount } = volume.completeness
  if (missingCount === 0) return
  const lacks = `volume ${volume.name} lacks ${counted(missingCount, 'chunk')} here`
  if (volume.readable === undefined) {
    yield lost(`${lacks}; which versions need them only members with its key can say`)
    return
  }
  const { presentCount, oldCount, named } = await lostVersions(volume, store, signal)
  for (const { row, isPresent } of named) {
    const which = isPresent ? 'the present content' : `the version of ${isoTime(row.timeMs)}`
    yield { ...lost(`${which} is lost here and with every member in reach`), ...pathField(row.path) }
  }
  const unnamed = presentCount + oldCount - named.length
  const listed = unnamed > 0 ? ` (${unnamed} more than are named)` : ''
  const present = presentCount === 0 ? PRESENT_IS_WHOLE : presentIsLost(presentCount)
  const old = oldCount === 0 ? '' : `; ${counted(oldCount, 'old version')} lost for good unless such a member returns`
  yield lost(`${lacks}${listed}: ${present}${old}. ${adviceFor(volume, presentCount, named)}`)
}

const PRESENT_IS_WHOLE = 'the present content is whole'
const presentIsLost = (count: number): string => `the present content of ${counted(count, 'file')} is not whole`

function adviceFor(volume: Volume, presentCount: number, named: LostVersions['named']): string {
  const [first] = named
  const where = first === undefined ? volume.name : `${volume.name}:${pathText(first.row.path)}`
  const other = `\`holdfast log ${where}\` shows the other versions`
  return presentCount === 0
    ? `Nothing is to be done for it; a drive or member that still has the chunks brings them back by itself, ${other}, and verify says this again until the lost versions have left the history`
    : `Start a drive or member that still has the chunks, or restart the primary, which reads from the source what is still there; ${other}`
}

async function lostVersions(volume: Volume, store: PackStore, signal: AbortSignal): Promise<LostVersions> {
  const missing = new Set(volume.completeness.missing(Number.POSITIVE_INFINITY, () => false).map(({ id }) => hexOf(id)))
  const { catalog } = volume.reader()
  const named: { row: CatalogRow; isPresent: boolean }[] = []
  let presentCount = 0
  let oldCount = 0
  for await (const row of catalog.log(new Uint8Array(0))) {
    throwIfAborted(signal)
    if (row.kind !== 'put' || !(await needsAny(row, missing, volume, store))) continue
    const isPresent = (await catalog.get(row.path))?.seq === row.seq
    if (isPresent) presentCount += 1
    else oldCount += 1
    if (named.length < LOST_VERSIONS_NAMED_MAX) named.push({ row, isPresent })
  }
  return { presentCount, oldCount, named }
}

const lost = (message: string): WorkError => ({ message_type: 'error', hf_code: 'HF_CHUNK_MISSING', message })

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
