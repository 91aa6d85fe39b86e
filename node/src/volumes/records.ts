import type { CatalogRow, FileContent, FileState } from '@holdfast/journal'
import type { Draft } from '../ingest/types.ts'

/** What a record says of a draft that was read; what is absent, unreadable or a socket has none. */
export function stateOfDraft(draft: Draft): FileState | undefined {
  if (draft.type === 'absent' || draft.type === 'unreadable') return undefined
  if (draft.type === 'other' && draft.special === undefined) return undefined
  // Field by field: spreading parts that may be absent into one object takes ten times as long, and copies of it too.
  const state: { -readonly [Field in keyof FileState]: FileState[Field] } = {
    path: draft.path,
    type: draft.type,
    mode: draft.mode,
    uid: draft.uid,
    gid: draft.gid,
    mtimeNs: draft.mtimeNs,
    size: draft.type === 'file' ? draft.size : 0,
    torn: draft.torn,
    content: contentOfDraft(draft),
  }
  if (draft.target !== undefined) state.target = draft.target
  if (draft.xattrs !== undefined) state.xattrs = draft.xattrs
  if (draft.hardLink !== undefined) state.hardLink = draft.hardLink
  if (draft.sparse !== undefined && draft.size > 0) state.sparse = draft.sparse
  if (draft.special !== undefined) state.special = draft.special
  return state
}

/** What a record says, without its place in the journal. */
export function stateOfRow(row: CatalogRow): FileState {
  const { seq: _seq, epoch: _epoch, timeMs: _timeMs, kind: _kind, refs: _refs, ...state } = row
  return state
}

function contentOfDraft(draft: Draft): FileContent {
  if (draft.recipe !== undefined) return { type: 'recipe', root: draft.recipe.root }
  if (draft.extents !== undefined && draft.extents.length > 0) return { type: 'inline', extents: draft.extents }
  return { type: 'none' }
}

/** Nothing at no path. */
export const NO_STATE: FileState = {
  path: new Uint8Array(0),
  type: 'other',
  mode: 0,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  size: 0,
  torn: false,
  content: { type: 'none' },
}
