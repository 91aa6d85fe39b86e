import assert from 'node:assert/strict'
import type { ErrorCode, JournalFrame } from '@holdfast/ports'
import { JOURNAL_BLOCK_BYTES_MAX, JOURNAL_FRAME_BLOCKS_MAX } from '@holdfast/ports'
import { rejectsCode, throwsCode } from '../expect.ts'
import type { JournalFixture } from './index.ts'
import { useLog } from './world.ts'
import { blockOf, createTestWriter, textsOf } from './writer.ts'

export function journalRefusalContract(fixture: JournalFixture): void {
  describe('journal log: what it refuses', () => {
    const world = useLog(fixture)
    const { writer } = world
    let good: JournalFrame

    beforeEach(async () => {
      await writer.append(world.log(), 'a', 'b', 'c')
      good = writer.frame(world.log(), ['d', 'e', 'f'].map(blockOf))
    })

    async function refuses(frame: JournalFrame, code: ErrorCode): Promise<void> {
      const log = world.log()
      const before = log.head()
      assert.equal(log.verify(frame), undefined)
      await rejectsCode(log.append(frame), code)
      assert.deepEqual(log.head(), before)
      assert.deepEqual(await textsOf(log.read(0, 100)), ['a', 'b', 'c'])
    }

    const tampered: readonly [string, (frame: JournalFrame) => JournalFrame][] = [
      ['a changed block', (frame) => ({ ...frame, blocks: ['d', 'E', 'f'].map(blockOf) })],
      ['reordered blocks', (frame) => ({ ...frame, blocks: frame.blocks.toReversed() })],
      ['a part of its blocks', (frame) => ({ ...frame, blocks: frame.blocks.slice(0, 2) })],
      ['a block more', (frame) => ({ ...frame, blocks: [...frame.blocks, blockOf('g')] })],
      ['a changed signature', (frame) => ({ ...frame, signature: frame.signature.map((byte) => byte ^ 1) })],
      ['a short signature', (frame) => ({ ...frame, signature: frame.signature.subarray(1) })],
      ['no blocks', (frame) => ({ ...frame, blocks: [] })],
      ['an empty block', (frame) => ({ ...frame, blocks: [...frame.blocks, new Uint8Array(0)] })],
    ]
    for (const [name, tamper] of tampered) {
      it(`a frame with ${name}, and takes the right one after it`, async () => {
        await refuses(tamper(good), 'HF_JOURNAL_REFUSED')
        assert.equal((await world.log().append(good)).length, 6)
        assert.equal((await world.reopen()).head().length, 6)
      })
    }

    it('a frame that was appended already, and one that leaves a gap', async () => {
      const log = world.log()
      await log.append(good)
      await rejectsCode(log.append(good), 'HF_JOURNAL_GAP')
      const later = writer.frame(log, [blockOf('g')], log.propose([blockOf('x')]))
      await rejectsCode(log.append(later), 'HF_JOURNAL_GAP')
      assert.equal(log.head().length, 6)
    })

    it('a frame moved to another start', async () => {
      await refuses({ ...good, start: 2 }, 'HF_JOURNAL_GAP')
      await refuses({ ...good, start: 0 }, 'HF_JOURNAL_GAP')
    })

    it('a frame signed by another writer', async () => {
      const log = world.log()
      await refuses(createTestWriter('another').frame(log, [blockOf('d')]), 'HF_JOURNAL_REFUSED')
    })

    it('a frame of another epoch of the same writer, whatever core it claims', async () => {
      const store = world.store()
      const other = await store.open(writer.identity(2))
      await writer.append(other, 'a', 'b', 'c')
      const frame = writer.frame(other, [blockOf('d')])
      await refuses(frame, 'HF_JOURNAL_REFUSED')
      await refuses({ ...frame, coreKey: world.log().coreKey }, 'HF_JOURNAL_REFUSED')
    })

    it('a failed append in a row of stacked ones fails those above it, and no more', async () => {
      const log = world.log()
      const bad = { ...good, blocks: good.blocks.toReversed() }
      const above = writer.frame(log, [blockOf('g')], log.propose(good.blocks))
      const results = await Promise.allSettled([
        log.append(bad),
        log.append(above),
        log.append(good),
        log.append(above),
      ])
      assert.deepEqual(
        results.map((result) => (result.status === 'fulfilled' ? result.value.length : result.reason.code)),
        ['HF_JOURNAL_REFUSED', 'HF_JOURNAL_GAP', 6, 7],
      )
    })

    it('proposals that no frame can hold, and proposals of another log', async () => {
      const log = world.log()
      throwsCode(() => log.propose([]), 'HF_BAD_INPUT')
      throwsCode(() => log.propose([new Uint8Array(0)]), 'HF_BAD_INPUT')
      throwsCode(() => log.propose([new Uint8Array(JOURNAL_BLOCK_BYTES_MAX + 1)]), 'HF_BAD_INPUT')
      throwsCode(() => log.propose([new Uint8Array(JOURNAL_BLOCK_BYTES_MAX), blockOf('a')]), 'HF_BAD_INPUT')
      throwsCode(() => log.propose(Array(JOURNAL_FRAME_BLOCKS_MAX + 1).fill(blockOf('a'))), 'HF_BAD_INPUT')
      const other = await world.store().open(writer.identity(2))
      throwsCode(() => log.propose([blockOf('a')], other.propose([blockOf('a')])), 'HF_BAD_INPUT')
      throwsCode(() => log.propose([blockOf('a')], { ...log.propose([blockOf('a')]) }), 'HF_BAD_INPUT')
    })
  })
}
