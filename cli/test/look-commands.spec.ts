import assert from 'node:assert/strict'
import type { DiffEntry, RestoreSummary, WorkEvent } from '@holdfast/node/api'
import { HoldfastError } from '@holdfast/ports'
import { treeEntry, version } from './answers.ts'
import { events, failing, FakeNode, listing } from './fake-node.ts'
import { exitErrorOf } from './memory-io.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const parsed = (text: string): unknown => JSON.parse(text)

async function* broken(): AsyncGenerator<Uint8Array> {
  yield bytes('first')
  throw new HoldfastError('HF_CHUNK_MISSING', 'no reachable member has chunk ab', { next: 'wait for us' })
}

describe('commands that look at the history and restore it', () => {
  let node: FakeNode
  before(async () => {
    node = await FakeNode.start()
  })
  after(() => node.stop())

  describe('looking at the history', () => {
    it('log', async () => {
      const list = [version(3), version(2, { kind: 'delete', size: 0 }), version(1, { path: 'a\nb', torn: true })]
      node.serve({
        log: () => listing(list),
      })
      const people = await node.run(['log', 'data:report.txt', '--limit', '5'])
      assert.deepEqual(people.out.split('\n'), [
        '       3  2026-11-23T12:00:03.000Z    2.9 KiB  report.txt',
        '       2  2026-11-23T12:00:02.000Z    deleted  report.txt',
        '       1  2026-11-23T12:00:01.000Z     1000 B  a%0Ab (torn)',
        '',
      ])
      assert.deepEqual(parsed((await node.run(['log', 'data', '--json'])).out), list)
      assert.deepEqual(
        node.calls.map((call) => call.request),
        [
          { volume: 'data', path: bytes('report.txt'), limit: 5 },
          { volume: 'data', path: bytes('') },
        ],
      )
    })

    it('an empty listing is an empty array; one that breaks off is no document', async () => {
      node.serve({ find: () => listing([]) })
      assert.equal((await node.run(['find', 'data', '*.tmp', '--json'])).out, '[]\n')
      node.serve({
        async *find() {
          yield { message_type: 'entry', entry: version(1) }
          throw new HoldfastError('HF_DECODE', 'the catalog is damaged')
        },
      })
      const ran = await node.run(['find', 'data', 'x', '--json'])
      assert.equal(ran.code, 22)
      assert.throws(() => parsed(ran.out))
    })

    it('ls', async () => {
      const list = [
        treeEntry('docs', { type: 'directory', mode: '0755', size: 0 }),
        treeEntry('%FF', { pathBytes: '/w==' }),
        treeEntry('link', { type: 'symlink', target: 'report.txt' }),
      ]
      node.serve({
        ls: () => listing(list, 'earliest'),
      })
      const ran = await node.run(['ls', 'data:/a%FF/', '-R', '--at', '2026-11-23T12:00:00Z'])
      assert.deepEqual(ran.out.split('\n'), [
        'd0755 1000:100            2026-11-23 11:59:58 docs/',
        '-0644 1000:100    2.0 KiB 2026-11-23 11:59:58 %FF',
        'l0644 1000:100            2026-11-23 11:59:58 link -> report.txt',
        '',
      ])
      assert.equal(ran.err, 'earliest\n')
      assert.deepEqual(node.calls[0]?.request, {
        volume: 'data',
        path: new Uint8Array([0x61, 0xff]),
        recursive: true,
        at: { timeMs: Date.UTC(2026, 10, 23, 12) },
      })
    })

    it('diff', async () => {
      const sizes = { change: 'modified', type: 'file', sizeBefore: 10, sizeAfter: 2048 } as const
      const entries: DiffEntry[] = [
        { ...sizes, path: 'x', aspects: ['content', 'time'] },
        { ...sizes, path: 'y', aspects: ['mode', 'owner'] },
        { ...sizes, path: 'z', change: 'added', sizeBefore: null, aspects: [] },
      ]
      node.serve({ diff: () => listing(entries) })
      assert.equal(
        (await node.run(['diff', 'data', '10m ago', 'now'])).out,
        'M x  (10 B -> 2.0 KiB, time)\nM y  (mode, owner)\n+ z  (2.0 KiB)\n',
      )
      const request = node.calls[0]?.request as { from: { timeMs: number }; to: { timeMs: number } } | undefined
      assert.equal((request?.to.timeMs ?? 0) - (request?.from.timeMs ?? 0), 600_000)
    })

    it('cat writes the bytes as they are, notices elsewhere', async () => {
      const content = new Uint8Array([0, 255, 10, 13, 128])
      node.serve({ cat: () => Promise.resolve({ size: 5, notices: ['earliest'], bytes: events(content) }) })
      const ran = await node.run(['cat', 'data:x', '--at', '1h ago'])
      assert.deepEqual([ran.code, ran.err], [0, 'earliest\n'])
      assert.equal(ran.out, Buffer.from(content).toString('utf8'))
    })

    it('cat --json writes one document, however the content is cut', async () => {
      const content = Uint8Array.from({ length: 1000 }, (_, index) => index % 256)
      for (const at of [0, 1, 2, 3, 500, 998, 1000]) {
        const bytes = events(content.subarray(0, at), content.subarray(at))
        node.serve({ cat: () => Promise.resolve({ size: 1000, notices: [], bytes }) })
        const ran = await node.run(['cat', 'data:dir/x', '--json'])
        assert.equal(ran.code, 0)
        assert.deepEqual(JSON.parse(ran.out), {
          volume: 'data',
          path: 'dir/x',
          size: 1000,
          content: Buffer.from(content).toString('base64'),
        })
      }
    })

    it('cat that breaks off fails with the reason', async () => {
      node.serve({ cat: () => Promise.resolve({ size: 10, notices: [], bytes: broken() }) })
      const ran = await node.run(['cat', 'data:x'])
      assert.deepEqual([ran.code, ran.out], [24, 'first'])
      const json = await node.run(['cat', 'data:x', '--json'])
      assert.deepEqual([json.code, exitErrorOf(json).message], [24, 'no reachable member has chunk ab'])
      assert.throws(() => JSON.parse(json.out), 'half a document is none')
    })

    it('a path that is not there, or leads out of the volume', async () => {
      node.serve({
        cat: () => Promise.reject(new HoldfastError('HF_NOT_FOUND', 'data has no fiel', { next: 'file is near' })),
      })
      const missing = await node.run(['cat', 'data:fiel'])
      assert.equal(missing.code, 1)
      assert.match(missing.err, /no fiel[^]*file is near/)
      const outside = await node.run(['cat', 'data:../x', '--json'])
      assert.deepEqual([outside.code, exitErrorOf(outside).hf_code], [2, 'HF_BAD_INPUT'])
      assert.equal(node.calls.length, 1)
    })
  })

  describe('restore', () => {
    const summary: RestoreSummary = {
      volume: 'data',
      to: '/mnt/out',
      at: '2026-11-23T12:00:00.000Z',
      dryRun: false,
      files: 12,
      directories: 2,
      symlinks: 0,
      specials: 0,
      bytes: 4096,
      skipped: 3,
      deleted: 1,
      fetchedBytes: 1024,
      errorCount: 0,
      seconds: 1.25,
    }

    it('sends what was asked and sums up', async () => {
      node.serve({ restore: () => events({ ...summary, message_type: 'summary' as const }) })
      const args = [
        'restore',
        'data:docs',
        '--to',
        'out',
        '--in-place',
        '--delete',
        '--verify',
        '--at',
        '2026-11-23T12:00:00Z',
      ]
      const ran = await node.run(args, { workingDirectory: '/mnt' })
      assert.equal(
        ran.out,
        'data: restored to /mnt/out as of 2026-11-23T12:00:00.000Z: 12 files, 4.0 KiB, 3 identical ones left alone, 1 deleted, 1.0 KiB fetched from other members, in 1.3 s\n',
      )
      assert.deepEqual(node.calls[0]?.request, {
        volume: 'data',
        path: bytes('docs'),
        to: '/mnt/out',
        at: { timeMs: Date.UTC(2026, 10, 23, 12) },
        inPlace: true,
        delete: true,
        verify: true,
        dryRun: false,
        privileged: false,
      })
    })

    it('what could not be written is listed: exit 1', async () => {
      const error = { message_type: 'error', hf_code: 'HF_DESTINATION', message: 'EACCES', path: 'docs/x' } as const
      node.serve({
        restore: () =>
          events<WorkEvent<RestoreSummary>>(error, { ...summary, errorCount: 1, message_type: 'summary' as const }),
      })
      const ran = await node.run(['restore', 'data', '--to', '/t'])
      assert.deepEqual([ran.code, ran.err], [1, 'docs/x: EACCES\n'])
      assert.match(ran.out, /1 errors/)
    })

    it('a destination with other things in it is refused', async () => {
      node.serve({
        restore: () =>
          failing(new HoldfastError('HF_CONFLICT', '/t is not empty', { next: 'choose another, or --in-place' })),
      })
      const ran = await node.run(['restore', 'data', '--to', '/t', '--json'])
      assert.deepEqual([ran.code, exitErrorOf(ran).hf_code], [1, 'HF_CONFLICT'])
    })
  })
})
