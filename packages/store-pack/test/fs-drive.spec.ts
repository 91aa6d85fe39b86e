import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { driveContract } from '@holdfast/contracts'
import { hasCode } from '@holdfast/ports'
import type { Drive } from '@holdfast/ports'
import { openFsDrive } from '../src/fs-drive.ts'

const systemError = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code })

describe('FsDrive', () => {
  const roots = new Map<Drive, string>()
  const inTempDirectory = (open: (root: string) => Drive): Drive => {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-drive-'))
    const drive = open(root)
    roots.set(drive, root)
    return drive
  }

  driveContract({
    create: () => inTempDirectory((root) => openFsDrive(root)),
    destroy: (drive) => fs.rmSync(roots.get(drive) ?? assert.fail(), { recursive: true }),
    createFaulty: () => {
      let fault: 'sync-fails' | 'full' | 'write-fails' | 'none' = 'none'
      const sync = (real: typeof fs.fsync) => (fd: number, done: fs.NoParamCallback) => {
        if (fault === 'sync-fails') setImmediate(() => done(systemError('EIO')))
        else real(fd, done)
      }
      const drive = inTempDirectory((root) =>
        openFsDrive(root, {
          fsync: sync(fs.fsync),
          fdatasync: sync(fs.fdatasync),
          writeSync: (fd, bytes, from, length, position) => {
            if (fault === 'write-fails') throw systemError('EROFS')
            if (fault === 'full' && from > 0) throw systemError('ENOSPC')
            return fs.writeSync(fd, bytes, from, fault === 'full' ? length >> 1 : length, position)
          },
        }),
      )
      return { drive, set: (next) => (fault = next) }
    },
  })

  it('goes on after a short write', async () => {
    const drive = inTempDirectory((root) =>
      openFsDrive(root, {
        fsync: fs.fsync,
        fdatasync: fs.fdatasync,
        writeSync: (fd, bytes, from, length, position) => fs.writeSync(fd, bytes, from, Math.min(3, length), position),
      }),
    )
    const file = drive.create('a')
    const content = Uint8Array.from({ length: 10 }, (_, index) => index)
    file.write(content, 0)
    assert.deepEqual(await file.read(0, 99), content)
    file.close()
    fs.rmSync(roots.get(drive) ?? assert.fail(), { recursive: true })
  })

  it('says HF_DRIVE_FULL, which may be tried again, for a quota as for a full disk', () => {
    const drive = inTempDirectory((root) =>
      openFsDrive(root, {
        fsync: fs.fsync,
        fdatasync: fs.fdatasync,
        writeSync: () => {
          throw systemError('EDQUOT')
        },
      }),
    )
    const file = drive.create('a')
    assert.throws(
      () => file.write(new Uint8Array(1), 0),
      (error) => hasCode(error, 'HF_DRIVE_FULL') && error.retryable,
    )
    file.close()
    fs.rmSync(roots.get(drive) ?? assert.fail(), { recursive: true })
  })
})
