import { HoldfastError } from '@holdfast/ports'

/** Bytes of a path relative to its volume, at most: Linux takes no longer one in a call. */
export const PATH_BYTES_MAX = 4095

const SLASH = 0x2f
const DOT = 0x2e

/** What is wrong with a path, or undefined. */
export function pathFault(path: Uint8Array): string | undefined {
  if (path.byteLength === 0) return 'is empty'
  if (path.byteLength > PATH_BYTES_MAX) return `has ${path.byteLength} bytes, more than ${PATH_BYTES_MAX}`
  if (path[0] === SLASH) return 'is absolute'
  let start = 0
  for (let end = 0; end <= path.byteLength; end++) {
    const byte = path[end]
    if (byte === 0) return 'holds a NUL'
    if (byte !== SLASH && byte !== undefined) continue
    if (end === start) return 'has an empty component'
    const dots = path[start] === DOT && (end - start === 1 || (end - start === 2 && path[start + 1] === DOT))
    if (dots) return 'has a component . or ..'
    start = end + 1
  }
  return undefined
}

/** Paths are bytes, relative to the volume's root, `/`-separated; the root itself is no path here.
 *  @throws HF_DECODE for an empty, absolute or too long path, a component that is empty, `.` or `..`, or a NUL */
export function checkPath(path: Uint8Array): void {
  const fault = pathFault(path)
  if (fault !== undefined) throw new HoldfastError('HF_DECODE', `a path ${fault}`)
}

/** The directory (empty: the root) and the name of a path that `checkPath` allows. Views on it. */
export function splitPath(path: Uint8Array): { directory: Uint8Array; name: Uint8Array } {
  const slash = path.lastIndexOf(SLASH)
  if (slash < 0) return { directory: path.subarray(0, 0), name: path }
  return { directory: path.subarray(0, slash), name: path.subarray(slash + 1) }
}

/** The path of a name in a directory (empty: the root). */
export function joinPath(directory: Uint8Array, name: Uint8Array): Uint8Array {
  if (directory.byteLength === 0) return new Uint8Array(name)
  const path = new Uint8Array(directory.byteLength + 1 + name.byteLength)
  path.set(directory)
  path[directory.byteLength] = SLASH
  path.set(name, directory.byteLength + 1)
  return path
}
