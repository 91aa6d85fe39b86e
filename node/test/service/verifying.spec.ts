import assert from 'node:assert/strict'
import { createManualClock } from '@holdfast/doubles'
import { asNodeId, asVolumeId, hexOf } from '@holdfast/ports'
import type { BadFrame, VerifyReport } from '@holdfast/store-pack'
import type { VerifySummary } from '../../src/api/volume-messages.ts'
import type { WorkError, WorkEvent } from '../../src/api/work.ts'
import type { ServiceParts } from '../../src/service/parts.ts'
import { createVerifying, FINDINGS_NAMED_MAX } from '../../src/service/verifying.ts'
import { noise } from '../restore/fixture.ts'
import { all, History } from './history.ts'

const SELF = asNodeId(noise('self', 32))
const PEER = asNodeId(noise('peer', 32))
const signal = new AbortController().signal

describe('verify as a service', () => {
  let history: History
  let bad: BadFrame[]
  let badFrames: number
  let healing: () => number
  let call: (body: Uint8Array) => Promise<Uint8Array>
  beforeEach(async () => {
    history = await History.open()
    bad = []
    badFrames = 0
    healing = () => 0
    call = () => Promise.reject(new Error('no answer'))
  })
  afterEach(() => history.close())

  function verifying(volumes = [history.volume]) {
    const report = (): VerifyReport => ({
      packs: 1,
      chunks: 7,
      journalFrames: 1,
      checkedBytes: 700,
      badFrames: Math.max(badFrames, bad.length),
      unindexedFrames: 0,
      bad,
    })
    const parts = {
      self: SELF,
      clock: createManualClock(),
      store: {
        get: history.held,
        verify: () => Promise.resolve(report()),
        locate: () => ({ pack: 9, offset: 72 }),
        rebuildIndex: () => Promise.resolve({ packs: 1, chunks: 3, journalFrames: 1, badFrames: 2 }),
      },
      volumes: { list: () => volumes, find: () => history.volume },
      authority: { nameOf: (node: Uint8Array) => (hexOf(node) === hexOf(SELF) ? 'here' : 'there') },
      replication: { peers: () => [{ peer: PEER }], call: (_p: unknown, _m: unknown, body: Uint8Array) => call(body) },
      heal: () => Promise.resolve(healing()),
    } as unknown as ServiceParts
    return createVerifying(parts, () => Promise.resolve({ versions: 5, journalBlocks: 4 }))
  }

  async function verify(request: { readData?: boolean; mesh?: boolean } = {}) {
    const events = await all(verifying().verify({ readData: false, mesh: false, ...request }, { signal }))
    const errors = events.filter((event): event is WorkError => event.message_type === 'error')
    const summary = events.at(-1) as Extract<WorkEvent<VerifySummary>, { message_type: 'summary' }>
    return { errors, nodes: summary.nodes, said: errors.map(({ path, message }) => `${path ?? ''}: ${message}`) }
  }

  it('says nothing but counts where all is right', async () => {
    await history.file('a', 'content')
    const { errors, nodes } = await verify()
    assert.deepEqual(errors, [])
    assert.deepEqual(nodes, [
      { node: 'here', chunks: 7, bytes: 700, journalBlocks: 1, missingCount: 0, corruptCount: 0, healedCount: 0 },
    ])
  })

  it('names lost old versions and says that the present content is whole', async () => {
    await history.file('docs/a.txt', 'first')
    const old = await history.chunksOf('docs/a.txt')
    await history.file('docs/a.txt', 'second')
    await history.file('b', 'untouched')
    history.lose(...old)
    const { said, nodes, errors } = await verify()
    assert.deepEqual(
      errors.map(({ hf_code }) => hf_code),
      ['HF_CHUNK_MISSING', 'HF_CHUNK_MISSING'],
    )
    assert.equal(
      said[0],
      'docs/a.txt: the version of 2023-11-14T22:14:20.000Z is lost here and with every member in reach',
    )
    assert.match(
      said[1] ?? '',
      /^: volume data lacks 1 chunk here: the present content is whole; 1 old version lost for good/,
    )
    assert.match(
      said[1] ?? '',
      /Nothing is to be done for it; .*`holdfast log data:docs\/a\.txt` shows the other versions/,
    )
    assert.equal(nodes[0]?.missingCount, 1)
  })

  it('says of which files the present content is not whole, recipes looked into', async () => {
    await history.file('small', 'old')
    await history.file('large', noise('large', 200_000), { recipe: true })
    const [recipe = ''] = await history.chunksOf('large')
    const content = [...history.chunks.keys()].find(
      (id) => id !== recipe && (history.chunks.get(id)?.byteLength ?? 0) > 9999,
    )
    assert.ok(content !== undefined)
    history.lose(content)
    const { said } = await verify()
    assert.equal(said[0], 'large: the present content is lost here and with every member in reach')
    assert.match(
      said[1] ?? '',
      /the present content of 1 file is not whole\. Start a drive or member that still has the chunks/,
    )
  })

  it('counts a deleted file as old, and names no more than some', async () => {
    for (let index = 0; index < 30; index++) {
      await history.file(`f${index}`, `content ${index}`)
      history.lose(...(await history.chunksOf(`f${index}`)))
      await history.remove(`f${index}`)
    }
    const { said } = await verify()
    assert.equal(said.length, 21)
    assert.match(
      said[20] ?? '',
      /lacks 30 chunks here \(10 more than are named\): the present content is whole; 30 old versions/,
    )
  })

  it('speaks of what is missing only once healing is over', async () => {
    await history.file('a', 'content')
    history.lose(...(await history.chunksOf('a')))
    healing = () => {
      history.missing.clear()
      return 1
    }
    const { errors, nodes } = await verify()
    assert.deepEqual(errors, [])
    assert.deepEqual([nodes[0]?.missingCount, nodes[0]?.healedCount], [0, 1])
  })

  it('says of a volume without its key only how many chunks it lacks', async () => {
    history.lose('00'.repeat(32))
    Object.assign(history.volume, { readable: undefined })
    const { said } = await verify()
    assert.deepEqual(said, [
      ': volume data lacks 1 chunk here; which versions need them only members with its key can say',
    ])
  })

  it('names damaged frames, up to its most, and not those that are replaced', async () => {
    const entry = { kind: 'chunk', id: noise('x', 32), volume: asVolumeId(noise('v', 16)) }
    const frame = (offset: number, pack = 1): BadFrame => ({ pack, offset, reason: 'body' })
    bad = [
      { ...frame(72, 9), entry } as unknown as BadFrame,
      { ...frame(5, 8), entry } as unknown as BadFrame,
      ...Array.from({ length: 150 }, (_, offset) => frame(offset)),
    ]
    badFrames = 200
    const { errors, nodes } = await verify()
    assert.equal(errors.length, FINDINGS_NAMED_MAX)
    assert.equal(errors[0]?.message, 'pack 9 at byte 72: a chunk or journal frame fails its check')
    assert.equal(nodes[0]?.corruptCount, 199)
  })

  it('asks the others, and goes on where one does not answer or answers nonsense', async () => {
    const volumes: string[] = []
    call = async (body) => {
      volumes.push(...(JSON.parse(Buffer.from(body).toString()) as { volumes: string[] }).volumes)
      return verifying().answerVerify(body)
    }
    const asked = await verify({ mesh: true })
    assert.deepEqual(
      asked.nodes.map(({ chunks }) => chunks),
      [7, 7],
    )
    assert.deepEqual(volumes, [hexOf(history.id)])
    call = () => Promise.resolve(Buffer.from('{"node":"x","chunks":-1}'))
    const odd = await verify({ mesh: true })
    assert.equal(odd.nodes.length, 1)
    assert.equal(odd.errors[0]?.hf_code, 'HF_PEER_UNREACHABLE')
    assert.match(odd.errors[0]?.message ?? '', /^there could not be asked: /)
  })

  it('refuses a request of another that is none', async () => {
    for (const body of ['', '{}', '{"volumes":[1],"readData":true}', '{"volumes":[],"readData":false,"more":1}'])
      await assert.rejects(verifying().answerVerify(Buffer.from(body)))
  })

  it('makes the indexes anew', async () => {
    const events = await all(verifying().repairIndex({}, { signal }))
    const summary = events.at(-1)
    assert.deepEqual(summary, {
      message_type: 'summary',
      chunks: 3,
      journalBlocks: 4,
      versions: 5,
      badFrames: 2,
      seconds: 0,
    })
  })
})
