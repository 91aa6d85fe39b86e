import { joinPath, keyOf } from './paths.ts'

const SLASH = 0x2f

/** Relative directories that are left out with everything below. */
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

  /** Whether the path is one of them or below one. */
  covers(path: Uint8Array): boolean {
    if (this.#paths.size === 0) return false
    for (let end = path.indexOf(SLASH); end >= 0; end = path.indexOf(SLASH, end + 1))
      if (this.#paths.has(keyOf(path.subarray(0, end)))) return true
    return this.#paths.has(keyOf(path))
  }
}
