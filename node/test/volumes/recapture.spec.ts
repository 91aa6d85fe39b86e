import assert from 'node:assert/strict'
import { createMemoryDrive } from '@holdfast/doubles'
import { createMemoryJournalDisk } from '@holdfast/journal'
import type { ChunkId } from '@holdfast/ports'
import type { StatRow, StatStore } from '../../src/capture/index.ts'
import { forgetLostContent } from '../../src/volumes/recapture.ts'
import { commit, Ledger, Levels, openWorld, VOLUME, type World } from './pipeline.ts'

describe('content that is lost everywhere', () => {
  const levels = new Levels()
  after(() => levels.remove())
  let world: World
  let ledger: Ledger
  beforeEach(async () => {
    ledger = new Ledger()
    world = await openWorld(createMemoryDrive(), await levels.open(), createMemoryJournalDisk(), new Ledger())
    for (const name of ['kept', 'lost']) await commit(world, ledger, name)
  })
  afterEach(() => world.store.close())

  const chunkOf = (name: string): ChunkId =>
    ledger.acknowledged.find(({ path }) => path === name)?.chunks[0] ?? assert.fail()

  /** A stat store with a row for each of these, and what was put into it. */
  function statsOf(...names: readonly string[]): { stats: StatStore; puts: StatRow[] } {
    const puts: StatRow[] = []
    const rowOf = (path: Uint8Array): StatRow | undefined =>
      names.includes(Buffer.from(path).toString())
        ? { path, words: new Uint32Array(4), keyed: true, racy: false, young: false, content: new Uint8Array(16) }
        : undefined
    const stats = {
      rows: (paths: readonly Uint8Array[]) => Promise.resolve(paths.map(rowOf)),
      apply: (rows: readonly StatRow[], deletes: readonly Uint8Array[]) => {
        assert.deepEqual(deletes, [], 'a row that went would hide a deletion')
        puts.push(...rows)
        return Promise.resolve()
      },
    }
    return { stats: stats as unknown as StatStore, puts }
  }

  it('nothing is missing: nothing is read again', async () => {
    const { stats, puts } = statsOf('kept', 'lost')
    assert.equal((await forgetLostContent(world.volume, world.store, stats)).size, 0)
    assert.deepEqual(puts, [])
  })

  it('the files that name it are read again, others are not: their rows stay and match nothing on disk', async () => {
    const { stats, puts } = statsOf('kept', 'lost')
    world.volume.completeness.lost(chunkOf('lost'), 1, false, 0)
    const paths = await forgetLostContent(world.volume, world.store, stats)
    assert.deepEqual([...paths], ['lost'])
    assert.deepEqual(
      puts.map(({ path, keyed, content }) => [Buffer.from(path).toString(), keyed, content]),
      [['lost', false, new Uint8Array(16).fill(0xff)]],
    )
  })

  it('a file that capture knows nothing of yet is named all the same', async () => {
    const { stats, puts } = statsOf()
    world.volume.completeness.lost(chunkOf('lost'), 1, false, 0)
    assert.deepEqual([...(await forgetLostContent(world.volume, world.store, stats))], ['lost'])
    assert.deepEqual(puts, [])
  })

  it('a chunk that no file of now names brings nothing back: only what exists can come', async () => {
    const { stats, puts } = statsOf('kept', 'lost')
    await world.writer.commit({ drafts: [], deletions: [Buffer.from('lost')] })
    world.volume.completeness.lost(chunkOf('lost'), 1, false, 0)
    assert.equal((await forgetLostContent(world.volume, world.store, stats)).size, 0)
    assert.deepEqual(puts, [])
    assert.ok(world.store.has(VOLUME, chunkOf('kept')))
  })
})
