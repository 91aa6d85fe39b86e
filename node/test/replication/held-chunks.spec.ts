import assert from 'node:assert/strict'
import { hexOf } from '@holdfast/ports'
import type { ReplicatedVolume } from '../../src/replication/index.ts'
import { content, idOf, MemoryWorld, VOLUME } from './fixture.ts'

describe('a chunk that a volume counts as missing and the store holds', () => {
  it('is told to the volume, and fetched from nobody', async () => {
    const world = new MemoryWorld()
    const [a, b] = await world.create(2)
    assert.ok(a && b)
    const bytes = content(1, 100_000)
    const chunk = { id: idOf(bytes), storedBytes: bytes.byteLength }
    const told: string[] = []
    const { volume } = b
    // As a volume that keeps its own books, and was told of the chunk before it was stored in another way.
    Object.assign(volume, {
      missing: (_limit, skip) => (told.length > 0 || skip(chunk.id) ? [] : [chunk]),
      completeLength: () => (told.length > 0 ? volume.log.head().length : 0),
      chunkArrived: (id) => void told.push(hexOf(id)),
    } satisfies Partial<ReplicatedVolume>)
    await b.store.put(VOLUME, [{ id: chunk.id, bytes }])
    await a.volume.commit([bytes])
    await world.until(() => told.length > 0, 'the volume is told')
    assert.equal(told[0], hexOf(chunk.id))
    assert.deepEqual(a.store.reads, [])
    await world.end()
  })
})
