import { strict as assert } from 'node:assert'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Watcher, WatchOptions } from '@holdfast/capture'
import { openInotifyWatcher } from '../src/inotify-watcher.ts'
import { libc } from '../src/libc.ts'
import { openParcelWatcher } from '../src/parcel-watcher.ts'
import { removeTempDirs, tempDir } from './temp.ts'
import { Watched } from './watched.ts'

interface Kind {
  readonly open: (options: WatchOptions) => Promise<Watcher>
  /** Tells closes from writes that go on, knows names by their bytes, forgets what left the tree. */
  readonly exact: boolean
  /** Says so when it loses events, instead of losing them. */
  readonly tellsLoss: boolean
}

/** What every watcher must do, whatever it is made of. */
function watcherContract(kind: Kind): void {
  let root: string
  let seen: Watched
  let watcher: Watcher | undefined

  const at = (path: string): string => join(root, path)
  const write = (path: string, content = 'x'): void => writeFileSync(at(path), content)
  const watch = async (exclude: string[] = []): Promise<void> => {
    watcher = await kind.open(seen.options(root, exclude))
  }
  const watches = (): number => watcher?.watchCount ?? 0
  /** Everything that happened before is told once this returns: changes a file and waits for that. */
  let marks = 0
  const settled = async (): Promise<void> => {
    const mark = `mark-${marks++}`
    write(mark)
    await seen.until(mark, () => seen.covers(mark))
  }
  const told = (path: string): Promise<void> => seen.until(path, () => seen.covers(path))

  beforeEach(() => {
    root = tempDir()
    seen = new Watched()
  })
  afterEach(async () => {
    await watcher?.close()
    watcher = undefined
    removeTempDirs()
  })

  it('tells of a file that is written, changed, renamed and deleted', async () => {
    mkdirSync(at('d'))
    write('d/old')
    await watch()
    write('d/new')
    await told('d/new')
    seen.forget()
    appendFileSync(at('d/old'), 'more')
    await told('d/old')
    seen.forget()
    renameSync(at('d/old'), at('d/renamed'))
    await told('d/old')
    await told('d/renamed')
    seen.forget()
    unlinkSync(at('d/new'))
    await told('d/new')
  })

  it('tells of links and changed modes', async () => {
    write('file')
    await watch()
    symlinkSync('nowhere', at('symbolic'))
    linkSync(at('file'), at('hard'))
    await told('symbolic')
    await told('hard')
    seen.forget()
    chmodSync(at('file'), 0o600)
    await told('file')
  })

  it('tells of a file renamed over another', async () => {
    write('file', 'before')
    await watch()
    write('temporary', 'after')
    await settled()
    seen.forget()
    renameSync(at('temporary'), at('file'))
    await told('file')
    await told('temporary')
  })

  it('covers files in directories that were made just before', async () => {
    await watch()
    mkdirSync(at('a/b/c'), { recursive: true })
    write('a/b/c/file')
    await told('a/b/c/file')
    await seen.until('tree', () => seen.announced('a/b/c'))
    await settled()
    seen.forget()
    write('a/b/c/later')
    await told('a/b/c/later')
  })

  it('follows a directory that moves inside the tree, and changes below its new name', async () => {
    mkdirSync(at('from/sub/deep'), { recursive: true })
    mkdirSync(at('to'))
    write('from/sub/deep/file')
    await watch()
    renameSync(at('from/sub'), at('to/moved'))
    await told('from/sub')
    await seen.until('to/moved announced', () => seen.announced('to/moved'))
    seen.forget()
    write('to/moved/deep/file', 'changed')
    await told('to/moved/deep/file')
    write('to/moved/deep/new')
    await told('to/moved/deep/new')
  })

  it('covers a directory moved in from outside, and changes below it', async () => {
    const outside = tempDir()
    mkdirSync(join(outside, 'tree/sub'), { recursive: true })
    writeFileSync(join(outside, 'tree/sub/file'), 'x')
    await watch()
    renameSync(join(outside, 'tree'), at('tree'))
    await seen.until('tree announced', () => seen.announced('tree'))
    seen.forget()
    write('tree/sub/file', 'changed')
    await told('tree/sub/file')
  })

  it('tells of a directory moved out', async () => {
    const outside = tempDir()
    mkdirSync(at('tree/sub'), { recursive: true })
    await watch()
    renameSync(at('tree'), join(outside, 'tree'))
    await told('tree')
  })

  it('follows a directory deleted and made again under its name', async () => {
    mkdirSync(at('d/sub'), { recursive: true })
    write('d/sub/file')
    await watch()
    rmSync(at('d'), { recursive: true })
    mkdirSync(at('d/sub'), { recursive: true })
    await told('d')
    await settled()
    await seen.until('d announced', () => seen.announced('d/sub'))
    seen.forget()
    write('d/sub/again')
    await told('d/sub/again')
  })

  it('follows directories that are swapped', async () => {
    mkdirSync(at('one/sub'), { recursive: true })
    mkdirSync(at('two/sub'), { recursive: true })
    await watch()
    renameSync(at('one'), at('three'))
    renameSync(at('two'), at('one'))
    renameSync(at('three'), at('two'))
    await seen.until('both announced', () => seen.announced('one') && seen.announced('two'))
    await settled()
    seen.forget()
    write('one/sub/first')
    write('two/sub/second')
    await told('one/sub/first')
    await told('two/sub/second')
  })

  it('covers every file of a burst of 20,000 changes', async () => {
    const names: string[] = []
    for (let directory = 0; directory < 100; directory++) {
      mkdirSync(at(`d${directory}`))
      for (let file = 0; file < 20; file++) names.push(`d${directory}/f${file}`)
    }
    await watch()
    for (const name of names) write(name)
    await settled()
    seen.forget()
    for (let round = 0; round < 10; round++) for (const name of names) chmodSync(at(name), 0o600 + round)
    await settled()
    const missed = (): number => names.filter((name) => !seen.covers(name)).length
    if (kind.tellsLoss) assert.equal(missed(), 0)
    // The contract with the other: most of them, and a walk for the rest.
    else assert.ok(missed() < names.length / 100, `${missed()} missed`)
  })

  it('is silent about excluded directories', async () => {
    mkdirSync(at('skip/sub'), { recursive: true })
    mkdirSync(at('keep/skip'), { recursive: true })
    await watch(['skip'])
    write('skip/file')
    write('skip/sub/file')
    write('keep/skip/file')
    await told('keep/skip/file')
    await settled()
    assert.equal(seen.covers('skip/file') || seen.covers('skip/sub/file'), false)
  })

  it('watches what a symbolic link stands for that is given as root', async () => {
    mkdirSync(at('real/d'), { recursive: true })
    symlinkSync('real', at('link'))
    root = at('link')
    await watch()
    write('d/file')
    await told('d/file')
    for (const path of [...seen.dirty, ...seen.created]) assert.ok(['d', 'd/file'].includes(path), path)
  })

  it('tells when the root goes away', async () => {
    mkdirSync(at('inner'))
    root = at('inner')
    await watch()
    rmSync(root, { recursive: true })
    await seen.until('gone', () => seen.lost.some((loss) => loss.path === '' && loss.reason === 'gone'))
  })

  it('refuses a root that does not exist', async () => {
    root = at('missing')
    await assert.rejects(watch(), { code: 'HF_SOURCE_UNAVAILABLE' })
  })

  it('says nothing after it was closed', async () => {
    await watch()
    await watcher?.close()
    await watcher?.close()
    write('file')
    const other = await kind.open(seen.options(root))
    const before = seen.dirty.size
    await other.close()
    assert.equal(seen.dirty.size, before)
  })

  if (kind.exact) {
    it('tells of a directory moved out, and is silent about what happens to it there', async () => {
      const outside = tempDir()
      mkdirSync(at('tree/sub'), { recursive: true })
      await watch()
      renameSync(at('tree'), join(outside, 'tree'))
      await told('tree')
      await settled()
      seen.forget()
      writeFileSync(join(outside, 'tree/sub/file'), 'x')
      await settled()
      assert.equal(seen.covers('tree/sub/file'), false)
    })

    it('tells of a written file when it is closed, and before that only that it was created', async () => {
      await watch()
      const fd = openSync(at('file'), 'w')
      writeSync(fd, 'half')
      await seen.until('created', () => seen.created.has('file'))
      assert.equal(seen.dirty.has('file'), false)
      writeSync(fd, ' and half')
      closeSync(fd)
      await seen.until('closed', () => seen.dirty.has('file'))
    })

    it('keeps names that are not UTF-8', async () => {
      await watch()
      const name = Buffer.from([0x61, 0xff, 0xfe, 0x0a])
      writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), 'x')
      await seen.until('bytes', () => seen.dirty.has(name.toString('latin1')))
    })

    it('holds one watch per directory, and gives back those of directories that left', async () => {
      const outside = tempDir()
      mkdirSync(at('a/b/c'), { recursive: true })
      await watch()
      assert.equal(watches(), 4)
      renameSync(at('a/b'), at('b'))
      await seen.until('b announced', () => seen.announced('b'))
      assert.equal(watches(), 4)
      renameSync(at('b'), join(outside, 'b'))
      rmSync(at('a'), { recursive: true })
      await told('a')
      // The watches of what moved out are given back once the queue has been found empty.
      for (let round = 0; round < 100 && watches() !== 1; round++) await settled()
      assert.equal(watches(), 1)
    })
  }
}

describe('inotify watcher', function () {
  const calls = libc()
  if (calls === undefined) return
  watcherContract({ open: (options) => openInotifyWatcher(calls, options), exact: true, tellsLoss: true })
})

describe('parcel watcher', () => {
  watcherContract({ open: openParcelWatcher, exact: false, tellsLoss: false })
})
