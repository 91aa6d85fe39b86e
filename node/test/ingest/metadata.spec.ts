import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { createServer } from 'node:net'
import {
  ACL_ACCESS,
  cString,
  createSource,
  createXattrReader,
  isKeptXattr,
  libc,
  XATTRS_BYTES_MAX,
} from '@holdfast/capture'
import type { Source } from '@holdfast/capture'
import { createArena, SEGMENT_BYTES_MAX } from '@holdfast/chunker'
import { STATE_XATTRS_BYTES_MAX } from '@holdfast/journal'
import { equalBytes, hexOf, KIB, MIB } from '@holdfast/ports'
import { Parents } from '../../src/ingest/parents.ts'
import { readPath } from '../../src/ingest/read-path.ts'
import type { Found } from '../../src/ingest/read-path.ts'
import { bytes, noise, TestDirectory, text } from './fixture.ts'

const arena = createArena()
const cutter = arena.cutter(noise('cutter', 32))
const calls = libc()
const isRoot = process.getuid?.() === 0

/** user:0 rwx, user:4242 r--, group r-x, mask r-x, others ---: as the kernel has it. */
const ACL = Buffer.from(
  '02000000 01000700ffffffff 0200040092100000 04000500ffffffff 10000500ffffffff 20000000ffffffff'.replaceAll(' ', ''),
  'hex',
)

describe('reading what belongs to a path beside its content', function () {
  if (calls === undefined) return
  let directory: TestDirectory

  beforeEach(() => {
    directory = new TestDirectory()
  })
  afterEach(() => directory.remove())

  interface Read {
    readonly found: Found
    readonly content: Uint8Array
    readonly segments: number[]
  }

  function read(name: string, source: Source = createSource(), parents = new Parents(source)): Read {
    let pieces: Uint8Array[] = []
    const sink = {
      restart: () => void (pieces = []),
      segment(view: Uint8Array) {
        pieces.push(view.slice())
        return false
      },
    }
    const target = { root: bytes(directory.root), rootIdentity: undefined, path: bytes(name) }
    const steps = readPath(target, { source, parents, arena, cutter }, sink)
    for (;;) {
      const { done, value } = steps.next()
      if (done !== true) continue
      parents.close()
      assert.ok(value)
      const content = new Uint8Array(Buffer.concat(pieces))
      return { found: value, content, segments: pieces.map((piece) => piece.byteLength) }
    }
  }

  const setXattr = (name: string, attribute: string, value: string | Buffer): void => {
    const result = calls.lsetxattr(cString(directory.at(name)), cString(bytes(attribute)), Buffer.from(value))
    assert.ok(result >= 0, `${attribute} of ${name}: ${result}`)
  }
  const xattrsOf = (name: string): string[] =>
    (read(name).found.xattrs ?? []).map(({ name: attribute, value }) => `${text(attribute)}=${text(value)}`)

  it('extended attributes come in order of name, with values of any bytes, of files and directories', () => {
    directory.write('d/file', bytes('x'))
    for (const name of ['d', 'd/file']) {
      assert.equal(read(name).found.xattrs, undefined)
      setXattr(name, 'user.zz', 'last')
      setXattr(name, 'user.empty', '')
      setXattr(name, 'user.bytes', Buffer.from([0, 0xff]))
      assert.deepEqual(xattrsOf(name), ['user.bytes=\0\xff', 'user.empty=', 'user.zz=last'])
    }
  })

  it('attributes that only the superuser may set come with them, also those of links, fifos and devices', function () {
    if (!isRoot) this.skip()
    directory.write('file', bytes('x'))
    fs.symlinkSync('file', directory.at('link'))
    execFileSync('mkfifo', [directory.at('fifo').toString()])
    execFileSync('mknod', [directory.at('null').toString(), 'c', '1', '3'])
    for (const name of ['file', 'link', 'fifo', 'null']) {
      setXattr(name, 'trusted.holdfast', name)
      setXattr(name, 'security.holdfast', name)
      assert.deepEqual(xattrsOf(name), [`security.holdfast=${name}`, `trusted.holdfast=${name}`])
    }
    assert.deepEqual(
      [read('null').found.special, read('fifo').found.special],
      [
        { kind: 'character', major: 1, minor: 3 },
        { kind: 'fifo', major: 0, minor: 0 },
      ],
    )
  })

  it('an access list is one of them', () => {
    directory.write('file', bytes('x'))
    setXattr('file', ACL_ACCESS, ACL)
    const [acl] = read('file').found.xattrs ?? []
    assert.deepEqual([text(acl?.name ?? bytes('')), hexOf(acl?.value ?? bytes(''))], [ACL_ACCESS, ACL.toString('hex')])
    assert.equal(isKeptXattr('system.nfs4_acl'), false)
  })

  it('attributes beyond the limit are left out, and that is said; the rest is kept', () => {
    const values = new Map([
      ['user.a', new Uint8Array(60 * KIB)],
      ['user.b', new Uint8Array(60 * KIB)],
      ['user.c', new Uint8Array(60 * KIB)],
      ['user.d', new Uint8Array(1)],
      ['btrfs.compression', new Uint8Array(1)],
    ])
    const place = {
      list: (into: Uint8Array) =>
        Buffer.from(into.buffer).write([...values.keys(), ''].toReversed().join('\0').slice(1) + '\0'),
      get(name: Uint8Array, into: Uint8Array) {
        const value = values.get(text(name.subarray(0, -1))) ?? new Uint8Array(0)
        into.set(value)
        return value.byteLength
      },
    }
    const told = createXattrReader()(place)
    assert.ok(typeof told !== 'string')
    assert.deepEqual([told.xattrs.map(({ name }) => text(name)), told.leftOut], [['user.a', 'user.b', 'user.d'], 1])
    assert.ok(60 * KIB * 2 < XATTRS_BYTES_MAX && XATTRS_BYTES_MAX <= STATE_XATTRS_BYTES_MAX)
    directory.write('file', bytes('x'))
    const source = { ...createSource(), fileXattrs: () => told }
    const { found } = read('file', source)
    assert.deepEqual([found.type, found.xattrs?.length, found.error?.code], ['file', 3, 'HF_UNREADABLE'])
    assert.match(found.error?.message ?? '', /1 are left out/)
  })

  it('names of one thing share an identity, whatever it is; a single name has none', () => {
    const names = ['file', 'link', 'fifo']
    directory.write('file', bytes('x'))
    fs.symlinkSync('file', directory.at('link'))
    execFileSync('mkfifo', [directory.at('fifo').toString()])
    fs.mkdirSync(directory.at('d'))
    fs.mkdirSync(directory.at('d/sub'))
    const identity = (name: string): string | undefined => {
      const { hardLink } = read(name).found
      return hardLink === undefined ? undefined : hexOf(hardLink)
    }
    for (const name of names) {
      assert.equal(identity(name), undefined)
      fs.linkSync(directory.at(name), directory.at(`d/${name}`))
      assert.match(identity(name) ?? '', /^[0-9a-f]{16}0{16}$/)
      assert.equal(identity(name), identity(`d/${name}`))
    }
    assert.equal(new Set(names.map(identity)).size, names.length)
    assert.equal(identity('d'), undefined)
  })

  it('a file with holes is sparse, and what it reads as is as long and the same', () => {
    const data = noise('data', 100 * KIB)
    const fd = fs.openSync(directory.at('sparse'), 'w')
    fs.writeSync(fd, data, 0, data.length, 4 * MIB)
    fs.writeSync(fd, data, 0, data.length, 40 * MIB)
    fs.ftruncateSync(fd, 64 * MIB + 5)
    fs.closeSync(fd)
    const expected = fs.readFileSync(directory.at('sparse'))
    const { found, content, segments } = read('sparse')
    assert.deepEqual([found.sparse, found.size, found.torn], [true, 64 * MIB + 5, false])
    assert.ok(equalBytes(content, new Uint8Array(expected)))
    assert.ok(segments.filter((length) => length === SEGMENT_BYTES_MAX).length >= 250, `${segments.length} segments`)
  })

  it('small holes are read with the data around them; without holes nothing is sparse', () => {
    const fd = fs.openSync(directory.at('small holes'), 'w')
    for (let index = 0; index < 20; index++) fs.writeSync(fd, noise(`${index}`, 8 * KIB), 0, 8 * KIB, index * 32 * KIB)
    fs.closeSync(fd)
    const expected = fs.readFileSync(directory.at('small holes'))
    const { found, content } = read('small holes')
    assert.deepEqual([found.sparse, found.torn], [true, false])
    assert.ok(equalBytes(content, new Uint8Array(expected)))
    directory.write('zeros', new Uint8Array(MIB))
    assert.equal(read('zeros').found.sparse, undefined)
    fs.truncateSync(directory.at('zeros'), 0)
    fs.truncateSync(directory.at('zeros'), 10 * MIB)
    const hole = read('zeros')
    assert.deepEqual([hole.found.sparse, hole.content.byteLength], [true, 10 * MIB])
  })

  it('a socket is nothing that is kept', async () => {
    const server = createServer().listen(directory.at('socket').toString())
    await once(server, 'listening')
    const { found } = read('socket')
    server.close()
    assert.deepEqual([found.type, found.special], ['other', undefined])
  })

  describe('never leads out of the root', () => {
    let outside: TestDirectory

    beforeEach(() => {
      outside = new TestDirectory()
      outside.write('file', bytes('secret'))
      directory.write('d/sub/file', bytes('mine'))
    })
    afterEach(() => outside.remove())

    /** The directory becomes a link to elsewhere, where the same names are. */
    const swap = (name: string): void => {
      if (fs.lstatSync(directory.at(name)).isSymbolicLink()) return
      fs.renameSync(directory.at(name), directory.at('moved'))
      fs.symlinkSync(outside.root, directory.at(name))
    }

    it('through a link that stands for a directory, at any depth', () => {
      outside.write('sub/file', bytes('secret'))
      swap('d')
      assert.equal(read('d/sub/file').found.type, 'absent')
      assert.equal(read('d/file').found.type, 'absent')
      assert.equal(read('d').found.type, 'symlink')
    })

    it('through one that takes the place of a directory between any two steps', () => {
      const steps = ['openRoot', 'openDirectory', 'look', 'openFile', 'lookAtFile', 'fileXattrs'] as const
      for (const step of steps) {
        const source = createSource()
        const meddled: Source = {
          ...source,
          [step]: (...args: never[]) => (swap('d/sub'), Reflect.apply(source[step], source, args)),
        }
        const { found, content } = read('d/sub/file', meddled)
        assert.notEqual(text(content), 'secret', step)
        assert.ok(found.type === 'absent' || text(content) === 'mine', `${step}: ${found.type}`)
        fs.rmSync(directory.at('d/sub'))
        fs.renameSync(directory.at('moved'), directory.at('d/sub'))
      }
    })

    it('and a fifo that takes the place of a file is not read from', () => {
      const source = createSource()
      const openFile: Source['openFile'] = (from, name) => {
        if (fs.lstatSync(directory.at('d/sub/file')).isFile()) {
          fs.rmSync(directory.at('d/sub/file'))
          execFileSync('mkfifo', [directory.at('d/sub/file').toString()])
        }
        return source.openFile(from, name)
      }
      assert.equal(read('d/sub/file', { ...source, openFile }).found.special?.kind, 'fifo')
    })

    it('and no descriptor stays open', () => {
      const source = createSource()
      const parents = new Parents(source)
      const open = (): number => fs.readdirSync('/proc/self/fd').length
      read('d/sub/file', source, parents)
      const before = open()
      for (const name of ['d', 'd/sub/file', 'nothing', 'd/sub/file/below', 'd/sub']) read(name, source, parents)
      assert.equal(open(), before)
    })
  })
})
