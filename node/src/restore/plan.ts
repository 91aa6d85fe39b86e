import { asChunkId, HoldfastError, MIB } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'
import { PieceWriter, piecesOf } from './pieces.ts'
import type { LinkLeader } from './hard-links.ts'
import type { LinkToWrite } from './messages.ts'
import type { FileAttributes } from './tree-writer.ts'
import type { RestoreExtent, RestoreRow } from './types.ts'

/** Memory of the plan of one window, bytes: some 20,000 small files, or 5 GiB of large ones. Within a window each chunk is fetched and
 *  opened once; a file with more segments goes on in the next one. While one window is written the next is planned. */
export const WINDOW_PLAN_BYTES_MAX = 16 * MIB
/** The first window, so that writing begins at once; each is four times the one before, up to the most. */
const FIRST_WINDOW_PLAN_BYTES = MIB
/** What a file costs beside its path, a segment beside its file's path, and a chunk: measured with 100,000 of each. */
const FILE_PLAN_BYTES = 400
const SEGMENT_PLAN_BYTES = 80
const XATTR_PLAN_BYTES = 200
const CHUNK_PLAN_BYTES = 1500

/** A file that is being restored. It may go through several windows. */
export interface PlannedFile {
  /** Unique in the restore; names the file until it is whole. */
  readonly aside: number
  /** Relative to the destination. */
  readonly path: Uint8Array
  readonly attributes: FileAttributes
  /** Kept only where the file is read back once it is written. */
  readonly content: RestoreRow['content']
  /** Its only segment is all of it. */
  readonly isWhole: boolean
  /** Bytes of the segments that are planned. */
  plannedBytes: number
  /** Segments that are planned and not written. */
  left: number
  state: 'planning' | 'planned' | 'written' | 'failed'
  /** Of a group of hard links that waits for this file. */
  readonly leader: LinkLeader | undefined
}

export interface PlannedLink {
  readonly link: LinkToWrite
  readonly leader: LinkLeader | undefined
}

/** A chunk with the pieces of the window that are in it. */
export class PlannedChunk {
  readonly id: ChunkId
  /** The file of each piece, and the bytes. */
  readonly files: PlannedFile[] = []
  readonly lengths: number[] = []
  readonly #pieces = new PieceWriter()

  constructor(id: ChunkId) {
    this.id = id
  }

  add(file: PlannedFile, { offset, length, fingerprint }: RestoreExtent): void {
    const { aside, path, plannedBytes: fileOffset } = file
    const sparse = file.attributes.sparse === true
    const piece = { aside, path, offset, length, fingerprint, fileOffset, sparse }
    this.#pieces.add(file.isWhole ? { ...piece, whole: file.attributes } : piece)
    this.files.push(file)
    this.lengths.push(length)
  }

  /** The pieces of files that are still wanted, packed, with the place of each in `files`. Once only. */
  take(): { readonly pieces: Uint8Array<ArrayBuffer>; readonly places: readonly number[] } {
    const places = [...this.files.keys()].filter((place) => this.files[place]?.state !== 'failed')
    const all = this.#pieces.take()
    if (places.length === this.files.length) return { pieces: all, places }
    const wanted = new PieceWriter()
    let place = 0
    for (const piece of piecesOf(all)) if (this.files[place++]?.state !== 'failed') wanted.add(piece)
    return { pieces: wanted.take(), places }
  }
}

/** What is planned and then written at once. */
export class Window {
  /** Files that begin in the window or go on in it. */
  readonly files: PlannedFile[] = []
  readonly links: PlannedLink[] = []
  readonly #planBytesMax: number
  readonly #chunks = new Map<string, PlannedChunk>()
  #planBytes = 0

  /** `index`: how many windows came before it. */
  constructor(index: number, planBytesMax = WINDOW_PLAN_BYTES_MAX) {
    this.#planBytesMax = Math.min(planBytesMax, FIRST_WINDOW_PLAN_BYTES * 4 ** index)
  }

  get full(): boolean {
    return this.#planBytes >= this.#planBytesMax
  }

  addLink(planned: PlannedLink): void {
    const { path, what } = planned.link
    this.links.push(planned)
    this.#planBytes += FILE_PLAN_BYTES + path.byteLength + (what instanceof Uint8Array ? what.byteLength : 0)
    this.#addXattrs(planned.link)
  }

  /** A file begins in the window, or goes on in it. */
  addFile(file: PlannedFile): void {
    this.files.push(file)
    this.#planBytes += FILE_PLAN_BYTES + file.path.byteLength
    this.#addXattrs(file.attributes)
  }

  #addXattrs({ xattrs }: Pick<FileAttributes, 'xattrs'>): void {
    for (const { name, value } of xattrs ?? []) this.#planBytes += XATTR_PLAN_BYTES + name.byteLength + value.byteLength
  }

  /** Puts the next segment of a file into the plan. @throws HF_CHUNK_CORRUPT if the file gets longer than its record says */
  add(file: PlannedFile, extent: RestoreExtent): void {
    if (file.plannedBytes + extent.length > file.attributes.size) throw wrongSize(file)
    const key = Buffer.from(extent.chunk.buffer, extent.chunk.byteOffset, extent.chunk.byteLength).toString('latin1')
    let chunk = this.#chunks.get(key)
    if (chunk === undefined) {
      // A copy: the id may be a view of a row or a recipe node, which would stay in memory with it.
      chunk = new PlannedChunk(asChunkId(new Uint8Array(extent.chunk)))
      this.#chunks.set(key, chunk)
      this.#planBytes += CHUNK_PLAN_BYTES
    }
    chunk.add(file, extent)
    file.plannedBytes += extent.length
    file.left += 1
    this.#planBytes += SEGMENT_PLAN_BYTES + file.path.byteLength
  }

  /** Chunks in the order in which they lie in the packs, then those that must be fetched. */
  chunks(locate: (id: ChunkId) => { readonly pack: number; readonly offset: number } | undefined): PlannedChunk[] {
    const placed = [...this.#chunks.values()].map((chunk) => ({ chunk, place: locate(chunk.id) ?? ELSEWHERE }))
    return placed
      .toSorted((a, b) => a.place.pack - b.place.pack || a.place.offset - b.place.offset)
      .map(({ chunk }) => chunk)
  }
}

/** All segments of a file are planned. @throws HF_CHUNK_CORRUPT if they do not add up to its size */
export function endPlan(file: PlannedFile): void {
  if (file.plannedBytes !== file.attributes.size) throw wrongSize(file)
  if (file.state === 'planning') file.state = 'planned'
}

const ELSEWHERE = { pack: Number.MAX_SAFE_INTEGER, offset: 0 }

const wrongSize = (file: PlannedFile): HoldfastError =>
  new HoldfastError('HF_CHUNK_CORRUPT', `the segments of ${pathText(file.path)} do not add up to its size`)
