import assert from 'node:assert/strict'
import { createMemoryDrive } from '@holdfast/doubles'
import type { DriveFault, DriveOperation, MemoryDrive } from '@holdfast/doubles'
import { hasCode, hexOf } from '@holdfast/ports'
import type { ErrorCode } from '@holdfast/ports'
import { createPackWriter, encodeJournalFrame, FRAME_HEADER_BYTES, UNSYNCED_PACKS_MAX } from '../src/index.ts'
import type { FrameEntry, PackWriter } from '../src/index.ts'
import { scanPack } from '../src/pack-scan.ts'
import { packPath } from '../src/pack-file.ts'
import { chunkOf, frameOf, VOLUME } from './fixture.ts'
import { encodeChunk } from './world.ts'

const code = (expected: ErrorCode) => (error: unknown) => hasCode(error, expected)

async function writerOn(drive: MemoryDrive, packBytesMax = 4096, reserveBytes = 0): Promise<PackWriter> {
  let next = 1
  drive.makeDirectory('packs')
  await drive.syncDirectory('')
  return createPackWriter({ drive, claimPackNumber: () => next++, packBytesMax, reserveBytes })
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

async function entriesOf(
  drive: MemoryDrive,
  pack: number,
): Promise<{ entries: readonly FrameEntry[]; sealed: boolean }> {
  const file = drive.open(packPath(pack))
  return scanPack(file, { pack, size: file.size(), durableBytes: 0 })
}

describe('PackWriter', () => {
  it('says where each frame is, in one pack per call', async () => {
    const drive = createMemoryDrive()
    const writer = await writerOn(drive)
    const [a, b] = [chunkOf(1, 100), chunkOf(2, 50)]
    const journal = encodeJournalFrame(VOLUME, frameOf(4, 3))
    const entries = writer.write(concat(encodeChunk(a), encodeChunk(b), journal))
    assert.deepEqual(
      entries.map(({ kind, pack, offset, bodyBytes, start, blockCount }) => [
        kind,
        pack,
        offset,
        bodyBytes,
        start,
        blockCount,
      ]),
      [
        ['chunk', 1, 16, 100, 0, 0],
        ['chunk', 1, 16 + 172, 50, 0, 0],
        ['journal', 1, 16 + 172 + 122, journal.byteLength - FRAME_HEADER_BYTES, 4, 3],
      ],
    )
    assert.deepEqual(
      entries.map(({ id }) => hexOf(id)),
      [hexOf(a.id), hexOf(b.id), '09'.repeat(32)],
    )
    await writer.close()
    assert.deepEqual(await entriesOf(drive, 1), {
      entries,
      bad: [],
      sealed: true,
      framesEnd: 16 + 172 + 122 + journal.byteLength,
    })
  })

  it('makes no pack before there is something to write', async () => {
    const drive = createMemoryDrive()
    const writer = await writerOn(drive)
    await writer.sync()
    assert.deepEqual(writer.write(new Uint8Array()), [])
    await writer.close()
    assert.deepEqual(drive.list('packs'), [])
  })

  it('seals a pack before it grows past its limit; a larger frame gets a pack of its own', async () => {
    const drive = createMemoryDrive()
    const writer = await writerOn(drive)
    const packs: number[] = []
    for (const byteLength of [1500, 1500, 1500, 9000, 10]) {
      packs.push(
        ...writer.write(encodeChunk(chunkOf(byteLength + packs.length, byteLength))).map((entry) => entry.pack),
      )
    }
    assert.deepEqual(packs, [1, 1, 2, 3, 4])
    await writer.close()
    for (const pack of [1, 2, 3, 4]) assert.equal((await entriesOf(drive, pack)).sealed, true)
  })

  it('writes a footer only when what it lists is durable', async () => {
    const drive = createMemoryDrive()
    const writer = await writerOn(drive)
    writer.write(encodeChunk(chunkOf(1, 3000)))
    writer.write(encodeChunk(chunkOf(2, 3000)))
    assert.equal((await entriesOf(drive, 1)).sealed, false)
    await writer.sync()
    assert.equal((await entriesOf(drive, 1)).sealed, true)
    assert.equal((await entriesOf(drive, 2)).sealed, false)
  })

  it('shares a sync between calls that meet, and never one that had begun before the write', async () => {
    const drive = createMemoryDrive()
    let syncs = 0
    drive.setFault((operation) => {
      if (operation.type === 'datasync') syncs++
      return undefined
    })
    const writer = await writerOn(drive)
    writer.write(encodeChunk(chunkOf(0)))
    const first = writer.sync()
    const later = [1, 2, 3].map((seed) => {
      writer.write(encodeChunk(chunkOf(seed)))
      return writer.sync()
    })
    await first
    await Promise.all(later)
    assert.equal(syncs, 2)
    const after = drive.crash(() => 'lost')
    assert.equal((await entriesOf(after, 1)).entries.length, 4)
  })

  it('a full drive refuses the write whole, leaves no trace of it, and takes the next when there is room', async () => {
    const drive = createMemoryDrive()
    const writer = await writerOn(drive)
    const [kept, refused, next] = [chunkOf(1), [chunkOf(2, 50), chunkOf(3, 1000)], chunkOf(4, 20)]
    writer.write(encodeChunk(kept))
    drive.setFault((operation) => (operation.type === 'write' ? 'full' : undefined))
    assert.throws(() => writer.write(concat(...refused.map(encodeChunk))), code('HF_DRIVE_FULL'))
    drive.setFault(undefined)
    await writer.sync()
    assert.deepEqual(drive.unsynced(), [])
    const { entries: before } = await entriesOf(drive, 1)
    assert.deepEqual(
      before.map((entry) => hexOf(entry.id)),
      [hexOf(kept.id)],
    )

    writer.write(encodeChunk(next))
    await writer.close()
    const { entries } = await entriesOf(drive, 1)
    assert.deepEqual(
      entries.map((entry) => hexOf(entry.id)),
      [hexOf(kept.id), hexOf(next.id)],
    )
  })

  it('chunks leave the reserve free, journal frames half of it; both go on when there is room', async () => {
    const [totalBytes, reserveBytes] = [10_000, 4000]
    const drive = createMemoryDrive({ totalBytes })
    const writer = await writerOn(drive, 4096, reserveBytes)
    const chunk = encodeChunk(chunkOf(1, 1000))
    const frame = encodeJournalFrame(VOLUME, frameOf(0, 1, undefined, 500))
    let chunks = 0
    const refused = (error: unknown): boolean => hasCode(error, 'HF_DRIVE_FULL') && error.retryable
    assert.throws(() => {
      for (; chunks < 20; chunks++) writer.write(chunk)
    }, refused)
    assert.ok(drive.space().freeBytes >= reserveBytes - chunk.byteLength && chunks > 3, `${chunks} chunks`)
    assert.throws(() => {
      for (let frames = 0; frames < 20; frames++) writer.write(frame)
    }, refused)
    assert.ok(
      drive.space().freeBytes >= reserveBytes / 2 - frame.byteLength,
      'the rest is for what must be written all the same',
    )
    assert.ok(drive.space().freeBytes < reserveBytes / 2)
    await writer.sync()
    drive.remove(packPath(1))
    writer.write(chunk)
    await writer.close()
  })

  it('a full drive at a new pack leaves no file', async () => {
    const drive = createMemoryDrive()
    const writer = await writerOn(drive)
    drive.setFault((operation) => (operation.type === 'write' ? 'full' : undefined))
    assert.throws(() => writer.write(encodeChunk(chunkOf(1))), code('HF_DRIVE_FULL'))
    assert.deepEqual(drive.list('packs'), [])
    drive.setFault(undefined)
    assert.equal(writer.write(encodeChunk(chunkOf(1)))[0]?.pack, 2)
  })

  it('a full drive at a footer leaves the pack without one, and it is read all the same', async () => {
    const drive = createMemoryDrive()
    const writer = await writerOn(drive)
    writer.write(encodeChunk(chunkOf(1)))
    drive.setFault((operation) => (operation.type === 'write' ? 'full' : undefined))
    await writer.close()
    const { entries, sealed } = await entriesOf(
      drive.crash(() => 'lost'),
      1,
    )
    assert.equal(entries.length, 1)
    assert.equal(sealed, false)
  })

  const failing: [string, (operation: DriveOperation) => DriveFault | undefined][] = [
    ['datasync', (operation) => (operation.type === 'datasync' ? 'error' : undefined)],
    ['directory sync', (operation) => (operation.type === 'syncDirectory' ? 'error' : undefined)],
  ]
  for (const [what, fault] of failing) {
    it(`after a failed ${what} nothing is acknowledged any more`, async () => {
      const drive = createMemoryDrive()
      const writer = await writerOn(drive)
      writer.write(encodeChunk(chunkOf(1)))
      drive.setFault(fault)
      const [first, second] = [writer.sync(), writer.sync()]
      await assert.rejects(first, code('HF_DRIVE_FAILED'))
      await assert.rejects(second, code('HF_DRIVE_FAILED'))
      drive.setFault(undefined)
      assert.throws(() => writer.write(encodeChunk(chunkOf(2))), code('HF_DRIVE_FAILED'))
      await assert.rejects(writer.sync(), code('HF_DRIVE_FAILED'))
      await writer.close()
    })
  }

  it('a refused write fails the writer', async () => {
    const drive = createMemoryDrive()
    const writer = await writerOn(drive)
    writer.write(encodeChunk(chunkOf(1)))
    drive.setFault((operation) => (operation.type === 'write' ? 'error' : undefined))
    assert.throws(() => writer.write(encodeChunk(chunkOf(2))), code('HF_DRIVE_FAILED'))
    drive.setFault(undefined)
    await assert.rejects(writer.sync(), code('HF_DRIVE_FAILED'))
  })

  it('bounds the packs that wait for a sync', async () => {
    const drive = createMemoryDrive()
    const writer = await writerOn(drive)
    const fill = (): void => void writer.write(encodeChunk(chunkOf(1, 4000)))
    for (let pack = 0; pack <= UNSYNCED_PACKS_MAX; pack++) fill()
    assert.throws(fill, code('HF_BUSY'))
    await writer.sync()
    fill()
  })

  it('refuses what are not whole frames', async () => {
    const writer = await writerOn(createMemoryDrive())
    const frame = encodeChunk(chunkOf(1))
    assert.throws(() => writer.write(frame.subarray(0, frame.byteLength - 1)), TypeError)
    assert.throws(() => writer.write(concat(frame, new Uint8Array(9))), TypeError)
  })

  it('closes twice; later calls say HF_CLOSED', async () => {
    const writer = await writerOn(createMemoryDrive())
    writer.write(encodeChunk(chunkOf(1)))
    await Promise.all([writer.close(), writer.close()])
    assert.throws(() => writer.write(encodeChunk(chunkOf(1))), code('HF_CLOSED'))
    await assert.rejects(writer.sync(), code('HF_CLOSED'))
  })
})
