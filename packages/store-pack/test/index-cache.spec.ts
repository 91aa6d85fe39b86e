import assert from 'node:assert/strict'
import { MemoryIndex } from '@holdfast/doubles'
import { hasCode } from '@holdfast/ports'
import type { ErrorCode } from '@holdfast/ports'
import { chunkOf, listOf, VOLUME } from './fixture.ts'
import { check, commit, commitByWorker, encodeChunk, openWorld, restart, rot, workerOf } from './world.ts'
import type { World } from './world.ts'

const code = (expected: ErrorCode) => (error: unknown) => hasCode(error, expected)

async function busyWorld(): Promise<World> {
  const world = await openWorld()
  for (const byteLength of [300, 2000, 3000, 10, 500]) await commit(world, [byteLength])
  await commitByWorker(world, workerOf(world), [900, 900])
  await world.store.checkpoint(async () => {})
  await commit(world, [70])
  return world
}

describe('PackStore: the index is a cache', () => {
  it('missing: it is made anew from the packs', async () => {
    const world = await busyWorld()
    const next = await restart(world, new MemoryIndex())
    await check(next)
    assert.deepEqual(
      next.problems.map(({ type }) => type),
      ['index-rebuilt'],
    )
    await check(await restart(next))
  })

  it('emptied of any one row, or any row damaged: nothing that was acknowledged is lost', async () => {
    const world = await busyWorld()
    for (const key of world.index.keys()) {
      const isMetaOrPack = key.byteLength === 1 || key[1] === 'p'.charCodeAt(0) || key[1] === 'r'.charCodeAt(0)
      if (!isMetaOrPack) continue
      const index = world.index.crash(() => true)
      index.damage(key, Uint8Array.of(77))
      await check(await restart(world, index))
    }
  })

  it('unreadable: it is made anew', async () => {
    const world = await busyWorld()
    const index = world.index.crash(() => true)
    index.unreadable = 1
    await check(await restart(world, index))
  })

  it('of other packs: it is made anew', async () => {
    const world = await busyWorld()
    const other = await openWorld()
    await other.store.put(VOLUME, [chunkOf(1234)])
    const next = await openWorld(
      other.drive.crash(() => 'lost'),
      world.index,
    )
    assert.equal(next.store.has(VOLUME, chunkOf(1234).id), true)
    assert.equal((await listOf(next.store, VOLUME)).length, 1)
  })

  it('a start after a checkpoint reads only packs that were not complete', async () => {
    const world = await busyWorld()
    await world.store.close()
    const drive = world.drive.crash(() => 'lost')
    const read = new Set<string>()
    drive.setFault((operation) => {
      if (operation.type === 'read') read.add(operation.path)
      return undefined
    })
    const next = await openWorld(
      drive,
      world.index.crash(() => false),
      world.model,
    )
    // The worker had not closed its pack.
    assert.equal(read.size, 1)
    await check(next)
  })

  it('serves while it is rebuilt, and takes in what comes meanwhile', async () => {
    const world = await busyWorld()
    let doneBytes = 0
    const rebuilding = world.store.rebuildIndex((progress) => {
      assert.ok(progress.doneBytes >= doneBytes && progress.doneBytes <= progress.totalBytes)
      doneBytes = progress.doneBytes
    })
    const meanwhile = Array.from({ length: 20 }, (_, index) => commit(world, [index * 7]))
    await check(world)
    const report = await rebuilding
    await Promise.all(meanwhile)
    assert.ok(report.chunks >= 8 && report.journalFrames >= 7 && report.badFrames === 0)
    assert.ok(doneBytes > 0)
    await check(world)
    assert.equal(world.store.stats().chunks, (await listOf(world.store, VOLUME)).length)
    await check(await restart(world))
  })

  it('a rebuild has what is handed over when its pack was read already', async () => {
    const world = await busyWorld()
    const worker = workerOf(world)
    const entries = worker.write(encodeChunk(chunkOf(99)))
    await worker.sync()
    let unread = world.drive.list('packs').length
    await world.store.rebuildIndex(() => {
      if (--unread === 0) world.store.adopt(entries)
    })
    assert.deepEqual(await world.store.get(VOLUME, chunkOf(99).id), chunkOf(99).bytes)
  })

  it('a rebuild keeps to the good copy of a chunk, and knows bad ones still', async () => {
    const world = await openWorld()
    await world.store.put(VOLUME, [chunkOf(1), chunkOf(2)])
    for (const seed of [1, 2]) {
      rot(world, seed)
      await assert.rejects(world.store.get(VOLUME, chunkOf(seed).id), code('HF_CHUNK_CORRUPT'))
    }
    await world.store.put(VOLUME, [chunkOf(1)])
    await world.store.rebuildIndex()
    assert.deepEqual(await world.store.get(VOLUME, chunkOf(1).id), chunkOf(1).bytes)
    assert.equal(world.store.has(VOLUME, chunkOf(2).id), false)
    assert.equal(world.store.stats().chunks, 1)

    const next = await restart(world, new MemoryIndex())
    assert.deepEqual(await next.store.get(VOLUME, chunkOf(1).id), chunkOf(1).bytes)
  })

  it('goes on while the index cannot be written, says so, and catches up', async () => {
    const world = await openWorld()
    world.index.refusals = 3
    for (const byteLength of [100, 200, 300]) await commit(world, [byteLength])
    assert.ok(world.problems.some(({ type }) => type === 'index-write-failed'))
    await check(world)
    await world.store.checkpoint(async () => {})
    world.index.refusals = 9
    await commit(world, [1])
    const checkpoint = world.store.checkpoint(async () => {})
    await assert.rejects(checkpoint, code('HF_DRIVE_FULL'))
    await check(
      await restart(
        world,
        world.index.crash(() => false),
      ),
    )
  })

  it('a checkpoint first flushes what is derived, and fails if that does', async () => {
    const world = await busyWorld()
    const failure = new Error('no flush')
    await assert.rejects(
      world.store.checkpoint(() => Promise.reject(failure)),
      failure,
    )
    await check(world)
  })
})
