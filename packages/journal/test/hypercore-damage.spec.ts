import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asNodeId, asVolumeId, hasCode } from '@holdfast/ports'
import type { JournalFrame, JournalLog, LogIdentity } from '@holdfast/ports'
import hypercoreCrypto from 'hypercore-crypto'
import { createHypercoreJournalStore } from '../src/index.ts'

const keyPair = hypercoreCrypto.keyPair(new Uint8Array(32).fill(3))
const identity: LogIdentity = {
  volume: asVolumeId(new Uint8Array(16).fill(1)),
  epoch: 1,
  writer: asNodeId(new Uint8Array(keyPair.publicKey)),
  claimHash: new Uint8Array(32).fill(9),
}

async function appendBlocks(log: JournalLog, count: number): Promise<JournalFrame[]> {
  const frames: JournalFrame[] = []
  for (let index = 0; index < count; index++) {
    const blocks = [new Uint8Array(3000).fill(index), new Uint8Array(5000).fill(index)]
    const { start, signable } = log.propose(blocks)
    const signature = new Uint8Array(hypercoreCrypto.sign(signable, keyPair.secretKey))
    frames.push({ coreKey: log.coreKey, start, blocks, signature })
    await log.append(frames.at(-1) as JournalFrame)
  }
  return frames
}

function corrupt(path: string): void {
  writeFileSync(
    path,
    readFileSync(path).map((byte) => byte ^ 0x5a),
  )
}

describe('hypercore journal store: a directory that is not as it was left', () => {
  let parent: string
  let directory: string
  let frames: JournalFrame[]
  beforeEach(async () => {
    parent = mkdtempSync(join(tmpdir(), 'holdfast-journal-'))
    directory = join(parent, 'journal')
    const store = await createHypercoreJournalStore({ directory })
    frames = await appendBlocks(await store.open(identity), 20)
    await store.flush()
    await store.close()
  })
  afterEach(() => rmSync(parent, { recursive: true }))

  const files = (ending: RegExp): string[] =>
    readdirSync(join(directory, 'db'))
      .filter((name) => ending.test(name))
      .map((name) => join(directory, 'db', name))
  /** Opens and reads all; the code of the first refusal, or the number of blocks. */
  async function readAll(): Promise<string | number> {
    try {
      const store = await createHypercoreJournalStore({ directory, createIfMissing: false })
      try {
        const log = await store.open(identity)
        let count = 0
        for await (const block of log.read(0, log.head().length)) count += block.byteLength > 0 ? 1 : 0
        return count
      } finally {
        await store.close()
      }
    } catch (error) {
      assert.ok(error instanceof Error)
      return hasCode(error, 'HF_JOURNAL_DAMAGED') ? error.code : error.message
    }
  }

  /** What a node does about damage: delete, and append the frames again. */
  async function rebuild(): Promise<void> {
    rmSync(directory, { recursive: true })
    const store = await createHypercoreJournalStore({ directory })
    const log = await store.open(identity)
    for (const frame of frames) await log.append(frame)
    await store.close()
    assert.equal(await readAll(), 40)
  }

  it('untouched, it opens', async () => assert.equal(await readAll(), 40))

  it('moved or copied, it opens', async () => {
    cpSync(directory, join(parent, 'copy'), { recursive: true })
    rmSync(directory, { recursive: true })
    renameSync(join(parent, 'copy'), directory)
    assert.equal(await readAll(), 40)
  })

  for (const [name, ending] of [
    ['manifest', /^MANIFEST/],
    ['pointer to the manifest', /^CURRENT$/],
    ['tables', /\.sst$/],
    ['blobs', /\.blob$/],
  ] as const) {
    it(`corrupt ${name}: reported, and the log rebuilt from its frames`, async () => {
      assert.notEqual(files(ending).length, 0)
      for (const file of files(ending)) corrupt(file)
      assert.equal(await readAll(), 'HF_JOURNAL_DAMAGED')
      await rebuild()
    })

    it(`lost ${name}: reported, and the log rebuilt from its frames`, async () => {
      for (const file of files(ending)) rmSync(file)
      assert.equal(await readAll(), 'HF_JOURNAL_DAMAGED')
      await rebuild()
    })
  }

  it('an absent directory is reported where it must be there', async () => {
    rmSync(directory, { recursive: true })
    assert.equal(await readAll(), 'HF_JOURNAL_DAMAGED')
  })

  it('a directory that hypercore marked as recovering is reported, not waited for', async () => {
    writeFileSync(join(directory, 'db', 'RECOVERING'), '')
    assert.equal(await readAll(), 'HF_JOURNAL_DAMAGED')
  })

  it('another process that has it open is told from damage', () => {
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', LOCK_TEST, directory], { encoding: 'utf8' })
    assert.equal(child.stdout.trim(), 'HF_HOME_IN_USE', child.stderr)
  })
})

const LOCK_TEST = `
  import { createHypercoreJournalStore } from ${JSON.stringify(new URL('../src/index.js', import.meta.url).href)}
  import { spawnSync } from 'node:child_process'
  const directory = process.argv[1]
  const open = () => createHypercoreJournalStore({ directory })
  if (process.argv[2] === 'second') {
    await open().then(() => console.log('opened'), (error) => console.log(error.code))
  } else {
    const store = await open()
    const second = spawnSync(process.execPath, ['--input-type=module', '-e', process.execArgv.at(-1), directory, 'second'])
    process.stdout.write(second.stdout)
    process.stderr.write(second.stderr)
    await store.close()
  }
`
