import assert from 'node:assert/strict'
import type { Drive } from '@holdfast/ports'
import { throwsCode, rejectsCode } from '../expect.ts'
import type { DriveFixture } from './index.ts'

export function driveNamesContract(fixture: DriveFixture): void {
  describe('drive: names', () => {
    let drive: Drive
    beforeEach(async () => {
      drive = await fixture.create()
    })
    afterEach(() => fixture.destroy(drive))

    const write = (at: string, value: number): void => {
      const file = drive.create(at)
      file.write(Uint8Array.of(value), 0)
      file.close()
    }
    const read = async (at: string): Promise<number | undefined> => {
      const file = drive.open(at)
      const [value] = await file.read(0, 1)
      file.close()
      return value
    }

    it('creates only what is new, and opens only what is there', () => {
      drive.create('a').close()
      throwsCode(() => drive.create('a'), 'HF_ALREADY_EXISTS')
      throwsCode(() => drive.open('b'), 'HF_NOT_FOUND')
      throwsCode(() => drive.create('missing/a'), 'HF_NOT_FOUND')
    })

    it('lists names sorted, files and directories, and nothing of an absent directory', () => {
      drive.makeDirectory('d/e')
      for (const name of ['d/b', 'd/a', 'd/c', 'd/e/inner']) drive.create(name).close()
      assert.deepEqual(drive.list('d'), ['a', 'b', 'c', 'e'])
      assert.deepEqual(drive.list(''), ['d'])
      assert.deepEqual(drive.list('absent'), [])
    })

    it('makes a directory with its parents, and again without an error', async () => {
      drive.makeDirectory('x/y/z')
      drive.makeDirectory('x/y/z')
      write('x/y/z/f', 1)
      assert.equal(await read('x/y/z/f'), 1)
      await drive.syncDirectory('x/y/z')
      await drive.syncDirectory('')
    })

    it('renames over what is there; an open handle goes on reading the old file', async () => {
      write('a', 1)
      write('b', 2)
      const old = drive.open('b')
      drive.rename('a', 'b')
      assert.equal(await read('b'), 1)
      assert.deepEqual(await old.read(0, 1), Uint8Array.of(2))
      old.close()
      assert.deepEqual(drive.list(''), ['b'])
      throwsCode(() => drive.rename('a', 'c'), 'HF_NOT_FOUND')
    })

    it('renames between directories', async () => {
      drive.makeDirectory('from')
      drive.makeDirectory('to')
      write('from/a', 4)
      drive.rename('from/a', 'to/b')
      await drive.syncDirectory('from')
      await drive.syncDirectory('to')
      assert.deepEqual(drive.list('from'), [])
      assert.equal(await read('to/b'), 4)
    })

    it('removes a file, and says nothing of an absent one; an open handle goes on reading', async () => {
      write('a', 1)
      const file = drive.open('a')
      drive.remove('a')
      drive.remove('a')
      assert.deepEqual(drive.list(''), [])
      assert.deepEqual(await file.read(0, 1), Uint8Array.of(1))
      file.close()
      write('a', 2)
      assert.equal(await read('a'), 2)
    })

    it('refuses paths that lead out of the drive', () => {
      for (const at of ['/a', '../a', 'a/../b', './a', 'a//b', 'a/', 'a\0']) {
        assert.throws(() => drive.create(at), TypeError, at)
        assert.throws(() => drive.open(at), TypeError, at)
        assert.throws(() => drive.list(at), TypeError, at)
      }
    })

    it('rejects the sync of an absent directory', async () => {
      await rejectsCode(drive.syncDirectory('absent'), 'HF_NOT_FOUND')
    })

    it('measures its room', () => {
      const { freeBytes, totalBytes } = drive.space()
      assert.ok(freeBytes > 0 && freeBytes <= totalBytes)
    })
  })
}
