import assert from 'node:assert/strict'
import type { ChunkStore } from '@holdfast/ports'
import { rejectsCode, throwsCode } from '../expect.ts'
import type { ChunkStoreFixture } from './index.ts'
import { chunkOf, listOf, sortedIds, volumeOf } from './samples.ts'

export function chunkStoreLifeContract<Store extends ChunkStore>(fixture: ChunkStoreFixture<Store>): void {
  describe('chunk store: life', () => {
    let store: Store
    beforeEach(async () => {
      store = await fixture.create()
    })
    afterEach(() => fixture.destroy(store))

    const volume = volumeOf(1)

    it('closes twice; every other call then says HF_CLOSED', async () => {
      const chunk = chunkOf(1)
      await store.put(volume, [chunk])
      await Promise.all([store.close(), store.close()])
      await store.close()
      throwsCode(() => store.has(volume, chunk.id), 'HF_CLOSED')
      await rejectsCode(store.get(volume, chunk.id), 'HF_CLOSED')
      await rejectsCode(store.put(volume, [chunk]), 'HF_CLOSED')
      await rejectsCode(listOf(store, volume), 'HF_CLOSED')
    })

    it('close waits for puts and gets in flight', async () => {
      const first = chunkOf(1)
      await store.put(volume, [first])
      const put = store.put(volume, [chunkOf(2)])
      const get = store.get(volume, first.id)
      await store.close()
      await put
      assert.deepEqual(await get, first.bytes)
    })

    const { reopen } = fixture
    if (reopen === undefined) return

    it('holds after reopening what was put before', async () => {
      const chunks = Array.from({ length: 40 }, (_, seed) => chunkOf(seed, seed * 50))
      await store.put(volume, chunks)
      await store.close()
      store = await reopen(store)
      assert.deepEqual(await listOf(store, volume), sortedIds(chunks))
      for (const { id, bytes } of chunks) assert.deepEqual(await store.get(volume, id), bytes)
    })
  })
}
