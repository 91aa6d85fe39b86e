import assert from 'node:assert/strict'
import { asNodeId, asVolumeId } from '@holdfast/ports'
import type { JournalLog, LogIdentity } from '@holdfast/ports'
import hypercoreCrypto from 'hypercore-crypto'
import { APPEND_BACKLOG_MAX, createMemoryJournalDisk, createMemoryJournalStore } from '../src/index.ts'

const keyPair = hypercoreCrypto.keyPair(new Uint8Array(32).fill(3))
const identity: LogIdentity = {
  volume: asVolumeId(new Uint8Array(16)),
  epoch: 1,
  writer: asNodeId(new Uint8Array(keyPair.publicKey)),
  claimHash: new Uint8Array(32),
}

function append(log: JournalLog, ...bytes: number[]): ReturnType<JournalLog['append']> {
  const blocks = bytes.map((byte) => Uint8Array.of(byte))
  const { start, signable } = log.propose(blocks)
  const signature = new Uint8Array(hypercoreCrypto.sign(signable, keyPair.secretKey))
  return log.append({ coreKey: log.coreKey, start, blocks, signature })
}

describe('memory journal disk', () => {
  it('loses what was not flushed when the power goes, and nothing else', async () => {
    const disk = createMemoryJournalDisk()
    const store = createMemoryJournalStore(disk)
    const log = await store.open(identity)
    await append(log, 1, 2, 3)
    const kept = log.head()
    await store.flush()
    await append(log, 4)
    disk.losePower()
    const again = await createMemoryJournalStore(disk).open(identity)
    assert.deepEqual(again.head(), kept)
    assert.equal((await append(again, 5)).length, 4)
  })
})

describe('journal log: bounds', () => {
  it('refuses more appends than may wait, and takes them again afterwards', async () => {
    const log = await createMemoryJournalStore().open(identity)
    const appends = Array.from({ length: APPEND_BACKLOG_MAX + 1 }, () => append(log, 1))
    const results = await Promise.allSettled(appends)
    const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'done'))
    assert.equal(codes[0], 'done')
    assert.equal(codes[1], 'HF_JOURNAL_GAP')
    assert.equal(codes.at(-1), 'HF_BUSY')
    assert.equal((await append(log, 2)).length, 2)
  })
})
