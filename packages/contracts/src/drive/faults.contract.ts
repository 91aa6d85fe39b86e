import assert from 'node:assert/strict'
import { throwsCode, rejectsCode } from '../expect.ts'
import type { DriveFixture, FaultyDrive } from './index.ts'

export function driveFaultContract(fixture: DriveFixture): void {
  const { createFaulty } = fixture
  if (createFaulty === undefined) return

  describe('drive: faults', () => {
    let faulty: FaultyDrive
    beforeEach(async () => {
      faulty = await createFaulty()
    })
    afterEach(() => fixture.destroy(faulty.drive))

    const some = Uint8Array.of(1, 2, 3, 4)

    it('a failed datasync fails the drive for ever: no later write or sync succeeds, reads do', async () => {
      const { drive } = faulty
      const file = drive.create('a')
      const other = drive.create('b')
      file.write(some, 0)
      faulty.set('sync-fails')
      await rejectsCode(file.datasync(), 'HF_DRIVE_FAILED')
      faulty.set('none')
      await rejectsCode(file.datasync(), 'HF_DRIVE_FAILED')
      await rejectsCode(other.datasync(), 'HF_DRIVE_FAILED')
      await rejectsCode(drive.syncDirectory(''), 'HF_DRIVE_FAILED')
      throwsCode(() => file.write(some, 0), 'HF_DRIVE_FAILED')
      throwsCode(() => other.truncate(0), 'HF_DRIVE_FAILED')
      throwsCode(() => drive.create('c'), 'HF_DRIVE_FAILED')
      throwsCode(() => drive.rename('a', 'c'), 'HF_DRIVE_FAILED')
      throwsCode(() => drive.remove('a'), 'HF_DRIVE_FAILED')
      throwsCode(() => drive.makeDirectory('d'), 'HF_DRIVE_FAILED')
      assert.deepEqual(await file.read(0, 4), some)
      assert.deepEqual(drive.list(''), ['a', 'b'])
      file.close()
      other.close()
    })

    it('a failed directory sync fails the drive as well', async () => {
      const { drive } = faulty
      const file = drive.create('a')
      faulty.set('sync-fails')
      await rejectsCode(drive.syncDirectory(''), 'HF_DRIVE_FAILED')
      faulty.set('none')
      await rejectsCode(file.datasync(), 'HF_DRIVE_FAILED')
      file.close()
    })

    it('syncs in flight beside a failing one do not succeed after it', async () => {
      const { drive } = faulty
      const file = drive.create('a')
      faulty.set('sync-fails')
      await Promise.all([
        rejectsCode(file.datasync(), 'HF_DRIVE_FAILED'),
        rejectsCode(file.datasync(), 'HF_DRIVE_FAILED'),
      ])
      file.close()
    })

    it('a write without room says HF_DRIVE_FULL, may leave some of its bytes, and the drive goes on', async () => {
      const { drive } = faulty
      const file = drive.create('a')
      file.write(some, 0)
      faulty.set('full')
      throwsCode(() => file.write(new Uint8Array(64), 4), 'HF_DRIVE_FULL')
      file.truncate(4)
      faulty.set('none')
      assert.deepEqual(await file.read(0, 99), some)
      file.write(some, 4)
      await file.datasync()
      assert.equal(file.size(), 8)
      file.close()
    })

    it('a refused write says HF_DRIVE_FAILED', () => {
      const file = faulty.drive.create('a')
      faulty.set('write-fails')
      throwsCode(() => file.write(some, 0), 'HF_DRIVE_FAILED')
      file.close()
    })
  })
}
