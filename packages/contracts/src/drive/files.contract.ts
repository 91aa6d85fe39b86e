import assert from 'node:assert/strict'
import type { Drive } from '@holdfast/ports'
import { throwsCode, rejectsCode } from '../expect.ts'
import type { DriveFixture } from './index.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

export function driveFilesContract(fixture: DriveFixture): void {
  describe('drive: files', () => {
    let drive: Drive
    beforeEach(async () => {
      drive = await fixture.create()
    })
    afterEach(() => fixture.destroy(drive))

    it('reads back what was written, at once and after reopening', async () => {
      const file = drive.create('a')
      file.write(bytes(1, 2, 3), 0)
      file.write(bytes(9), 1)
      assert.deepEqual(await file.read(0, 3), bytes(1, 9, 3))
      file.close()
      const again = drive.open('a')
      assert.deepEqual(await again.read(0, 3), bytes(1, 9, 3))
      assert.equal(again.size(), 3)
      again.close()
    })

    it('reads fewer bytes at the end of the file, and none beyond it', async () => {
      const file = drive.create('a')
      file.write(bytes(1, 2, 3), 0)
      assert.deepEqual(await file.read(2, 10), bytes(3))
      assert.deepEqual(await file.read(3, 10), bytes())
      assert.deepEqual(await file.read(100, 10), bytes())
      assert.deepEqual(await file.read(0, 0), bytes())
      file.close()
    })

    it('fills a gap before a write with zeros', async () => {
      const file = drive.create('a')
      file.write(bytes(7), 4)
      assert.deepEqual(await file.read(0, 5), bytes(0, 0, 0, 0, 7))
      file.close()
    })

    it('keeps neither the bytes it is given nor those it gave', async () => {
      const file = drive.create('a')
      const mine = bytes(1, 2, 3)
      file.write(mine, 0)
      mine.fill(0)
      const read = await file.read(0, 3)
      assert.deepEqual(read, bytes(1, 2, 3))
      read.fill(0)
      assert.deepEqual(await file.read(0, 3), bytes(1, 2, 3))
      file.close()
    })

    it('takes a view in the middle of a buffer', async () => {
      const file = drive.create('a')
      file.write(bytes(1, 2, 3, 4).subarray(1, 3), 0)
      assert.deepEqual(await file.read(0, 9), bytes(2, 3))
      file.close()
    })

    it('truncates to a shorter and to a longer length', async () => {
      const file = drive.create('a')
      file.write(bytes(1, 2, 3), 0)
      file.truncate(1)
      assert.equal(file.size(), 1)
      file.truncate(3)
      assert.deepEqual(await file.read(0, 9), bytes(1, 0, 0))
      file.close()
    })

    it('shows one file’s writes to every handle', async () => {
      const one = drive.create('a')
      const two = drive.open('a')
      one.write(bytes(5), 0)
      assert.deepEqual(await two.read(0, 1), bytes(5))
      await two.datasync()
      one.close()
      two.close()
    })

    it('refuses to write through a handle for reading', () => {
      drive.create('a').close()
      const file = drive.open('a')
      assert.throws(() => file.write(bytes(1), 0), TypeError)
      assert.throws(() => file.truncate(0), TypeError)
      file.close()
      const writable = drive.open('a', { writable: true })
      writable.write(bytes(1), 0)
      assert.equal(writable.size(), 1)
      writable.close()
    })

    it('closes twice; every other call then says HF_CLOSED', async () => {
      const file = drive.create('a')
      file.close()
      file.close()
      throwsCode(() => file.write(bytes(1), 0), 'HF_CLOSED')
      throwsCode(() => file.truncate(0), 'HF_CLOSED')
      throwsCode(() => file.size(), 'HF_CLOSED')
      await rejectsCode(file.read(0, 1), 'HF_CLOSED')
      await rejectsCode(file.datasync(), 'HF_CLOSED')
    })

    it('finishes reads and syncs that were in flight when the file was closed', async () => {
      const file = drive.create('a')
      file.write(new Uint8Array(100_000).fill(3), 0)
      const reads = [file.read(0, 100_000), file.read(99_999, 10)]
      const sync = file.datasync()
      file.close()
      const others = [drive.create('b'), drive.create('c')]
      for (const other of others) other.write(new Uint8Array(100_000), 0)
      const [all, last] = await Promise.all(reads)
      assert.ok(all?.byteLength === 100_000 && all.every((value) => value === 3))
      assert.deepEqual(last, bytes(3))
      await sync
      for (const other of others) other.close()
    })
  })
}
