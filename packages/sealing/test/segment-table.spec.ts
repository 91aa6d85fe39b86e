import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { asChunkId, hexOf } from '@holdfast/ports'
import type { SegmentPlace } from '../src/index.ts'
import { createSegmentTableMemory, openSegmentTable } from '../src/index.ts'
import { noise } from './helpers.ts'

const print = (index: number): Uint8Array => noise(`segment ${index}`, 16)
const name = (seed: string) => ({ id: asChunkId(noise(seed, 32)), storedBytes: 777 })
const newTable = (options?: Parameters<typeof createSegmentTableMemory>[0]) =>
  openSegmentTable(createSegmentTableMemory(options))

function opened(table: ReturnType<typeof newTable>, owner = 0): number {
  const chunk = table.openChunk(owner)
  assert.ok(chunk !== undefined)
  return chunk
}

describe('segment table', () => {
  it('finds what was published, by whole fingerprint and length', () => {
    const table = newTable()
    const chunk = opened(table)
    const place = { chunk, offset: 10, length: 20 }
    assert.equal(table.find(print(1), 20), undefined)
    assert.deepEqual(table.publish(print(1), place), place)
    assert.deepEqual(table.find(print(1), 20), place)
    assert.equal(table.find(print(1), 21), undefined)
    const near = print(1)
    near[15] = (near[15] ?? 0) ^ 1
    assert.equal(table.find(near, 20), undefined)
  })

  it('keeps the first of two places for one segment', () => {
    const table = newTable()
    const other = openSegmentTable(table.memory)
    const first = { chunk: opened(table), offset: 0, length: 20 }
    const second = { chunk: opened(other, 1), offset: 5, length: 20 }
    assert.deepEqual(table.publish(print(1), first), first)
    assert.deepEqual(other.publish(print(1), second), first)
    assert.deepEqual(other.publish(print(2), second), second)
    assert.equal(table.counts().segments, 2, 'the number of the loser is used for the next')
  })

  it('holds as many as it says, through several generations, and stores the rest twice', () => {
    const table = newTable({ segmentsMax: 150_000 })
    const chunk = opened(table)
    // 100 fingerprints with equal first words crowd into the same slots.
    const prints = Array.from({ length: 150_100 }, (_, index) => {
      const bytes = new Uint8Array(16)
      const view = new DataView(bytes.buffer)
      view.setUint32(0, index < 150_000 ? Math.imul(index, 2654435761) >>> 0 : 7, true)
      view.setUint32(4, Math.imul(index, 40503) >>> 0, true)
      view.setUint32(12, index, true)
      return bytes
    })
    prints.forEach((bytes, index) => table.publish(bytes, { chunk, offset: index, length: 1 }))
    const found = prints.filter((bytes, index) => table.find(bytes, 1)?.offset === index)
    assert.equal(found.length, 150_000)
    assert.equal(table.counts().segments, 150_000)
    const late = { chunk, offset: 1, length: 2 }
    assert.deepEqual(table.publish(print(1), late), late)
    assert.equal(table.find(print(1), 2), undefined)
  })

  it('gives an id once the chunk is sealed, durable only after that', () => {
    const table = newTable()
    const chunk = opened(table)
    assert.equal(table.chunkState(chunk), 'open')
    assert.equal(table.chunkName(chunk), undefined)
    table.markDurable(chunk)
    assert.equal(table.chunkState(chunk), 'open')
    table.setChunk(chunk, name('a'))
    assert.equal(table.chunkState(chunk), 'sealed')
    assert.deepEqual(openSegmentTable(table.memory).chunkName(chunk), name('a'))
    table.markDurable(chunk)
    assert.equal(table.chunkState(chunk), 'durable')
    table.markLost(chunk)
    assert.equal(table.chunkState(chunk), 'durable', 'what is durable cannot be lost by a writer')
  })

  it('does not find segments of a lost chunk, and gives their place to the next', () => {
    const table = newTable()
    const chunk = opened(table, 3)
    table.publish(print(1), { chunk, offset: 0, length: 20 })
    table.markOwnerLost(2)
    assert.ok(table.find(print(1), 20))
    table.markOwnerLost(3)
    assert.equal(table.chunkState(chunk), 'lost')
    assert.equal(table.chunkName(chunk), undefined)
    assert.equal(table.find(print(1), 20), undefined)
    const again = { chunk: opened(table), offset: 7, length: 20 }
    assert.deepEqual(table.publish(print(1), again), again)
    assert.deepEqual(table.find(print(1), 20), again)
  })

  it('a lost chunk stays lost, even if its writer comes late', () => {
    const table = newTable()
    const chunk = opened(table)
    table.markLost(chunk)
    table.setChunk(chunk, name('late'))
    table.markDurable(chunk)
    assert.equal(table.chunkState(chunk), 'lost')
  })

  it('runs out of chunk numbers without an error', () => {
    const table = newTable({ chunksMax: 2 })
    assert.deepEqual([table.openChunk(0), table.openChunk(0), table.openChunk(0)], [0, 1, undefined])
    assert.equal(table.counts().chunks, 2)
  })

  it('two threads that publish the same segments agree on every place', async () => {
    const memory = createSegmentTableMemory({ segmentsMax: 100_000 })
    const count = 20_000
    const code = `
      import { parentPort, workerData } from 'node:worker_threads'
      const { openSegmentTable } = await import(workerData.module)
      const table = openSegmentTable(workerData.memory)
      const chunk = table.openChunk(workerData.owner)
      const places = new Int32Array(workerData.count)
      for (let index = 0; index < workerData.count; index++) {
        const print = workerData.prints.subarray(index * 16, index * 16 + 16)
        places[index] = table.publish(print, { chunk, offset: index, length: 1 }).chunk
      }
      parentPort.postMessage(places)`
    const prints = noise('shared prints', count * 16)
    const module = new URL('../src/segment-table.js', import.meta.url).href
    const workers = [0, 1].map(
      (owner) =>
        new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
          workerData: { memory, module, owner, count, prints },
        }),
    )
    const answers = await Promise.all(workers.map(async (worker) => (await once(worker, 'message')) as [Int32Array]))
    const [[a], [b]] = answers as [[Int32Array], [Int32Array]]
    const table = openSegmentTable(memory)
    assert.deepEqual(a, b)
    const found = Array.from({ length: count }, (_, index): SegmentPlace | undefined =>
      table.find(prints.subarray(index * 16, index * 16 + 16), 1),
    )
    assert.deepEqual(
      Int32Array.from(found, (place) => place?.chunk ?? -1),
      a,
    )
    assert.ok(new Set(found.map((place) => hexOf(Uint8Array.of(place?.chunk ?? 9)))).size <= 2)
  })
})
