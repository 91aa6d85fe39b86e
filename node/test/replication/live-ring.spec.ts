import assert from 'node:assert/strict'
import { asCoreKey } from '@holdfast/ports'
import { LIVE_CHUNK_BYTES_MAX, LIVE_RING_BYTES } from '@holdfast/replication'
import { LiveRing } from '../../src/replication/live-ring.ts'
import type { LiveCommit } from '../../src/replication/index.ts'
import { content, idOf } from './fixture.ts'

const commit = (start: number, blocks: number, blockBytes: number, chunkBytes = 0): LiveCommit => {
  const bytes = content(start, chunkBytes)
  return {
    frame: {
      coreKey: asCoreKey(new Uint8Array(32)),
      start,
      blocks: Array.from({ length: blocks }, () => new Uint8Array(blockBytes)),
      signature: new Uint8Array(64),
    },
    chunks: chunkBytes > 0 ? [{ id: idOf(bytes), bytes }] : [],
  }
}

describe('LiveRing', () => {
  it('finds commits by their first block', () => {
    const ring = new LiveRing()
    ring.add(commit(5, 2, 10, 100))
    ring.add(commit(7, 1, 10))
    assert.equal(ring.at(5)?.chunks.length, 1)
    assert.equal(ring.at(6), undefined)
    assert.equal(ring.at(7)?.frame.start, 7)
  })

  it('keeps the newest within its bytes', () => {
    const ring = new LiveRing()
    for (let i = 0; i < 10; i++) ring.add(commit(i, 1, LIVE_RING_BYTES / 4))
    assert.deepEqual(
      [0, 5, 6, 9].map((i) => ring.at(i) !== undefined),
      [false, false, true, true],
    )
    ring.add(commit(10, 1, 2 * LIVE_RING_BYTES))
    assert.equal(ring.at(10), undefined, 'one that is too large is left to the packs')
  })

  it('is gap-free', () => {
    const ring = new LiveRing()
    ring.add(commit(1, 1, 10))
    ring.add(commit(3, 1, 10))
    assert.equal(ring.at(1), undefined)
    assert.equal(ring.at(3)?.frame.start, 3)
  })

  it('leaves chunks that are too much to be fetched', () => {
    const ring = new LiveRing()
    ring.add(commit(0, 1, 10, LIVE_CHUNK_BYTES_MAX + 1))
    assert.deepEqual(ring.at(0)?.chunks, [])
  })
})
