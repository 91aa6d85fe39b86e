import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import type { NodeService, VerifySummary } from '@holdfast/node/api'
import { HoldfastError } from '@holdfast/ports'
import { member, status, version, volume } from './answers.ts'
import { events, FakeNode, makeHome } from './fake-node.ts'
import { exitErrorOf, run } from './memory-io.ts'

const parsed = (text: string): unknown => JSON.parse(text)

const protect: NodeService['protect'] = (request) =>
  Promise.resolve({
    volume: request.name ?? 'data',
    id: 'ab',
    directory: request.directory,
    copies: request.copies ?? 3,
    members: ['eu', 'us'],
  })

const found = (change: Partial<VerifySummary['nodes'][number]>): Partial<NodeService> => ({
  verify: () =>
    events({
      message_type: 'summary',
      seconds: 1,
      nodes: [
        {
          node: 'eu',
          chunks: 10,
          bytes: 4096,
          journalBlocks: 7,
          missingCount: 0,
          corruptCount: 0,
          healedCount: 0,
          ...change,
        },
      ],
    }),
})

describe('commands that act, and status', () => {
  let node: FakeNode
  before(async () => {
    node = await FakeNode.start()
  })
  after(() => node.stop())

  describe('protect, unprotect', () => {
    it('protect sends an absolute directory and what was given', async () => {
      node.serve({ protect })
      const args = ['protect', 'srv/data', '--name', 'web', '--copies', '2', '--member', 'us', '--member', 'ap']
      const ran = await node.run(args, { workingDirectory: '/mnt' })
      assert.deepEqual(
        [ran.code, ran.out],
        [0, 'web: protecting /mnt/srv/data, members so far: eu, us (of 2 copies)\n'],
      )
      await node.run(['protect', '/srv/data', '--json'])
      assert.deepEqual(node.calls, [
        { method: 'protect', request: { directory: '/mnt/srv/data', name: 'web', copies: 2, members: ['us', 'ap'] } },
        { method: 'protect', request: { directory: '/srv/data' } },
      ])
    })

    it('what the node refuses keeps its code, message and next step', async () => {
      node.serve({
        protect: () =>
          Promise.reject(new HoldfastError('HF_BAD_INPUT', '/srv is inside the home', { next: 'choose another' })),
        unprotect: () => Promise.reject(new HoldfastError('HF_NOT_PRIMARY', 'us writes it')),
      })
      const ran = await node.run(['protect', '/srv', '--json'])
      assert.deepEqual(exitErrorOf(ran), {
        message_type: 'exit_error',
        code: 2,
        hf_code: 'HF_BAD_INPUT',
        message: '/srv is inside the home',
        next: 'choose another',
      })
      assert.equal((await node.run(['unprotect', 'data'])).code, 23)
    })

    it('unprotect', async () => {
      node.serve({ unprotect: () => Promise.resolve({ volume: 'data', id: 'ab' }) })
      assert.match((await node.run(['unprotect', 'data'])).out, /history stays/)
      assert.deepEqual(node.calls, [{ method: 'unprotect', request: { volume: 'data' } }])
    })
  })

  describe('flush', () => {
    const done = {
      volume: 'data',
      epoch: 1,
      length: 9,
      seq: 1234,
      level: 'quorum',
      counted: ['eu', 'us'],
      unreadableCount: 0,
    } as const
    const flush =
      (unreadableCount: number): NodeService['flush'] =>
      () =>
        events({ message_type: 'summary', level: 'quorum', seconds: 0.1, volumes: [{ ...done, unreadableCount }] })

    it('waits for quorum for a minute unless told otherwise, and says whose word was counted', async () => {
      node.serve({ flush: flush(0) })
      const ran = await node.run(['flush'])
      assert.deepEqual(ran, { code: 0, out: 'data: quorum at seq 1,234, acknowledged by eu, us\n', err: '' })
      const json = await node.run(['flush', 'data', '--level', 'local', '--timeout', '1h30m', '--json'])
      assert.deepEqual((parsed(json.out) as { message_type: string }).message_type, 'summary')
      assert.deepEqual(
        node.calls.map((call) => call.request),
        [
          { level: 'quorum', timeoutMs: 60_000 },
          { volume: 'data', level: 'local', timeoutMs: 5_400_000 },
        ],
      )
    })

    it('exit 3 when something could not be read, 24 when it takes too long', async () => {
      node.serve({ flush: flush(2) })
      const ran = await node.run(['flush'])
      assert.equal(ran.code, 3)
      assert.match(ran.err, /2 paths could not be read/)
      node.serve({
        async *flush() {
          yield { message_type: 'notice', message: 'us is behind' }
          throw new HoldfastError('HF_TIMEOUT', 'not acknowledged within 60 s')
        },
      })
      const late = await node.run(['flush', '--json'])
      assert.equal(late.code, 24)
      assert.equal(exitErrorOf(late).message, 'not acknowledged within 60 s')
    })
  })

  describe('status', () => {
    it('says which peer sent something wrong', async () => {
      const answer = status(volume())
      const peers = [{ name: 'bad', region: 'us-1', state: 'set-aside', blamed: 3 }] as const
      node.serve({ status: () => Promise.resolve({ ...answer, node: { ...answer.node, peers } }) })
      const { out } = await node.run(['status'])
      assert.match(out, /peers: bad \(us-1\) set-aside, sent something wrong 3 times \(holdfast peers\)/)
    })

    it('is the document of the node with --json', async () => {
      const answer = status(volume())
      node.serve({ status: () => Promise.resolve(answer) })
      const ran = await node.run(['status', '--json'])
      assert.deepEqual([ran.code, parsed(ran.out)], [0, parsed(JSON.stringify(answer))])
    })

    it('fits 24 lines for people, however many volumes there are', async () => {
      for (const count of [0, 1, 3, 40]) {
        const volumes = Array.from({ length: count }, (_, index) => volume({ name: `v${index}` }))
        node.serve({ status: () => Promise.resolve(status(...volumes)) })
        const lines = (await node.run(['status'])).out.trimEnd().split('\n')
        assert.ok(lines.length <= 24, lines.join('\n'))
      }
    })

    it('says what would be lost now, and exits with 20 when copies are missing', async () => {
      const shown = async (change: Parameters<typeof volume>[0]): Promise<{ code: number; out: string }> => {
        node.serve({ status: () => Promise.resolve(status(volume(change))) })
        return node.run(['status'])
      }
      const safe = await shown({})
      assert.equal(safe.code, 0)
      assert.match(safe.out, /if this node burned now, nothing would be lost/)
      assert.match(safe.out, /us +us-1 +full +voter +current/)
      assert.match((await shown({ rpoSeconds: 2.5, pendingBytes: 2048 })).out, /last 3 s \(2\.0 KiB\) would be lost/)
      assert.match((await shown({ rpoSeconds: null })).out, /all of it would be lost/)
      assert.match((await shown({ coverage: null })).out, /not yet walked/)
      const missing = await shown({ degraded: true, copies: 1, copiesWanted: 2 })
      assert.match(missing.out, /degraded: 1 of 2 copies/)
      const unknown = await shown({ role: 'none', rpoSeconds: null, files: 0 })
      assert.match(unknown.out, /this node holds nothing of it, and does not know how it is/)
      assert.doesNotMatch(unknown.out, /nothing would be lost/)
      const behind = member('us', 'us-1', { state: 'unreachable', completeLength: 9, lagSeconds: 75 })
      const bad = await shown({
        degraded: true,
        members: [behind],
        warnings: ['/srv/data is missing'],
        unreadableCount: 3,
      })
      assert.equal(bad.code, 20)
      assert.match(bad.out, /degraded[^]*3 paths[^]*\/srv\/data is missing[^]*unreachable +1 min 15 s, 9 of 12 blocks/)
      const elsewhere = volume({ role: 'full', primary: 'us' })
      const { directory: _, ...other } = elsewhere
      node.serve({ status: () => Promise.resolve(status(other)) })
      assert.match((await node.run(['status'])).out, /primary us[^]*if us burned now/)
    })
  })

  describe('verify, repair', () => {
    it('exit 0 when all is right, 21 when it was healed, 22 when not', async () => {
      node.serve(found({}))
      const good = await node.run(['verify', 'data', '--read-data', '--mesh'])
      assert.deepEqual(
        [good.code, good.out],
        [0, 'eu: 10 chunks (4.0 KiB read), 7 journal blocks: all present and right\n'],
      )
      assert.deepEqual(node.calls[0]?.request, { volume: 'data', readData: true, mesh: true })
      node.serve(found({ corruptCount: 1, healedCount: 2 }))
      assert.equal((await node.run(['verify'])).code, 21)
      node.serve(found({ missingCount: 1, corruptCount: 1, healedCount: 1 }))
      assert.equal((await node.run(['verify', '--json'])).code, 22)
    })

    it('repair index without a running node says who rebuilds then', async () => {
      const home = makeHome()
      const ran = await run(['repair', 'index', '--home', home, '--json'])
      rmSync(home, { recursive: true })
      assert.equal(ran.code, 11)
      assert.match(exitErrorOf(ran).message, /rebuilds its indexes itself/)
      assert.match(ran.err, /next: holdfast up rebuilds what is damaged or missing/)
    })

    it('repair index', async () => {
      const summary = {
        message_type: 'summary',
        chunks: 1000,
        journalBlocks: 20,
        versions: 30,
        badFrames: 0,
        seconds: 2,
      } as const
      node.serve({ repairIndex: () => events(summary) })
      assert.match(
        (await node.run(['repair', 'index'])).out,
        /1,000 chunks, 20 journal blocks, 30 versions, 0 bad frames/,
      )
      node.serve({ repairIndex: () => events({ ...summary, badFrames: 1 }) })
      assert.equal((await node.run(['repair', 'index'])).code, 22)
    })
  })

  describe('config show', () => {
    const values = [
      { key: 'mesh.listen', value: '0.0.0.0:4747', origin: 'file' },
      { key: 'log.level', value: 'info', origin: 'default' },
    ] as const

    it('prints what was set; with --effective everything and where it comes from', async () => {
      node.serve({ configShow: () => Promise.resolve(values) })
      assert.equal((await node.run(['config', 'show'])).out, 'mesh.listen  =  "0.0.0.0:4747"\n')
      assert.match((await node.run(['config', 'show', '--effective'])).out, /log\.level +=  "info" +\(default\)/)
    })
  })

  describe('ends', () => {
    it('a reader that has enough ends the command quietly, and the work with it', async () => {
      let end: (() => void) | undefined
      const ended = new Promise<void>((resolve) => (end = resolve))
      node.serve({
        async *log() {
          try {
            for (let seq = 1; seq < 1_000_000; seq++) yield { message_type: 'entry', entry: version(1) }
            yield { message_type: 'summary', count: 0 }
          } finally {
            end?.()
          }
        },
      })
      const ran = await node.run(['log', 'data'], { outputWritesMax: 3 })
      assert.deepEqual([ran.code, ran.err, ran.out.split('\n').length], [0, '', 4])
      await ended
    })

    it('an interrupt ends the command with 130, and the work with it', async () => {
      const stop = new AbortController()
      const ended = new Promise<void>((resolve) => {
        node.serve({
          async *flush(_request, { signal }) {
            yield { message_type: 'notice', message: 'waiting for us' }
            stop.abort()
            await new Promise<void>((_, reject) => {
              signal.addEventListener('abort', () => {
                resolve()
                reject(new HoldfastError('HF_ABORTED', 'aborted'))
              })
            })
          },
        })
      })
      const ran = await node.run(['flush', '--json'], { signal: stop.signal })
      assert.deepEqual([ran.code, exitErrorOf(ran).hf_code], [130, 'HF_ABORTED'])
      await ended
    })
  })
})
