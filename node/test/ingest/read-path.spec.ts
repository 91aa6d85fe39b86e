import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { createServer } from 'node:net'
import { createSource } from '@holdfast/capture'
import { createArena } from '@holdfast/chunker'
import { equalBytes, hasCode, KIB, MIB } from '@holdfast/ports'
import { READ_ATTEMPTS_MAX } from '../../src/ingest/limits.ts'
import { Parents } from '../../src/ingest/parents.ts'
import type { Found } from '../../src/ingest/read-path.ts'
import { readPath } from '../../src/ingest/read-path.ts'
import { bytes, noise, TestDirectory } from './fixture.ts'

const arena = createArena()
const cutter = arena.cutter(noise('cutter', 32))
const readingSource = createSource()
const parents = new Parents(readingSource)

describe('reading a path', () => {
  let source: TestDirectory

  beforeEach(() => {
    source = new TestDirectory()
  })

  afterEach(() => source.remove())

  /** Reads to the end; `meddle` is called after each segment with the number of the reading, from 1. */
  function read(
    name: string,
    meddle: (reading: number) => void = () => {},
  ): { found: Found; content: Uint8Array; readings: number } {
    let pieces: Uint8Array[] = []
    let readings = 0
    const sink = {
      restart() {
        pieces = []
        readings++
      },
      segment(view: Uint8Array) {
        pieces.push(view.slice())
        meddle(readings)
        return false
      },
    }
    const target = { root: bytes(source.root), rootIdentity: undefined, path: bytes(name) }
    const steps = readPath(target, { source: readingSource, parents, arena, cutter }, sink)
    for (;;) {
      const step = steps.next()
      if (step.done !== true) continue
      parents.close()
      assert.ok(step.value)
      const { target, ...found } = step.value
      const plain = target === undefined ? found : { ...found, target: new Uint8Array(target) }
      return { found: plain, content: new Uint8Array(Buffer.concat(pieces)), readings }
    }
  }

  it('gives content and stat of a file of any length', () => {
    for (const length of [
      0,
      1,
      16 * KIB,
      16 * KIB + 1,
      256 * KIB,
      2 * MIB,
      8 * MIB - 1,
      8 * MIB,
      8 * MIB + 1,
      17 * MIB,
    ]) {
      source.write('file', noise('length', length))
      const { found, content, readings } = read('file')
      assert.equal(found.size, length)
      assert.equal(found.torn, false)
      assert.equal(readings, 1)
      assert.ok(equalBytes(content, noise('length', length)), `${length}`)
      assert.equal(found.stat?.ctimeNs, fs.statSync(source.at('file'), { bigint: true }).ctimeNs)
    }
  })

  it('of a file that changes once is read again and gives what is there then', () => {
    source.write('file', noise('before', 100 * KIB))
    const { found, content, readings } = read('file', (reading) => {
      if (reading === 1) fs.truncateSync(source.at('file'), 150 * KIB)
    })
    assert.equal(readings, 2)
    assert.equal(found.torn, false)
    assert.equal(found.size, 150 * KIB)
    assert.equal(content.byteLength, found.size)
  })

  it('of a file that changes each time is kept as torn, and ends though it grows', () => {
    source.write('log', noise('log', 100 * KIB))
    const { found, content, readings } = read('log', () => fs.appendFileSync(source.at('log'), noise('line', 50 * KIB)))
    assert.equal(readings, READ_ATTEMPTS_MAX)
    assert.equal(found.torn, true)
    assert.equal(found.size, content.byteLength)
    assert.ok(found.stat && found.stat.size < fs.statSync(source.at('log')).size)
  })

  it('of a file that shrinks while it is read gives what could be read', () => {
    source.write('file', noise('shrinks', 20 * MIB))
    const { found, content } = read('file', (reading) => {
      if (reading === 1) fs.truncateSync(source.at('file'), 3)
    })
    assert.deepEqual([found.size, found.torn], [3, false])
    assert.deepEqual(content, noise('shrinks', 3))
  })

  it('of a file replaced by another one, with equal size and time, is read again', () => {
    source.write('file', noise('old', 5000))
    const { found, content } = read('file', (reading) => {
      if (reading > 1) return
      const { atime, mtime } = fs.statSync(source.at('file'))
      source.write('new', noise('new', 5000))
      fs.utimesSync(source.at('new'), atime, mtime)
      fs.renameSync(source.at('new'), source.at('file'))
      source.write('file', noise('new', 5000))
    })
    assert.equal(found.torn, false)
    assert.deepEqual(content, noise('new', 5000))
  })

  it('of a file that vanishes while it is read is looked at again, and gone', () => {
    source.write('file', noise('vanishes', 5000))
    const { found } = read('file', () => fs.rmSync(source.at('file'), { force: true }))
    assert.equal(found.type, 'absent')
  })

  it('of a link gives its target, and never follows it', () => {
    source.write('secret/file', bytes('secret'))
    fs.symlinkSync('secret/file', source.at('link'))
    fs.symlinkSync('nowhere', source.at('broken'))
    assert.deepEqual(read('link').found.target, bytes('secret/file'))
    assert.deepEqual(read('broken').found.target, bytes('nowhere'))
    assert.equal(read('link').content.byteLength, 0)
  })

  it('of a file that becomes a link while it is read is that link', () => {
    source.write('file', noise('becomes', 5000))
    source.write('secret', bytes('secret'))
    const { found } = read('file', () => {
      fs.rmSync(source.at('file'))
      fs.symlinkSync('secret', source.at('file'))
    })
    assert.deepEqual([found.type, found.target], ['symlink', bytes('secret')])
  })

  it('of a socket gives metadata without opening it', async () => {
    const server = createServer().listen(source.at('socket').toString())
    await once(server, 'listening')
    const { found, readings } = read('socket')
    server.close()
    assert.deepEqual([found.type, found.size, readings], ['other', 0, 1])
  })

  it('keeps mode, owner and time to the nanosecond', () => {
    source.write('file', bytes('x'))
    fs.chmodSync(source.at('file'), 0o4751)
    execFileSync('touch', ['-d', '1969-12-31T23:59:58.123456789Z', source.at('file').toString()])
    const { found } = read('file')
    assert.equal(found.mode, 0o4751)
    assert.equal(found.mtimeNs, -1_876_543_211n)
    assert.deepEqual([found.uid, found.gid], [process.getuid?.(), process.getgid?.()])
  })

  it('that may not be read is unreadable, and says why', () => {
    source.write('file', bytes('x'))
    fs.chmodSync(source.at('file'), 0)
    fs.chmodSync(source.root, 0o711)
    const { found } = asNobody(() => read('file'))
    assert.deepEqual([found.type, found.error?.code, found.stat?.type], ['unreadable', 'HF_UNREADABLE', 'file'])
    assert.match(found.error?.message ?? '', /EACCES/)
  })

  it('below a file, or not there, is absent; under a missing root it is unavailable', () => {
    source.write('file', bytes('x'))
    assert.equal(read('file/below').found.type, 'absent')
    assert.equal(read('nothing').found.type, 'absent')
    source.remove()
    assert.throws(
      () => read('nothing'),
      (error) => hasCode(error, 'HF_SOURCE_UNAVAILABLE'),
    )
    assert.throws(
      () => read(''),
      (error) => hasCode(error, 'HF_SOURCE_UNAVAILABLE'),
    )
  })
})

/** Root may read everything: run the call as somebody who may not. */
function asNobody<T>(call: () => T): T {
  if (process.getuid?.() !== 0) return call()
  process.seteuid?.(65_534)
  try {
    return call()
  } finally {
    process.seteuid?.(0)
  }
}
