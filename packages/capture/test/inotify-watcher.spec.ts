import { strict as assert } from 'node:assert'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Watcher } from '@holdfast/capture'
import { openInotifyWatcher } from '../src/inotify-watcher.ts'
import { libc, type Libc } from '../src/libc.ts'
import { bytes, removeTempDirs, tempDir, text } from './temp.ts'
import { Watched } from './watched.ts'

describe('inotify watcher on a system that does not do as it should', () => {
  const calls = libc()
  if (calls === undefined) return

  let root: string
  let seen: Watched
  let watcher: Watcher | undefined

  const open = async (over: Libc): Promise<Watcher> => {
    watcher = await openInotifyWatcher(over, seen.options(root))
    return watcher
  }
  const write = (path: string): void => writeFileSync(join(root, path), 'x')
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

  it('fails to open if the root may not be watched', async () => {
    await assert.rejects(open(refusing(calls, () => constants.errno.ENOSPC)), { code: 'HF_SOURCE_UNAVAILABLE' })
  })

  it('says that there are no watches left, keeps those it has, and watches the rest once there are', async () => {
    for (const name of ['a', 'b', 'c', 'd']) mkdirSync(join(root, name))
    let left = 3
    const limited = await open(refusing(calls, () => (left-- > 0 ? 0 : constants.errno.ENOSPC)))
    assert.deepEqual(seen.lost, [{ path: '', reason: 'watch-limit' }])
    assert.equal(seen.watched, 0)
    assert.equal(limited.watchCount, 3)

    seen.forget()
    left = 3
    limited.refresh()
    await seen.until('limit met again', () => seen.lost.length > 0)
    assert.equal(limited.watchCount, 3)

    left = Infinity
    limited.refresh()
    await seen.until('watched', () => seen.watched === 1)
    assert.equal(limited.watchCount, 5)
    seen.forget()
    for (const name of ['a', 'b', 'c', 'd']) write(`${name}/file`)
    for (const name of ['a', 'b', 'c', 'd']) await told(`${name}/file`)
    limited.refresh()
    assert.equal(seen.watched, 1, 'nothing to be done')
  })

  it('names a directory that may not be read, and watches it once it may', async () => {
    mkdirSync(join(root, 'open'))
    mkdirSync(join(root, 'shut/sub'), { recursive: true })
    let shut = true
    const isShut = (path: string): boolean => shut && path === join(root, 'shut')
    const partial = await open(refusing(calls, (path) => (isShut(path) ? constants.errno.EACCES : 0)))
    assert.deepEqual(seen.lost, [{ path: 'shut', reason: 'unreadable' }])
    shut = false
    partial.refresh()
    await seen.until('watched', () => seen.watched === 1)
    write('shut/sub/file')
    await told('shut/sub/file')
  })

  it('says that a directory could not be listed to its end', async () => {
    mkdirSync(join(root, 'broken'))
    const fds = new Set<number>()
    await open({
      ...calls,
      openat(directory, path, flags, mode) {
        const fd = calls.openat(directory, path, flags, mode)
        if (text(path) === `${join(root, 'broken')}\0`) fds.add(fd)
        return fd
      },
      getdents: (fd, into) => (fds.delete(fd) ? -constants.errno.EIO : calls.getdents(fd, into)),
    })
    assert.deepEqual(seen.lost, [{ path: 'broken', reason: 'unreadable' }])
    assert.equal(seen.watched, 0)
  })

  it('says that its queue overflowed, and watches what was made meanwhile', async () => {
    await open(calls)
    write('one')
    write('two')
    // Equal events that follow one another are kept as one.
    for (let count = 0; count < QUEUED_EVENTS; count++) chmodSync(join(root, count % 2 ? 'one' : 'two'), 0o600)
    mkdirSync(join(root, 'unheard/of'), { recursive: true })
    await seen.until('overflow', () => seen.lost.some(({ path, reason }) => path === '' && reason === 'overflow'))
    seen.forget()
    write('unheard/of/file')
    await told('unheard/of/file')
  })

  describe('a directory that is shown at two places', () => {
    it('is told of under both', async () => {
      mkdirSync(join(root, 'first/sub'), { recursive: true })
      mkdirSync(join(root, 'second'))
      await open(bound(calls, join(root, 'first'), join(root, 'second')))
      write('first/sub/file')
      await told('first/sub/file')
      await told('second/sub/file')
      mkdirSync(join(root, 'first/new/deep'), { recursive: true })
      await seen.until('both', () => seen.announced('first/new') && seen.announced('second/new'))
      seen.forget()
      write('first/new/deep/file')
      await told('first/new/deep/file')
      await told('second/new/deep/file')
    })

    it('the second of them inside it: the watcher comes to an end, and hears when the root goes', async () => {
      mkdirSync(join(root, 'sub/loop'), { recursive: true })
      const { watchCount } = await open(bound(calls, root, join(root, 'sub/loop')))
      assert.equal(watchCount, 3)
      write('sub/file')
      await told('sub/file')
      await told('sub/loop/sub/file')
      removeTempDirs()
      await seen.until('gone', () => seen.lost.some(({ path, reason }) => path === '' && reason === 'gone'))
    })
  })

  it('watches a drive that is mounted and mounted again below the root, and walks a loop of mounts to its end', function () {
    // A process of its own, whose mounts nobody else sees; only root may make such.
    const program = fileURLToPath(new URL('mounting.js', import.meta.url))
    const { status, stdout, stderr } = spawnSync('unshare', ['-m', process.execPath, program, root], {
      encoding: 'utf8',
      timeout: 15_000,
    })
    if (status === null || /unshare failed|permission|not permitted/i.test(stderr)) return this.skip()
    assert.equal(status, 0, stderr)
    assert.match(stdout, /done/)
  })
})

/** Default of fs.inotify.max_queued_events. */
const QUEUED_EVENTS = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'latin1')) + 1000

/** Refuses the watch of a path with the error that is given for it; 0 is none. */
function refusing(calls: Libc, errnoFor: (path: string) => number): Libc {
  return {
    ...calls,
    inotifyAddWatch(fd, path, mask) {
      const errno = errnoFor(text(path.subarray(0, -1)))
      return errno === 0 ? calls.inotifyAddWatch(fd, path, mask) : -errno
    },
  }
}

/** Shows a directory a second time at another place, as a bind mount does: without what is mounted below it. */
function bound(calls: Libc, from: string, to: string): Libc {
  const rewritten = (path: Uint8Array): Uint8Array => {
    const name = text(path.subarray(0, -1))
    return name === to || name.startsWith(`${to}/`) ? bytes(`${from}${name.slice(to.length)}\0`) : path
  }
  return {
    ...calls,
    inotifyAddWatch: (fd, path, mask) => calls.inotifyAddWatch(fd, rewritten(path), mask),
    openat: (directory, path, flags, mode) => calls.openat(directory, rewritten(path), flags, mode),
    statx: (directory, path, flags, into) => calls.statx(directory, rewritten(path), flags, into),
  }
}
