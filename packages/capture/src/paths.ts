const SLASH = 0x2f

/** `directory/name`; the name alone if the directory is empty. A new array. */
export function joinPath(directory: Uint8Array, name: Uint8Array): Uint8Array {
  if (directory.byteLength === 0) return new Uint8Array(name)
  const path = new Uint8Array(directory.byteLength + 1 + name.byteLength)
  path.set(directory)
  path[directory.byteLength] = SLASH
  path.set(name, directory.byteLength + 1)
  return path
}

/** Bytes as a string, one character each: what maps are keyed by. */
export const keyOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

/** The bytes of such a string. */
export const bytesOfKey = (key: string): Uint8Array => new Uint8Array(Buffer.from(key, 'latin1'))
