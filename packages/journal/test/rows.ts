/** Rows and states for tests, drawn by fast-check or by hand. */
import { asChunkId } from '@holdfast/ports'
import * as fc from 'fast-check'
import type { CatalogRow, FileContent, FileState, Special } from '../src/index.ts'
import { refsOf } from '../src/refs.ts'

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

const bytes = (constraints: { minLength: number; maxLength: number }): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array(constraints).map((array) => new Uint8Array(array))

/** fast-check's objects have no prototype, decoded ones do. */
const plain = <T extends object>(objects: fc.Arbitrary<T>): fc.Arbitrary<T> => objects.map((object) => ({ ...object }))

/** Names that are prefixes of each other, sort around `/` and NUL, or are no UTF-8; and any others. */
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'ab', 'a b', 'a-', 'a.', 'b', 'A', '\u0001', 'ä').map(bytesOf) },
  {
    weight: 1,
    arbitrary: fc.constantFrom([0xff], [0x61, 0xff], [0x61, 0x01], [0x61, 0x2e, 0x80]).map((b) => Uint8Array.from(b)),
  },
  {
    weight: 1,
    arbitrary: bytes({ minLength: 1, maxLength: 8 }).map((b) =>
      b.map((byte) => (byte === 0 || byte === 0x2f || byte === 0x2e ? 1 : byte)),
    ),
  },
)

/** Paths of up to four names out of few, so that histories come back to them. */
export const path: fc.Arbitrary<Uint8Array> = fc
  .array(name, { minLength: 1, maxLength: 4 })
  .map(
    (names) =>
      new Uint8Array(Buffer.concat(names.flatMap((part, place) => (place === 0 ? [part] : [bytesOf('/'), part])))),
  )

const chunk = fc.integer({ min: 0, max: 5 }).map((byte) => asChunkId(new Uint8Array(32).fill(byte)))
const size = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 40 }))
const fingerprint = bytes({ minLength: 16, maxLength: 16 })
const extent = plain(fc.record({ chunk, offset: fc.nat(), length: fc.integer({ min: 1, max: 2 ** 20 }), fingerprint }))

const sized: fc.Arbitrary<{ size: number; content: FileContent }> = fc.oneof(
  fc.constant<{ size: number; content: FileContent }>({ size: 0, content: { type: 'none' } }),
  fc.array(extent, { minLength: 1, maxLength: 4 }).map((extents) => ({
    size: extents.reduce((sum, { length }) => sum + length, 0),
    content: { type: 'inline' as const, extents },
  })),
  fc.record({ size, content: chunk.map((root) => ({ type: 'recipe' as const, root })) }),
)

const common = {
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xffffffff }),
  gid: fc.nat({ max: 70000 }),
  mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  torn: fc.boolean(),
}
const xattrName = bytes({ minLength: 1, maxLength: 9 }).map((name) => name.map((byte) => (byte === 0 ? 1 : byte)))
const xattrs = fc
  .uniqueArray(plain(fc.record({ name: xattrName, value: bytes({ minLength: 0, maxLength: 9 }) })), {
    minLength: 1,
    maxLength: 3,
    selector: ({ name: each }) => Buffer.from(each).toString('latin1'),
  })
  .map((list) => list.toSorted((a, b) => Buffer.compare(a.name, b.name)))
const special: fc.Arbitrary<Special> = fc.oneof(
  fc.constant<Special>({ kind: 'fifo', major: 0, minor: 0 }),
  plain(
    fc.record({
      kind: fc.constantFrom<Special['kind']>('character', 'block'),
      major: fc.nat(),
      minor: fc.integer({ min: 0, max: 0xffffffff }),
    }),
  ),
)
const hardLink = fc.option(plain(fc.record({ hardLink: bytes({ minLength: 1, maxLength: 32 }) })), { nil: {} })
/** What only some types have. */
const optionalOf = (type: FileState['type']): fc.Arbitrary<Partial<FileState>> => {
  if (type === 'directory') return fc.constant({})
  if (type === 'symlink') return hardLink
  const more =
    type === 'file'
      ? fc.constantFrom<Partial<FileState>>({}, { sparse: true })
      : fc.option(plain(fc.record({ special })), { nil: {} })
  return fc.tuple(hardLink, more).map(([link, other]) => ({ ...link, ...other }))
}
const optional = {
  xattrs,
}

/** Any state that a put can have. */
export const putState: fc.Arbitrary<FileState> = fc
  .tuple(
    fc.record({ path, ...common }),
    fc.record(optional, { requiredKeys: [] }),
    fc.oneof(
      { weight: 5, arbitrary: sized.map((content) => ({ type: 'file' as const, ...content })) },
      {
        weight: 2,
        arbitrary: fc.constant({ type: 'directory' as const, size: 0, content: { type: 'none' as const } }),
      },
      { weight: 1, arbitrary: fc.constant({ type: 'other' as const, size: 0, content: { type: 'none' as const } }) },
      {
        weight: 1,
        arbitrary: bytes({ minLength: 0, maxLength: 20 }).map((target) => ({
          type: 'symlink' as const,
          size: 0,
          target,
          content: { type: 'none' as const },
        })),
      },
    ),
  )
  .chain(([fields, more, kind]) => optionalOf(kind.type).map((extra) => ({ ...fields, ...more, ...kind, ...extra })))

/** Lengths of the chunks that a content names, as sealing would give them. */
export function lengthsOf(content: FileContent): { id: ReturnType<typeof asChunkId>; storedBytes: number }[] {
  const ids =
    content.type === 'recipe' ? [content.root] : content.type === 'inline' ? content.extents.map((e) => e.chunk) : []
  const distinct = new Map(ids.map((id) => [id[0], id]))
  return [...distinct.values()].map((id) => ({ id, storedBytes: 1000 * ((id[0] ?? 0) + 1) }))
}

export function putRow(state: FileState, seq: number, timeMs: number, epoch = 1): CatalogRow {
  return { ...state, seq, timeMs, epoch, kind: 'put', refs: refsOf(state.content, lengthsOf(state.content)) }
}

export function deleteRow(state: FileState, seq: number, timeMs: number, epoch = 1): CatalogRow {
  const { path: gone, type, size: bytesGone } = state
  return { ...BARE, path: gone, type, size: bytesGone, seq, timeMs, epoch, kind: 'delete', refs: [] }
}

export function baselineRow(seq: number, timeMs: number): CatalogRow {
  return {
    ...BARE,
    path: new Uint8Array(0),
    type: 'directory',
    size: 0,
    seq,
    timeMs,
    epoch: 1,
    kind: 'baseline',
    refs: [],
  }
}

const BARE = { mode: 0, uid: 0, gid: 0, mtimeNs: 0n, torn: false, content: { type: 'none' } } as const

/** A small file. */
export function file(text: string, sizeBytes = 10): FileState {
  const chunkId = asChunkId(new Uint8Array(32).fill(sizeBytes))
  const extents = [{ chunk: chunkId, offset: 0, length: sizeBytes, fingerprint: new Uint8Array(16).fill(sizeBytes) }]
  const content: FileContent = sizeBytes === 0 ? { type: 'none' } : { type: 'inline', extents }
  return {
    path: bytesOf(text),
    type: 'file',
    mode: 0o644,
    uid: 1,
    gid: 1,
    mtimeNs: 5n,
    size: sizeBytes,
    torn: false,
    content,
  }
}

export function directory(text: string): FileState {
  return { ...BARE, path: bytesOf(text), type: 'directory', mode: 0o755, size: 0 }
}
