import { equalBytes } from '@holdfast/ports'
import type { FileContent, Special, Xattr } from '../record.ts'
import type { CatalogDifference, CatalogRow } from './types.ts'

/** What differs between two states of a path; undefined if nothing does. */
export function differenceOf(
  path: Uint8Array,
  before: CatalogRow | undefined,
  after: CatalogRow | undefined,
): CatalogDifference | undefined {
  if (before === undefined) return after && { path, change: 'added', after }
  if (after === undefined) return { path, change: 'removed', before }
  if (before.seq === after.seq) return undefined
  if (!sameContent(before, after)) return { path, change: 'modified', before, after }
  return sameMetadata(before, after) ? undefined : { path, change: 'metadata', before, after }
}

/** What a state of a path can differ in. */
export type Aspect = 'content' | 'type' | 'mode' | 'owner' | 'time' | 'attributes' | 'links' | 'holes'

/** In what two states of a path differ. */
export function aspectsOf(before: CatalogRow, after: CatalogRow): Aspect[] {
  const same: Readonly<Record<Aspect, boolean>> = {
    type: before.type === after.type && before.special?.kind === after.special?.kind,
    content: sameContent(before, { ...after, type: before.type }),
    mode: before.mode === after.mode,
    owner: before.uid === after.uid && before.gid === after.gid,
    time: before.mtimeNs === after.mtimeNs,
    attributes: sameXattrs(before.xattrs ?? [], after.xattrs ?? []),
    links: sameBytes(before.hardLink, after.hardLink),
    holes: before.sparse === after.sparse,
  }
  return ASPECTS.filter((aspect) => !same[aspect])
}

const ASPECTS: readonly Aspect[] = ['type', 'content', 'mode', 'owner', 'time', 'attributes', 'links', 'holes']

function sameContent(a: CatalogRow, b: CatalogRow): boolean {
  return (
    a.type === b.type &&
    a.size === b.size &&
    sameSpecial(a.special, b.special) &&
    sameBytes(a.target, b.target) &&
    sameExtents(a.content, b.content)
  )
}

/** Equal bytes, wherever they are stored: fingerprints decide. */
function sameExtents(a: FileContent, b: FileContent): boolean {
  if (a.type === 'recipe' && b.type === 'recipe') return equalBytes(a.root, b.root)
  if (a.type !== 'inline' || b.type !== 'inline') return a.type === b.type
  return (
    a.extents.length === b.extents.length &&
    a.extents.every((extent, place) => sameBytes(extent.fingerprint, b.extents[place]?.fingerprint))
  )
}

function sameMetadata(a: CatalogRow, b: CatalogRow): boolean {
  return (
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mtimeNs === b.mtimeNs &&
    a.sparse === b.sparse &&
    sameBytes(a.hardLink, b.hardLink) &&
    sameXattrs(a.xattrs ?? [], b.xattrs ?? [])
  )
}

const sameSpecial = (a: Special | undefined, b: Special | undefined): boolean =>
  a?.kind === b?.kind && a?.major === b?.major && a?.minor === b?.minor

function sameXattrs(a: readonly Xattr[], b: readonly Xattr[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, value }, place) => sameBytes(name, b[place]?.name) && sameBytes(value, b[place]?.value))
  )
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}
