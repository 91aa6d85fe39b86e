import { strict as assert } from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createManualClock, createSeededRandom, type ManualClock } from '@holdfast/doubles'
import {
  type Catalog,
  type CatalogRow,
  createRecordCodec,
  decodeBlock,
  decodePublicRecord,
  openCatalog,
} from '@holdfast/journal'
import { createKeyRing, deriveVolumeKeys, signingKeyFromSeed } from '@holdfast/keys'
import { asCoreKey, asVolumeId, DAY_MS, HOUR_MS, MINUTE_MS } from '@holdfast/ports'
import type { JournalLog, LogHead } from '@holdfast/ports'
import { Level } from 'level'
import type { Draft } from '../../src/ingest/index.ts'
import type { PendingFrames } from '../../src/volumes/pending-frames.ts'
import { VolumeWriter } from '../../src/volumes/writer.ts'

const VOLUME = asVolumeId(new Uint8Array(16).fill(7))
const KEYS = deriveVolumeKeys(createKeyRing(VOLUME, new Uint8Array(32).fill(5)))
const BINARY = { keyEncoding: 'view', valueEncoding: 'view' } as const
const YEAR_MS = 365 * DAY_MS

/** A log that takes what it is given, and notes the times of the records. */
function logDouble(length: number, times: number[]): JournalLog {
  let [proposed, appended] = [length, length]
  const log: Partial<JournalLog> = {
    coreKey: asCoreKey(new Uint8Array(32)),
    propose(blocks) {
      const start = proposed
      proposed += blocks.length
      return { start, signable: new Uint8Array(32) } as ReturnType<JournalLog['propose']>
    },
    append(frame) {
      for (const block of frame.blocks) {
        const decoded = decodeBlock(block)
        if (decoded.type !== 'records') continue
        times.push(...decoded.records.map((record) => decodePublicRecord(record).timeMs))
      }
      appended += frame.blocks.length
      return Promise.resolve({ length: appended } as LogHead)
    },
  }
  return log as JournalLog
}

const draftOf = (path: string): Draft => ({
  path: Buffer.from(path),
  type: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtimeNs: 1n,
  size: 0,
  torn: false,
  refs: [],
  needs: [],
})

describe('the clock of a writer', () => {
  let directory: string
  let level: Level<Uint8Array, Uint8Array>
  let catalog: Catalog
  let clock: ManualClock
  let commits: number
  let times: number[]

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-writer-clock-'))
    level = new Level(directory, BINARY)
    catalog = await openCatalog({ level, volume: VOLUME })
    clock = createManualClock()
    commits = 0
    times = []
  })
  afterEach(async () => {
    await level.close()
    rmSync(directory, { recursive: true })
  })

  /** As a node that starts, or one that takes over in the next epoch: all it knows of time is the catalog. */
  const open = (epoch = 1): VolumeWriter =>
    new VolumeWriter({
      volume: VOLUME,
      epoch,
      log: logDouble(catalog.applied.length, times),
      catalog,
      codec: createRecordCodec(KEYS, VOLUME, createSeededRandom(commits)),
      signingKey: signingKeyFromSeed(new Uint8Array(32).fill(3)),
      clock,
      pending: { makeDurable: () => Promise.resolve() } as Partial<PendingFrames> as PendingFrames,
      room: { untilJournal: () => Promise.resolve(), refused: () => undefined },
      onCommitted: () => Promise.resolve(),
    })
  const commit = async (writer: VolumeWriter): Promise<void> => {
    await writer.commit({ drafts: [draftOf(`d${commits++}`)], deletions: [] })
  }
  const rows = async (at?: { seq: number } | { timeMs: number }): Promise<CatalogRow[]> => {
    const found: CatalogRow[] = []
    for await (const row of catalog.walk(new Uint8Array(0), at)) found.push(row)
    return found.toSorted((a, b) => a.seq - b.seq)
  }

  for (const [name, stepMs] of [
    ['a minute', MINUTE_MS],
    ['an hour', HOUR_MS],
    ['a year', YEAR_MS],
  ] as const)
    for (const direction of [1, -1])
      it(`steps ${name} ${direction > 0 ? 'ahead and back' : 'back and ahead'}: no record is lost, none is before another`, async () => {
        let writer = open()
        const steps = [0, direction * stepMs, -direction * stepMs, 0]
        for (const [index, step] of steps.entries()) {
          clock.stepWall(step)
          await commit(writer)
          await clock.advance(1)
          await commit(writer)
          // A restart, then another epoch, in the midst of it.
          if (index === 1) writer = open()
          if (index === 2) writer = open(2)
        }
        const found = await rows()
        assert.deepEqual(
          found.map(({ path }) => Buffer.from(path).toString()),
          steps.flatMap((_, index) => [`d${2 * index}`, `d${2 * index + 1}`]),
        )
        assert.deepEqual(
          found.map(({ seq }) => seq),
          found.map((_, index) => index + 1),
        )
        assert.deepEqual(
          times,
          found.map(({ timeMs }) => timeMs),
        )
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        )
        for (const { timeMs, seq } of found) {
          const seen = await rows({ timeMs })
          assert.ok(seen.length >= seq, `what was recorded by ${timeMs} is not shown at that time`)
          assert.deepEqual(await rows({ seq }), found.slice(0, seq))
        }
      })
})
