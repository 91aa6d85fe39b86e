import assert from 'node:assert/strict'
import { hexOf } from '@holdfast/ports'
import type { LogProposal } from '@holdfast/ports'
import type { JournalFixture } from './index.ts'
import { useLog } from './world.ts'
import { blockOf, textOf, textsOf } from './writer.ts'

/** Tree hashes of the blocks `b0`, `b1`, … by number of blocks, as hypercore 11 computes them. */
const GOLDEN_TREE_HASHES: ReadonlyMap<number, string> = new Map([
  [0, 'bb30a42c1e62f0afda5f0a4e8a562f7a13a24cea00ee81917b86b89e801314aa'],
  [1, '4fd2744dbc132597c8fae51791511f33c79fdb74d95c0ca0f4fcd70b53ac3ba3'],
  [2, 'a19362f97f2a0e0eb6fdf4a60157d25adf8b19ce66f1fed9f67ff556062beaf0'],
  [3, '7e9503005d16cc544403bab6f370237722e639f997994e6cd6b7eb3ba3a12f41'],
  [5, 'c5ce896fdf96ca2544c62e5e60bc94941ac69671728334ff0b975fc65b150850'],
  [7, '831648aa195ac1ffb7cfa05cdb3de901a92db28b224344ac73d8cfb47fb647b5'],
  [16, '62fce3c69abcdfaac5da2ad2c780c585f2deb9a0c1c0c76e635d0af2c40d3d63'],
  [33, 'cc6ba93b6de9b009820722a623bdddef7700efcd53e2d6136b5171d2b61181de'],
])

export function journalAppendContract(fixture: JournalFixture): void {
  describe('journal log: append', () => {
    const world = useLog(fixture)
    const { writer } = world

    it('begins empty, with the tree hash of no blocks', () => {
      assert.equal(world.log().head().length, 0)
      assert.equal(hexOf(world.log().head().treeHash), GOLDEN_TREE_HASHES.get(0))
    })

    it('tree hashes depend on the blocks alone, not on how they were framed', async () => {
      const log = world.log()
      for (const count of [1, 1, 3, 2, 9, 17]) {
        const start = log.head().length
        await writer.append(log, ...Array.from({ length: count }, (_, place) => `b${start + place}`))
        const { length, treeHash } = log.head()
        const golden = GOLDEN_TREE_HASHES.get(length)
        if (golden !== undefined) assert.equal(hexOf(treeHash), golden)
        assert.deepEqual(await log.treeHashAt(length), treeHash)
      }
      assert.equal(log.head().length, 33)
      for (const [length, golden] of GOLDEN_TREE_HASHES) {
        const hash = await log.treeHashAt(length)
        assert.equal(hash && hexOf(hash), golden, `at ${length}`)
      }
    })

    it('a proposal names start and head of what it would append, and changes nothing', async () => {
      const log = world.log()
      await writer.append(log, 'a')
      const before = log.head()
      const proposal = log.propose([blockOf('b'), blockOf('c')])
      assert.deepEqual(log.head(), before)
      assert.equal(proposal.start, 1)
      assert.equal(proposal.head.length, 3)
      await writer.append(log, 'b', 'c')
      assert.deepEqual(log.head(), { ...proposal.head })
    })

    it('proposals are stacked: several frames are signed before the first is appended', async () => {
      const log = world.log()
      await writer.append(log, 'a')
      const stacked: { proposal: LogProposal; texts: string[] }[] = []
      for (const texts of [['b'], ['c', 'd', 'e'], ['f'], ['g', 'h']]) {
        const after = stacked.at(-1)?.proposal
        stacked.push({ proposal: log.propose(texts.map(blockOf), after), texts })
      }
      const frames = stacked.map(({ texts }, place) =>
        writer.frame(log, texts.map(blockOf), stacked[place - 1]?.proposal),
      )
      assert.deepEqual(
        frames.map((frame) => frame.start),
        [1, 2, 5, 6],
      )
      for (const [place, frame] of frames.entries()) {
        const verified = log.verify(frame, stacked[place - 1]?.proposal)
        assert.deepEqual(verified?.head, stacked[place]?.proposal.head)
      }
      const heads = await Promise.all(frames.map((frame) => log.append(frame)))
      assert.deepEqual(
        heads.map((head) => head.length),
        [2, 5, 6, 8],
      )
      assert.deepEqual(await textsOf(log.read(0, 8)), ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
    })

    it('a stacked proposal is good also when the one below was appended meanwhile', async () => {
      const log = world.log()
      const first = log.propose([blockOf('a')])
      await writer.append(log, 'a')
      const second = writer.frame(log, [blockOf('b')], first)
      assert.equal((await log.append(second)).length, 2)
    })

    it('copies: bytes that the caller changes after append do not change the log', async () => {
      const log = world.log()
      const block = blockOf('right')
      await log.append(writer.frame(log, [block]))
      const { treeHash } = log.head()
      block.fill(0)
      log.head().treeHash.fill(0)
      const read = await log.get(0)
      assert.equal(textOf(read), 'right')
      read?.fill(0)
      assert.equal(textOf(await log.get(0)), 'right')
      assert.deepEqual(log.head().treeHash, treeHash)
    })
  })
}
