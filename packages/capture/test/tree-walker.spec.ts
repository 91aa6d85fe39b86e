import { strict as assert } from 'node:assert'
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  createLibcReader,
  createNodeReader,
  createTreeWalker,
  encodeStat,
  STAT_WORDS,
  type DirectoryReader,
  type StatKey,
  type TreeWalker,
  type WalkEnd,
} from '@holdfast/capture'
import { CHECK_GONE_MAX } from '../src/look.ts'
import { AT_FDCWD, cString, encodeTimes, libc } from '../src/libc.ts'
import { type Found, listen } from './found.ts'
import { bytes, removeTempDirs, tempDir, text } from './temp.ts'

function walkerSuite(makeReader: () => DirectoryReader): void {
  let root: string
  let walker: TreeWalker

  const at = (path: string): string => join(root, path)
  const write = (path: string, content = 'x'): void => writeFileSync(at(path), content)
  const start = (exclude: string[] = []): void => {
    walker = createTreeWalker({ root: bytes(root), reader: makeReader(), exclude: exclude.map(bytes) })
  }
  const walkWith = (found: Found, between: () => void = () => undefined, top = ''): WalkEnd => {
    const steps = walker.walk(bytes(top), found.sink)
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
      between()
    }
  }
  const walk = (top = ''): Found => {
    const found = listen()
    assert.equal(walkWith(found, undefined, top).type, 'done')
    return found
  }
  const check = (...paths: string[]): Found => {
    const found = listen()
    const { end, directories } = walker.check(paths.map(bytes), found.sink)
    assert.equal(end.type, 'done')
    found.directories.push(...directories.map(text))
    return found
  }
  /** What a node does with what was found: captures it. */
  const capture = (found: Found, { racy = false, young = false } = {}): void => {
    for (const [path, stat] of found.stats)
      walker.tree.capture(bytes(path), wordsOf(stat), 0, { racy, young, ignored: false })
    for (const path of found.vanished) walker.tree.forget(bytes(path))
  }
  const settle = (): void => capture(walk())
  const isUnavailable = (): void => {
    const found = listen()
    assert.equal(walkWith(found).type, 'unavailable')
    assert.equal(walker.check([bytes('file')], found.sink).end.type, 'unavailable')
    assert.deepEqual([found.changed, found.vanished], [[], []])
  }

  beforeEach(() => {
    root = tempDir()
  })
  afterEach(removeTempDirs)

  it('finds everything at first, directories before what is in them, then nothing', () => {
    mkdirSync(at('d/empty'), { recursive: true })
    write('d/file')
    symlinkSync('missing', at('dangling'))
    start()
    const found = listen()
    const end = walkWith(found)
    assert.deepEqual([...found.changed].toSorted(), ['d', 'd/empty', 'd/file', 'dangling'])
    assert.ok(found.changed.indexOf('d') < found.changed.indexOf('d/file'))
    assert.equal(end.type === 'done' && end.totals.files, 1)
    assert.equal(end.type === 'done' && end.totals.directories, 2)
    assert.equal(end.type === 'done' && end.totals.symlinks, 1)
    assert.equal(found.stats.get('dangling')?.type, 'symlink')
    capture(found)
    const again = walk()
    assert.deepEqual([again.changed, again.vanished, again.problems], [[], [], []])
  })

  it('finds changed content, mode and time, and tells that the path is known', () => {
    for (const name of ['content', 'mode', 'time', 'same']) write(name)
    start()
    settle()
    write('content', 'y')
    chmodSync(at('mode'), 0o600)
    utimesSync(at('time'), 1, 1)
    const found = walk()
    assert.deepEqual(found.changed.toSorted(), ['content', 'mode', 'time'])
    assert.deepEqual(found.why.get('content'), { known: true, racy: false })
  })

  it('finds a file replaced by another of the same size and time', () => {
    write('file', 'one')
    write('other', 'two')
    for (const name of ['file', 'other']) utimesSync(at(name), 1_000_000, 1_000_000)
    start()
    settle()
    renameSync(at('other'), at('file'))
    const found = walk()
    assert.deepEqual(found.changed, ['file'])
    assert.deepEqual(found.vanished, ['other'])
  })

  it('reports what vanished, children before parents, until it is forgotten', () => {
    mkdirSync(at('d/sub'), { recursive: true })
    write('d/sub/file')
    write('keep')
    start()
    settle()
    rmSync(at('d'), { recursive: true })
    assert.deepEqual(walk().vanished, ['d/sub/file', 'd/sub', 'd'])
    const found = walk()
    assert.deepEqual(found.vanished, ['d/sub/file', 'd/sub', 'd'])
    capture(found)
    assert.deepEqual(walk().vanished, [])
    assert.equal(walker.tree.capturedCount, 1)
  })

  it('looks again at what was captured too soon after it changed', () => {
    write('file')
    start()
    capture(walk(), { racy: true })
    const found = walk()
    assert.deepEqual(found.why.get('file'), { known: true, racy: true })
    capture(found)
    assert.deepEqual(walk().changed, [])
  })

  it('looks again at what was young when it was captured, but only when it is to be thorough', () => {
    write('file')
    start()
    capture(walk(), { young: true })
    const brief = listen()
    for (const step of walker.walk(new Uint8Array(0), brief.sink, false)) assert.equal(step, undefined)
    assert.deepEqual(brief.changed, [])
    assert.deepEqual(check('file').changed, ['file'])
    const found = walk()
    assert.deepEqual(found.why.get('file'), { known: true, racy: true })
    capture(found)
    assert.deepEqual(walk().changed, [])
  })

  it('follows a directory that becomes a file, and a file that becomes a directory', () => {
    mkdirSync(at('d'))
    write('d/child')
    write('f')
    start()
    settle()
    rmSync(at('d'), { recursive: true })
    unlinkSync(at('f'))
    write('d')
    mkdirSync(at('f'))
    write('f/child')
    const found = walk()
    assert.deepEqual(found.changed.toSorted(), ['d', 'f', 'f/child'])
    assert.deepEqual(found.vanished, ['d/child'])
    capture(found)
    const again = walk()
    assert.deepEqual([again.changed, again.vanished], [[], []])
  })

  it('follows a symbolic link that the root itself is', () => {
    mkdirSync(at('real'))
    write('real/file')
    symlinkSync('real', at('link'))
    root = at('link')
    start()
    const found = walk()
    assert.deepEqual(found.changed, ['file'])
    capture(found)
    assert.deepEqual(walk().changed, [])
  })

  it('never follows a symbolic link, also when a directory became one', () => {
    const outside = tempDir()
    writeFileSync(join(outside, 'secret'), 'x')
    mkdirSync(at('d'))
    write('d/file')
    start()
    settle()
    rmSync(at('d'), { recursive: true })
    symlinkSync(outside, at('d'))
    const checked = check('d/secret', 'd/file')
    assert.deepEqual([...new Set(checked.changed)], ['d'])
    assert.equal(checked.stats.get('d')?.type, 'symlink')
    const found = walk()
    assert.deepEqual(found.changed, ['d'])
    assert.deepEqual(found.vanished, ['d/file'])
  })

  it('keeps names that are not UTF-8, with line breaks, and of 255 bytes', () => {
    const names = [Buffer.from([0xff, 0xfe]), Buffer.from('a\nb'), Buffer.alloc(255, 0x61)]
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), 'x')
    start()
    assert.deepEqual(walk().changed.toSorted(), names.map((name) => name.toString('latin1')).toSorted())
    settle()
    assert.deepEqual(walk().changed, [])
  })

  it('keeps times before 1970 and nanoseconds', () => {
    write('old')
    symlinkSync('x', at('link'))
    // Node's own calls take a negative time for now, and lose nanoseconds.
    calls?.utimensat(AT_FDCWD, cString(bytes(at('old'))), encodeTimes(-1_500_000_001n), 0)
    lutimesSync(at('link'), 5, 1.25)
    start()
    const found = walk()
    if (calls !== undefined) assert.equal(found.stats.get('old')?.mtimeNs, -1_500_000_001n)
    assert.equal(found.stats.get('link')?.mtimeNs, 1_250_000_000n)
    capture(found)
    assert.deepEqual(walk().changed, [])
  })

  it('walks trees deeper than it keeps directories open', () => {
    let deep = ''
    for (let level = 0; level < 300; level++) deep += `${level === 0 ? '' : '/'}d${level % 10}`
    mkdirSync(at(deep), { recursive: true })
    write(`${deep}/file`)
    write('d0/last')
    start()
    const found = walk()
    assert.equal(found.changed.length, 302)
    capture(found)
    assert.deepEqual(walk().changed, [])
    unlinkSync(at(`${deep}/file`))
    assert.deepEqual(walk().vanished, [`${deep}/file`])
  })

  it('leaves alone what a restore makes for itself, and nothing else of a like name', () => {
    const own = ['.holdfast-restore', '.holdfast-restore-1f-2', 'd/.holdfast-restore-1f-3']
    const others = [
      '.holdfast',
      '.holdfast-restored',
      'd/a.holdfast-restore',
      'd/.holdfast-restor',
      'd/.holdfast-restoreX-',
    ]
    mkdirSync(at('d'))
    for (const name of [...own, ...others]) write(name)
    start()
    assert.deepEqual(walk().changed.toSorted(), ['d', ...others].toSorted())
    assert.deepEqual(check(...own, ...others).changed.toSorted(), others.toSorted())
  })

  it('leaves excluded directories alone', () => {
    mkdirSync(at('d/skip'), { recursive: true })
    mkdirSync(at('skip'))
    write('d/skip/file')
    write('skip/file')
    start(['d/skip'])
    assert.deepEqual(walk().changed.toSorted(), ['d', 'skip', 'skip/file'])
    const checked = check('d/skip/file', 'd/skip')
    assert.deepEqual([checked.changed, checked.directories], [[], []])
  })

  it('walks one directory only when asked to', () => {
    for (const name of ['a', 'b']) {
      mkdirSync(at(`${name}/sub`), { recursive: true })
      write(`${name}/sub/file`)
    }
    start()
    assert.deepEqual(walk('a').changed.toSorted(), ['a', 'a/sub', 'a/sub/file'])
    capture(walk('a'))
    unlinkSync(at('a/sub/file'))
    assert.deepEqual(walk('a/sub').vanished, ['a/sub/file'])
    capture(walk('a/sub'))
    rmSync(at('a'), { recursive: true })
    assert.deepEqual(walk('a/sub').vanished, ['a/sub', 'a'])
  })

  describe('checks of single paths', () => {
    it('tell changed, unchanged, gone and new', () => {
      mkdirSync(at('d'))
      for (const name of ['d/changed', 'd/same', 'd/gone']) write(name)
      start()
      settle()
      write('d/changed', 'more')
      unlinkSync(at('d/gone'))
      write('d/new')
      const found = check('d/changed', 'd/same', 'd/gone', 'd/new', 'd/never', 'nowhere/at/all')
      assert.deepEqual(found.changed.toSorted(), ['d/changed', 'd/new'])
      assert.deepEqual(found.vanished, ['d/gone'])
      assert.equal(found.why.get('d/new')?.known, false)
    })

    it('tell of the other names of a file that was changed, linked or unlinked', () => {
      mkdirSync(at('d'))
      write('a')
      write('alone')
      linkSync(at('a'), at('d/b'))
      start()
      settle()
      write('a', 'changed')
      assert.deepEqual(check('a').changed, ['a', 'd/b'])
      settle()
      linkSync(at('alone'), at('d/c'))
      assert.deepEqual(check('d/c').changed, ['d/c', 'alone'])
      settle()
      assert.deepEqual(check('d/c', 'alone').changed, [])
      unlinkSync(at('d/b'))
      const found = check('d/b')
      assert.deepEqual([found.vanished, found.changed], [['d/b'], ['a']])
    })

    it('report everything below a directory that is gone', () => {
      mkdirSync(at('d/sub'), { recursive: true })
      write('d/sub/file')
      start()
      settle()
      rmSync(at('d'), { recursive: true })
      assert.deepEqual(check('d/sub/file').vanished, ['d/sub/file', 'd/sub', 'd'])
    })

    it('hand back a directory that is gone or replaced with more below it than they tell of; its walk tells of all', () => {
      start()
      settle()
      // Nothing of this is there (any more).
      const known = (path: string): void =>
        walker.tree.capture(bytes(path), undefined, 0, { racy: false, young: false, ignored: false })
      for (const name of ['gone', 'replaced', 'small']) known(name)
      for (let index = 0; index < CHECK_GONE_MAX; index++) {
        known(`gone/f${index}`)
        known(`replaced/f${index}`)
      }
      known('small/file')
      write('replaced')
      const found = check('gone', 'replaced', 'small')
      assert.deepEqual(found.directories, ['gone', 'replaced'])
      assert.deepEqual(found.vanished, ['small/file', 'small'])
      assert.deepEqual(found.changed, ['replaced'])
      capture(found)
      const late = listen()
      let units = 0
      walkWith(late, () => void units++, 'gone')
      assert.equal(late.vanished.length, CHECK_GONE_MAX + 1)
      assert.equal(late.vanished.at(-1), 'gone')
      assert.ok(units > 2, 'bit by bit')
      assert.equal(walk('replaced').vanished.length, CHECK_GONE_MAX)
    })

    it('hand back directories that are new or another than before', () => {
      mkdirSync(at('d'))
      write('d/file')
      start()
      settle()
      mkdirSync(at('new'))
      renameSync(at('d'), at('e'))
      mkdirSync(at('d'))
      const found = check('new', 'd', 'e')
      assert.deepEqual(found.directories.toSorted(), ['d', 'e', 'new'])
      assert.deepEqual(walk('d').vanished, ['d/file'])
    })
  })

  describe('a drive mounted below the root', () => {
    it('and not mounted any more loses nothing; emptied while mounted, it does', () => {
      let mounted = true
      mkdirSync(at('drive'))
      write('drive/file')
      walker = createTreeWalker({ root: bytes(root), reader: withDrive(makeReader(), () => mounted) })
      settle()
      assert.deepEqual(walk().changed, [])
      unlinkSync(at('drive/file'))
      mounted = false
      const found = walk()
      assert.deepEqual([found.vanished, found.problems], [[], ['drive ENODEV']])
      mounted = true
      assert.deepEqual(walk().vanished, ['drive/file'])
    })
  })

  describe('an unavailable root', () => {
    it('that is missing loses nothing', () => {
      write('file')
      start()
      settle()
      renameSync(root, `${root}-away`)
      isUnavailable()
      renameSync(`${root}-away`, root)
      assert.deepEqual(walk().vanished, [])
    })

    it('that is a file loses nothing', () => {
      write('file')
      start()
      settle()
      rmSync(root, { recursive: true })
      writeFileSync(root, 'x')
      isUnavailable()
    })

    it('that is another, empty directory loses nothing until it is accepted', () => {
      write('file')
      start()
      settle()
      renameSync(root, `${root}-away`)
      mkdirSync(root)
      isUnavailable()
      walker.acceptRoot()
      assert.deepEqual(walk().vanished, ['file'])
      rmSync(`${root}-away`, { recursive: true })
    })

    it('that is a copy with most of its names is accepted, and said to be another', () => {
      for (const name of ['a', 'b', 'c']) write(name)
      start()
      settle()
      renameSync(root, `${root}-away`)
      mkdirSync(root)
      for (const name of ['a', 'b']) write(name)
      const found = listen()
      const end = walkWith(found)
      assert.equal(end.type === 'done' && end.rootChanged, true)
      assert.deepEqual(found.vanished, ['c'])
      rmSync(`${root}-away`, { recursive: true })
    })

    it('that goes away during the walk ends it without a result', () => {
      for (let index = 0; index < 10; index++) {
        mkdirSync(at(`d${index}`))
        write(`d${index}/file`)
      }
      start()
      settle()
      const found = listen()
      let steps = 0
      const end = walkWith(found, () => {
        if (++steps === 3) renameSync(root, `${root}-away`)
      })
      assert.equal(end.type, 'unavailable')
      assert.deepEqual(found.vanished, [])
      renameSync(`${root}-away`, root)
    })

    it('that is empty but the same has lost its files', () => {
      write('file')
      start()
      settle()
      unlinkSync(at('file'))
      assert.deepEqual(walk().vanished, ['file'])
    })
  })

  it('does not take for vanished what was captured while its directory was read', () => {
    mkdirSync(at('d'))
    for (let index = 0; index < 3000; index++) write(`d/f${index}`)
    start()
    settle()
    const found = listen()
    let steps = 0
    walkWith(found, () => {
      if (++steps !== 2) return
      write('d/late')
      const late = check('d/late')
      capture(late)
    })
    assert.deepEqual(found.vanished, [])
  })

  it('does not report as vanished what came back before it was told', () => {
    mkdirSync(at('d'))
    for (let index = 0; index < 3000; index++) write(`d/f${index}`)
    start()
    settle()
    rmSync(at('d'), { recursive: true })
    // The order is the same each time, so this one is not told in the first unit.
    const late = walk().vanished[2500] ?? ''
    const found = listen()
    let steps = 0
    walkWith(found, () => {
      if (found.vanished.length === 0 || steps++ > 0) return
      mkdirSync(at('d'))
      write(late)
      // As its capture through a watcher's hint would note it.
      walker.tree.capture(bytes(late), undefined, 0, { racy: false, young: false, ignored: false })
    })
    assert.ok(steps > 0)
    assert.equal(found.vanished.includes(late), false)
    assert.equal(found.vanished.length, 3000)
  })
}

/** As the reader is, but what is below `drive` is on another device while it is mounted. */
function withDrive(reader: DirectoryReader, mounted: () => boolean): DirectoryReader {
  let inside = false
  const mark = (on: boolean): void => void (reader.words[13] = on ? 0xbeef : 0xcafe)
  return {
    ...reader,
    words: reader.words,
    openChild(parent, name) {
      inside = mounted() && text(name) === 'drive'
      return reader.openChild(parent, name)
    },
    stat(directory, name) {
      const problem = reader.stat(directory, name)
      mark(inside || (mounted() && text(name) === 'drive'))
      return problem
    },
    read: (directory, visit) =>
      reader.read(directory, (seen, from, to, problem) => {
        mark(inside || (mounted() && text(seen.subarray(from, to)) === 'drive'))
        visit(seen, from, to, problem)
      }),
    close(directory) {
      inside = false
      reader.close(directory)
    },
  }
}

function wordsOf(stat: StatKey): Uint32Array {
  const words = new Uint32Array(STAT_WORDS)
  encodeStat(stat, words)
  return words
}

const calls = libc()

describe('tree walker', () => {
  if (calls !== undefined) describe('by the C library', () => walkerSuite(() => createLibcReader(calls)))
  describe('by Node', () => walkerSuite(createNodeReader))
})
