import { strict as assert } from 'node:assert'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  createLibcReader,
  createTreeWalker,
  LiveTree,
  STAT_WORDS,
  type TreeWalker,
  type WalkEnd,
} from '@holdfast/capture'
import { libc } from '../src/libc.ts'
import { type Found, listen } from './found.ts'
import { bytes, removeTempDirs, tempDir } from './temp.ts'

describe('a walk of a tree that changes meanwhile', function () {
  const calls = libc()
  if (calls === undefined) return

  let root: string
  let walker: TreeWalker

  const at = (path: string): string => join(root, path)
  const write = (path: string): void => writeFileSync(at(path), path)
  /** Walks, and calls `act` once, when the first directory has been read to its end. */
  const walk = (act: () => void = () => undefined): Found & { end: WalkEnd } => {
    const found = listen()
    const steps = walker.walk(new Uint8Array(0), found.sink)
    for (let units = 0; ; units++) {
      const step = steps.next()
      if (step.done === true) return { ...found, end: step.value }
      if (units === 0) act()
    }
  }
  /** What a node does with what was found. */
  const capture = (found: Found): void => {
    for (const path of found.changed)
      walker.tree.capture(bytes(path), wordsOf(path), 0, { racy: false, young: false, ignored: false })
    for (const path of found.vanished) walker.tree.forget(bytes(path))
  }
  const wordsOf = (path: string): Uint32Array => {
    const reader = createLibcReader(calls)
    const opened = reader.openRoot(bytes(root))
    assert.ok(typeof opened !== 'string')
    const problem = reader.stat(opened, bytes(path))
    reader.close(opened)
    assert.ok(problem === undefined || problem === 'ENOENT', problem)
    return reader.words.slice()
  }
  /** In the order of the listing, which no file system promises. */
  const directories = (count: number): string[] => {
    for (let index = 0; index < count; index++) {
      mkdirSync(at(`d${index}/sub`), { recursive: true })
      write(`d${index}/sub/file`)
    }
    walker = createTreeWalker({ root: bytes(root), reader: createLibcReader(calls) })
    const order = walk()
    capture(order)
    return order.changed.filter((path) => !path.includes('/'))
  }

  beforeEach(() => {
    root = tempDir()
  })
  afterEach(removeTempDirs)

  it('tells nothing false of a directory that moves from where it was not yet to where it was already', () => {
    const names = directories(8)
    for (const name of names) {
      const moved = `moved-${name}`
      const during = walk(() => renameSync(at(name), at(moved)))
      assert.equal(during.end.type, 'done')
      assert.deepEqual(during.problems, [])
      for (const path of during.vanished) assert.ok(path === name || path.startsWith(`${name}/`), path)
      for (const path of during.changed) assert.ok(path.startsWith('moved-'), path)
      capture(during)
      const after = walk()
      capture(after)
      // Between them they have told of it at its new place, and that it left the old one.
      const changed = new Set([...during.changed, ...after.changed])
      const vanished = new Set([...during.vanished, ...after.vanished])
      for (const path of ['', '/sub', '/sub/file']) {
        assert.ok(changed.has(`${moved}${path}`), `${moved}${path}`)
        assert.ok(vanished.has(`${name}${path}`), `${name}${path}`)
      }
      assert.deepEqual([walk().changed, walk().vanished], [[], []])
    }
  })

  it('takes a directory that vanishes, or becomes a file or a link, before it is entered for no problem, and finds it the next time', () => {
    const [first = '', second = '', third = ''] = directories(3)
    const during = walk(() => {
      for (const name of [first, second, third]) rmSync(at(name), { recursive: true })
      write(second)
      symlinkSync('/', at(third))
    })
    assert.deepEqual([during.problems, during.end.type], [[], 'done'])
    capture(during)
    const after = walk()
    const vanished = new Set([...during.vanished, ...after.vanished])
    for (const name of [first, second, third]) assert.ok(vanished.has(`${name}/sub/file`), name)
    assert.ok(vanished.has(first))
    const changed = [...during.changed, ...after.changed]
    assert.ok(changed.includes(second) && changed.includes(third))
    assert.ok(!changed.some((path) => path.startsWith(`${third}/`)), 'the link is not followed')
  })

  it('tells of a name that is longer than any that can be kept, and goes on', () => {
    write('file')
    const long = 'x'.repeat(300)
    const reader = createLibcReader({
      ...calls,
      getdents(fd, into) {
        const filled = calls.getdents(fd, into)
        if (filled > 0) return filled + direntOf(long, into.subarray(filled))
        return filled
      },
    })
    walker = createTreeWalker({ root: bytes(root), reader })
    const found = walk()
    assert.deepEqual([found.changed, found.problems], [['file'], [`${long} ENAMETOOLONG`]])
  })
})

/** A `struct linux_dirent64` of a file, behind those that are there. */
function direntOf(name: string, into: Uint8Array): number {
  const length = Math.ceil((20 + name.length) / 8) * 8
  const view = new DataView(into.buffer, into.byteOffset)
  into.fill(0, 0, length)
  view.setUint16(16, length, true)
  into[18] = 8
  into.set(bytes(name), 19)
  return length
}

describe('what is known of very many paths', () => {
  it('occupies 200 bytes a path at most, however many they are, and not more when all have been forgotten and come anew', () => {
    const tree = new LiveTree()
    const words = new Uint32Array(STAT_WORDS).fill(7)
    const paths = 100_000
    const pathOf = (index: number): Uint8Array => bytes(`directory-${index % 1000}/file-${index}.txt`)
    const capture = (index: number): void =>
      tree.capture(pathOf(index), words, 0, { racy: false, young: false, ignored: false })
    for (let index = 0; index < paths; index++) {
      capture(index)
      if (index > 10_000 && tree.byteLength > 200 * index) assert.fail(`${tree.byteLength} bytes for ${index} paths`)
    }
    const full = tree.byteLength
    for (let index = 0; index < paths; index++) tree.forget(pathOf(index))
    tree.collect()
    assert.equal(tree.capturedCount, 0)
    for (let index = 0; index < paths; index++) capture(index)
    assert.equal(tree.capturedCount, paths)
    assert.ok(tree.byteLength <= 1.3 * full, `${tree.byteLength} bytes after ${full}`)
  })
})
