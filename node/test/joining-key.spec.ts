import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { createSeededRandom } from '@holdfast/doubles'
import { equalBytes } from '@holdfast/ports'
import { joiningKey } from '../src/joining-key.ts'
import { withCode } from './authority/fixture.ts'
import { temporary } from './home/fixture.ts'

describe('the key of a node that is joining', () => {
  let base: string
  let remove: () => void
  let home: string
  let file: string
  const random = createSeededRandom(3)
  beforeEach(() => {
    ;({ directory: base, remove } = temporary())
    home = path.join(base, 'home')
    file = `${home}.joining`
  })
  afterEach(() => remove())

  it('is the same at every try until it is forgotten, in a file of the user alone', () => {
    const first = joiningKey(home, undefined, random)
    assert.equal(fs.statSync(file).mode & 0o777, 0o600)
    assert.deepEqual(joiningKey(home, undefined, random).key.publicKey, first.key.publicKey)
    first.forget()
    assert.equal(fs.existsSync(file), false)
    assert.notDeepEqual(joiningKey(home, undefined, random).key.publicKey, first.key.publicKey)
  })

  it('with a passphrase it lies wrapped, and opens with that one only', () => {
    const first = joiningKey(home, 'open', random)
    assert.equal(fs.readFileSync(file).includes(Buffer.from(first.seed)), false)
    assert.ok(equalBytes(joiningKey(home, 'open', random).seed, first.seed))
    for (const other of ['shut', undefined])
      assert.throws(() => joiningKey(home, other, random), withCode('HF_WRONG_KEY'))
  })

  it('what others could have put there or read is not taken: file, link, pipe, directory', () => {
    const planted = path.join(base, 'planted')
    fs.writeFileSync(planted, Buffer.alloc(32, 1), { mode: 0o600 })
    const plants: (() => void)[] = [
      () => fs.writeFileSync(file, Buffer.alloc(32, 1), { mode: 0o644 }),
      () => fs.symlinkSync(planted, file),
      () => fs.symlinkSync(path.join(base, 'nowhere'), file),
      () => execFileSync('mkfifo', [file]),
      () => fs.mkdirSync(file),
    ]
    for (const plant of plants) {
      plant()
      assert.throws(() => joiningKey(home, undefined, random), withCode('HF_CONFLICT', /joining/))
      fs.rmSync(file, { recursive: true })
    }
    assert.equal(fs.existsSync(path.join(base, 'nowhere')), false)
  })

  it('one that a crash cut short is made anew', () => {
    fs.writeFileSync(file, Buffer.alloc(7), { mode: 0o600 })
    joiningKey(home, undefined, random)
    assert.equal(fs.readFileSync(file).byteLength, 32)
  })
})
