/** A store on drives and indexes that crash, with a model of what it must and what it may hold afterwards. */
import assert from 'node:assert/strict'
import { createMemoryDrive, MemoryIndex } from '@holdfast/doubles'
import type { MemoryDrive } from '@holdfast/doubles'
import { asCoreKey, hexOf } from '@holdfast/ports'
import type { Chunk, CoreKey, JournalFrame } from '@holdfast/ports'
import {
  createPackWriter,
  encodeChunkFrameHeader,
  encodeJournalFrame,
  FRAME_HEADER_BYTES,
  openPackStore,
} from '../src/index.ts'
import type { PackStore, PackWriter, StoreProblem } from '../src/index.ts'
import { chunkOf, CORE, frameOf, framesOf, listOf, VOLUME } from './fixture.ts'
import { packPath } from '../src/pack-file.ts'

export const CORE_OF_WORKER = asCoreKey(new Uint8Array(32).fill(8))
/** Small, so that a few commits fill several packs. */
const PACK_BYTES_MAX = 4096

interface Commit {
  readonly chunks: readonly Chunk[]
  readonly frame: JournalFrame
}

/** What was ever asked for, and what was promised. */
export class Model {
  readonly chunks = new Map<string, Chunk>()
  readonly frames = new Map<string, JournalFrame>()
  readonly acknowledged: Commit[] = []
  #seed = 0
  readonly #starts = new Map<CoreKey, number>()

  /** A commit that nobody made before. Its blocks begin where those that were asked for end: what fails leaves a gap. */
  commit(coreKey: CoreKey, chunkBytes: readonly number[], blocks: number): Commit {
    const chunks = chunkBytes.map((byteLength) => chunkOf(this.#seed++, byteLength))
    for (const chunk of chunks) this.chunks.set(hexOf(chunk.id), chunk)
    const start = this.#starts.get(coreKey) ?? 0
    this.#starts.set(coreKey, start + blocks)
    const frame = frameOf(start, blocks, coreKey)
    this.frames.set(frameName(frame), frame)
    return { chunks, frame }
  }

  /** The commit failed: the next one begins where it did. */
  takeBack({ frame }: Commit): void {
    this.#starts.set(frame.coreKey, frame.start)
  }

  /** A restarted writer goes on where its journal ends. */
  resume(store: PackStore): void {
    for (const coreKey of [CORE, CORE_OF_WORKER]) this.#starts.set(coreKey, lengthOf(store, coreKey))
  }
}

const frameName = (frame: JournalFrame): string => `${hexOf(frame.coreKey)}/${frame.start}+${frame.blocks.length}`

export function lengthOf(store: PackStore, coreKey: CoreKey): number {
  return store.journals().find((run) => hexOf(run.coreKey) === hexOf(coreKey))?.length ?? 0
}

export interface World {
  readonly drive: MemoryDrive
  readonly index: MemoryIndex
  readonly store: PackStore
  readonly model: Model
  readonly problems: StoreProblem[]
}

export async function openWorld(
  drive: MemoryDrive = createMemoryDrive(),
  index: MemoryIndex = new MemoryIndex(),
  model = new Model(),
): Promise<World> {
  const problems: StoreProblem[] = []
  const onProblem = (problem: StoreProblem): void => void problems.push(problem)
  const store = await openPackStore({ drive, index, packBytesMax: PACK_BYTES_MAX, onProblem })
  model.resume(store)
  return { drive, index, store, model, problems }
}

/** Changes bytes of a chunk of the default size behind the store's back. */
export function rot(world: World, seed: number): void {
  const { pack, offset } = world.store.locate(VOLUME, chunkOf(seed).id) ?? assert.fail()
  world.drive.corrupt(packPath(pack), offset + FRAME_HEADER_BYTES + 8, ROTTEN)
}

export const ROTTEN = Uint8Array.of(0xba, 0xad, 0xf0, 0x0d)

/** A new start on the same drive, which lost what was not synced, with another index or that one. */
export function restart(world: World, index: MemoryIndex = world.index): Promise<World> {
  const drive = world.drive.crash(() => 'lost')
  return openWorld(drive, index, world.model)
}

export async function commit(world: World, chunkBytes: readonly number[], blocks = 1): Promise<void> {
  const made = world.model.commit(CORE, chunkBytes, blocks)
  try {
    await world.store.commit(VOLUME, made.chunks, made.frame)
  } catch (error) {
    world.model.takeBack(made)
    throw error
  }
  world.model.acknowledged.push(made)
}

export function workerOf(world: World): PackWriter {
  const claimPackNumber = (): number => world.store.claimPackNumber()
  return createPackWriter({ drive: world.drive, claimPackNumber, packBytesMax: PACK_BYTES_MAX })
}

/** As an ingest worker commits: writes, syncs, hands over. */
export async function commitByWorker(world: World, worker: PackWriter, chunkBytes: readonly number[]): Promise<void> {
  const made = world.model.commit(CORE_OF_WORKER, chunkBytes, 1)
  try {
    const entries = made.chunks.flatMap((chunk) => worker.write(encodeChunk(chunk)))
    entries.push(...worker.write(encodeJournalFrame(VOLUME, made.frame)))
    await worker.sync()
    world.store.adopt(entries)
  } catch (error) {
    world.model.takeBack(made)
    throw error
  }
  world.model.acknowledged.push(made)
}

export function encodeChunk({ id, bytes }: Chunk): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + bytes.byteLength)
  encodeChunkFrameHeader(frame, 0, VOLUME, id, bytes.byteLength)
  frame.set(bytes, FRAME_HEADER_BYTES)
  return frame
}

/** What was promised is whole, and nothing is served that was never asked for, or in part. */
export async function check({ store, model }: World): Promise<void> {
  for (const { chunks, frame } of model.acknowledged) {
    for (const { id, bytes } of chunks) {
      assert.ok(store.has(VOLUME, id), 'an acknowledged chunk is not held')
      assert.deepEqual(await store.get(VOLUME, id), bytes)
    }
    const end = frame.start + frame.blocks.length
    assert.ok(lengthOf(store, frame.coreKey) >= end, 'an acknowledged journal frame is not in the run')
    assert.deepEqual((await framesOf(store, frame.start, frame.coreKey))[0], frame)
  }
  const held = await listOf(store, VOLUME)
  for (const id of held) assert.deepEqual(await store.get(VOLUME, id), model.chunks.get(hexOf(id))?.bytes)
  assert.equal(store.stats().chunks >= held.length, true)
  for (const coreKey of [CORE, CORE_OF_WORKER]) {
    let end = 0
    for (const frame of await framesOf(store, 0, coreKey)) {
      assert.ok(frame.start <= end, 'a gap in the journal')
      assert.deepEqual(frame, model.frames.get(frameName(frame)))
      end = Math.max(end, frame.start + frame.blocks.length)
    }
    assert.equal(end, lengthOf(store, coreKey))
  }
}

/** All that is held, for comparing two starts. */
export async function heldBy(store: PackStore): Promise<string[]> {
  const ids = (await listOf(store, VOLUME)).map(hexOf)
  return [...ids, ...[CORE, CORE_OF_WORKER].map((coreKey) => `${hexOf(coreKey)} ${lengthOf(store, coreKey)}`)]
}
