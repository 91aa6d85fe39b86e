import assert from 'node:assert/strict'
import { hasCode, hexOf } from '@holdfast/ports'
import type { ErrorCode } from '@holdfast/ports'
import { PACK_FILES_OPEN_MAX } from '../src/pack-files.ts'
import { chunkOf, frameOf, VOLUME } from './fixture.ts'
import { commit, openWorld, rot, ROTTEN } from './world.ts'
import type { World } from './world.ts'

const code = (expected: ErrorCode) => (error: unknown) => hasCode(error, expected)

async function sevenChunks(): Promise<World> {
  const world = await openWorld()
  for (let seed = 0; seed < 7; seed++) await world.store.commit(VOLUME, [chunkOf(seed)], frameOf(seed, 1))
  return world
}

describe('PackStore: verify', () => {
  it('reads every stored byte and says how far it is', async () => {
    const world = await sevenChunks()
    const told: number[] = []
    const report = await world.store.verify({
      readData: true,
      onProgress: ({ doneBytes, totalBytes }) => told.push(doneBytes / totalBytes),
    })
    assert.deepEqual(
      { ...report, checkedBytes: 0 },
      {
        packs: 2,
        chunks: 7,
        journalFrames: 7,
        checkedBytes: 0,
        badFrames: 0,
        bad: [],
        unindexedFrames: 0,
      },
    )
    assert.ok(report.checkedBytes > 7 * 300)
    assert.equal(told.at(-1), 1)
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    )
  })

  it('finds whole what is whole while more packs are read than are kept open', async () => {
    const world = await openWorld()
    const sizes = Array.from({ length: PACK_FILES_OPEN_MAX + 2 }, () => 3600)
    for (const size of sizes) await commit(world, [size])
    let isDone = false
    const readers = async (): Promise<void> => {
      while (!isDone) await Promise.all([...world.model.chunks.values()].map(({ id }) => world.store.get(VOLUME, id)))
    }
    const verify = async () => world.store.verify({ readData: true }).finally(() => (isDone = true))
    const [report] = await Promise.all([verify(), readers()])
    assert.ok(report.packs > PACK_FILES_OPEN_MAX)
    assert.deepEqual([report.badFrames, report.chunks], [0, sizes.length])
    for (const chunk of world.model.chunks.values()) assert.ok(world.store.has(VOLUME, chunk.id))
  })

  it('names bad chunks by pack and offset and does not hold them any more', async () => {
    const world = await sevenChunks()
    const place = world.store.locate(VOLUME, chunkOf(3).id) ?? assert.fail()
    rot(world, 3)
    const report = await world.store.verify({ readData: true })
    assert.equal(report.badFrames, 1)
    const [bad] = report.bad
    assert.deepEqual([bad?.pack, bad?.offset, bad?.reason], [place.pack, place.offset, 'body'])
    assert.equal(hexOf(bad?.entry?.id ?? assert.fail()), hexOf(chunkOf(3).id))
    assert.equal(world.store.has(VOLUME, chunkOf(3).id), false)
    assert.equal(world.store.has(VOLUME, chunkOf(4).id), true)
  })

  it('a rotten header is reported; the chunk behind it is served', async () => {
    const world = await sevenChunks()
    const { offset } = world.store.locate(VOLUME, chunkOf(2).id) ?? assert.fail()
    world.drive.corrupt('packs/00000001.pack', offset + 60, ROTTEN)
    for (const readData of [true, false]) {
      const report = await world.store.verify({ readData })
      assert.deepEqual(
        report.bad.map(({ reason }) => reason),
        ['header'],
      )
    }
    assert.deepEqual(await world.store.get(VOLUME, chunkOf(2).id), chunkOf(2).bytes)
  })

  it('bytes that the drive does not give are bad, until it gives them again', async () => {
    const world = await sevenChunks()
    const { offset } = world.store.locate(VOLUME, chunkOf(1).id) ?? assert.fail()
    world.drive.setFault((operation) => (operation.type === 'read' && operation.bytes === 300 ? 'error' : undefined))
    await assert.rejects(world.store.get(VOLUME, chunkOf(1).id), code('HF_CHUNK_CORRUPT'))
    assert.equal(world.store.has(VOLUME, chunkOf(1).id), false)
    world.drive.setFault(undefined)
    const report = await world.store.verify({ readData: true })
    assert.equal(report.unindexedFrames, 1)
    assert.equal(world.store.locate(VOLUME, chunkOf(1).id)?.offset, offset)
  })

  it('stops when the signal is aborted', async () => {
    const world = await sevenChunks()
    const controller = new AbortController()
    const verifying = world.store.verify({
      readData: true,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    })
    await assert.rejects(verifying, code('HF_ABORTED'))
    await assert.rejects(world.store.verify({ readData: false, signal: AbortSignal.abort() }), code('HF_ABORTED'))
  })
})
