import assert from 'node:assert/strict'
import { JOURNAL_BLOCK_BYTES_MAX } from '@holdfast/ports'
import type { JournalFixture } from './index.ts'
import { useLog } from './world.ts'
import { textOf, textsOf } from './writer.ts'

export function journalReadContract(fixture: JournalFixture): void {
  describe('journal log: reading', () => {
    const world = useLog(fixture)
    const { writer } = world
    const texts = Array.from({ length: 50 }, (_, index) => `block ${index}`)
    beforeEach(async () => {
      await writer.append(world.log(), ...texts.slice(0, 20))
      await writer.append(world.log(), ...texts.slice(20))
    })

    it('gives any range in order, cut at the end of the log', async () => {
      const log = world.log()
      const ranges: [number, number][] = [
        [0, 50],
        [0, 1],
        [19, 21],
        [49, 50],
        [7, 7],
        [9, 3],
        [40, 1000],
        [50, 60],
        [1000, 2000],
      ]
      for (const [from, to] of ranges) assert.deepEqual(await textsOf(log.read(from, to)), texts.slice(from, to))
    })

    it('never waits beyond the end: absent blocks and hashes are undefined', async () => {
      const log = world.log()
      assert.equal(textOf(await log.get(49)), 'block 49')
      assert.equal(await log.get(50), undefined)
      assert.equal(await log.get(1e9), undefined)
      assert.equal(await log.treeHashAt(51), undefined)
    })

    it('indexes are numbers from 0', async () => {
      const log = world.log()
      for (const index of [-1, 0.5, Number.NaN]) {
        await assert.rejects(log.get(index), TypeError)
        await assert.rejects(log.treeHashAt(index), TypeError)
      }
    })

    it('a reader that stops early leaves the log in order', async () => {
      const log = world.log()
      for await (const block of log.read(0, 50)) if (textOf(block) === 'block 3') break
      await writer.append(log, 'more')
      assert.equal(textOf(await log.get(50)), 'more')
    })

    it('takes and gives the largest block', async () => {
      const log = world.log()
      const block = new Uint8Array(JOURNAL_BLOCK_BYTES_MAX).map((_, index) => index * 7)
      await log.append(writer.frame(log, [block]))
      assert.deepEqual(await log.get(50), block)
    })
  })
}
