import assert from 'node:assert/strict'
import { asChunkId, asVolumeId, HoldfastError } from '@holdfast/ports'
import type { ChunkId } from '@holdfast/ports'
import type { FrameEntry } from '@holdfast/store-pack'
import { PENDING_FRAMES_MAX, PendingFrames } from '../../src/volumes/pending-frames.ts'

const VOLUME = asVolumeId(new Uint8Array(16).fill(7))

function idOf(number: number): ChunkId {
  const id = new Uint8Array(32)
  new DataView(id.buffer).setUint32(0, number)
  return asChunkId(id)
}

const entry = (number: number): FrameEntry => ({
  kind: 'chunk',
  volume: VOLUME,
  id: idOf(number),
  start: 0,
  blockCount: 0,
  pack: 1,
  offset: number,
  bodyBytes: 1,
})

interface Sync {
  readonly worker: number
  readonly frames: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Workers whose syncs end when the test says so. */
class World {
  readonly syncs: Sync[] = []
  readonly adopted: number[] = []
  settled = (): Promise<void> => Promise.resolve()
  readonly pending = new PendingFrames(
    {
      commit: (worker, frames) =>
        new Promise((resolve, reject) => {
          this.syncs.push({ worker, frames: frames.length, resolve: () => resolve([]), reject })
        }),
    },
    {
      adopt: (entries) => void this.adopted.push(...entries.map(({ offset }) => offset)),
      settled: () => this.settled(),
    },
  )

  begin(worker: number, frames: number, needs: readonly number[]): Watched {
    const frame = new Uint8Array(1)
    return watch(
      this.pending.makeDurable(
        worker,
        Array.from({ length: frames }, () => frame),
        needs.map(idOf),
      ),
    )
  }

  shown(): string[] {
    return this.syncs.map(({ worker, frames }) => `worker ${worker}, ${frames} frames`)
  }
}

interface Watched {
  readonly state: () => string
}

function watch(promise: Promise<void>): Watched {
  let state = 'waits'
  promise.then(
    () => (state = 'durable'),
    (error: unknown) => (state = error instanceof HoldfastError ? error.code : String(error)),
  )
  return { state: () => state }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('PendingFrames', () => {
  it('syncs the worker of the frames and those whose chunks are needed, no others', async () => {
    const world = new World()
    for (const worker of [0, 1, 2]) world.pending.add(worker, [entry(worker * 10), entry(worker * 10 + 1)])
    const commit = world.begin(0, 1, [1, 20])
    assert.deepEqual(world.shown(), ['worker 0, 1 frames', 'worker 2, 0 frames'])
    world.syncs[0]?.resolve()
    await settle()
    assert.equal(commit.state(), 'waits')
    world.syncs[1]?.resolve()
    await settle()
    assert.equal(commit.state(), 'durable')
    assert.deepEqual(world.adopted, [0, 1, 20, 21])
  })

  it('waits for a sync that is under way, and does not sync twice', async () => {
    const world = new World()
    world.pending.add(1, [entry(10)])
    const first = world.begin(0, 1, [10])
    const second = world.begin(0, 1, [10])
    assert.deepEqual(world.shown(), ['worker 0, 1 frames', 'worker 1, 0 frames', 'worker 0, 1 frames'])
    world.syncs[0]?.resolve()
    world.syncs[2]?.resolve()
    await settle()
    assert.deepEqual([first.state(), second.state()], ['waits', 'waits'])
    world.syncs[1]?.resolve()
    await settle()
    assert.deepEqual([first.state(), second.state()], ['durable', 'durable'])
    world.begin(0, 1, [10])
    assert.equal(world.syncs.length, 4, 'what is durable needs no other worker')
  })

  it('frames that come while their worker syncs wait for its next sync', async () => {
    const world = new World()
    world.pending.add(0, [entry(1)])
    world.begin(0, 1, [])
    world.pending.add(0, [entry(2)])
    world.syncs[0]?.resolve()
    await settle()
    assert.deepEqual(world.adopted, [1])
    const later = world.begin(1, 1, [2])
    assert.deepEqual(world.shown().slice(1), ['worker 1, 1 frames', 'worker 0, 0 frames'])
    world.syncs[1]?.resolve()
    world.syncs[2]?.resolve()
    await settle()
    assert.equal(later.state(), 'durable')
  })

  it('one failed drive stops everything after', async () => {
    const world = new World()
    world.pending.add(1, [entry(10)])
    const commit = world.begin(0, 1, [10])
    world.syncs[1]?.reject(new HoldfastError('HF_DRIVE_FAILED', 'input/output error'))
    await settle()
    assert.equal(commit.state(), 'waits', 'the other sync is under way')
    world.syncs[0]?.resolve()
    await settle()
    assert.equal(commit.state(), 'HF_DRIVE_FAILED')
    const other = world.begin(2, 1, [])
    await settle()
    assert.equal(other.state(), 'HF_DRIVE_FAILED')
    assert.equal(world.syncs.length, 2)
  })

  it('a chunk whose worker found no room for a frame waits for its next sync', async () => {
    const world = new World()
    world.pending.add(1, [entry(10)])
    const refused = world.begin(1, 1, [])
    const beside = world.begin(0, 1, [10])
    world.syncs[1]?.resolve()
    world.syncs[0]?.reject(new HoldfastError('HF_DRIVE_FULL', 'no room'))
    await settle()
    assert.deepEqual([refused.state(), beside.state()], ['HF_DRIVE_FULL', 'HF_DRIVE_FULL'])
    assert.deepEqual(world.adopted, [])
    world.pending.add(1, [entry(11)])
    const later = world.begin(0, 1, [10])
    assert.deepEqual(world.shown().slice(2), ['worker 0, 1 frames', 'worker 1, 0 frames'])
    world.syncs[2]?.resolve()
    await settle()
    assert.equal(later.state(), 'waits')
    world.syncs[3]?.resolve()
    await settle()
    assert.equal(later.state(), 'durable')
    assert.deepEqual(world.adopted, [10, 11])
  })

  it('an index that cannot be written stops everything after, whatever its error says', async () => {
    const world = new World()
    world.settled = () => Promise.reject(new HoldfastError('HF_DRIVE_FULL', 'no room', { retryable: true }))
    const commit = world.begin(0, 1, [])
    world.syncs[0]?.resolve()
    await settle()
    assert.equal(commit.state(), 'HF_DRIVE_FAILED')
    const later = world.begin(0, 1, [])
    await settle()
    assert.equal(later.state(), 'HF_DRIVE_FAILED')
    assert.equal(world.syncs.length, 1)
  })

  it('is bounded; frames that it cannot note are not taken for durable', async () => {
    const world = new World()
    for (let start = 0; start < PENDING_FRAMES_MAX; start += 4096)
      world.pending.add(
        0,
        Array.from({ length: 4096 }, (_, index) => entry(start + index)),
      )
    assert.throws(() => world.pending.add(1, [entry(PENDING_FRAMES_MAX)]), { code: 'HF_BUSY' })
    const commit = world.begin(2, 1, [PENDING_FRAMES_MAX])
    await settle()
    assert.equal(commit.state(), 'HF_BUSY')
    assert.equal(world.syncs.length, 0)
  })
})
