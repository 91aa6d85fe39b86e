import assert from 'node:assert/strict'
import { createMemoryDrive } from '@holdfast/doubles'
import type { MemoryDrive } from '@holdfast/doubles'
import { hexOf } from '@holdfast/ports'
import { createPackWriter, FRAME_HEADER_BYTES } from '../src/index.ts'
import type { FrameEntry, PackWriter } from '../src/index.ts'
import { scanPack } from '../src/pack-scan.ts'
import type { PackScan } from '../src/pack-scan.ts'
import { packPath } from '../src/pack-file.ts'
import { chunkOf } from './fixture.ts'
import { encodeChunk } from './world.ts'

const PATH = packPath(1)
const MARK_BYTES = FRAME_HEADER_BYTES

interface Pack {
  readonly drive: MemoryDrive
  readonly writer: PackWriter
  /** Writes one chunk of these bytes. */
  write(byteLength?: number): FrameEntry
  scan(durableBytes?: number): Promise<PackScan>
}

function newPack(): Pack {
  const drive = createMemoryDrive()
  drive.makeDirectory('packs')
  const writer = createPackWriter({ drive, claimPackNumber: () => 1 })
  let seed = 0
  return {
    drive,
    writer,
    write: (byteLength = 200) => writer.write(encodeChunk(chunkOf(seed++, byteLength)))[0] ?? assert.fail(),
    scan: (durableBytes = 0) => scanOf(drive, durableBytes),
  }
}

function scanOf(drive: MemoryDrive, durableBytes = 0): Promise<PackScan> {
  const file = drive.open(PATH)
  return scanPack(file, { pack: 1, size: file.size(), durableBytes })
}

const idsOf = (frames: readonly { id: Uint8Array }[]): string[] => frames.map(({ id }) => hexOf(id))
const rot = Uint8Array.of(0xde, 0xad, 0xbe, 0xef)

describe('scanPack', () => {
  it('walks an open pack, small frames and large, marks between them', async () => {
    const pack = newPack()
    const written: FrameEntry[] = []
    for (const byteLength of [0, 10, 70_000, 700_000, 20, 300_000, 5000, 5000]) {
      written.push(pack.write(byteLength))
      if (byteLength % 3 === 0) await pack.writer.sync()
    }
    assert.deepEqual((await pack.scan()).entries, written)
  })

  it('ignores a torn tail: a write that was cut off, and one that never came', async () => {
    const pack = newPack()
    const whole = [pack.write(), pack.write()]
    await pack.writer.sync()
    pack.write()
    pack.write()
    await pack.drive.syncDirectory('packs')
    for (const fate of ['lost', 'torn-head', 'torn-tail'] as const) {
      // What is in doubt: the mark, and two frames.
      const { entries, bad } = await scanOf(pack.drive.crash((_, index) => (index === 1 ? fate : 'kept')))
      assert.deepEqual(idsOf(entries), idsOf(whole))
      assert.deepEqual(bad, [])
    }
  })

  it('takes whole frames of the tail up to the first that is not', async () => {
    const pack = newPack()
    const whole = [pack.write(), pack.write(), pack.write()]
    pack.write()
    pack.write()
    await pack.drive.syncDirectory('packs')
    await pack.drive.syncDirectory('')
    // In doubt: the pack header, then the frames.
    const { entries } = await scanOf(pack.drive.crash((_, index) => (index === 4 ? 'torn-head' : 'kept')))
    assert.deepEqual(idsOf(entries), idsOf(whole))
  })

  it('rot below a mark is told from a torn tail: it is reported, and the frames behind it are found', async () => {
    const pack = newPack()
    const written = [pack.write(), pack.write(), pack.write(), pack.write()]
    await pack.writer.sync()
    written.push(pack.write())
    const offset = written[1]?.offset ?? 0
    pack.drive.corrupt(PATH, offset + 30, rot)
    const { entries, bad } = await pack.scan()
    assert.deepEqual(idsOf(entries), idsOf(written.toSpliced(1, 1)))
    assert.deepEqual(bad, [{ pack: 1, offset, reason: 'header' }])
  })

  it('rot is told by what the index knows to be durable, too', async () => {
    const pack = newPack()
    const written = [pack.write(), pack.write(), pack.write()]
    await pack.writer.sync()
    pack.drive.corrupt(PATH, written[0]?.offset ?? 0, rot)
    assert.deepEqual((await pack.scan()).entries, [])
    const { entries, bad, framesEnd } = await pack.scan(pack.drive.open(PATH).size())
    assert.deepEqual(idsOf(entries), idsOf(written.slice(1)))
    assert.equal(bad.length, 1)
    assert.equal(framesEnd, pack.drive.open(PATH).size())
  })

  it('does not read bodies that are known to be durable', async () => {
    const pack = newPack()
    const written = [pack.write(900_000), pack.write(900_000), pack.write(900_000)]
    await pack.writer.sync()
    let readBytes = 0
    pack.drive.setFault((operation) => {
      if (operation.type === 'read') readBytes += operation.bytes
      return undefined
    })
    assert.deepEqual((await pack.scan(pack.drive.open(PATH).size())).entries, written)
    assert.ok(readBytes < 600_000, `${readBytes} bytes were read`)
  })

  it('a rotten body below a mark keeps its frame: the chunk is found bad when it is read', async () => {
    const pack = newPack()
    const written = [pack.write(), pack.write()]
    await pack.writer.sync()
    written.push(pack.write())
    pack.drive.corrupt(PATH, (written[0]?.offset ?? 0) + FRAME_HEADER_BYTES + 3, rot)
    assert.deepEqual((await pack.scan()).entries, written)
  })

  it('says so if the pack ends before what was durable', async () => {
    const pack = newPack()
    pack.write()
    await pack.writer.sync()
    const size = pack.drive.open(PATH).size()
    const { entries, bad } = await pack.scan(size + 500)
    assert.equal(entries.length, 1)
    assert.deepEqual(bad, [{ pack: 1, offset: size, reason: 'header' }])
  })

  it('walks a sealed pack whose footer rotted, and one whose trailer did', async () => {
    for (const fromEnd of [4, 40]) {
      const pack = newPack()
      const written = [pack.write(), pack.write()]
      await pack.writer.close()
      const size = pack.drive.open(PATH).size()
      assert.equal((await pack.scan()).sealed, true)
      pack.drive.corrupt(PATH, size - fromEnd, rot)
      const scan = await pack.scan()
      assert.equal(scan.sealed, false)
      assert.deepEqual(scan.entries, written)
      assert.deepEqual(scan.bad, [])
    }
  })

  it('finds the frames behind a rotten header in a sealed pack without footer', async () => {
    const pack = newPack()
    const written = [pack.write(), pack.write(600_000), pack.write()]
    await pack.writer.close()
    pack.drive.corrupt(PATH, pack.drive.open(PATH).size() - 4, rot)
    pack.drive.corrupt(PATH, written[1]?.offset ?? 0, rot)
    const { entries, bad } = await pack.scan()
    assert.deepEqual(idsOf(entries), idsOf(written.toSpliced(1, 1)))
    assert.equal(bad.length, 1)
  })

  it('steps over a chunk whose bytes look like frames', async () => {
    const pack = newPack()
    const inner = encodeChunk(chunkOf(77))
    const hidden = { bytes: inner, id: chunkOf(0).id }
    const [entry] = pack.writer.write(encodeChunk({ ...hidden, bytes: inner }))
    await pack.writer.sync()
    const last = pack.write()
    assert.deepEqual((await pack.scan()).entries, [entry, last])
  })

  it('is empty for an empty file, a torn pack header, and zeros', async () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(9), new Uint8Array(100_000)]) {
      const drive = createMemoryDrive()
      drive.makeDirectory('packs')
      drive.create(PATH).write(bytes, 0)
      const { entries, bad } = await scanOf(drive)
      assert.deepEqual(entries, [])
      assert.deepEqual(bad, [])
    }
  })

  it('a mark costs one header', async () => {
    const pack = newPack()
    const [first] = [pack.write()]
    await pack.writer.sync()
    await pack.writer.sync()
    const second = pack.write()
    assert.equal(second.offset, first.offset + FRAME_HEADER_BYTES + first.bodyBytes + MARK_BYTES)
  })
})
