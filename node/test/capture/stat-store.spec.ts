import { strict as assert } from 'node:assert'
import { rmSync } from 'node:fs'
import { encodeStat, sameShown, sameStat, STAT_WORDS } from '@holdfast/capture'
import { asChunkId } from '@holdfast/ports'
import * as fc from 'fast-check'
import { Level } from 'level'
import { contentKeyOf, wordsOfHistory } from '../../src/capture/content-key.ts'
import { createStatStore, type StatRow, type StatStore } from '../../src/capture/index.ts'
import { packPaths, pathsOf } from '../../src/capture/path-list.ts'
import type { HistoryRow } from '../../src/capture/index.ts'
import type { Draft } from '../../src/ingest/types.ts'
import { bytes, tempDir, text } from './support.ts'

const PREFIX = bytes('s')

const statRow = (path: string, seed = 1): StatRow => {
  const words = new Uint32Array(STAT_WORDS)
  const at = { dev: 66_309n, ino: 2n ** 60n + BigInt(seed), mtimeNs: -1n, ctimeNs: 1_700_000_000_999_999_999n }
  encodeStat({ ...at, type: 'file', size: 5, mode: 0o644, uid: 1, gid: 2, linked: seed > 1 }, words)
  return {
    path: bytes(path),
    words,
    keyed: true,
    racy: seed % 2 === 0,
    young: seed % 3 === 0,
    content: new Uint8Array(16).fill(seed),
  }
}

async function all(store: StatStore): Promise<StatRow[]> {
  const rows: StatRow[] = []
  for await (const group of store.load()) rows.push(...group)
  return rows
}

describe('stat store in level', () => {
  let directory: string
  let level: Level<Uint8Array, Uint8Array>

  beforeEach(async () => {
    directory = tempDir()
    level = new Level<Uint8Array, Uint8Array>(directory, { keyEncoding: 'view', valueEncoding: 'view' })
    await level.open()
  })
  afterEach(async () => {
    await level.close()
    rmSync(directory, { recursive: true })
  })

  it('keeps rows, parents before children, and the seq that they describe', async () => {
    const store = createStatStore(level, PREFIX)
    assert.equal(await store.seq(), undefined)
    const rows = [statRow('a', 1), statRow('a/b', 2), statRow('a!', 3), { ...statRow('z', 5), keyed: false }]
    await store.apply(rows, [], 7)
    await store.apply([], [bytes('a!')])
    const again = createStatStore(level, PREFIX)
    assert.equal(await again.seq(), 7)
    const found = await all(again)
    assert.deepEqual(
      found.map(({ path }) => text(path)),
      ['a', 'a/b', 'z'],
    )
    assert.deepEqual(found[1], rows[1])
    assert.deepEqual(
      (await again.rows([bytes('z'), bytes('none')])).map((one) => one?.content),
      [rows[3]?.content, undefined],
    )
    await again.clear()
    assert.equal(await again.seq(), undefined)
    assert.deepEqual(await all(again), [])
  })

  it('puts other rows in the place of all, and keeps the old ones if that does not end', async () => {
    const store = createStatStore(level, PREFIX)
    await store.apply([statRow('old'), statRow('both')], [], 1)
    const failing = async function* (): AsyncGenerator<StatRow[]> {
      yield [statRow('new')]
      await Promise.resolve()
      throw new Error('the power is gone')
    }
    await assert.rejects(store.replace(failing(), 2))
    assert.deepEqual(
      (await all(createStatStore(level, PREFIX))).map(({ path }) => text(path)),
      ['both', 'old'],
    )
    const complete = async function* (): AsyncGenerator<StatRow[]> {
      yield [statRow('new', 3)]
      yield await Promise.resolve([statRow('both', 4)])
    }
    await store.replace(complete(), 2)
    const again = createStatStore(level, PREFIX)
    assert.equal(await again.seq(), 2)
    assert.deepEqual(
      (await all(again)).map(({ path }) => text(path)),
      ['both', 'new'],
    )
    await again.apply([statRow('later')], [], 3)
    assert.equal((await all(store)).length, 3)
  })

  it('leaves what is beside it in the level alone', async () => {
    const other = createStatStore(level, bytes('t'))
    await other.apply([statRow('theirs')], [], 9)
    const store = createStatStore(level, PREFIX)
    await store.apply([statRow('ours')], [], 1)
    assert.deepEqual(
      (await all(store)).map(({ path }) => text(path)),
      ['ours'],
    )
    await store.clear()
    assert.equal(await createStatStore(level, bytes('t')).seq(), 9)
    assert.equal((await all(other)).length, 1)
  })

  it('ignores rows of another version', async () => {
    const store = createStatStore(level, PREFIX)
    await store.apply([statRow('a')], [], 1)
    await level.put(Uint8Array.of(...PREFIX, 0, ...bytes('b')), Uint8Array.of(9, 9))
    assert.deepEqual(
      (await all(store)).map(({ path }) => text(path)),
      ['a'],
    )
    assert.deepEqual(await store.rows([bytes('b')]), [undefined])
  })
})

describe('what a record shows of a path', () => {
  const chunk = asChunkId(new Uint8Array(32).fill(1))
  const stat = { mode: 0o644, uid: 1, gid: 2, mtimeNs: -5n, size: 9 }
  const extent = { chunk, offset: 3, length: 9, fingerprint: new Uint8Array(16).fill(2) }
  const other = { ...extent, fingerprint: new Uint8Array(16).fill(3) }
  const draft: Draft = { ...stat, path: bytes('f'), type: 'file', torn: false, refs: [], needs: [], extents: [extent] }
  const recorded: HistoryRow = { ...stat, seq: 4, path: bytes('f'), type: 'file', content: { inline: [extent] } }
  const { extents: _, ...rest } = draft

  it('is the same of a draft and of the row that it became', () => {
    const pairs: [Draft, HistoryRow][] = [
      [draft, recorded],
      [
        { ...draft, extents: [extent, other] },
        { ...recorded, content: { inline: [extent, other] } },
      ],
      [
        { ...rest, recipe: { root: chunk } },
        { ...recorded, content: { recipe: chunk } },
      ],
      [
        { ...draft, extents: [] },
        { ...recorded, content: undefined },
      ],
      [
        { ...rest, type: 'symlink', target: bytes('there') },
        { ...recorded, type: 'symlink', content: undefined, target: bytes('there') },
      ],
    ]
    for (const [read, row] of pairs) assert.deepEqual(contentKeyOf(read), contentKeyOf(row))
    const keys = pairs.map(([read]) => Buffer.from(contentKeyOf(read)).toString('hex'))
    assert.equal(new Set(keys).size, pairs.length)
  })

  it('differs with the content, not with where the content lies', () => {
    const base = contentKeyOf(draft)
    const moved = { ...extent, chunk: asChunkId(new Uint8Array(32).fill(9)), offset: 77 }
    assert.deepEqual(contentKeyOf({ ...draft, extents: [moved] }), base)
    assert.notDeepEqual(contentKeyOf({ ...draft, extents: [other] }), base)
    const two = contentKeyOf({ ...draft, extents: [extent, other] })
    assert.notDeepEqual(contentKeyOf({ ...draft, extents: [other, extent] }), two)
    assert.notDeepEqual(contentKeyOf({ ...draft, extents: [{ ...extent, length: 8 }, other] }), two)
  })

  it('differs with type, mode, owner, time and size, not with inode, device or change time', () => {
    const shown = wordsOfHistory(recorded)
    const onDisk = new Uint32Array(STAT_WORDS)
    encodeStat({ ...stat, type: 'file', dev: 5n, ino: 6n, ctimeNs: 7n, linked: true }, onDisk)
    assert.equal(sameShown(shown, onDisk), true)
    assert.equal(sameStat(shown, 0, onDisk, 0), false)
    const others: HistoryRow[] = [
      { ...recorded, mode: 0o600 },
      { ...recorded, uid: 3 },
      { ...recorded, gid: 3 },
      { ...recorded, mtimeNs: -4n },
      { ...recorded, mtimeNs: -5n + 2n ** 62n },
      { ...recorded, size: 8 },
      { ...recorded, type: 'symlink' },
    ]
    for (const row of others) assert.equal(sameShown(wordsOfHistory(row), onDisk), false)
  })
})

describe('path list', () => {
  it('gives back any paths', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (list) => {
        assert.deepEqual([...pathsOf(packPaths(list))], list)
      }),
    )
  })
})
