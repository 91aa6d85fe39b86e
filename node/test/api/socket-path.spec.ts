import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasCode } from '@holdfast/ports'
import {
  claimSocket,
  findSocket,
  releaseSocket,
  SOCKET_PATH_BYTES_MAX,
  SOCKET_POINTER_NAME,
} from '../../src/api/socket-path.ts'

describe('place of the control socket', () => {
  let directory: string
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'hf-sock-'))))
  afterEach(() => rmSync(directory, { recursive: true }))

  const longHome = (): string => {
    const home = join(directory, 'h'.repeat(SOCKET_PATH_BYTES_MAX))
    mkdirSync(home)
    return home
  }

  it('is the home; what an earlier process left there goes away', () => {
    writeFileSync(join(directory, 'control.sock'), '')
    writeFileSync(join(directory, SOCKET_POINTER_NAME), '/elsewhere\n')
    const path = claimSocket(directory, {})
    assert.equal(path, join(directory, 'control.sock'))
    assert.equal(existsSync(path), false)
    assert.equal(findSocket(directory), path)
  })

  it('is the runtime directory when the path is too long for the kernel; a pointer leads there until it is released', () => {
    const home = longHome()
    const runtime = join(directory, 'run')
    mkdirSync(runtime, { mode: 0o700 })
    const path = claimSocket(home, { XDG_RUNTIME_DIR: runtime })
    assert.ok(path.startsWith(`${runtime}/holdfast-`))
    assert.equal(findSocket(home), path)
    assert.notEqual(claimSocket(directory, { XDG_RUNTIME_DIR: runtime }), path)
    releaseSocket(home, path)
    assert.equal(findSocket(home), join(home, 'control.sock'))
  })

  it('is a directory of the user alone where there is no runtime directory', () => {
    const before = process.env['TMPDIR']
    process.env['TMPDIR'] = directory
    try {
      const home = longHome()
      const path = claimSocket(home, {})
      const own = join(directory, `holdfast-${process.getuid?.() ?? 0}`)
      assert.ok(path.startsWith(`${own}/`))
      chmodSync(own, 0o755)
      assert.throws(
        () => claimSocket(home, {}),
        (error) => hasCode(error, 'HF_POLICY'),
      )
    } finally {
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
    }
  })

  it('a runtime directory that others can use, or a link, is not taken', () => {
    const before = process.env['TMPDIR']
    process.env['TMPDIR'] = directory
    try {
      const home = longHome()
      const [open, own, link] = ['open', 'own', 'link'].map((name) => join(directory, name)) as [string, string, string]
      mkdirSync(open)
      chmodSync(open, 0o777)
      mkdirSync(own, { mode: 0o700 })
      symlinkSync(own, link)
      for (const runtime of [open, link, join(directory, 'absent')]) {
        const path = claimSocket(home, { XDG_RUNTIME_DIR: runtime })
        assert.ok(path.startsWith(join(directory, `holdfast-${process.getuid?.() ?? 0}/`)), path)
      }
      rmSync(join(directory, `holdfast-${process.getuid?.() ?? 0}`), { recursive: true })
      symlinkSync(own, join(directory, `holdfast-${process.getuid?.() ?? 0}`))
      assert.throws(
        () => claimSocket(home, {}),
        (error) => hasCode(error, 'HF_POLICY'),
      )
    } finally {
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
    }
  })

  it('a home that cannot be written is reported as that', () => {
    const file = join(directory, 'file')
    writeFileSync(file, '')
    assert.throws(
      () => claimSocket(join(file, 'home'), {}),
      (error) => hasCode(error, 'HF_HOME_READ_ONLY'),
    )
  })
})
