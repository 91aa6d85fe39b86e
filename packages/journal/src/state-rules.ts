import { FINGERPRINT_BYTES } from '@holdfast/sealing'
import { pathFault } from './path.ts'
import type { FileContent, FileState, RecordFields, Special, Xattr } from './record.ts'

/** Extents that a record carries itself, at most; more go into a recipe. The writer's own limit may be lower. */
export const RECORD_EXTENTS_MAX = 256
/** Opaque identity of a hard link, at most. */
export const HARD_LINK_BYTES_MAX = 32
/** Extended attributes of a path, names and values together, and one name, at most. */
export const STATE_XATTRS_BYTES_MAX = 128 * 1024
const XATTR_NAME_BYTES_MAX = 255
/** Permission bits with setuid, setgid and sticky. */
const MODE_MAX = 0o7777
const ID_MAX = 0xffffffff
const TIME_NS_LIMIT = 2n ** 63n
const TIME_MS_LIMIT = 2 ** 48

/** What is wrong with the fields of a record to be made, or undefined. */
export function fieldsFault(fields: RecordFields): string | undefined {
  if (!isCount(fields.seq) || fields.seq < 1) return 'seq counts from 1'
  if (!isCount(fields.epoch) || fields.epoch < 1) return 'epoch counts from 1'
  if (!isCount(fields.timeMs) || fields.timeMs >= TIME_MS_LIMIT) return 'the time is not in ms since 1970'
  return undefined
}

/** What is wrong with a state, or undefined. Holds for what is sealed and for what was opened. */
export function stateFault(kind: RecordFields['kind'], state: FileState | undefined): string | undefined {
  if (kind === 'baseline') return state === undefined ? undefined : 'a baseline has no state'
  if (state === undefined) return `a ${kind} has a state`
  const fault = pathFault(state.path)
  if (fault !== undefined) return `its path ${fault}`
  if (!isCount(state.mode) || state.mode > MODE_MAX) return 'mode is more than permission bits'
  if (!isId(state.uid) || !isId(state.gid)) return 'owner or group is no number of 32 bits'
  if (state.mtimeNs >= TIME_NS_LIMIT || state.mtimeNs < -TIME_NS_LIMIT) return 'mtime does not fit'
  if (!isCount(state.size)) return 'size is no count of bytes'
  if (state.hardLink !== undefined && !isBetween(state.hardLink.byteLength, 1, HARD_LINK_BYTES_MAX)) {
    return `hard-link identity has not 1 to ${HARD_LINK_BYTES_MAX} bytes`
  }
  const extra = xattrsFault(state.xattrs ?? []) ?? specialFault(state)
  if (extra !== undefined) return extra
  if (kind === 'delete') return state.content.type === 'none' ? undefined : 'a deletion has no content'
  if ((state.target === undefined) === (state.type === 'symlink')) return 'exactly symbolic links have a target'
  return contentFault(state)
}

function xattrsFault(xattrs: readonly Xattr[]): string | undefined {
  let bytes = 0
  let before: Uint8Array | undefined
  for (const { name, value } of xattrs) {
    if (!isBetween(name.byteLength, 1, XATTR_NAME_BYTES_MAX) || name.includes(0))
      return 'an attribute has no proper name'
    if (before !== undefined && Buffer.compare(before, name) >= 0) return 'attributes are out of order'
    before = name
    bytes += name.byteLength + value.byteLength
  }
  return bytes > STATE_XATTRS_BYTES_MAX ? `attributes have ${bytes} bytes` : undefined
}

function specialFault({ type, special, sparse, hardLink }: FileState): string | undefined {
  if (sparse === true && type !== 'file') return 'only files are sparse'
  if (hardLink !== undefined && type === 'directory') return 'a directory has one name'
  if (special === undefined) return undefined
  return type === 'other' && isSpecial(special) ? undefined : 'it is no special file'
}

const isSpecial = ({ kind, major, minor }: Special): boolean =>
  kind === 'fifo' ? major === 0 && minor === 0 : isId(major) && isId(minor)

function contentFault({ type, size, content }: FileState): string | undefined {
  if (content.type === 'none') return type === 'file' && size > 0 ? 'a file that is not empty has content' : undefined
  if (type !== 'file' || size === 0) return 'only files that are not empty have content'
  return content.type === 'inline' ? extentsFault(content, size) : undefined
}

function extentsFault({ extents }: FileContent & { type: 'inline' }, size: number): string | undefined {
  if (!isBetween(extents.length, 1, RECORD_EXTENTS_MAX)) return `extents are not 1 to ${RECORD_EXTENTS_MAX}`
  let total = 0
  for (const { offset, length, fingerprint } of extents) {
    if (!isCount(offset) || !isCount(length) || length < 1) return 'an extent is empty'
    if (fingerprint.byteLength !== FINGERPRINT_BYTES) return 'a fingerprint has the wrong length'
    total += length
  }
  return total === size ? undefined : `extents hold ${total} bytes of ${size}`
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
const isId = (value: number): boolean => isCount(value) && value <= ID_MAX
const isBetween = (value: number, least: number, most: number): boolean => value >= least && value <= most
