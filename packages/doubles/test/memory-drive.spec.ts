import assert from 'node:assert/strict'
import { driveContract } from '@holdfast/contracts'
import { createMemoryDrive, fateCombinations } from '@holdfast/doubles'
import type { DriveFault, DriveOperation, Fate, MemoryDrive } from '@holdfast/doubles'
import { hasCode } from '@holdfast/ports'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

async function contentOf(drive: MemoryDrive, path: string): Promise<Uint8Array | undefined> {
  if (!drive.list('').includes(path)) return undefined
  const file = drive.open(path)
  return file.read(0, file.size())
}

async function durableFile(drive: MemoryDrive, path: string, content: Uint8Array): Promise<void> {
  const file = drive.create(path)
  file.write(content, 0)
  await file.datasync()
  await drive.syncDirectory('')
}

async function afterRename(...synced: string[]): Promise<string[]> {
  const drive = createMemoryDrive()
  drive.makeDirectory('d')
  await durableFile(drive, 'a', bytes(1))
  drive.rename('a', 'd/a')
  for (const directory of synced) await drive.syncDirectory(directory)
  return drive.crash(() => 'lost').list('d')
}

describe('MemoryDrive', () => {
  driveContract({
    create: () => createMemoryDrive(),
    destroy: () => {},
    createFaulty: () => {
      const drive = createMemoryDrive()
      return {
        drive,
        set: (fault) => {
          const answers: Record<typeof fault, (operation: DriveOperation) => DriveFault | undefined> = {
            none: () => undefined,
            full: (operation) => (operation.type === 'write' ? 'full' : undefined),
            'write-fails': (operation) => (operation.type === 'write' ? 'error' : undefined),
            'sync-fails': (operation) =>
              operation.type.endsWith('ync') || operation.type === 'syncDirectory' ? 'error' : undefined,
          }
          drive.setFault(answers[fault])
        },
      }
    },
  })

  describe('crash', () => {
    it('keeps what was synced, content and name', async () => {
      const drive = createMemoryDrive()
      await durableFile(drive, 'a', bytes(1, 2, 3))
      assert.deepEqual(drive.unsynced(), [])
      const after = drive.crash(() => 'lost')
      assert.deepEqual(await contentOf(after, 'a'), bytes(1, 2, 3))
    })

    it('loses a name that was not synced, even of a synced file', async () => {
      const drive = createMemoryDrive()
      const file = drive.create('a')
      file.write(bytes(1), 0)
      await file.datasync()
      assert.equal(
        await contentOf(
          drive.crash(() => 'lost'),
          'a',
        ),
        undefined,
      )
    })

    it('keeps, loses or tears each unsynced write on its own; a lost one leaves zeros before a kept one', async () => {
      const outcome = async (...fates: Fate[]): Promise<Uint8Array | undefined> => {
        const drive = createMemoryDrive()
        await durableFile(drive, 'a', bytes(1, 1))
        const file = drive.open('a', { writable: true })
        file.write(bytes(2, 2, 2, 2), 0)
        file.write(bytes(3, 3), 4)
        return contentOf(
          drive.crash((_, index) => fates[index] ?? 'lost'),
          'a',
        )
      }
      assert.deepEqual(await outcome('lost', 'lost'), bytes(1, 1))
      assert.deepEqual(await outcome('kept', 'lost'), bytes(2, 2, 2, 2))
      assert.deepEqual(await outcome('lost', 'kept'), bytes(1, 1, 0, 0, 3, 3))
      assert.deepEqual(await outcome('torn-head', 'lost'), bytes(2, 2))
      assert.deepEqual(await outcome('torn-tail', 'torn-head'), bytes(1, 1, 2, 2, 3))
    })

    it('a sync covers what was written before it was called, not what came while it ran', async () => {
      const drive = createMemoryDrive()
      await durableFile(drive, 'a', bytes(1))
      const file = drive.open('a', { writable: true })
      file.write(bytes(2), 1)
      const sync = file.datasync()
      file.write(bytes(3), 2)
      await sync
      assert.deepEqual(
        await contentOf(
          drive.crash(() => 'lost'),
          'a',
        ),
        bytes(1, 2),
      )
    })

    it('undoes an unsynced truncation, removal and rename', async () => {
      const drive = createMemoryDrive()
      for (const name of ['a', 'b', 'c']) await durableFile(drive, name, bytes(1, 2))
      drive.open('a', { writable: true }).truncate(0)
      drive.remove('b')
      drive.rename('c', 'd')
      assert.deepEqual(drive.list(''), ['a', 'd'])
      const after = drive.crash(() => 'lost')
      assert.deepEqual(after.list(''), ['a', 'b', 'c'])
      assert.deepEqual(await contentOf(after, 'a'), bytes(1, 2))
    })

    it('a rename between directories is durable once both are synced', async () => {
      assert.deepEqual(await afterRename('d'), [])
      assert.deepEqual(await afterRename('d', ''), ['a'])
    })

    it('stops everything: calls in flight and later ones reject', async () => {
      const drive = createMemoryDrive()
      const file = drive.create('a')
      const sync = file.datasync()
      drive.crash(() => 'kept')
      await assert.rejects(sync, (error) => hasCode(error, 'HF_DRIVE_FAILED'))
      assert.throws(
        () => drive.list(''),
        (error) => hasCode(error, 'HF_DRIVE_FAILED'),
      )
    })

    it('a call at which the power goes off may have had its effect', async () => {
      const drive = createMemoryDrive()
      await durableFile(drive, 'a', bytes(1))
      const boundary = drive.boundaries()
      drive.setFault((operation) => (operation.boundary === boundary ? 'power-off' : undefined))
      const file = drive.open('a', { writable: true })
      assert.throws(
        () => file.write(bytes(2), 1),
        (error) => hasCode(error, 'HF_DRIVE_FAILED'),
      )
      assert.deepEqual(drive.unsynced(), [{ type: 'write', path: 'a', bytes: 1 }])
      assert.deepEqual(
        await contentOf(
          drive.crash(() => 'kept'),
          'a',
        ),
        bytes(1, 2),
      )
    })
  })

  it('has no more room than it says, and takes part of the write that exceeds it', async () => {
    const drive = createMemoryDrive({ totalBytes: 10 })
    const file = drive.create('a')
    file.write(new Uint8Array(8).fill(1), 0)
    assert.throws(
      () => file.write(new Uint8Array(4).fill(2), 8),
      (error) => hasCode(error, 'HF_DRIVE_FULL'),
    )
    assert.deepEqual(await file.read(8, 9), bytes(2, 2))
    drive.remove('a')
    assert.equal(drive.space().freeBytes, 10)
  })

  it('rot changes what is durable', async () => {
    const drive = createMemoryDrive()
    await durableFile(drive, 'a', bytes(1, 2))
    drive.corrupt('a', 1, bytes(9))
    assert.deepEqual(
      await contentOf(
        drive.crash(() => 'lost'),
        'a',
      ),
      bytes(1, 9),
    )
  })
})

describe('fateCombinations', () => {
  it('is every combination while they are few, and `limit` telling or random ones beyond', () => {
    assert.equal(new Set([...fateCombinations(3, 64, Math.random)].map(String)).size, 64)
    assert.deepEqual([...fateCombinations(0, 9, Math.random)], [[]])
    const many = [...fateCombinations(10, 100, () => 0.3)]
    assert.equal(many.length, 100)
    assert.ok(many.every((fates) => fates.length === 10))
    assert.ok(many.some((fates) => fates.every((fate) => fate === 'lost')))
  })
})
