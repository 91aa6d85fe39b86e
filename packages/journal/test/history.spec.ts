import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asNodeId, asVolumeId } from '@holdfast/ports'
import hypercoreCrypto from 'hypercore-crypto'
import { Level } from 'level'
import type { CatalogRow, FileState } from '../src/index.ts'
import {
  createHypercoreJournalStore,
  createRecordCodec,
  decodeBlock,
  encodeBlocks,
  encodeEpochBlock,
  openCatalog,
  rowOf,
} from '../src/index.ts'
import { bytesOf, directory, file, lengthsOf } from './rows.ts'

describe('journal: a history from records to catalog and back', () => {
  let parent: string
  before(() => {
    parent = mkdtempSync(join(tmpdir(), 'holdfast-journal-'))
  })
  after(() => rmSync(parent, { recursive: true }))

  it('what the writer puts in is what another catalog reads out of the log', async () => {
    const volume = asVolumeId(new Uint8Array(16).fill(1))
    const keyPair = hypercoreCrypto.keyPair(new Uint8Array(32).fill(2))
    const key = new Uint8Array(32).fill(3)
    const keys = { keyEpoch: 1, pathToken: key, record: () => key }
    const codec = createRecordCodec(keys, volume, { bytes: (count) => new Uint8Array(count), fraction: () => 0 })
    const store = await createHypercoreJournalStore({ directory: join(parent, 'journal') })
    const identity = { volume, epoch: 1, writer: asNodeId(new Uint8Array(keyPair.publicKey)), claimHash: key }
    const log = await store.open(identity)
    const append = async (blocks: Uint8Array[]): Promise<void> => {
      const { start, signable } = log.propose(blocks)
      const signature = new Uint8Array(hypercoreCrypto.sign(signable, keyPair.secretKey))
      await log.append({ coreKey: log.coreKey, start, blocks, signature })
    }

    await append([encodeEpochBlock(bytesOf('the claim and its votes'))])
    let seq = 0
    const commit = (timeMs: number, ...states: FileState[]): Promise<void> =>
      append(
        encodeBlocks(
          states.map((state) =>
            codec.seal({ seq: ++seq, epoch: 1, timeMs, kind: 'put' }, state, lengthsOf(state.content)),
          ),
        ),
      )
    const files = Array.from({ length: 300 }, (_, index) => file(`d/${index}`, 1 + (index % 9)))
    await commit(1000, directory('d'), ...files)
    await append(
      [codec.seal({ seq: ++seq, epoch: 1, timeMs: 1000, kind: 'baseline' })].flatMap((each) => encodeBlocks([each])),
    )
    await commit(2000, file('d/7', 99))
    await store.close()

    const again = await createHypercoreJournalStore({ directory: join(parent, 'journal'), createIfMissing: false })
    const level = new Level(join(parent, 'index'))
    const catalog = await openCatalog({ level, volume })
    const reopened = await again.open(identity)
    let length = 0
    for await (const bytes of reopened.read(0, reopened.head().length)) {
      const block = decodeBlock(bytes)
      const records = block.type === 'records' ? block.records : []
      const rows = records
        .map((record) => rowOf(codec.open(record)))
        .filter((row): row is CatalogRow => row !== undefined)
      await catalog.apply(rows, { epoch: 1, length: ++length })
    }
    assert.equal(length, 5)
    assert.deepEqual(catalog.counts(), { files: 300, bytes: 1491 + 91, directories: 1, others: 0, versions: 302 })
    assert.equal((await catalog.get(bytesOf('d/7')))?.size, 99)
    assert.equal((await catalog.get(bytesOf('d/7'), { timeMs: 0 }))?.size, 8)
    assert.deepEqual(await catalog.resolve({ timeMs: 0 }), { seq: 302, timeMs: 1000, earliest: true })
    await catalog.close()
    await level.close()
    await again.close()
  })
})
