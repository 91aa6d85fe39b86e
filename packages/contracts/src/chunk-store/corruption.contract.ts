import assert from 'node:assert/strict'
import type { ChunkStore } from '@holdfast/ports'
import { rejectsCode } from '../expect.ts'
import type { ChunkStoreFixture } from './index.ts'
import { chunkOf, listOf, volumeOf } from './samples.ts'

export function chunkStoreCorruptionContract<Store extends ChunkStore>(fixture: ChunkStoreFixture<Store>): void {
  describe('chunk store: wrong bytes', () => {
    let store: Store
    beforeEach(async () => {
      store = await fixture.create()
    })
    afterEach(() => fixture.destroy(store))

    const volume = volumeOf(1)

    it('stores nothing of a put in which one chunk fails its id', async () => {
      const good = chunkOf(1)
      const bad = { id: chunkOf(2).id, bytes: chunkOf(3).bytes }
      await rejectsCode(store.put(volume, [good, bad]), 'HF_CHUNK_CORRUPT')
      assert.equal(store.has(volume, good.id), false)
      assert.equal(store.has(volume, bad.id), false)
      assert.deepEqual(await listOf(store, volume), [])
    })

    const { rot } = fixture
    if (rot === undefined) return

    it('never serves a chunk that rotted: says so once, then does not hold it, and takes it anew', async () => {
      const chunks = [chunkOf(1), chunkOf(2), chunkOf(3)] as const
      await store.put(volume, chunks)
      const { id, bytes } = chunks[1]
      await rot(store, volume, id)
      await rejectsCode(store.get(volume, id), 'HF_CHUNK_CORRUPT')
      assert.equal(store.has(volume, id), false)
      assert.equal(await store.get(volume, id), undefined)
      assert.equal((await listOf(store, volume)).length, 2)

      await store.put(volume, chunks)
      assert.deepEqual(await store.get(volume, id), bytes)
      assert.equal((await listOf(store, volume)).length, 3)
    })

    const { reopen } = fixture
    if (reopen === undefined) return

    it('goes on holding the good copy of a chunk that had rotted, after reopening', async () => {
      const chunk = chunkOf(1)
      await store.put(volume, [chunk])
      await rot(store, volume, chunk.id)
      await rejectsCode(store.get(volume, chunk.id), 'HF_CHUNK_CORRUPT')
      await store.put(volume, [chunk])
      await store.close()
      store = await reopen(store)
      assert.deepEqual(await store.get(volume, chunk.id), chunk.bytes)
    })
  })
}
