import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeDirectory } from '../../src/system/index.ts'

describe('makeDirectory', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-make-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  it('makes a directory with all those above it, and again', () => {
    makeDirectory(join(root, 'a/b/c'), 0o700)
    makeDirectory(join(root, 'a/b/c'))
    assert.equal(statSync(join(root, 'a/b/c')).mode & 0o777, 0o700)
  })

  it('takes names that are not UTF-8', () => {
    const name = Buffer.concat([Buffer.from(root), Buffer.from([0x2f, 0xff, 0x2f, 0x61])])
    makeDirectory(name)
    assert.ok(statSync(name).isDirectory())
  })

  it('a file in the way is an error, and changes nothing', () => {
    writeFileSync(join(root, 'file'), '')
    assert.throws(() => makeDirectory(join(root, 'file')), { code: 'EEXIST' })
    assert.throws(() => makeDirectory(join(root, 'file/below/it')), { code: 'ENOTDIR' })
  })

  it('returns where the file system makes no directories in one that is there', () => {
    assert.throws(() => makeDirectory('/proc/nothing-can-be-made-here'), { code: 'ENOENT' })
  })
})
