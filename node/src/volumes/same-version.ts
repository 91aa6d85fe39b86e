import type { CatalogRow } from '@holdfast/journal'
import { equalBytes } from '@holdfast/ports'

const EMPTY = new Uint8Array(0)

/** Whether two versions of one path say the same: the same kind, metadata and content, wherever the content is stored. */
export function isSameVersion(a: CatalogRow, b: CatalogRow): boolean {
  if (a.kind !== b.kind || a.type !== b.type || !equalBytes(a.path, b.path)) return false
  if (a.kind === 'delete') return true
  const isSame = a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.size === b.size && a.torn === b.torn
  if (!isSame || a.mtimeNs !== b.mtimeNs) return false
  if (!equalBytes(a.target ?? EMPTY, b.target ?? EMPTY)) return false
  if (!equalBytes(a.hardLink ?? EMPTY, b.hardLink ?? EMPTY)) return false
  return hasSameAttributes(a, b) && hasSameContent(a, b)
}

function hasSameAttributes({ xattrs: a = [] }: CatalogRow, { xattrs: b = [] }: CatalogRow): boolean {
  if (a.length !== b.length) return false
  return a.every(({ name, value }, index) => {
    const other = b[index]
    return other !== undefined && equalBytes(name, other.name) && equalBytes(value, other.value)
  })
}

/** Segments are equal by their fingerprints, whichever chunk they are in. */
function hasSameContent({ content: a }: CatalogRow, { content: b }: CatalogRow): boolean {
  if (a.type === 'recipe') return b.type === 'recipe' && equalBytes(a.root, b.root)
  if (a.type === 'none' || b.type !== 'inline') return a.type === b.type
  if (a.extents.length !== b.extents.length) return false
  return a.extents.every(({ length, fingerprint }, index) => {
    const other = b.extents[index]
    return other !== undefined && length === other.length && equalBytes(fingerprint, other.fingerprint)
  })
}
