import assert from 'node:assert/strict'
import type { ChunkStore } from '@holdfast/ports'
import { rejectsCode } from '../expect.ts'
import type { ChunkStoreFixture } from './index.ts'
import { chunkOf, listOf, sortedIds, volumeOf } from './samples.ts'

export function chunkStoreReadWriteContract<Store extends ChunkStore>(fixture: ChunkStoreFixture<Store>): void {
  describe('chunk store: reading and writing', () => {
    let store: Store
    beforeEach(async () => {
      store = await fixture.create()
    })
    afterEach(() => fixture.destroy(store))

    const volume = volumeOf(1)

    it('has nothing at first', async () => {
      const { id } = chunkOf(1)
      assert.equal(store.has(volume, id), false)
      assert.equal(await store.get(volume, id), undefined)
      assert.deepEqual(await listOf(store, volume), [])
    })

    it('gives back what was put, of every size', async () => {
      const chunks = [0, 1, 71, 4096, 300_000].map((byteLength, seed) => chunkOf(seed, byteLength))
      await store.put(volume, chunks)
      for (const { id, bytes } of chunks) {
        assert.equal(store.has(volume, id), true)
        assert.deepEqual(await store.get(volume, id), bytes)
      }
    })

    it('keeps neither the bytes it is given nor those it gave', async () => {
      const { id, bytes } = chunkOf(1)
      const mine = bytes.slice()
      const put = store.put(volume, [{ id, bytes: mine }])
      await put
      mine.fill(0)
      const got = await store.get(volume, id)
      assert.deepEqual(got, bytes)
      got?.fill(0)
      assert.deepEqual(await store.get(volume, id), bytes)
    })

    it('keeps the volumes apart', async () => {
      const chunk = chunkOf(1)
      await store.put(volume, [chunk])
      assert.equal(store.has(volumeOf(2), chunk.id), false)
      assert.equal(await store.get(volumeOf(2), chunk.id), undefined)
      assert.deepEqual(await listOf(store, volumeOf(2)), [])
      await store.put(volumeOf(2), [chunk])
      assert.deepEqual(await listOf(store, volumeOf(2)), [chunk.id])
    })

    it('lists ids in ascending order', async () => {
      const chunks = Array.from({ length: 60 }, (_, seed) => chunkOf(seed))
      await store.put(volume, chunks.slice(0, 30))
      await store.put(volume, chunks.slice(30))
      assert.deepEqual(await listOf(store, volume), sortedIds(chunks))
    })

    it('lists the volume with the highest id', async () => {
      const last = volumeOf(255)
      const chunk = chunkOf(3)
      await store.put(last, [chunk])
      assert.deepEqual(await listOf(store, last), [chunk.id])
    })

    it('takes a chunk again, in the same call and at the same time', async () => {
      const chunk = chunkOf(1)
      await Promise.all([store.put(volume, [chunk, chunk]), store.put(volume, [chunk])])
      await store.put(volume, [chunk])
      assert.deepEqual(await listOf(store, volume), [chunk.id])
      assert.deepEqual(await store.get(volume, chunk.id), chunk.bytes)
    })

    it('takes nothing at all', () => store.put(volume, []))

    it('takes many puts at once', async () => {
      const chunks = Array.from({ length: 200 }, (_, seed) => chunkOf(seed))
      await Promise.all(chunks.map((chunk) => store.put(volume, [chunk])))
      for (const { id, bytes } of chunks) assert.deepEqual(await store.get(volume, id), bytes)
    })

    it('gives up on a get whose signal is aborted', async () => {
      const chunk = chunkOf(1)
      await store.put(volume, [chunk])
      await rejectsCode(store.get(volume, chunk.id, { signal: AbortSignal.abort() }), 'HF_ABORTED')
    })
  })
}
