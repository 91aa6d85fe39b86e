import { HoldfastError, throwIfAborted } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'
import { batches } from './batches.ts'
import type { PlannedChunk, PlannedFile, PlannedLink, Window } from './plan.ts'
import { isOfOnePath } from './problems.ts'
import type { Tally } from './tally.ts'
import type { RestoreThreads } from './threads.ts'

/** Chunks of a window that are fetched, opened or written at once, each at most 521 KiB: hides the way to another member. */
export const CHUNKS_UNDER_WAY_MAX = 16

export interface WindowWriterParts {
  readonly threads: Pick<RestoreThreads, 'run'>
  /** Stored bytes, to be given away. */
  readonly fetch: (id: ChunkId) => Promise<Uint8Array>
  readonly locate: (id: ChunkId) => { readonly pack: number; readonly offset: number } | undefined
  readonly tally: Tally
  readonly signal: AbortSignal
  /** Ends what is still under way after a failure. */
  readonly giveUp: (error: unknown) => void
}

/** Writes what one window plans: every chunk once, in the order in which they lie in the packs. */
export class WindowWriter {
  readonly #parts: WindowWriterParts

  constructor(parts: WindowWriterParts) {
    this.#parts = parts
  }

  /** Writes the window. A file with more segments in a later one stays aside. @throws HF_ABORTED, HF_DESTINATION, HF_INTERNAL */
  async write(window: Window): Promise<void> {
    const { threads, locate, tally } = this.#parts
    tally.tell('writing', true)
    await this.#nameFiles(window.files.filter(isWhole))
    await this.#writeChunks(window.chunks(locate))
    for (const links of batches(window.links)) await this.#writeLinks(links)
    const failed = window.files.filter(({ state }) => state === 'failed')
    for (const batch of batches(failed))
      await threads.run({ type: 'drop', files: batch.map(({ path, aside }) => ({ path, aside })) })
  }

  /** Chunk after chunk, some side by side; the first failure that is not just some files' ends it. */
  async #writeChunks(chunks: readonly PlannedChunk[]): Promise<void> {
    const { signal, giveUp } = this.#parts
    const left = chunks.values()
    const lane = async (): Promise<void> => {
      for (const chunk of left) {
        throwIfAborted(signal)
        await this.#writeChunk(chunk)
      }
    }
    const failures: unknown[] = []
    const watched = (): Promise<void> =>
      lane().catch((error: unknown) => {
        failures.push(error)
        giveUp(error)
      })
    await Promise.all(Array.from({ length: Math.min(CHUNKS_UNDER_WAY_MAX, chunks.length) }, watched))
    if (failures.length > 0) throw failures[0]
  }

  /** Reads one chunk, writes its pieces, and names the files that are whole then. */
  async #writeChunk(chunk: PlannedChunk): Promise<void> {
    const { threads, fetch, tally } = this.#parts
    const { pieces, places } = chunk.take()
    if (places.length === 0) return
    let different: ReadonlySet<number>
    try {
      const stored = await fetch(chunk.id)
      different = new Set(await threads.run({ type: 'chunk', stored, pieces }))
    } catch (error) {
      if (!isOfOnePath(error)) throw error
      for (const place of places) this.#fail(chunk.files[place], error)
      return
    }
    const whole: PlannedFile[] = []
    for (const [index, place] of places.entries()) {
      const file = chunk.files[place]
      if (file === undefined || file.state === 'failed') continue
      if (different.has(index)) {
        const message = `a segment of ${pathText(file.path)} does not match its fingerprint`
        this.#fail(file, new HoldfastError('HF_CHUNK_CORRUPT', message))
        continue
      }
      file.left -= 1
      tally.counts.bytes += chunk.lengths[place] ?? 0
      if (file.isWhole) this.#written(file)
      else if (isWhole(file)) whole.push(file)
    }
    await this.#nameFiles(whole)
    tally.tell('writing')
  }

  /** Gives files whose bytes are all written, or that have none, their attributes and names. */
  async #nameFiles(files: readonly PlannedFile[]): Promise<void> {
    for (const batch of batches(files)) {
      const named = batch.map(({ path, aside, attributes }) => ({ path, aside, ...attributes }))
      await this.#parts.threads.run({ type: 'files', files: named })
      for (const file of batch) this.#written(file)
    }
  }

  async #writeLinks(links: readonly PlannedLink[]): Promise<void> {
    const { threads, tally } = this.#parts
    await threads.run({ type: 'links', links: links.map(({ link }) => link) })
    for (const { link, leader } of links) {
      if (leader !== undefined) leader.state = 'there'
      tally.counts[link.what instanceof Uint8Array ? 'symlinks' : 'specials'] += 1
    }
  }

  #written(file: PlannedFile): void {
    file.state = 'written'
    if (file.leader !== undefined) file.leader.state = 'there'
    this.#parts.tally.counts.files += 1
    this.#parts.tally.filesOpen -= 1
  }

  #fail(file: PlannedFile | undefined, error: unknown): void {
    if (file !== undefined) failFile(file, error, this.#parts.tally)
  }
}

/** Gives a file up; the rest goes on. */
export function failFile(file: PlannedFile, error: unknown, tally: Tally): void {
  if (file.state === 'failed') return
  file.state = 'failed'
  if (file.leader !== undefined) file.leader.state = 'failed'
  tally.filesOpen -= 1
  tally.fail(file.path, error)
}

const isWhole = ({ state, left }: PlannedFile): boolean => state === 'planned' && left === 0
