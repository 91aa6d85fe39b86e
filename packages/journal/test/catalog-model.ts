/** A catalog without indexes: all rows in an array. What it answers is what the real one must answer. */
import type { CatalogRow } from '../src/index.ts'

const compare = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b)

const SLASH = 0x2f
export const ROOT = new Uint8Array(0)

export class CatalogModel {
  readonly rows: CatalogRow[] = []

  add(rows: readonly CatalogRow[]): void {
    this.rows.push(...rows)
  }

  get newestSeq(): number {
    return this.rows.at(-1)?.seq ?? 0
  }

  /** Rows with a path. */
  #versions(): CatalogRow[] {
    return this.rows.filter((row) => row.kind !== 'baseline')
  }

  versions(path: Uint8Array): CatalogRow[] {
    return this.#versions()
      .filter((row) => compare(row.path, path) === 0)
      .toReversed()
  }

  at(path: Uint8Array, seq: number): CatalogRow | undefined {
    const row = this.versions(path).find((version) => version.seq <= seq)
    return row?.kind === 'put' ? row : undefined
  }

  paths(): Uint8Array[] {
    const names = new Map(this.#versions().map((row) => [Buffer.from(row.path).toString('hex'), row.path]))
    return [...names.values()].toSorted(comparePaths)
  }

  list(directory: Uint8Array, seq: number): CatalogRow[] {
    return this.#existing(seq, (path) => isBelow(path, directory) && !rest(path, directory).includes(SLASH))
  }

  walk(top: Uint8Array, seq: number): CatalogRow[] {
    return this.#existing(seq, (path) => compare(path, top) === 0 || isBelow(path, top))
  }

  log(top: Uint8Array): CatalogRow[] {
    return this.#versions()
      .filter(({ path }) => compare(path, top) === 0 || isBelow(path, top))
      .toReversed()
  }

  #existing(seq: number, wanted: (path: Uint8Array) => boolean): CatalogRow[] {
    return this.paths()
      .filter(wanted)
      .map((path) => this.at(path, seq))
      .filter((row) => row !== undefined)
  }

  counts() {
    const live = this.walk(ROOT, this.newestSeq)
    const files = live.filter((row) => row.type === 'file')
    const directories = live.filter((row) => row.type === 'directory').length
    return {
      files: files.length,
      bytes: files.reduce((sum, row) => sum + row.size, 0),
      directories,
      others: live.length - files.length - directories,
      versions: this.#versions().length,
    }
  }
}

function isBelow(path: Uint8Array, top: Uint8Array): boolean {
  if (top.byteLength === 0) return true
  return path[top.byteLength] === SLASH && compare(path.subarray(0, top.byteLength), top) === 0
}

function rest(path: Uint8Array, top: Uint8Array): Uint8Array {
  return path.subarray(top.byteLength === 0 ? 0 : top.byteLength + 1)
}

/** By directory, then by name. */
function comparePaths(a: Uint8Array, b: Uint8Array): number {
  const slashA = a.lastIndexOf(SLASH)
  const slashB = b.lastIndexOf(SLASH)
  const directories = compare(a.subarray(0, Math.max(slashA, 0)), b.subarray(0, Math.max(slashB, 0)))
  return directories || compare(a.subarray(slashA + 1), b.subarray(slashB + 1))
}
