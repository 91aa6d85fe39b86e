import { blake3 } from '@holdfast/hash'
import type { Draft } from '../ingest/types.ts'
import type { HistoryRow } from './types.ts'

/** First bytes of a hash over all that a record shows of a path: equal ones need no new record. */
export const DIGEST_BYTES = 16

const VERSION = 1
const TYPES: Record<string, number> = { file: 1, directory: 2, symlink: 3, other: 4 }
const FIXED_BYTES = 38
const EMPTY = new Uint8Array(0)

/** Type, mode, owner, time, size, target and content: the same of a draft as of the row that the draft became. */
export function digestOf(state: Draft | HistoryRow): Uint8Array {
  const extents = extentsOf(state)
  const recipe = recipeOf(state) ?? EMPTY
  const target = state.target ?? EMPTY
  const bytes = new Uint8Array(FIXED_BYTES + target.byteLength + recipe.byteLength + extents.length * 20)
  const view = new DataView(bytes.buffer)
  bytes[0] = VERSION
  bytes[1] = TYPES[state.type] ?? 0
  view.setUint32(2, state.mode, true)
  view.setUint32(6, state.uid, true)
  view.setUint32(10, state.gid, true)
  view.setBigInt64(14, state.mtimeNs, true)
  view.setFloat64(22, state.size, true)
  view.setUint32(30, target.byteLength, true)
  view.setUint32(34, recipe.byteLength, true)
  bytes.set(target, FIXED_BYTES)
  bytes.set(recipe, FIXED_BYTES + target.byteLength)
  let at = FIXED_BYTES + target.byteLength + recipe.byteLength
  for (const { length, fingerprint } of extents) {
    view.setUint32(at, length, true)
    bytes.set(fingerprint, at + 4)
    at += 20
  }
  return blake3(bytes).slice(0, DIGEST_BYTES)
}

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
