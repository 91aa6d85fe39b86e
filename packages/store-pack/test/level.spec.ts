import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { createMemoryDrive } from '@holdfast/doubles'
import { hasCode } from '@holdfast/ports'
import { Level } from 'level'
import { openIndex, openPackStore } from '../src/index.ts'
import { chunkOf, frameOf, framesOf, IndexPlaces, listOf, openStore, VOLUME } from './fixture.ts'

describe('PackStore on LevelDB', () => {
  const places = new IndexPlaces()
  after(() => places.remove())

  it('with the index of any earlier moment: everything is found again', async () => {
    const drive = createMemoryDrive()
    const directory = places.fresh()
    const copies = [places.fresh()]
    const options = { packBytesMax: 4096 }
    for (let life = 0; life < 4; life++) {
      const opened = await openStore(drive, directory, options)
      for (let start = life * 5; start < life * 5 + 5; start++) {
        await opened.store.commit(VOLUME, [chunkOf(start, 100 * start)], frameOf(start, 1))
        if (start % 3 === 0) await opened.store.checkpoint(async () => {})
      }
      await opened.close()
      copies.push(places.copyOf(directory))
    }
    for (const copy of copies) {
      const opened = await openStore(
        drive.crash(() => 'lost'),
        copy,
        options,
      )
      assert.equal((await listOf(opened.store, VOLUME)).length, 20)
      assert.equal((await framesOf(opened.store)).length, 20)
      assert.equal(opened.store.stats().chunks, 20)
      await opened.close()
    }
  })

  it('one that LevelDB finds damaged is replaced, one that is lost in part too', async () => {
    const drive = createMemoryDrive()
    const directory = places.fresh()
    const first = await openStore(drive, directory)
    await first.store.put(VOLUME, [chunkOf(1)])
    await first.close()
    const damages: ((copy: string) => void)[] = [
      (copy) => fs.writeFileSync(path.join(copy, 'CURRENT'), 'rubbish'),
      (copy) => fs.rmSync(path.join(copy, 'CURRENT')),
      (copy) => {
        for (const name of fs.readdirSync(copy)) fs.truncateSync(path.join(copy, name), 0)
      },
      (copy) => fs.rmSync(copy, { recursive: true }),
    ]
    for (const damage of damages) {
      const copy = places.copyOf(directory)
      damage(copy)
      const opened = await openStore(
        drive.crash(() => 'lost'),
        copy,
      )
      assert.deepEqual(await opened.store.get(VOLUME, chunkOf(1).id), chunkOf(1).bytes)
      await opened.close()
    }
  })

  it('one that another has open is not touched', async () => {
    const directory = places.fresh()
    const index = await openIndex(directory)
    await assert.rejects(openIndex(directory), (error) => hasCode(error, 'HF_HOME_IN_USE'))
    await index.close()
    const again = await openIndex(directory, { fresh: true })
    await again.close()
  })

  it('in a sublevel beside other things', async () => {
    const level = new Level(places.fresh())
    const index = level.sublevel<Uint8Array, Uint8Array>('store', { keyEncoding: 'view', valueEncoding: 'view' })
    await level.put('mine', 'stays')
    const drive = createMemoryDrive()
    const store = await openPackStore({ drive, index })
    await store.commit(VOLUME, [chunkOf(1)], frameOf(0, 1))
    await store.rebuildIndex()
    assert.deepEqual(await store.get(VOLUME, chunkOf(1).id), chunkOf(1).bytes)
    assert.equal((await framesOf(store)).length, 1)
    await store.close()
    assert.equal(await level.get('mine'), 'stays')
    await level.close()
  })
})
