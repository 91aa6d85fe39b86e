import { encodeStat, STAT_WORDS } from '@holdfast/capture'
import type { EntryType } from '@holdfast/capture'
import { blake3 } from '@holdfast/hash'
import type { Draft } from '../ingest/types.ts'
import type { HistoryRow } from './types.ts'

/** Equal keys stand for equal content, attributes and links of two states of one path. */
export const CONTENT_KEY_BYTES = 16

const NONE = new Uint8Array(CONTENT_KEY_BYTES)
const EXTENT_BYTES = 20
const EMPTY = new Uint8Array(0)

/** What stands for all that a status does not tell: content or target, and attributes, links, holes and device numbers where there are
 *  any. The same of a draft as of the row that it became. */
export function contentKeyOf(state: Draft | HistoryRow): Uint8Array {
  const key = bytesKeyOf(state)
  const { xattrs, hardLink, sparse, special } = state
  if (xattrs === undefined && hardLink === undefined && sparse === undefined && special === undefined) return key
  const parts: Uint8Array[] = [
    key,
    Uint8Array.of(sparse === true ? 1 : 0, hardLink?.byteLength ?? 0),
    hardLink ?? EMPTY,
  ]
  parts.push(Buffer.from(special === undefined ? ';' : `${special.kind} ${special.major} ${special.minor};`))
  for (const { name, value } of xattrs ?? [])
    parts.push(Buffer.from(`${name.byteLength} ${value.byteLength};`), name, value)
  return begin(blake3(Buffer.concat(parts)))
}

/** The fingerprint of a file of one segment, the begin of the recipe's name of a large one, else a hash. */
function bytesKeyOf(state: Draft | HistoryRow): Uint8Array {
  if (state.type === 'symlink') return begin(blake3(state.target ?? EMPTY))
  const recipe = recipeOf(state)
  if (recipe !== undefined) return begin(recipe)
  const extents = extentsOf(state)
  const [first] = extents
  if (first === undefined) return NONE
  return extents.length === 1 ? first.fingerprint : begin(blake3(joined(extents)))
}

/** The status of a row as far as the catalog knows it: enough for `sameShown`, never equal to one on disk. */
export function wordsOfHistory({ type, target, size, mode, uid, gid, mtimeNs }: HistoryRow): Uint32Array {
  const words = new Uint32Array(STAT_WORDS)
  const shown = { mode, uid, gid, mtimeNs, size: type === 'symlink' ? (target?.byteLength ?? 0) : size }
  encodeStat({ ...shown, type: TYPES[type] ?? 'other', dev: 0n, ino: 0n, ctimeNs: 0n, linked: false }, words)
  return words
}

const TYPES: Record<string, EntryType> = { file: 'file', directory: 'directory', symlink: 'symlink' }

type Extents = readonly { readonly length: number; readonly fingerprint: Uint8Array }[]

function extentsOf(state: Draft | HistoryRow): Extents {
  if ('extents' in state && state.extents !== undefined) return state.extents
  if ('content' in state && state.content?.inline !== undefined) return state.content.inline
  return []
}

function recipeOf(state: Draft | HistoryRow): Uint8Array | undefined {
  if ('recipe' in state) return state.recipe?.root
  return 'content' in state ? state.content?.recipe : undefined
}

/** Length and fingerprint of each. */
function joined(extents: Extents): Uint8Array {
  const bytes = new Uint8Array(extents.length * EXTENT_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [index, { length, fingerprint }] of extents.entries()) {
    view.setUint32(index * EXTENT_BYTES, length, true)
    bytes.set(fingerprint, index * EXTENT_BYTES + 4)
  }
  return bytes
}

const begin = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.subarray(0, CONTENT_KEY_BYTES))
