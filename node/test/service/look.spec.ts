import assert from 'node:assert/strict'
import type { ListEvent } from '../../src/api/work.ts'
import { createLook } from '../../src/service/look.ts'
import type { ServiceParts } from '../../src/service/parts.ts'
import { latin1, noise } from '../restore/fixture.ts'
import { all, History, timeOf } from './history.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const at = (seq: number): { timeMs: number } => ({ timeMs: timeOf(seq) })
const signal = new AbortController().signal

describe('look as a service', () => {
  let history: History
  let heads: { length: number }[]
  beforeEach(async () => {
    heads = []
    history = await History.open()
    await history.directory('d') // 1
    await history.file('d/a', 'first') // 2
    await history.link('d/l', 'a') // 3
    await history.baseline() // 4
    await history.file('d/a', 'second') // 5
    await history.file('d/b', 'b', { torn: true }) // 6
    await history.remove('d/b') // 7
    await history.file('e', 'e') // 8
  })
  afterEach(() => history.close())

  function look() {
    const parts = {
      volumes: { find: () => history.volume },
      chunks: { get: history.wanted },
      replication: { heads: () => heads.map((head) => ({ ...head, coreKey: history.volume.coreKey })) },
    }
    return createLook(parts as unknown as ServiceParts)
  }

  async function listed<Entry>(events: AsyncIterable<ListEvent<Entry>>) {
    const found = await all(events)
    const entries = found.flatMap((event) => (event.message_type === 'entry' ? [event.entry] : []))
    const notices = found.flatMap((event) => (event.message_type === 'notice' ? [event.message] : []))
    const last = found.at(-1)
    assert.ok(last?.message_type === 'summary')
    assert.equal(last.count, entries.length)
    return { entries, notices }
  }
  const ls = (path: string, more: { at?: { timeMs: number }; recursive?: boolean } = {}) =>
    listed(look().ls({ volume: 'data', path: bytes(path), recursive: false, ...more }, { signal }))
  const paths = (entries: readonly { path: string }[]): string[] => entries.map(({ path }) => path)

  it('ls lists a directory, a subtree without itself, or the one file that is named', async () => {
    assert.deepEqual(paths((await ls('')).entries), ['d', 'e'])
    assert.deepEqual(paths((await ls('', { recursive: true })).entries), ['d', 'e', 'd/a', 'd/l'])
    assert.deepEqual(paths((await ls('d', { recursive: true })).entries), ['d/a', 'd/l'])
    const [file] = (await ls('d/a')).entries
    assert.deepEqual(
      [file?.path, file?.type, file?.mode, file?.size, file?.mtime, file?.seq],
      ['d/a', 'file', '0644', 6, '2023-11-14T22:13:20.123456789Z', 5],
    )
    assert.equal((await ls('d')).entries.find(({ path }) => path === 'd/l')?.target, 'a')
  })

  it('ls shows a moment, and says when that was before the first capture', async () => {
    assert.deepEqual(paths((await ls('d', { at: at(6) })).entries), ['d/a', 'd/b', 'd/l'])
    assert.equal((await ls('d', { at: at(6) })).entries[1]?.torn, true)
    const early = await ls('d', { at: at(1) })
    assert.deepEqual(paths(early.entries), ['d/a', 'd/l'])
    assert.match(early.notices.join(), /is before the first capture of data; showing the earliest version, of 2023/)
    assert.deepEqual((await ls('d')).notices, [])
  })

  it('says how far this node is behind', async () => {
    heads = [{ length: 10 }, { length: 3 }]
    assert.match((await ls('')).notices.join(), /this node is 2 journal blocks behind/)
  })

  it('what is not there is refused with what there was', async () => {
    await assert.rejects(ls('d/b'), {
      code: 'HF_NOT_FOUND',
      message: 'data:d/b does not exist now; its newest version is of 2023-11-14T22:20:20.000Z',
      next: 'holdfast log data:d/b',
    })
    await assert.rejects(ls('d/b', { at: at(5) }), { message: /does not exist at 2023-11-14T22:18:20.000Z/ })
    await assert.rejects(ls('nothing'), { code: 'HF_NOT_FOUND', message: 'data:nothing has never been captured' })
  })

  it('names that are not UTF-8 come as bytes too', async () => {
    await history.file('\xff', 'x')
    const entry = (await ls('\xff')).entries[0]
    assert.deepEqual([entry?.path, entry?.pathBytes], ['%FF', '/w=='])
  })

  it('log has the versions newest first, deletions included, below a directory too', async () => {
    const log = async (path: string, limit?: number) => {
      const { entries } = await listed(
        look().log({ volume: 'data', path: bytes(path), ...(limit === undefined ? {} : { limit }) }, { signal }),
      )
      return entries.map((entry) => `${entry.path}@${entry.seq}${entry.kind === 'delete' ? '-' : ''}`)
    }
    assert.deepEqual(await log('d/b'), ['d/b@7-', 'd/b@6'])
    assert.deepEqual(await log('d'), ['d/b@7-', 'd/b@6', 'd/a@5', 'd/l@3', 'd/a@2', 'd@1'])
    assert.deepEqual(await log('d', 2), ['d/b@7-', 'd/b@6'])
    await assert.rejects(log('nothing'), { code: 'HF_NOT_FOUND' })
  })

  it('find has the newest version of what matches, deleted or not', async () => {
    const { entries } = await listed(look().find({ volume: 'data', pattern: bytes('*b') }, { signal }))
    assert.deepEqual(
      entries.map(({ path, kind }) => `${path} ${kind}`),
      ['d/b delete'],
    )
  })

  it('diff names what differs between two moments', async () => {
    const request = { volume: 'data', path: bytes(''), from: at(4), to: at(8) }
    const { entries } = await listed(look().diff(request, { signal }))
    assert.deepEqual(
      entries.map(({ path, change, sizeBefore, sizeAfter }) => [path, change, sizeBefore, sizeAfter]),
      [
        ['e', 'added', null, 1],
        ['d/a', 'modified', 5, 6],
      ],
    )
  })

  describe('cat', () => {
    const cat = async (path: string, moment?: { timeMs: number }) => {
      const request = { volume: 'data', path: bytes(path), ...(moment === undefined ? {} : { at: moment }) }
      const { size, notices, bytes: content } = await look().cat(request, { signal })
      return { size, notices, text: latin1(Buffer.concat(await all(content))) }
    }

    it('gives the bytes of a version', async () => {
      assert.deepEqual(await cat('d/a'), { size: 6, notices: [], text: 'second' })
      assert.equal((await cat('d/a', at(4))).text, 'first')
      assert.match((await cat('d/a', at(1))).notices.join(), /before the first capture/)
    })

    it('of something that is no file is refused with what to do instead', async () => {
      await assert.rejects(cat('d'), { code: 'HF_BAD_INPUT', next: 'holdfast ls data:d' })
      await assert.rejects(cat('d/l'), { code: 'HF_BAD_INPUT', next: /holdfast restore/ })
    })

    it('ends with the reason where a chunk is nowhere', async () => {
      await history.file('lost', noise('lost', 1000))
      history.lose(...(await history.chunksOf('lost')))
      await assert.rejects(cat('lost'), { code: 'HF_CHUNK_MISSING' })
    })
  })
})
