import { cString, errnoName, type Libc } from './libc.ts'

/** One extended attribute: an ACL is one, too. */
export interface ExtendedAttribute {
  /** Bytes, with the namespace: `user.mime_type`. */
  readonly name: Uint8Array
  readonly value: Uint8Array
}

/** Names and values of one path, at most. Linux allows 64 KiB for one value and 64 KiB of names; what is beyond is not kept, and said. */
export const XATTRS_BYTES_MAX = 128 * 1024
/** Bytes of one value, and of all names, at most: Linux' XATTR_SIZE_MAX and XATTR_LIST_MAX. */
export const XATTR_BYTES_MAX = 64 * 1024

/** The access list of a path, and what a directory hands down to what is made in it. */
export const ACL_ACCESS = 'system.posix_acl_access'
export const ACL_DEFAULT = 'system.posix_acl_default'
const NAMESPACES = ['user.', 'security.', 'trusted.'] as const

/** Whether attributes of this name are captured and restored. The rest belongs to a file system (`system.*`, `btrfs.*`). */
export const isKeptXattr = (name: string): boolean =>
  name === ACL_ACCESS || name === ACL_DEFAULT || NAMESPACES.some((namespace) => name.startsWith(namespace))

/** The attributes in byte order of name, and how many did not fit; or the error that listing them gave. */
export type XattrsRead = { readonly xattrs: readonly ExtendedAttribute[]; readonly leftOut: number } | string

/** What is read: an open file or directory, or the path of what cannot be opened (a link, a fifo, a device). */
export interface XattrPlace {
  list(into: Uint8Array): number
  get(name: Uint8Array, into: Uint8Array): number
}

export const placeOfFd = (calls: Libc, fd: number): XattrPlace => ({
  list: (into) => calls.flistxattr(fd, into),
  get: (name, into) => calls.fgetxattr(fd, name, into),
})

export const placeOfPath = (calls: Libc, path: Uint8Array): XattrPlace => ({
  list: (into) => calls.llistxattr(path, into),
  get: (name, into) => calls.lgetxattr(path, name, into),
})

const NONE: XattrsRead = { xattrs: [], leftOut: 0 }
/** A file system without them, or none that this process may see. */
const WITHOUT: ReadonlySet<string> = new Set(['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EPERM'])
/** Removed since it was listed, or not for this process to read. */
const PASSED_OVER: ReadonlySet<string> = new Set(['ENODATA', 'EACCES', ...WITHOUT])

/** Reads attributes through two buffers that all calls share: not re-entrant. */
export function createXattrReader(): (place: XattrPlace) => XattrsRead {
  const names = new Uint8Array(XATTR_BYTES_MAX)
  const value = new Uint8Array(XATTR_BYTES_MAX)
  return (place) => {
    const listed = place.list(names)
    if (listed === 0) return NONE
    if (listed < 0) return WITHOUT.has(errnoName(listed)) ? NONE : errnoName(listed)
    const xattrs: ExtendedAttribute[] = []
    let leftOut = 0
    let bytes = 0
    for (const name of sortedNames(names.subarray(0, listed))) {
      const length = place.get(cString(name), value)
      if (length < 0 && PASSED_OVER.has(errnoName(length))) continue
      if (length < 0) return errnoName(length)
      if (bytes + name.byteLength + length > XATTRS_BYTES_MAX) {
        leftOut++
        continue
      }
      bytes += name.byteLength + length
      xattrs.push({ name, value: value.slice(0, length) })
    }
    return { xattrs, leftOut }
  }
}

/** The kept ones of a list of names, each with a final NUL. */
function sortedNames(list: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = []
  for (let start = 0; start < list.byteLength;) {
    const nul = list.indexOf(0, start)
    const end = nul < 0 ? list.byteLength : nul
    const name = list.slice(start, end)
    if (isKeptXattr(Buffer.from(name).toString('latin1'))) names.push(name)
    start = end + 1
  }
  return names.length < 2 ? names : names.toSorted((a, b) => Buffer.compare(a, b))
}
