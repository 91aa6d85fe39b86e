import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asVolumeId } from '@holdfast/ports'
import { IndexStore } from '../../src/volumes/index-store.ts'

const VOLUME = asVolumeId(new Uint8Array(16).fill(7))

describe('IndexStore', () => {
  let directory: string
  let index: IndexStore
  const damage: unknown[] = []
  const open = async (): Promise<void> => {
    index = await IndexStore.open(directory, (error) => damage.push(error))
  }
  beforeEach(async () => {
    damage.length = 0
    directory = mkdtempSync(join(tmpdir(), 'holdfast-index-'))
    await open()
  })
  afterEach(async () => {
    await index.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const filesOf = (level: string, ending: string): string[] =>
    readdirSync(join(directory, level))
      .filter((name) => name.endsWith(ending))
      .map((name) => join(directory, level, name))

  it('settles what was put into tables, so that no log is needed for it', async () => {
    await index.setCompleteLength(VOLUME, 1, 42)
    assert.equal(filesOf('volumes', '.ldb').length, 0)
    await index.settle()
    assert.equal(filesOf('volumes', '.ldb').length, 1)
    await index.close()
    for (const log of filesOf('volumes', '.log')) rmSync(log)
    await open()
    assert.equal(await index.completeLength(VOLUME, 1), 42)
    assert.deepEqual(damage, [])
  })

  it('damage to one level leaves the other as it is', async () => {
    await index.setCompleteLength(VOLUME, 1, 42)
    await index.packs.batch([{ type: 'put', key: Uint8Array.of(1), value: Uint8Array.of(2) }], {})
    await index.close()
    writeFileSync(join(directory, 'packs', 'CURRENT'), 'nonsense')
    await open()
    assert.equal(await index.completeLength(VOLUME, 1), 42)
    assert.equal(index.packs.getSync(Uint8Array.of(1)), undefined)
    await index.packs.batch([{ type: 'put', key: Uint8Array.of(1), value: Uint8Array.of(2) }], {})
    await index.close()
    writeFileSync(join(directory, 'volumes', 'CURRENT'), 'nonsense')
    await open()
    assert.equal(damage.length, 1)
    assert.equal(await index.completeLength(VOLUME, 1), 0)
    assert.deepEqual([...(index.packs.getSync(Uint8Array.of(1)) ?? [])], [2])
    assert.equal(statSync(join(directory, 'volumes')).mode & 0o77, 0)
  })

  it('clears a catalog that does not hold what it says', async () => {
    const catalog = await index.openCatalog(VOLUME, (error) => damage.push(error))
    const row = { path: Buffer.from('a'), type: 'file', mode: 0, uid: 0, gid: 0, mtimeNs: 0n, size: 0 } as const
    const rest = { torn: false, content: { type: 'none' }, epoch: 1, timeMs: 1, kind: 'put', refs: [] } as const
    await catalog.apply([{ ...row, ...rest, seq: 1 }], { epoch: 1, length: 1 })
    await catalog.apply([{ ...row, ...rest, seq: 2 }], { epoch: 1, length: 2 })
    await catalog.flush(1)
    await catalog.close()
    // As if the power had taken the second batch and left a later one: its place is noted, and it is not there.
    const again = await index.openCatalog(VOLUME, (error) => damage.push(error))
    assert.deepEqual([again.applied.seq, damage.length], [2, 0])
    await again.flush(7)
    await again.close()
    const cleared = await index.openCatalog(VOLUME, (error) => damage.push(error))
    assert.deepEqual([cleared.applied.seq, damage.length], [0, 1])
    await cleared.close()
  })
})
