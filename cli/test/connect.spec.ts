import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApiServer } from '@holdfast/node/api/server'
import type { NodeService } from '@holdfast/node/api'
import { createManualClock, settle, type ManualClock } from '@holdfast/doubles'
import { START_SIGN_WAIT_MS, START_WAIT_MS, STARTING_MARK } from '../src/connect.ts'
import { makeHome } from './fake-node.ts'
import { exitErrorOf, realClock, run, type Ran } from './memory-io.ts'

const service = { peers: () => Promise.resolve([]) } as unknown as NodeService

describe('waiting for the node', () => {
  let home: string
  let clock: ManualClock
  beforeEach(() => {
    home = makeHome()
    clock = createManualClock()
  })
  afterEach(() => rmSync(home, { recursive: true, force: true }))

  const peers = (): Promise<Ran> => run(['peers', '--json', '--home', home], { clock })
  /** Lets the command's own time pass until it ends; gives how long that was. */
  async function untilDone(running: Promise<Ran>): Promise<{ ran: Ran; waitedMs: number }> {
    let done = false
    const end = running.finally(() => (done = true))
    const startedAt = clock.monotonicMs()
    const isDone = (): boolean => done
    while (!isDone()) {
      await clock.advance(10)
      for (let turn = 0; turn < 5; turn++) await settle()
    }
    return { ran: await end, waitedMs: clock.monotonicMs() - startedAt }
  }

  it('a directory that is no home, and none at all: exit 10 at once', async () => {
    const empty = join(home, 'empty')
    mkdirSync(empty)
    for (const directory of [empty, join(home, 'absent')]) {
      const ran = await run(['peers', '--home', directory, '--json'], { clock })
      assert.deepEqual([ran.code, exitErrorOf(ran).hf_code], [10, 'HF_HOME_MISSING'])
    }
    assert.equal(clock.monotonicMs(), 0)
  })

  it('no node and no sign of one: exit 11 after a few seconds', async () => {
    const { ran, waitedMs } = await untilDone(peers())
    assert.deepEqual([ran.code, exitErrorOf(ran).hf_code], [11, 'HF_NOT_RUNNING'])
    assert.match(ran.err, /waiting for the node to start/)
    assert.match(ran.err, /holdfast up/)
    assert.ok(waitedMs < START_SIGN_WAIT_MS + 2000, `${waitedMs} ms`)
  })

  it('the mark of a process that is gone is no sign', async () => {
    writeFileSync(join(home, STARTING_MARK), String(2 ** 22 + 12_345))
    assert.ok((await untilDone(peers())).waitedMs < START_SIGN_WAIT_MS + 2000)
  })

  it('a node that is starting is waited for, and used when it serves', async () => {
    writeFileSync(join(home, STARTING_MARK), String(process.pid))
    const running = peers()
    for (let step = 0; step < 10; step++) {
      await clock.advance(START_SIGN_WAIT_MS / 5)
      await settle()
    }
    const server = createApiServer({ home, version: '0', clock: realClock })
    await server.start()
    await clock.advance(100)
    server.serve(service)
    const { ran } = await untilDone(running)
    assert.deepEqual([ran.code, ran.out], [0, '[]\n'])
    await server.stop()
  })

  it('but not for ever: exit 11', async () => {
    const server = createApiServer({ home, version: '0', clock: realClock })
    await server.start()
    const { ran, waitedMs } = await untilDone(peers())
    assert.equal(ran.code, 11)
    assert.match(exitErrorOf(ran).message, /did not get ready/)
    assert.ok(waitedMs >= START_WAIT_MS)
    await server.stop()
  })

  it('an interrupt ends the wait: exit 130', async () => {
    const stop = new AbortController()
    const running = run(['peers', '--home', home], { clock, signal: stop.signal })
    await settle()
    stop.abort()
    const { ran } = await untilDone(running)
    assert.equal(ran.code, 130)
    assert.match(ran.err, /interrupted/)
  })

  it('something else on the socket is not taken for a node', async () => {
    const other = createServer((socket) => socket.resume().end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello'))
    await new Promise<void>((resolve) => other.listen(join(home, 'control.sock'), resolve))
    const ran = await run(['peers', '--home', home, '--json'], { clock })
    assert.deepEqual([ran.code, exitErrorOf(ran).hf_code], [1, 'HF_INTERNAL'])
    await new Promise((resolve) => other.close(resolve))
  })

  it('a home whose path is too long for a socket is found by its pointer', async () => {
    const long = join(mkdtempSync(join(tmpdir(), 'hf-')), 'x'.repeat(110))
    mkdirSync(long)
    writeFileSync(join(long, 'identity'), '')
    const server = createApiServer({
      home: long,
      version: '0',
      clock: realClock,
      environment: { XDG_RUNTIME_DIR: home },
    })
    await server.start()
    server.serve(service)
    assert.ok(server.path.startsWith(home))
    assert.equal((await run(['peers', '--home', long])).code, 0)
    await server.stop()
    rmSync(join(long, '..'), { recursive: true })
  })
})
