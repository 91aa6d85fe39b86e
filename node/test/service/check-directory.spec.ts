import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { hasCode } from '@holdfast/ports'
import { checkDirectory } from '../../src/service/mesh.ts'

describe('checkDirectory', () => {
  let root: string
  const at = (name: string): string => path.join(root, name)
  const check = (name: string): string => checkDirectory(at(name), { home: at('state/home'), drive: at('drives/one') })
  const refused = (name: string, why: RegExp): void =>
    assert.throws(
      () => check(name),
      (error) => hasCode(error, 'HF_BAD_INPUT') && why.test(error.message) && error.next !== undefined,
    )

  beforeEach(() => {
    root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-check-')))
    for (const name of ['state/home/inner', 'state/homes', 'drives/one/packs', 'drives/two', 'data', '..data'])
      fs.mkdirSync(at(name), { recursive: true })
    fs.writeFileSync(at('file'), '')
  })
  afterEach(() => fs.rmSync(root, { recursive: true }))

  it('gives the directory without symbolic links', () => {
    fs.symlinkSync('data', at('link'))
    assert.equal(check('data'), at('data'))
    assert.equal(check('link'), at('data'))
    assert.equal(check('./link/../data/'), at('data'))
  })

  it('takes neighbours whose names begin alike', () => {
    for (const name of ['state/homes', 'drives/two', '..data']) assert.equal(check(name), at(name))
  })

  it('refuses what is missing or no directory', () => {
    refused('missing', /does not exist; nothing was changed/)
    refused('file', /is not a directory/)
    fs.symlinkSync('nowhere', at('dangling'))
    refused('dangling', /does not exist/)
    fs.symlinkSync('loop', at('loop'))
    refused('loop', /cannot be read \(ELOOP\)/)
  })

  it('refuses the home and the drive, what is inside and what is around them, also behind a link', () => {
    refused('state/home', /is inside the home/)
    refused('state/home/inner', /is inside the home/)
    refused('state', /contains the home/)
    refused('drives/one/packs', /is inside the node's drive/)
    refused('drives', /contains the node's drive/)
    refused('.', /contains the home/)
    fs.symlinkSync('state/home/inner', at('shortcut'))
    refused('shortcut', /is inside the home/)
  })

  it('finds a home behind a link of its own', () => {
    fs.symlinkSync('state', at('moved'))
    assert.throws(
      () => checkDirectory(at('state'), { home: at('moved/home'), drive: at('drives/one') }),
      /contains the home/,
    )
  })
})
