import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { hasCode } from '@holdfast/ports'
import { openHome } from '../../src/home/index.ts'
import { contentOf, makeHome, temporary } from './fixture.ts'

const holder = fileURLToPath(new URL('holder.js', import.meta.url))

/** Starts a process that opens the home; resolves with the first line it prints. */
async function open(home: string): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [holder, home], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  assert.ok(child.stdout)
  for await (const chunk of child.stdout) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  return { child, line: text.trim() }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

describe('home: real processes', () => {
  let home: string
  let remove: () => void
  beforeEach(() => {
    const made = temporary()
    remove = made.remove
    home = path.join(made.directory, 'home')
    makeHome(home)
  })
  afterEach(() => remove())

  it('held by one process it is HF_HOME_IN_USE for others, with that process’s id, until it is killed', async () => {
    const first = await open(home)
    assert.equal(first.line, 'open')
    const before = contentOf(home)
    const second = await open(home)
    assert.equal(second.line, 'HF_HOME_IN_USE')
    assert.throws(
      () => openHome(home),
      (error) => hasCode(error, 'HF_HOME_IN_USE') && error.message.includes(`process ${first.child.pid}`),
    )
    assert.deepEqual(contentOf(home), before)
    await Promise.all([kill(first.child), kill(second.child)])
    const third = await open(home)
    assert.equal(third.line, 'open')
    await kill(third.child)
  })

  it('of many that start at once exactly one holds it', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => open(home)))
    assert.equal(all.filter(({ line }) => line === 'open').length, 1)
    assert.equal(all.filter(({ line }) => line === 'HF_HOME_IN_USE').length, 4)
    await Promise.all(all.map(({ child }) => kill(child)))
  })

  it('on a read-only mount it is HF_HOME_READ_ONLY, and nothing changes', function () {
    const script = `mount --bind ${home} ${home} && mount -o remount,ro,bind ${home} && ${process.execPath} ${holder} ${home}`
    let line: string
    try {
      line = execFileSync('unshare', ['--mount', '--map-root-user', 'sh', '-c', script], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    } catch {
      // Not every machine lets a test mount; the end-to-end suite covers it where it may.
      this.skip()
      return
    }
    assert.equal(line.trim(), 'HF_HOME_READ_ONLY')
    openHome(home).close()
  })
})
