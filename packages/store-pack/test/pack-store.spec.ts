import assert from 'node:assert/strict'
import { MemoryIndex } from '@holdfast/doubles'
import { asCoreKey, hasCode, hexOf } from '@holdfast/ports'
import type { ErrorCode } from '@holdfast/ports'
import { createPackWriter, packNumberClaims } from '../src/index.ts'
import { chunkOf, CORE, frameOf, framesOf, listOf, VOLUME } from './fixture.ts'
import { check, commit, commitByWorker, encodeChunk, lengthOf, openWorld, restart, ROTTEN, workerOf } from './world.ts'
import type { World } from './world.ts'

const code = (expected: ErrorCode) => (error: unknown) => hasCode(error, expected)

function putFrame(store: World['store'], start: number, count: number): Promise<void> {
  return store.commit(VOLUME, [], frameOf(start, count))
}

describe('PackStore: commits', () => {
  it('a commit is seen when it resolves: chunks, their places, the journal', async () => {
    const world = await openWorld()
    await commit(world, [300, 100], 2)
    await check(world)
    const { pack, offset, storedBytes } = world.store.locate(VOLUME, chunkOf(1, 100).id) ?? assert.fail()
    assert.deepEqual([pack, offset, storedBytes], [1, 16 + 72 + 300, 100])
    assert.deepEqual(world.store.journals(), [{ volume: VOLUME, coreKey: CORE, length: 2 }])
    assert.equal(world.store.stats().chunks, 2)
  })

  it('stores a held chunk once', async () => {
    const world = await openWorld()
    await world.store.put(VOLUME, [chunkOf(1)])
    const { storedBytes } = world.store.stats()
    await world.store.put(VOLUME, [chunkOf(1)])
    await Promise.all([world.store.put(VOLUME, [chunkOf(1)]), world.store.put(VOLUME, [chunkOf(1)])])
    assert.equal(world.store.stats().storedBytes, storedBytes)
  })

  it('side by side, the same new chunk is stored once and durable for both', async () => {
    const world = await openWorld()
    const put = (): Promise<void> => world.store.put(VOLUME, [chunkOf(1)])
    await Promise.race([put(), put()])
    assert.ok(world.store.stats().storedBytes < 2 * chunkOf(1).bytes.byteLength)
    assert.equal((await restart(world)).store.has(VOLUME, chunkOf(1).id), true)
  })

  it('is one sync for many commits that meet', async () => {
    const world = await openWorld()
    await commit(world, [1])
    let syncs = 0
    world.drive.setFault((operation) => {
      if (operation.type === 'datasync') syncs++
      return undefined
    })
    await Promise.all(Array.from({ length: 50 }, () => commit(world, [], 1)))
    assert.ok(syncs < 10, `${syncs} syncs`)
    await check(world)
  })

  it('after a failed sync nothing is acknowledged, and what was is still served', async () => {
    const world = await openWorld()
    await commit(world, [300])
    world.drive.setFault((operation) => (operation.type === 'datasync' ? 'error' : undefined))
    const later = [commit(world, [200]), commit(world, [100])]
    for (const each of later) await assert.rejects(each, code('HF_DRIVE_FAILED'))
    world.drive.setFault(undefined)
    await assert.rejects(commit(world, [50]), code('HF_DRIVE_FAILED'))
    assert.equal(world.store.has(VOLUME, chunkOf(1, 200).id), false)
    await check(world)
  })

  it('goes on when a full drive has room again; the refused commit leaves no trace', async () => {
    const world = await openWorld()
    await commit(world, [300])
    world.drive.setFault((operation) => (operation.type === 'write' ? 'full' : undefined))
    await assert.rejects(commit(world, [200, 400], 2), code('HF_DRIVE_FULL'))
    world.drive.setFault(undefined)
    await commit(world, [100])
    await check(world)
    await check(await restart(world))
  })

  it('closes once work is done, and then refuses', async () => {
    const world = await openWorld()
    const pending = commit(world, [300])
    await world.store.close()
    await pending
    assert.throws(() => world.store.claimPackNumber(), code('HF_CLOSED'))
    assert.throws(() => world.store.adopt([]), code('HF_CLOSED'))
    assert.throws(() => world.store.journals(), code('HF_CLOSED'))
    await assert.rejects(
      world.store.checkpoint(async () => {}),
      code('HF_CLOSED'),
    )
    await assert.rejects(framesOf(world.store), code('HF_CLOSED'))
    await check(await restart(world))
  })
})

describe('PackStore: writers beside it', () => {
  it('sees what they hand over at once', async () => {
    const world = await openWorld()
    await commit(world, [1])
    await commitByWorker(world, workerOf(world), [300, 200])
    await check(world)
  })

  it('claims numbers that were never used, from any thread, over restarts', async () => {
    const world = await openWorld()
    const claims = [
      world.store.claimPackNumber(),
      packNumberClaims(world.store.packNumbers)(),
      world.store.claimPackNumber(),
    ]
    assert.deepEqual(claims, [1, 2, 3])
    const writer = createPackWriter({ drive: world.drive, claimPackNumber: () => 17 })
    writer.write(encodeChunk(chunkOf(1)))
    await writer.close()
    assert.equal((await restart(world)).store.claimPackNumber(), 18)
    assert.equal((await restart(world, new MemoryIndex())).store.claimPackNumber(), 18)
  })

  it('finds after a crash what several of them had synced, though nobody was told', async () => {
    const world = await openWorld()
    const workers = [workerOf(world), workerOf(world), workerOf(world)]
    for (const [index, worker] of workers.entries()) {
      worker.write(encodeChunk(chunkOf(index)))
      await worker.sync()
      worker.write(encodeChunk(chunkOf(10 + index)))
    }
    const after = await restart(world)
    assert.deepEqual(
      (await listOf(after.store, VOLUME)).map(hexOf),
      [0, 1, 2].map((seed) => hexOf(chunkOf(seed).id)).toSorted(),
    )
  })

  it('a process that died left frames in the page cache: they are durable once they are served', async () => {
    const world = await openWorld()
    const worker = workerOf(world)
    worker.write(encodeChunk(chunkOf(1)))
    const next = await openWorld(world.drive, world.index, world.model)
    assert.deepEqual(await next.store.get(VOLUME, chunkOf(1).id), chunkOf(1).bytes)
    assert.deepEqual(await (await restart(next)).store.get(VOLUME, chunkOf(1).id), chunkOf(1).bytes)
  })

  it('that holds when the drive has no room to seal its pack', async () => {
    const world = await openWorld()
    workerOf(world).write(encodeChunk(chunkOf(1)))
    world.drive.setFault((operation) => (operation.type === 'write' ? 'full' : undefined))
    const next = await openWorld(world.drive, world.index, world.model)
    assert.deepEqual(await next.store.get(VOLUME, chunkOf(1).id), chunkOf(1).bytes)
    assert.deepEqual(await (await restart(next)).store.get(VOLUME, chunkOf(1).id), chunkOf(1).bytes)
  })

  it('does not take in what they have not handed over, not even in a rebuild or a scrub', async () => {
    const world = await openWorld()
    const worker = workerOf(world)
    await commitByWorker(world, worker, [300])
    worker.write(encodeChunk(chunkOf(55)))
    await world.store.rebuildIndex()
    await world.store.verify({ readData: true })
    await world.store.checkpoint(async () => {})
    assert.equal(world.store.has(VOLUME, chunkOf(55).id), false)
    await check(world)
  })
})

describe('PackStore: journal', () => {
  it('gives frames from the one that holds a block, in order', async () => {
    const world = await openWorld()
    for (const blocks of [3, 1, 5, 2]) await commit(world, [10], blocks)
    const starts = async (from: number): Promise<number[]> =>
      (await framesOf(world.store, from)).map(({ start }) => start)
    assert.deepEqual(await starts(0), [0, 3, 4, 9])
    assert.deepEqual(await starts(3), [3, 4, 9])
    assert.deepEqual(await starts(6), [4, 9])
    assert.deepEqual(await starts(10), [9])
    assert.deepEqual(await starts(11), [])
  })

  it('joins frames that overlap; of those that start alike the last one counts, after a rebuild too', async () => {
    const { store } = await openWorld()
    for (const [start, count] of [
      [0, 3],
      [2, 4],
      [6, 1],
      [6, 5],
      [6, 2],
    ] as const) {
      await store.commit(VOLUME, [], frameOf(start, count))
    }
    for (const rebuilt of [false, true]) {
      if (rebuilt) await store.rebuildIndex()
      const spans = (await framesOf(store)).map(({ start, blocks }) => [start, blocks.length])
      assert.deepEqual(spans, [
        [0, 3],
        [2, 4],
        [6, 2],
      ])
      assert.equal(lengthOf(store, CORE), 8)
    }
  })

  it('ends at a gap, and goes on when it is filled, also after a restart in between', async () => {
    const world = await openWorld()
    await putFrame(world.store, 2, 2)
    assert.equal(lengthOf(world.store, CORE), 0)
    await putFrame(world.store, 7, 1)
    await putFrame(world.store, 0, 1)
    assert.equal(lengthOf(world.store, CORE), 1)
    assert.equal((await framesOf(world.store)).length, 1)
    await world.store.close()

    const next = await restart(world)
    assert.equal(lengthOf(next.store, CORE), 1)
    await putFrame(next.store, 1, 1)
    assert.equal(lengthOf(next.store, CORE), 4)
    await putFrame(next.store, 4, 3)
    assert.equal(lengthOf(next.store, CORE), 8)
    const other = asCoreKey(new Uint8Array(32).fill(3))
    await next.store.commit(VOLUME, [], frameOf(0, 4, other))
    assert.equal(next.store.journals().length, 2)
  })

  it('a rotten frame ends the run until it is stored again', async () => {
    const world = await openWorld()
    for (let start = 0; start < 4; start++) await world.store.commit(VOLUME, [], frameOf(start, 1))
    world.drive.corrupt('packs/00000001.pack', 16 + 72 + 20, ROTTEN)
    assert.deepEqual(await framesOf(world.store), [])
    assert.equal(lengthOf(world.store, CORE), 0)
    assert.equal(world.problems[0]?.type, 'bad-frame')
    await world.store.commit(VOLUME, [], frameOf(0, 1))
    assert.equal(lengthOf(world.store, CORE), 4)
    assert.equal((await framesOf(world.store)).length, 4)
  })
})
