import { joinPath, keyOf } from './paths.ts'

/** How everything is named that a restore makes for itself while it runs: its marker has this name, a file that is not whole yet has it
 *  with `-` and more behind it. A restore into a protected directory would else be captured half done. */
export const RESTORE_NAME = '.holdfast-restore'

const SLASH = 0x2f
const DOT = 0x2e
const RESTORE_NAME_BYTES = Buffer.from(RESTORE_NAME)
const DASH = 0x2d

/** Whether `bytes[start..end)` is a name that a restore makes for itself. */
export function isOfRestore(bytes: Uint8Array, start: number, end: number): boolean {
  const nameEnd = start + RESTORE_NAME_BYTES.byteLength
  // Most names end here.
  if (bytes[start] !== DOT || end < nameEnd || (end > nameEnd && bytes[nameEnd] !== DASH)) return false
  return RESTORE_NAME_BYTES.compare(bytes, start, nameEnd) === 0
}

/** What is left out: given directories, relative, with everything below, and what a restore makes for itself. */
export class Exclusion {
  readonly #paths: ReadonlySet<string>
  readonly #names: ReadonlySet<string>

  constructor(paths: readonly Uint8Array[]) {
    this.#paths = new Set(paths.map(keyOf))
    this.#names = new Set([...this.#paths].map((path) => path.slice(path.lastIndexOf('/') + 1)))
  }

  /** Whether the directory named `bytes[start..end)` in `directory` is one of them. */
  hasChild(directory: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#paths.size === 0) return false
    const name = bytes.subarray(start, end)
    return this.#names.has(keyOf(name)) && this.#paths.has(keyOf(joinPath(directory, name)))
  }

  /** Whether the path is left out or below what is. */
  covers(path: Uint8Array): boolean {
    if (isOfRestore(path, path.lastIndexOf(SLASH) + 1, path.byteLength)) return true
    if (this.#paths.size === 0) return false
    for (let end = path.indexOf(SLASH); end >= 0; end = path.indexOf(SLASH, end + 1))
      if (this.#paths.has(keyOf(path.subarray(0, end)))) return true
    return this.#paths.has(keyOf(path))
  }
}
