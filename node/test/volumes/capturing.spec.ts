import assert from 'node:assert/strict'
import { createMemoryDrive } from '@holdfast/doubles'
import { createMemoryJournalDisk } from '@holdfast/journal'
import { hexOf } from '@holdfast/ports'
import { pino } from 'pino'
import type { VolumeCaptureOptions } from '../../src/capture/index.ts'
import type { KnownSegment } from '../../src/ingest/index.ts'
import { baselineAtWalks, startCapture, type CapturingParts } from '../../src/volumes/capturing.ts'
import { commit, Ledger, Levels, openWorld, type World } from './pipeline.ts'

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the baseline of a volume', () => {
  const catalog = { hasBaseline: false }
  const failures: unknown[] = []
  let commits: { resolve: () => void; reject: (error: Error) => void }[] = []
  const commitBaseline = (): Promise<void> =>
    new Promise((resolve, reject) => {
      commits.push({
        resolve: () => {
          catalog.hasBaseline = true
          resolve()
        },
        reject,
      })
    })
  let walked: () => void
  beforeEach(() => {
    catalog.hasBaseline = false
    commits = []
    failures.length = 0
    walked = baselineAtWalks(catalog, commitBaseline, (error) => failures.push(error))
  })

  it('comes with the first complete walk, and once', async () => {
    walked()
    walked()
    assert.equal(commits.length, 1, 'one is under way')
    commits[0]?.resolve()
    await settle()
    walked()
    assert.equal(commits.length, 1)
  })

  it('that could not be recorded comes with the next walk', async () => {
    walked()
    const failure = new Error('no room')
    commits[0]?.reject(failure)
    await settle()
    assert.deepEqual(failures, [failure])
    walked()
    commits[1]?.resolve()
    await settle()
    walked()
    assert.equal(commits.length, 2)
  })

  it('of a volume that was captured whole before is not recorded again, whatever has changed since', () => {
    catalog.hasBaseline = true
    walked()
    assert.equal(commits.length, 0)
  })
})

describe('capture of a volume', () => {
  const levels = new Levels()
  after(() => levels.remove())
  const learned: KnownSegment[] = []
  let onLearned = (): void => {}
  let story: string[]
  /** Resolves when the workers were told of so many segments. */
  const learnedOf = (count: number): Promise<void> =>
    new Promise((resolve) => {
      onLearned = () => {
        if (learned.length >= count) resolve()
      }
      onLearned()
    })
  beforeEach(() => {
    story = []
    learned.length = 0
  })

  const learn = (segments: KnownSegment[]): void => {
    learned.push(...segments)
    onLearned()
  }

  const partsOf = (world: World, change: Partial<Record<keyof CapturingParts, unknown>> = {}): CapturingParts => {
    const { volume, store, writer } = world
    return {
      volume,
      directory: '/data',
      sink: writer,
      stateSeq: () => volume.reader().catalog.applied.seq,
      recapture: true,
      pool: { addVolume: () => story.push('volume'), learn },
      service: { open: (options: VolumeCaptureOptions) => captureOf(options) },
      stats: {},
      store,
      log: pino({ level: 'silent' }),
      warnings: [],
      ...change,
    } as unknown as CapturingParts
  }
  let opened: VolumeCaptureOptions
  const captureOf = (options: VolumeCaptureOptions, start = (): Promise<void> => Promise.resolve()) => {
    opened = options
    return {
      start: () => {
        story.push('started')
        return start()
      },
      stop: () => {
        story.push('stopped')
        return Promise.resolve()
      },
    }
  }

  it('killed during the first walk: the walk of the next start that is complete records the baseline', async () => {
    const drive = createMemoryDrive()
    const first = await openWorld(drive, await levels.open(), createMemoryJournalDisk(), new Ledger())
    await commit(first, new Ledger(), 'half of it')
    await first.store.close()
    const world = await openWorld(drive, await levels.open(), createMemoryJournalDisk(), new Ledger())
    const { catalog } = world.volume.reader()
    assert.deepEqual([catalog.applied.seq, catalog.hasBaseline], [1, false])
    const committed: Promise<void>[] = []
    const baseline = (): Promise<void> => {
      committed.push(world.writer.commitBaseline())
      return Promise.all(committed).then(() => undefined)
    }
    await startCapture(partsOf(world, { onCovered: baselineAtWalks(catalog, baseline, () => assert.fail()) }))
    opened.onCovered?.()
    await Promise.all(committed)
    assert.equal(catalog.hasBaseline, true)
    opened.onCovered?.()
    assert.equal(committed.length, 1)
    await world.store.close()
    const again = await openWorld(drive, await levels.open(), createMemoryJournalDisk(), new Ledger())
    assert.equal(again.volume.reader().catalog.hasBaseline, true)
    await again.store.close()
  })

  it('tells the workers what the history holds, and capture what it is to be compared with', async () => {
    const drive = createMemoryDrive()
    const world = await openWorld(drive, await levels.open(), createMemoryJournalDisk(), new Ledger())
    const ledger = new Ledger()
    await commit(world, ledger, 'one')
    await startCapture(partsOf(world, { stateSeq: () => 77 }))
    await learnedOf(2)
    assert.equal(opened.history.seq(), 77)
    const rows = []
    for await (const row of opened.history.current()) rows.push(row)
    assert.deepEqual(
      rows.map(({ path, content }) => [Buffer.from(path).toString(), content?.inline?.length]),
      [['one', 2]],
    )
    assert.deepEqual(
      learned.map(({ chunk }) => hexOf(chunk)),
      ledger.acknowledged[0]?.chunks.map(hexOf),
    )
    await world.store.close()
  })

  it('that cannot be started is stopped again, so that nothing of it stays', async () => {
    const world = await openWorld(createMemoryDrive(), await levels.open(), createMemoryJournalDisk(), new Ledger())
    const service = {
      open: (options: VolumeCaptureOptions) => captureOf(options, () => Promise.reject(new Error('no threads'))),
    }
    await assert.rejects(startCapture(partsOf(world, { service })), /no threads/)
    assert.deepEqual(story, ['volume', 'started', 'stopped'])
    await world.store.close()
  })
})
