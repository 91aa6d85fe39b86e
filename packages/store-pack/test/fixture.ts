import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { blake3 } from '@holdfast/hash'
import { asChunkId, asCoreKey, asVolumeId } from '@holdfast/ports'
import type { Chunk, ChunkId, Drive, JournalFrame, VolumeId } from '@holdfast/ports'
import { openIndex, openPackStore } from '../src/index.ts'
import type { PackStore, PackStoreOptions, StoreProblem } from '../src/index.ts'
import type { OwnedIndex } from '../src/open-index.ts'

export const VOLUME = asVolumeId(new Uint8Array(16).fill(7))
export const CORE = asCoreKey(new Uint8Array(32).fill(9))

/** Bytes that follow from the seed and do not repeat. */
export function bytesOf(seed: number, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength)
  let state = Math.imul(seed + 1, 2_654_435_761)
  for (let at = 0; at < byteLength; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

export function chunkOf(seed: number, byteLength = 300): Chunk {
  const bytes = bytesOf(seed, byteLength)
  return { id: asChunkId(blake3(bytes)), bytes }
}

/** A frame of `count` blocks; its signature follows from what it holds. */
export function frameOf(start: number, count: number, coreKey = CORE, blockBytes = 40): JournalFrame {
  const blocks = Array.from({ length: count }, (_, index) => bytesOf(1_000_000 + start + index, blockBytes))
  return { coreKey, start, blocks, signature: bytesOf(start * 1000 + count, 64) }
}

export interface Opened {
  readonly store: PackStore
  readonly problems: StoreProblem[]
  readonly close: () => Promise<void>
}

/** Directories for indexes, removed at the end. */
export class IndexPlaces {
  readonly #root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-store-'))
  #count = 0

  fresh(): string {
    return path.join(this.#root, `index-${this.#count++}`)
  }

  copyOf(directory: string): string {
    const copy = this.fresh()
    fs.cpSync(directory, copy, { recursive: true })
    return copy
  }

  remove(): void {
    fs.rmSync(this.#root, { recursive: true, force: true })
  }
}

export async function openStore(
  drive: Drive,
  directory: string,
  options: Partial<PackStoreOptions> = {},
): Promise<Opened & { index: OwnedIndex }> {
  const index = await openIndex(directory)
  const problems: StoreProblem[] = []
  try {
    const store = await openPackStore({ drive, index, onProblem: (problem) => problems.push(problem), ...options })
    const close = async (): Promise<void> => {
      try {
        await store.close()
      } finally {
        await index.close()
      }
    }
    return { store, problems, close, index }
  } catch (error) {
    await index.close()
    throw error
  }
}

export async function listOf(store: PackStore, volume: VolumeId): Promise<ChunkId[]> {
  const ids: ChunkId[] = []
  for await (const id of store.list(volume)) ids.push(id)
  return ids
}

export async function framesOf(store: PackStore, from = 0, coreKey = CORE): Promise<JournalFrame[]> {
  const frames: JournalFrame[] = []
  for await (const frame of store.journalFrames(coreKey, from)) frames.push(frame)
  return frames
}
