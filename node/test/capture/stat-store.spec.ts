import { strict as assert } from 'node:assert'
import { rmSync } from 'node:fs'
import { encodeStat, STAT_WORDS } from '@holdfast/capture'
import { asChunkId } from '@holdfast/ports'
import * as fc from 'fast-check'
import { Level } from 'level'
import { digestOf } from '../../src/capture/digest.ts'
import { createStatStore, type StatRow, type StatStore } from '../../src/capture/index.ts'
import { packPaths, pathsOf } from '../../src/capture/path-list.ts'
import type { HistoryRow } from '../../src/capture/index.ts'
import type { Draft } from '../../src/ingest/types.ts'
import { bytes, tempDir, text } from './support.ts'

const row = (path: string, seed = 1): StatRow => {
  const words = new Uint32Array(STAT_WORDS)
  const at = { dev: 66_309n, ino: 2n ** 60n + BigInt(seed), mtimeNs: -1n, ctimeNs: 1_700_000_000_999_999_999n }
  encodeStat({ ...at, type: 'file', size: 5, mode: 0o644, uid: 1, gid: 2 }, words)
  return { path: bytes(path), words, racy: seed % 2 === 0, digest: new Uint8Array(16).fill(seed) }
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
    const store = createStatStore(level)
    assert.equal(await store.seq(), undefined)
    const rows = [row('a', 1), row('a/b', 2), row('a!', 3), { ...row('z', 5), words: undefined }]
    await store.apply(rows, [], 7)
    await store.apply([], [bytes('a!')])
    const again = createStatStore(level)
    assert.equal(await again.seq(), 7)
    const found = await all(again)
    assert.deepEqual(
      found.map(({ path }) => text(path)),
      ['a', 'a/b', 'z'],
    )
    assert.deepEqual(found[1], rows[1])
    assert.deepEqual(
      (await again.rows([bytes('z'), bytes('none')])).map((one) => one?.digest),
      [rows[3]?.digest, undefined],
    )
    await again.clear()
    assert.equal(await again.seq(), undefined)
    assert.deepEqual(await all(again), [])
  })

  it('puts other rows in the place of all, and keeps the old ones if that does not end', async () => {
    const store = createStatStore(level)
    await store.apply([row('old'), row('both')], [], 1)
    const failing = async function* (): AsyncGenerator<StatRow[]> {
      yield [row('new')]
      await Promise.resolve()
      throw new Error('the power is gone')
    }
    await assert.rejects(store.replace(failing(), 2))
    assert.deepEqual(
      (await all(createStatStore(level))).map(({ path }) => text(path)),
      ['both', 'old'],
    )
    const complete = async function* (): AsyncGenerator<StatRow[]> {
      yield [row('new', 3)]
      yield await Promise.resolve([row('both', 4)])
    }
    await store.replace(complete(), 2)
    const again = createStatStore(level)
    assert.equal(await again.seq(), 2)
    assert.deepEqual(
      (await all(again)).map(({ path }) => text(path)),
      ['both', 'new'],
    )
    await again.apply([row('later')], [], 3)
    assert.equal((await all(store)).length, 3)
  })

  it('ignores rows of another version', async () => {
    const store = createStatStore(level)
    await store.apply([row('a')], [], 1)
    await level.put(Uint8Array.of(0, ...bytes('b')), Uint8Array.of(9, 9))
    assert.deepEqual(
      (await all(store)).map(({ path }) => text(path)),
      ['a'],
    )
    assert.deepEqual(await store.rows([bytes('b')]), [undefined])
  })
})

describe('digest of a path', () => {
  const chunk = asChunkId(new Uint8Array(32).fill(1))
  const stat = { mode: 0o644, uid: 1, gid: 2, mtimeNs: -5n, size: 9 }
  const extent = { chunk, offset: 3, length: 9, fingerprint: new Uint8Array(16).fill(2) }
  const draft: Draft = { ...stat, path: bytes('f'), type: 'file', torn: false, refs: [], needs: [], extents: [extent] }
  const recorded: HistoryRow = { ...stat, seq: 4, path: bytes('f'), type: 'file', content: { inline: [extent] } }

  it('is the same of a draft and of the row that it became', () => {
    assert.deepEqual(digestOf(draft), digestOf(recorded))
    const { extents: _, ...rest } = draft
    const large: Draft = { ...rest, recipe: { root: chunk } }
    assert.deepEqual(digestOf(large), digestOf({ ...recorded, content: { recipe: chunk } }))
    assert.deepEqual(digestOf({ ...draft, extents: [] }), digestOf({ ...recorded, content: undefined }))
    const link: Draft = { ...rest, type: 'symlink', target: bytes('there') }
    assert.deepEqual(
      digestOf(link),
      digestOf({ ...recorded, type: 'symlink', content: undefined, target: bytes('there') }),
    )
  })

  it('differs with anything that a record shows, not with where the content lies', () => {
    const base = digestOf(draft)
    const moved = { ...extent, chunk: asChunkId(new Uint8Array(32).fill(9)), offset: 77 }
    assert.deepEqual(digestOf({ ...draft, extents: [moved] }), base)
    const others: Draft[] = [
      { ...draft, mode: 0o600 },
      { ...draft, uid: 3 },
      { ...draft, gid: 3 },
      { ...draft, mtimeNs: -4n },
      { ...draft, size: 8 },
      { ...draft, type: 'symlink' },
      { ...draft, target: bytes('x') },
      { ...draft, extents: [{ ...extent, fingerprint: new Uint8Array(16).fill(3) }] },
      { ...draft, extents: [{ ...extent, length: 8 }] },
      { ...draft, extents: [] },
    ]
    for (const other of others) assert.notDeepEqual(digestOf(other), base)
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
