import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { asChunkId, GIB, KIB } from '@holdfast/ports'
import { endPlan, Window, WINDOW_PLAN_BYTES_MAX, type PlannedFile } from '../../src/restore/plan.ts'
import { noise } from './fixture.ts'

const SEGMENT_BYTES = 64 * KIB

function fileOf(size: number, name = 'directory/of/some depth/huge'): PlannedFile {
  return {
    aside: 1,
    path: Buffer.from(name),
    attributes: { mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, size },
    content: undefined,
    isWhole: false,
    plannedBytes: 0,
    left: 0,
    state: 'planning',
    leader: undefined,
  }
}

const SEGMENTS_PER_NODE = 64
const SEGMENTS_PER_CHUNK = 8
const NODE_BYTES = 8 * KIB

/** Extents as a recipe yields them: views of a node, which would stay in memory with each. */
function* extentsOf(bytes: number) {
  let node = new Uint8Array(NODE_BYTES)
  for (let at = 0, index = 0; at < bytes; at += SEGMENT_BYTES, index++) {
    if (index % SEGMENTS_PER_NODE === 0) node = new Uint8Array(NODE_BYTES)
    const place = index % SEGMENTS_PER_CHUNK
    const idAt = 32 * Math.floor((index % SEGMENTS_PER_NODE) / SEGMENTS_PER_CHUNK)
    new DataView(node.buffer).setUint32(idAt, index - place)
    const chunk = asChunkId(node.subarray(idAt, idAt + 32))
    const length = Math.min(SEGMENT_BYTES, bytes - at)
    yield { chunk, offset: place * SEGMENT_BYTES, length, fingerprint: node.subarray(1024, 1040) }
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

const usedBytes = (): number => {
  if (typeof collectGarbage === 'function') collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

describe('restore: the plan of a window', () => {
  it('is cut through a file of 20 GiB, each part within the memory that it counts', () => {
    const file = fileOf(20 * GIB)
    let windows = 0
    let plannedBytes = 0
    let window = new Window(9)
    const before = usedBytes()
    for (const extent of extentsOf(20 * GIB)) {
      window.add(file, extent)
      plannedBytes += extent.length
      if (!window.full) continue
      if (windows === 0) {
        const used = usedBytes() - before
        assert.ok(used < 1.2 * WINDOW_PLAN_BYTES_MAX, `${used} bytes`)
      }
      windows += 1
      assert.ok(window.chunks(() => undefined).length <= WINDOW_PLAN_BYTES_MAX / 80)
      window = new Window(9)
    }
    endPlan(file)
    assert.equal(file.state, 'planned')
    assert.equal(plannedBytes, 20 * GIB)
    assert.ok(windows >= 3, `${windows} windows`)
  })

  it('is small at first, so that writing begins at once, and grows to its bound', () => {
    const roomOf = (index: number): number => {
      const window = new Window(index)
      let files = 0
      for (; !window.full; files++) window.addFile(fileOf(1, `${files}`))
      return files
    }
    const rooms = [0, 1, 2, 3, 9].map(roomOf)
    assert.deepEqual(
      rooms,
      rooms.toSorted((a, b) => a - b),
    )
    assert.ok((rooms[0] ?? 0) < (rooms[4] ?? 0) / 10)
    assert.equal(rooms[3], rooms[4])
    assert.ok((rooms[4] ?? 0) <= WINDOW_PLAN_BYTES_MAX / 400)
  })

  it('counts long paths: a deep file of many segments fills it sooner', () => {
    const segmentsOf = (name: string): number => {
      const window = new Window(9, 1_000_000)
      const file = fileOf(GIB, name)
      let count = 0
      for (const extent of extentsOf(GIB)) {
        if (window.full) break
        window.add(file, extent)
        count++
      }
      return count
    }
    assert.ok(segmentsOf('d/'.repeat(2000)) < segmentsOf('d') / 10)
  })

  it('has the chunks in the order of the packs, those of other members last', () => {
    const window = new Window(9)
    const file = fileOf(5)
    for (const name of ['elsewhere', '2 9', '1 7', '2 3', '1 5']) {
      const chunk = asChunkId(Buffer.alloc(32, name))
      window.add(file, { chunk, offset: 0, length: 1, fingerprint: noise(name, 16) })
    }
    const names = window
      .chunks((id) => {
        const [pack, offset] = Buffer.from(id).toString('latin1', 0, 3).split(' ').map(Number)
        return offset === undefined || Number.isNaN(offset) ? undefined : { pack: pack ?? 0, offset }
      })
      .map(({ id }) => Buffer.from(id).toString('latin1', 0, 3))
    assert.deepEqual(names, ['1 5', '1 7', '2 3', '2 9', 'els'])
  })

  it('refuses segments that make a file longer or shorter than its record says', () => {
    const [first] = extentsOf(SEGMENT_BYTES)
    assert.ok(first !== undefined)
    const window = new Window(9)
    assert.throws(() => window.add(fileOf(10), first), { code: 'HF_CHUNK_CORRUPT' })
    const long = fileOf(SEGMENT_BYTES + 1)
    window.add(long, first)
    assert.throws(() => endPlan(long), { code: 'HF_CHUNK_CORRUPT', message: /do not add up to its size/ })
  })

  it('leaves out the pieces of files that were given up meanwhile', () => {
    const window = new Window(9)
    const files = [0, 1, 2].map((index) => fileOf(1, `f${index}`))
    for (const file of files) {
      window.add(file, {
        chunk: asChunkId(noise('one', 32)),
        offset: file.aside,
        length: 1,
        fingerprint: noise('x', 16),
      })
    }
    const [, second] = files
    assert.ok(second !== undefined)
    second.state = 'failed'
    const [chunk] = window.chunks(() => undefined)
    assert.deepEqual(chunk?.take().places, [0, 2])
  })
})
