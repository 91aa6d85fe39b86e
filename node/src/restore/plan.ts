import { hexOf, HoldfastError } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'
import type { RestoreExtent, RestoreRow } from './types.ts'

/** Files and segments that are planned at once: bounds memory (about 300 bytes each); within a window each chunk is fetched and
 *  opened once. */
export const WINDOW_FILES_MAX = 50_000
export const WINDOW_SEGMENTS_MAX = 400_000

/** A file of the window. */
export interface PlannedFile {
  /** Unique in the restore; names the file until it is whole. */
  readonly aside: number
  /** Relative to the destination. */
  readonly path: Uint8Array
  readonly row: RestoreRow
  readonly segments: readonly PlannedSegment[]
  /** What is there looks identical: it is read before anything is written. */
  readonly candidate: boolean
  /** Segments that are not written yet. */
  left: number
  state: 'planned' | 'identical' | 'written' | 'failed'
}

export interface PlannedSegment {
  readonly chunk: ChunkId
  readonly offset: number
  readonly length: number
  readonly fingerprint: Uint8Array
  /** Where it goes in the file. */
  readonly fileOffset: number
}

/** A chunk with every segment of the window that is in it. */
export interface PlannedChunk {
  readonly id: ChunkId
  readonly pieces: { readonly file: PlannedFile; readonly segment: PlannedSegment }[]
}

/** The files of one window, and the chunks they are made of. */
export class Window {
  readonly files: PlannedFile[] = []
  readonly #chunks = new Map<string, PlannedChunk>()
  #segments = 0

  get full(): boolean {
    return this.files.length >= WINDOW_FILES_MAX || this.#segments >= WINDOW_SEGMENTS_MAX
  }

  /** @throws HF_CHUNK_CORRUPT if the extents do not add up to the file's size */
  add(aside: number, path: Uint8Array, row: RestoreRow, extents: readonly RestoreExtent[], candidate: boolean): void {
    const segments: PlannedSegment[] = []
    let fileOffset = 0
    for (const { chunk, offset, length, fingerprint } of extents) {
      segments.push({ chunk, offset, length, fingerprint, fileOffset })
      fileOffset += length
    }
    if (fileOffset !== row.size)
      throw new HoldfastError('HF_CHUNK_CORRUPT', `the segments of ${pathText(path)} do not add up to its size`)
    const file: PlannedFile = { aside, path, row, segments, candidate, left: segments.length, state: 'planned' }
    this.files.push(file)
    this.#segments += segments.length
    for (const segment of segments) {
      const key = hexOf(segment.chunk)
      const known = this.#chunks.get(key)
      if (known === undefined) this.#chunks.set(key, { id: segment.chunk, pieces: [{ file, segment }] })
      else known.pieces.push({ file, segment })
    }
  }

  /** Chunks in the order in which they lie in the packs, then those that must be fetched. */
  chunks(locate: (id: ChunkId) => { readonly pack: number; readonly offset: number } | undefined): PlannedChunk[] {
    const placed = [...this.#chunks.values()].map((chunk) => ({ chunk, place: locate(chunk.id) }))
    const rank = ({ place }: (typeof placed)[number]): [number, number] =>
      place === undefined ? [Number.MAX_SAFE_INTEGER, 0] : [place.pack, place.offset]
    return placed
      .toSorted((a, b) => {
        const [packA, offsetA] = rank(a)
        const [packB, offsetB] = rank(b)
        return packA === packB ? offsetA - offsetB : packA - packB
      })
      .map(({ chunk }) => chunk)
  }
}
