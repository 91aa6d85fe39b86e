import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { hasCode, hexOf, type ErrorCode } from '@holdfast/ports'
import { signingKeyFromSeed } from '@holdfast/keys'
import { needsPassphrase, openHome, readIdentity } from '../../src/home/index.ts'
import { contentOf, makeHome, SEED, temporary } from './fixture.ts'

const withCode =
  (code: ErrorCode, message?: RegExp) =>
  (error: unknown): boolean =>
    hasCode(error, code) && (message === undefined || message.test(error.message))
const permissions = (file: string): number => fs.statSync(file).mode & 0o777

describe('home', () => {
  let base: string
  let remove: () => void
  let home: string
  beforeEach(() => {
    ;({ directory: base, remove } = temporary())
    home = path.join(base, 'home')
  })
  afterEach(() => remove())

  /** Opening fails with this code and touches nothing. */
  function assertRefused(code: ErrorCode, options: { passphrase?: string; message?: RegExp } = {}): void {
    const before = contentOf(home)
    assert.throws(() => openHome(home, options.passphrase), withCode(code, options.message))
    assert.deepEqual(contentOf(home), before)
  }

  describe('made and opened', () => {
    it('gives identity, key and state back', () => {
      makeHome(home)
      const opened = openHome(home)
      assert.equal(opened.identity.name, 'node-a')
      assert.equal(opened.identity.meshName, 'mesh-a')
      assert.equal(hexOf(opened.signingKey.publicKey), hexOf(signingKeyFromSeed(SEED).publicKey))
      assert.deepEqual([...(opened.readState('charter') ?? [])], [1, 2, 3])
      assert.equal(opened.readState('votes'), undefined)
      assert.equal(opened.driveDirectory, path.join(home, 'drive'))
      opened.close()
    })

    it('is for its owner only: 0700, every file 0600', () => {
      makeHome(home)
      assert.equal(permissions(home), 0o700)
      for (const name of fs.readdirSync(home)) assert.equal(permissions(path.join(home, name)), 0o600, name)
      openHome(home).close()
      assert.equal(permissions(path.join(home, 'lock')), 0o600)
    })

    it('parents are made; an empty directory becomes private', () => {
      const deep = path.join(base, 'a', 'b', 'home')
      makeHome(deep)
      openHome(deep).close()
      fs.mkdirSync(home, { mode: 0o755 })
      makeHome(home)
      assert.equal(permissions(home), 0o700)
    })

    it('a key file that other users could read is closed to them, and somebody is told', () => {
      makeHome(home)
      fs.chmodSync(path.join(home, 'key'), 0o644)
      const opened = openHome(home)
      opened.close()
      assert.match(opened.notices.join(), /key could be read by other users/)
      assert.equal(permissions(path.join(home, 'key')), 0o600)
      const again = openHome(home)
      again.close()
      assert.deepEqual(again.notices, [])
    })

    it('an identity that is empty or zeroed is damaged, not of a newer version', () => {
      makeHome(home)
      for (const bytes of [Buffer.alloc(0), Buffer.alloc(300)]) {
        fs.writeFileSync(path.join(home, 'identity'), bytes)
        assertRefused('HF_DECODE', { message: /damaged/ })
      }
    })

    it('opens again after it was closed, and closing twice does no harm', () => {
      makeHome(home)
      const first = openHome(home)
      first.close()
      first.close()
      openHome(home).close()
    })

    it('moved within its file system it is the same home', () => {
      makeHome(home)
      fs.renameSync(home, `${home}-moved`)
      openHome(`${home}-moved`).close()
    })
  })

  describe('state', () => {
    it('is replaced as a whole, private, and survives a left-over of an interrupted write', () => {
      makeHome(home)
      const opened = openHome(home)
      opened.writeState('votes', Uint8Array.of(1))
      fs.writeFileSync(path.join(home, 'votes.new'), 'half a wri')
      opened.writeState('votes', Uint8Array.of(2, 2))
      assert.deepEqual([...(opened.readState('votes') ?? [])], [2, 2])
      assert.equal(permissions(path.join(home, 'votes')), 0o600)
      assert.equal(fs.existsSync(path.join(home, 'votes.new')), false)
      opened.close()
    })

    it('that cannot be written is an error with a code, and the old state stays', () => {
      makeHome(home)
      const opened = openHome(home)
      opened.writeState('votes', Uint8Array.of(1))
      fs.mkdirSync(path.join(home, 'votes.new'))
      assert.throws(() => opened.writeState('votes', Uint8Array.of(2)), withCode('HF_DRIVE_FAILED'))
      assert.deepEqual([...(opened.readState('votes') ?? [])], [1])
      opened.close()
    })
  })

  describe('is not made over something else', () => {
    it('a node: HF_HOME_EXISTS, nothing changed', () => {
      makeHome(home)
      const before = contentOf(home)
      assert.throws(
        () => makeHome(home, { seed: new Uint8Array(32) }),
        withCode('HF_HOME_EXISTS', /nothing was changed/),
      )
      assert.deepEqual(contentOf(home), before)
    })

    it('other files: HF_CONFLICT naming them, nothing changed', () => {
      fs.mkdirSync(home)
      fs.writeFileSync(path.join(home, 'thesis.txt'), 'precious')
      const before = contentOf(home)
      assert.throws(() => makeHome(home), withCode('HF_CONFLICT', /thesis\.txt/))
      assert.deepEqual(contentOf(home), before)
    })

    it('a file: HF_BAD_INPUT', () => {
      fs.writeFileSync(home, 'a file')
      assert.throws(() => makeHome(home), withCode('HF_BAD_INPUT'))
      assert.equal(fs.readFileSync(home, 'utf8'), 'a file')
    })

    it('what an interrupted init left is taken over: the identity is written last', () => {
      makeHome(home)
      const names = fs.readdirSync(home)
      for (const kept of names.filter((name) => name !== 'identity')) {
        const half = `${home}-${kept}`
        fs.mkdirSync(half)
        for (const name of names.slice(0, names.indexOf(kept) + 1)) {
          if (name !== 'identity') fs.copyFileSync(path.join(home, name), path.join(half, name))
        }
        assert.throws(() => openHome(half), withCode('HF_HOME_MISSING'))
        makeHome(half)
        openHome(half).close()
      }
    })
  })

  describe('is not opened', () => {
    it('where there is none: HF_HOME_MISSING with the command that makes one', () => {
      for (const directory of [home, base]) {
        assert.throws(
          () => openHome(directory),
          (error) => hasCode(error, 'HF_HOME_MISSING') && (error.next ?? '').includes('holdfast init'),
        )
      }
    })

    it('where a file is: a coded error', () => {
      fs.writeFileSync(home, 'a file')
      assert.throws(() => openHome(home), withCode('HF_BAD_INPUT'))
    })

    it('of a newer format: HF_HOME_NEWER', () => {
      makeHome(home)
      fs.writeFileSync(path.join(home, 'format'), 'holdfast home 2\n')
      assertRefused('HF_HOME_NEWER', { message: /format 2/ })
    })

    it('with a damaged format file or identity: HF_DECODE', () => {
      makeHome(home)
      fs.writeFileSync(path.join(home, 'format'), 'garbage')
      assertRefused('HF_DECODE')
      fs.writeFileSync(path.join(home, 'format'), 'holdfast home 1\n')
      const identity = fs.readFileSync(path.join(home, 'identity'))
      for (let length = 1; length < identity.length; length++) {
        fs.writeFileSync(path.join(home, 'identity'), identity.subarray(0, length))
        assert.throws(() => openHome(home), withCode('HF_DECODE'), `cut to ${length} bytes`)
      }
      fs.writeFileSync(path.join(home, 'identity'), Buffer.alloc(70_000, 1))
      assertRefused('HF_DECODE')
    })

    it('copied elsewhere: HF_HOME_COPIED; the original still opens', () => {
      makeHome(home)
      fs.cpSync(home, `${home}-copy`, { recursive: true, preserveTimestamps: true })
      assert.throws(() => openHome(`${home}-copy`), withCode('HF_HOME_COPIED'))
      openHome(home).close()
    })

    it('on a device that was numbered anew it is the same home, where the file system tells birth times', () => {
      makeHome(home)
      const place = path.join(home, 'place')
      const [device = '', inode = '', birth = ''] = fs.readFileSync(place, 'utf8').trim().split(' ')
      fs.writeFileSync(place, `${BigInt(device) + 1n} ${inode} ${birth}\n`)
      if (birth === '0') assertRefused('HF_HOME_COPIED')
      else openHome(home).close()
      fs.writeFileSync(place, `${device} ${BigInt(inode) + 1n} ${birth}\n`)
      assertRefused('HF_HOME_COPIED')
      fs.writeFileSync(place, `${device} ${inode} ${BigInt(birth) + 1n}\n`)
      assertRefused('HF_HOME_COPIED')
    })

    it('copied, until a person says that the original is gone', () => {
      makeHome(home)
      fs.cpSync(home, `${home}-copy`, { recursive: true })
      fs.rmSync(path.join(`${home}-copy`, 'place'))
      openHome(`${home}-copy`).close()
      openHome(`${home}-copy`).close()
    })

    it('twice: HF_HOME_IN_USE naming the process', () => {
      makeHome(home)
      const first = openHome(home)
      assertRefused('HF_HOME_IN_USE', { message: new RegExp(`process ${process.pid}\\b`) })
      first.close()
      openHome(home).close()
    })
  })

  describe('key', () => {
    it('by key file: no passphrase is needed, and without the file it is HF_WRONG_KEY', () => {
      makeHome(home)
      assert.equal(needsPassphrase(home), false)
      const keyFile = fs.readFileSync(path.join(home, 'key'))
      assert.equal(keyFile.length, 32)
      fs.writeFileSync(path.join(home, 'key'), Buffer.alloc(32, 9))
      assertRefused('HF_WRONG_KEY')
      fs.rmSync(path.join(home, 'key'))
      assertRefused('HF_WRONG_KEY', { message: /missing/ })
    })

    it('by passphrase: it is needed, a wrong one is HF_WRONG_KEY and touches nothing', () => {
      makeHome(home, { passphrase: 'correct horse' })
      assert.equal(needsPassphrase(home), true)
      assert.equal(fs.existsSync(path.join(home, 'key')), false)
      assertRefused('HF_WRONG_KEY', { message: /passphrase/ })
      assertRefused('HF_WRONG_KEY', { passphrase: 'wrong' })
      openHome(home, 'correct horse').close()
    })

    it('a refused key frees the lock', () => {
      makeHome(home, { passphrase: 'correct horse' })
      assert.throws(() => openHome(home, 'wrong'), withCode('HF_WRONG_KEY'))
      openHome(home, 'correct horse').close()
    })

    it('the identity is readable without it', () => {
      makeHome(home, { passphrase: 'correct horse' })
      assert.equal(readIdentity(home).name, 'node-a')
    })
  })
})
