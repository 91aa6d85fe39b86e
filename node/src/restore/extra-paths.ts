import { createDirectoryReader, isDirectory, joinPath } from '@holdfast/capture'
import { ASIDE_PREFIX } from './tree-writer.ts'
import { inDestination, MARKER_NAME } from './destination.ts'
import type { RestoreListing } from './types.ts'

/** Names of one directory of the version that are compared at once, about 100 bytes each, for each level of the tree. */
export const NAMES_AT_ONCE = 4096

/** Names of a directory of the version, from the one after `after` to `last`; undefined: from the first, to the end of all. */
interface NameRange {
  readonly after: string | undefined
  readonly last: string | undefined
  readonly types: ReadonlyMap<string, string>
}

/**
 * Paths in the destination that the version does not have, outermost only. Both sides are read directory by directory, the version's
 * names sorted and in ranges, so that memory does not grow with the tree nor with a directory: one of more names is listed once a range.
 */
export async function* extraPaths(
  to: Uint8Array,
  list: RestoreListing,
  namesAtOnce = NAMES_AT_ONCE,
): AsyncGenerator<Uint8Array> {
  yield* extraBelow(to, new Uint8Array(0), list, namesAtOnce)
}

async function* extraBelow(
  to: Uint8Array,
  directory: Uint8Array,
  list: RestoreListing,
  namesAtOnce: number,
): AsyncGenerator<Uint8Array> {
  for await (const range of rangesOf(list(directory), namesAtOnce)) {
    const inside: Uint8Array[] = []
    for (const { path, name, isDirectory } of entriesOf(to, directory)) {
      if ((range.after !== undefined && name <= range.after) || (range.last !== undefined && name > range.last))
        continue
      const type = range.types.get(name)
      if (type === 'directory' && isDirectory) inside.push(path)
      else if (type === undefined && !(directory.byteLength === 0 && name === MARKER_NAME)) yield path
    }
    for (const path of inside) yield* extraBelow(to, path, list, namesAtOnce)
  }
}

async function* rangesOf(rows: ReturnType<RestoreListing>, namesAtOnce: number): AsyncGenerator<NameRange> {
  let after: string | undefined
  let types = new Map<string, string>()
  for await (const { path, type } of rows) {
    const name = latin1(path.subarray(path.lastIndexOf(SLASH) + 1))
    types.set(name, type)
    if (types.size < namesAtOnce) continue
    yield { after, last: name, types }
    after = name
    types = new Map()
  }
  yield { after, last: undefined, types }
}

/** Files that a killed restore had not named yet. */
export function* asides(to: Uint8Array): Generator<Uint8Array> {
  const open: Uint8Array[] = [new Uint8Array(0)]
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    for (const { path, name, isDirectory } of entriesOf(to, directory)) {
      if (isDirectory) open.push(path)
      else if (name.startsWith(ASIDE_PREFIX)) yield path
    }
  }
}

interface Entry {
  readonly path: Uint8Array
  /** latin1 */
  readonly name: string
  readonly isDirectory: boolean
}

/** What is in a directory of the destination, some thousand entries at a time; nothing if it cannot be read. */
function* entriesOf(to: Uint8Array, directory: Uint8Array): Generator<Entry> {
  const reader = createDirectoryReader()
  const open = reader.openRoot(inDestination(to, directory))
  if (typeof open === 'string') return
  try {
    for (let more = true; more;) {
      const entries: Entry[] = []
      const result = reader.read(open, (bytes, start, end) => {
        const name = bytes.subarray(start, end)
        entries.push({ path: joinPath(directory, name), name: latin1(name), isDirectory: isDirectory(reader.words) })
      })
      yield* entries
      more = 'more' in result && result.more
    }
  } finally {
    reader.close(open)
  }
}

const SLASH = 0x2f
const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
