import assert from 'node:assert/strict'
import { asChunkId, asVolumeId, HoldfastError } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import { ChunkSource } from '../../src/volumes/chunk-source.ts'

const VOLUME = asVolumeId(new Uint8Array(16).fill(1))
const ID = asChunkId(new Uint8Array(32).fill(2))
const HELD = Uint8Array.of(1)
const FETCHED = Uint8Array.of(2)

describe('where readers take chunks from', () => {
  const lost: string[] = []
  const fetched: AbortSignal[] = []
  beforeEach(() => {
    lost.length = fetched.length = 0
  })

  function sourceWith(get: () => Promise<Uint8Array | undefined>): ChunkSource {
    const store = { get, locate: () => ({ pack: 3, offset: 4 }) } as unknown as PackStore
    const fetchChunk = (_volume: unknown, _id: unknown, options: { signal?: AbortSignal } = {}) => {
      if (options.signal !== undefined) fetched.push(options.signal)
      return Promise.resolve(FETCHED)
    }
    return new ChunkSource(store, { fetchChunk }, (_volume, id) => lost.push(Buffer.from(id).toString('hex')))
  }

  it('the own packs first: nobody is asked for what is held', async () => {
    const { signal } = new AbortController()
    const source = sourceWith(() => Promise.resolve(HELD))
    assert.deepEqual(await source.get(VOLUME, ID, { signal }), HELD)
    assert.deepEqual([fetched.length, lost.length], [0, 0])
    assert.deepEqual(source.locate(VOLUME, ID), { pack: 3, offset: 4 })
  })

  it('not held: a member is asked, with the same signal', async () => {
    const { signal } = new AbortController()
    const source = sourceWith(() => Promise.resolve(undefined))
    assert.deepEqual(await source.get(VOLUME, ID, { signal }), FETCHED)
    assert.deepEqual(fetched, [signal])
    assert.deepEqual(lost, [])
  })

  it('bad here: it is said to be lost, so that it is healed, and a member is asked', async () => {
    const source = sourceWith(() => Promise.reject(new HoldfastError('HF_CHUNK_CORRUPT', 'it fails its hash')))
    assert.deepEqual(await source.get(VOLUME, ID), FETCHED)
    assert.deepEqual(lost, ['02'.repeat(32)])
  })

  it('a drive that fails is no reason to ask others: the caller hears of it', async () => {
    const source = sourceWith(() => Promise.reject(new HoldfastError('HF_DRIVE_FAILED', 'it cannot be read')))
    await assert.rejects(source.get(VOLUME, ID), { code: 'HF_DRIVE_FAILED' })
    assert.deepEqual([fetched.length, lost.length], [0, 0])
  })
})
