import assert from 'node:assert/strict'
import { hexOf } from '@holdfast/ports'
import { rejectsCode, throwsCode } from '../expect.ts'
import type { JournalFixture } from './index.ts'
import { useLog } from './world.ts'
import { blockOf, createTestWriter, textsOf } from './writer.ts'

const GOLDEN_CORE_KEY = '132e4cbbe7f4a05ab37bfcf6f4dbbbbb86f59b17c64f45e8470fcb49c32e2ba1'

export function journalStoreContract(fixture: JournalFixture): void {
  describe('journal store', () => {
    const world = useLog(fixture)
    const { writer } = world

    it('names a log by volume, epoch, writer and claim', () => {
      const identity = writer.identity()
      assert.equal(hexOf(fixture.coreKeyOf(identity)), GOLDEN_CORE_KEY)
      assert.equal(hexOf(world.log().coreKey), GOLDEN_CORE_KEY)
      const others = [
        {
          ...identity,
          volume: createTestWriter('x')
            .identity()
            .volume.map((byte) => byte + 1),
        },
        { ...identity, epoch: 2 },
        { ...identity, writer: createTestWriter('x').identity().writer },
        { ...identity, claimHash: identity.claimHash.map((byte) => byte + 1) },
      ] as (typeof identity)[]
      const keys = new Set([identity, ...others].map((each) => hexOf(fixture.coreKeyOf(each))))
      assert.equal(keys.size, 5)
    })

    it('gives the same log while it is open, and logs apart from each other', async () => {
      const store = world.store()
      const [again, other] = await Promise.all([store.open(writer.identity()), store.open(writer.identity(2))])
      assert.equal(again, world.log())
      await writer.append(again, 'one')
      await writer.append(other, 'two', 'three')
      assert.deepEqual(await textsOf(again.read(0, 9)), ['one'])
      assert.deepEqual(await textsOf(other.read(0, 9)), ['two', 'three'])
    })

    it('keeps logs over close and open, and goes on at their end, whatever the length', async () => {
      const texts: string[] = []
      for (const count of [1, 2, 1, 4, 7, 16]) {
        const added = Array.from({ length: count }, (_, place) => `b${texts.length + place}`)
        texts.push(...added)
        await writer.append(world.log(), ...added)
        const before = world.log().head()
        await world.store().flush()
        const log = await world.reopen()
        assert.deepEqual(log.head(), before)
        assert.deepEqual(await textsOf(log.read(0, 99)), texts)
      }
    })

    it('a log that was closed is closed, and opens again', async () => {
      const log = world.log()
      await writer.append(log, 'a')
      const frame = writer.frame(log, [blockOf('b')])
      await Promise.all([log.close(), log.close()])
      await rejectsCode(log.append(frame), 'HF_CLOSED')
      await rejectsCode(log.get(0), 'HF_CLOSED')
      await rejectsCode(log.treeHashAt(0), 'HF_CLOSED')
      throwsCode(() => log.propose([blockOf('b')]), 'HF_CLOSED')
      throwsCode(() => log.verify(frame), 'HF_CLOSED')
      const again = await world.store().open(writer.identity())
      assert.notEqual(again, log)
      assert.equal((await again.append(frame)).length, 2)
    })

    it('close waits for appends that were called before it', async () => {
      const log = world.log()
      const frame = writer.frame(log, [blockOf('a')])
      const [head] = await Promise.all([log.append(frame), world.store().close()])
      assert.equal(head.length, 1)
      assert.equal((await world.reopen()).head().length, 1)
    })

    it('opening while closing waits, and sees what was appended', async () => {
      const log = world.log()
      const appended = log.append(writer.frame(log, [blockOf('a')]))
      const closed = log.close()
      const again = await world.store().open(writer.identity())
      assert.equal(again.head().length, 1)
      await Promise.all([appended, closed])
    })

    it('a closed store refuses; closing twice is one', async () => {
      const store = world.store()
      await Promise.all([store.close(), store.close()])
      await rejectsCode(store.open(writer.identity()), 'HF_CLOSED')
      await rejectsCode(store.flush(), 'HF_CLOSED')
      await rejectsCode(world.log().get(0), 'HF_CLOSED')
    })
  })
}
