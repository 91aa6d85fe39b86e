import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { asVolumeId, hexOf, HoldfastError } from '@holdfast/ports'
import type { ChunkId, VolumeId } from '@holdfast/ports'
import {
  buildRecipe,
  CHUNK_STORED_BYTES_MAX,
  createBundler,
  createFingerprinter,
  createSealer,
} from '@holdfast/sealing'
import type { ChunkName, RecipeHeader, StoredExtent } from '@holdfast/sealing'
import { restoreTree } from '../../src/restore/index.ts'
import type {
  RestoreChunks,
  RestoreExtent,
  RestoreListing,
  RestoreOptions,
  RestoreReport,
  RestoreRow,
} from '../../src/restore/index.ts'

/** Bytes that look random and are the same in every run. */
export function noise(seed: string, length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(seed).digest()
}

export const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

export interface Looks {
  mode?: number
  uid?: number
  gid?: number
  mtimeNs?: bigint
  xattrs?: RestoreRow['xattrs']
  hardLink?: Uint8Array
  sparse?: true
  special?: RestoreRow['special']
}

interface Segment {
  readonly offset: number
  readonly length: number
  readonly fingerprint: Uint8Array
  readonly bundle: { name?: ChunkName }
}

const MTIME_NS = 1_700_000_000_123_456_789n
const BY_DEFAULT = { mode: 0o644, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mtimeNs: MTIME_NS }

/** A version of a tree whose content is sealed in chunks in memory, and the source that a restore takes them from. Paths are given
 *  in latin1: each character is a byte. */
export class Version implements RestoreChunks {
  readonly volume: VolumeId = asVolumeId(noise('volume', 16))
  readonly ring = createKeyRing(this.volume, noise('key', 32))
  readonly chunks = new Map<string, Uint8Array>()
  /** Chunks that are asked for, in order. */
  readonly asked: string[] = []
  /** Awaited before a chunk is given. */
  before: (id: ChunkId) => Promise<void> | void = () => undefined
  readonly #rows: (() => RestoreRow)[] = []
  readonly #sealer = createSealer(deriveVolumeKeys(this.ring))
  readonly #fingerprint = createFingerprinter(deriveVolumeKeys(this.ring).fingerprint)
  readonly #bundle = createBundler().other
  #place: { name?: ChunkName } = {}

  directory(name: string, looks: Looks = {}): this {
    return this.#add(name, { ...BY_DEFAULT, mode: 0o755, ...looks, type: 'directory', size: 0 })
  }

  link(name: string, target: string, looks: Looks = {}): this {
    return this.#add(name, {
      ...BY_DEFAULT,
      mode: 0o777,
      ...looks,
      type: 'symlink',
      size: 0,
      target: Buffer.from(target, 'latin1'),
    })
  }

  other(name: string, looks: Looks = {}): this {
    return this.#add(name, { ...BY_DEFAULT, ...looks, type: 'other', size: 0 })
  }

  /** `segmentBytes`: what the content is cut into; `recipe`: the segments are listed in a tree of chunks. */
  file(
    name: string,
    content: string | Uint8Array,
    { segmentBytes = 64 * 1024, recipe = false, ...looks }: Looks & { segmentBytes?: number; recipe?: boolean } = {},
  ): this {
    const bytes = Buffer.from(content)
    const segments: Segment[] = []
    for (let start = 0; start < bytes.byteLength; start += segmentBytes) {
      const segment = bytes.subarray(start, start + segmentBytes)
      if (!this.#bundle.hasRoom(segment.byteLength)) this.close()
      const offset = this.#bundle.append(segment)
      const fingerprint = Uint8Array.from(this.#fingerprint(segment))
      segments.push({ offset, length: segment.byteLength, fingerprint, bundle: this.#place })
    }
    let content_: RestoreRow['content']
    this.#rows.push(() => {
      content_ ??= recipe
        ? { recipe: buildRecipe(segments.map(extentOf), (node) => this.#seal(node.plain, node.header)).root.id }
        : { inline: segments.map(extentOf) }
      return {
        ...BY_DEFAULT,
        ...looks,
        type: 'file',
        size: bytes.byteLength,
        path: Buffer.from(name, 'latin1'),
        content: content_,
      }
    })
    return this
  }

  /** What comes next goes into a further chunk. */
  close(): this {
    if (this.#bundle.length > 0) this.#place.name = this.#seal(this.#bundle.plain)
    this.#place = {}
    this.#bundle.clear()
    return this
  }

  rows(): RestoreRow[] {
    this.close()
    return this.#rows.map((row) => row())
  }

  extents(name: string): readonly RestoreExtent[] {
    return this.rows().find((row) => latin1(row.path) === name)?.content?.inline ?? []
  }

  async get(_volume: VolumeId, id: ChunkId, { signal }: { signal: AbortSignal }): Promise<Uint8Array> {
    this.asked.push(hexOf(id))
    await this.before(id)
    if (signal.aborted) throw new HoldfastError('HF_ABORTED', 'aborted', { cause: signal.reason })
    const stored = this.chunks.get(hexOf(id))
    if (stored === undefined) throw new HoldfastError('HF_CHUNK_MISSING', 'no member has the chunk')
    return Uint8Array.from(stored)
  }

  locate(_volume: VolumeId, id: ChunkId): { pack: number; offset: number } | undefined {
    const index = [...this.chunks.keys()].indexOf(hexOf(id))
    return index < 0 ? undefined : { pack: 1, offset: index }
  }

  /** Children of a directory, as a catalog lists them. */
  readonly list: RestoreListing = (directory) => {
    const above = latin1(directory)
    const names = (name: string): boolean => name.slice(0, Math.max(0, name.lastIndexOf('/'))) === above
    const rows = this.rows().filter((row) => names(latin1(row.path)))
    return each(rows.toSorted((a, b) => Buffer.compare(a.path, b.path)))
  }

  restore(to: string | Uint8Array, more: Partial<RestoreOptions> = {}): Promise<RestoreReport> {
    return restoreTree({
      volume: this.volume,
      rows: again(this.rows()),
      chunks: this,
      keyRing: this.ring.encode(),
      to: Buffer.from(to),
      identity: 'data: at some time',
      ...more,
    })
  }

  #add(name: string, row: Omit<RestoreRow, 'path'>): this {
    this.#rows.push(() => ({ ...row, path: Buffer.from(name, 'latin1') }))
    return this
  }

  #seal(plain: Uint8Array, recipe?: RecipeHeader): ChunkName {
    const out = new Uint8Array(CHUNK_STORED_BYTES_MAX)
    const name = this.#sealer.seal(Uint8Array.from(plain), out, 0, recipe)
    this.chunks.set(hexOf(name.id), out.slice(0, name.storedBytes))
    return name
  }
}

function extentOf({ offset, length, fingerprint, bundle }: Segment): StoredExtent {
  if (bundle.name === undefined) throw new Error('the bundle is open')
  return { chunk: bundle.name.id, storedBytes: bundle.name.storedBytes, offset, length, fingerprint }
}

/** May be read more than once, as the rows of a catalog may. */
const again = <T>(items: Iterable<T>): AsyncIterable<T> => ({ [Symbol.asyncIterator]: () => each(items) })

export async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}

/** A temporary directory; `remove` takes it away. */
export class Place {
  readonly root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-restore-'))
  readonly to = path.join(this.root, 'to')
  /** What must stay as it is. */
  readonly outside = path.join(this.root, 'outside')

  at(name: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.to}/`), Buffer.from(name, 'latin1')])
  }

  write(name: string, content: string | Uint8Array): void {
    fs.mkdirSync(this.to, { recursive: true })
    const at = this.at(name)
    fs.mkdirSync(at.subarray(0, at.lastIndexOf(0x2f)), { recursive: true })
    fs.writeFileSync(at, content)
  }

  makeOutside(): void {
    fs.mkdirSync(this.outside)
    fs.writeFileSync(path.join(this.outside, 'precious'), 'precious')
  }

  outsideNow(): string[] {
    return fs
      .readdirSync(this.outside)
      .map((name) => `${name}: ${fs.readFileSync(path.join(this.outside, name), 'utf8')}`)
  }

  remove(): void {
    fs.rmSync(this.root, { recursive: true, force: true })
  }
}

/** Everything below a directory as lines that can be compared; without owner and time where `plain`. */
export function treeOf(root: string | Uint8Array, plain = false): string[] {
  const lines: string[] = []
  const look = (directory: Buffer, prefix: string): void => {
    for (const name of fs.readdirSync(directory, { encoding: 'buffer' })) {
      const place = Buffer.concat([directory, Buffer.from('/'), name])
      const stat = fs.lstatSync(place, { bigint: true })
      const shown = `${prefix}${latin1(name)}`
      const what = stat.isDirectory()
        ? 'directory'
        : stat.isSymbolicLink()
          ? `-> ${latin1(fs.readlinkSync(place, 'buffer'))}`
          : `${stat.size} bytes ${hashOf(fs.readFileSync(place))}`
      lines.push(line(shown, what, Number(stat.mode & 0o7777n), stat.uid, stat.gid, stat.mtimeNs, plain))
      if (stat.isDirectory()) look(place, `${shown}/`)
    }
  }
  look(Buffer.from(root), '')
  return lines.toSorted()
}

/** The same of a version; contents by path. */
export function treeOfRows(rows: readonly RestoreRow[], contents: ReadonlyMap<string, Uint8Array>): string[] {
  return rows
    .map(({ path: name, type, target = new Uint8Array(0), size, mode, uid, gid, mtimeNs }) => {
      const what =
        type === 'directory'
          ? type
          : type === 'symlink'
            ? `-> ${latin1(target)}`
            : `${size} bytes ${hashOf(contents.get(latin1(name)) ?? new Uint8Array(0))}`
      return line(latin1(name), what, mode, BigInt(uid), BigInt(gid), mtimeNs, false)
    })
    .toSorted()
}

function line(
  name: string,
  what: string,
  mode: number,
  uid: bigint,
  gid: bigint,
  mtimeNs: bigint,
  plain: boolean,
): string {
  const looks = what.startsWith('->') ? '' : ` ${mode.toString(8)}`
  return plain ? `${name} ${what}` : `${name} ${what}${looks} ${uid}:${gid} ${mtimeNs}`
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16)

/** Names in the destination that a restore uses while it runs. */
export const leftovers = (root: string): string[] =>
  treeOf(root, true).filter((name) => name.includes('.holdfast-restore'))
