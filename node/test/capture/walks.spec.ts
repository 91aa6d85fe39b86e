import { strict as assert } from 'node:assert'
import type { WalkEnd } from '@holdfast/capture'
import { createManualClock } from '@holdfast/doubles'
import { HoldfastError } from '@holdfast/ports'
import { Generations } from '../../src/capture/generations.ts'
import { HotFiles } from '../../src/capture/hot-files.ts'
import {
  HOT_BYTES_PER_MS,
  HOT_INTERVAL_MS,
  HOT_QUIET_MS,
  HOT_TOLD_MS,
  REST_RATIO,
  RETRY_MS,
  SECOND_WALK_MS,
  TREES_MAX,
  WALK_INTERVAL_MS_MIN,
  YOUNG_MS,
} from '../../src/capture/limits.ts'
import { UnreadablePaths } from '../../src/capture/unreadable.ts'
import type { Ended, VolumeLink } from '../../src/capture/volume-link.ts'
import { Walks } from '../../src/capture/walks.ts'
import { bytes, text } from './support.ts'

const TOTALS = { files: 0, bytes: 0, directories: 0, symlinks: 0, others: 0, problems: 0 }
const DONE: WalkEnd = { type: 'done', totals: TOTALS, rootChanged: false }
const GONE: WalkEnd = { type: 'unavailable', message: 'it is missing' }
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Walks that are begun and ended by hand. */
function setUp() {
  const clock = createManualClock()
  const generations = new Generations()
  const begun: { top: string; thorough: boolean; end: (end: WalkEnd, durationMs?: number) => Promise<void> }[] = []
  const ends: string[] = []
  const link: Pick<VolumeLink, 'walk'> = {
    walk(top, thorough) {
      const id = begun.length
      const listeners: ((ended: Ended) => void)[] = []
      const ended = new Promise<Ended>((resolve) => listeners.push(resolve))
      const end = async (walkEnd: WalkEnd, durationMs = 100): Promise<void> => {
        listeners[0]?.({ type: 'ended', volume: 0, id, end: walkEnd, directories: new Uint8Array(0), durationMs })
        await settle()
      }
      begun.push({ top: text(top), thorough, end })
      return { id, ended }
    },
  }
  let covered = 0
  let closed = 0
  const walks = new Walks({
    clock,
    link: link as VolumeLink,
    generations,
    onEnd: (end, whole) => void ends.push(`${end.type} ${whole ? 'whole' : 'part'}`),
    onCovered: (isClosed) => {
      covered++
      if (isClosed) closed++
    },
  })
  const wait = () => {
    const told: { coverageMs?: number; error?: unknown } = {}
    walks.wait({ resolve: (coverageMs) => (told.coverageMs = coverageMs), reject: (error) => (told.error = error) })
    return told
  }
  return { clock, generations, begun, ends, walks, wait, covered: () => covered, closed: () => closed }
}

describe('walks of a volume', () => {
  it('tell a waiter once everything that a walk found is through, and not before', async () => {
    const { clock, generations, begun, walks, wait } = setUp()
    const beganMs = clock.nowMs()
    const told = wait()
    assert.equal(walks.pump(), true)
    await clock.advance(10)
    const generation = generations.enter()
    await begun[0]?.end(DONE)
    generations.enter()
    walks.settle()
    assert.deepEqual(told, {})
    generations.leave(generation)
    walks.settle()
    assert.deepEqual(told, { coverageMs: beganMs })
    assert.equal(walks.coverageMs, beganMs)
  })

  it('begin anew for who came while one was under way', async () => {
    const { begun, walks, wait } = setUp()
    const first = wait()
    walks.pump()
    const second = wait()
    walks.pump()
    assert.equal(begun.length, 1)
    await begun[0]?.end(DONE)
    walks.settle()
    assert.ok(first.coverageMs !== undefined)
    assert.deepEqual(second, {})
    walks.pump()
    await begun[1]?.end(DONE)
    walks.settle()
    assert.ok(second.coverageMs !== undefined)
  })

  it('follow one another at a distance that grows with what they take', async () => {
    const { clock, begun, walks } = setUp()
    walks.within(0)
    walks.pump()
    await begun[0]?.end(DONE)
    walks.settle()
    walks.within(0)
    walks.pump()
    await begun[1]?.end(DONE, 1)
    assert.equal(walks.nextMs(), clock.monotonicMs() + WALK_INTERVAL_MS_MIN)
    walks.within(0)
    walks.pump()
    await begun[2]?.end(DONE, 1000)
    assert.equal(walks.nextMs(), clock.monotonicMs() + 400_000)
  })

  it('tell no coverage of a part of the tree', async () => {
    const { clock, begun, ends, walks, covered } = setUp()
    walks.within(0)
    walks.pump()
    await begun[0]?.end(DONE)
    walks.settle()
    const coverageMs = walks.coverageMs
    await clock.advance(10)
    walks.addTree(bytes('new'))
    walks.addTree(bytes('other'))
    assert.equal(walks.pump(), false)
    assert.equal(walks.isWhole(1), false)
    await begun[1]?.end(DONE)
    walks.pump()
    await begun[2]?.end(DONE)
    walks.settle()
    assert.deepEqual(
      begun.map(({ top }) => top),
      ['', 'new', 'other'],
    )
    assert.deepEqual(ends, ['done whole', 'done part', 'done part'])
    assert.equal(walks.coverageMs, coverageMs)
    assert.equal(covered(), 1)
  })

  it('follow at once when something was missed while one was under way, which may have passed by before', async () => {
    const { clock, begun, walks } = setUp()
    walks.within(0)
    walks.pump()
    await begun[0]?.end(DONE)
    walks.within(0)
    walks.pump()
    walks.addTree(bytes(''))
    await clock.advance(10)
    await begun[1]?.end(DONE)
    assert.ok((walks.nextMs() ?? Infinity) <= clock.monotonicMs() + SECOND_WALK_MS, 'not after the whole interval')
    await clock.advance(SECOND_WALK_MS)
    assert.equal(walks.pump(), true)
    await begun[2]?.end(DONE)
    assert.equal(walks.nextMs(), clock.monotonicMs() + WALK_INTERVAL_MS_MIN)
  })

  it('keep the age of coverage, whichever way the wall clock is set', async () => {
    const steps = [60_000, 3_600_000, 31_536_000_000].flatMap((ms) => [ms, -ms])
    for (const stepMs of steps) {
      const { clock, begun, walks } = setUp()
      walks.within(0)
      walks.pump()
      await begun[0]?.end(DONE)
      walks.settle()
      await clock.advance(500)
      clock.stepWall(stepMs)
      assert.equal(walks.coverageMs, clock.nowMs() - 500, `after a step of ${stepMs} ms`)
      assert.equal(walks.nextMs(), SECOND_WALK_MS)
      await clock.advance(SECOND_WALK_MS)
      walks.pump()
      const told = clock.nowMs()
      clock.stepWall(-stepMs)
      await begun[1]?.end(DONE)
      walks.settle()
      assert.equal(walks.coverageMs, told - stepMs)
    }
  })

  it('close a gap once one that began after it is captured, and not before', async () => {
    const { clock, generations, begun, walks, covered, closed } = setUp()
    walks.within(0)
    walks.pump()
    walks.missed()
    walks.addTree(bytes(''))
    await begun[0]?.end(DONE, 0)
    walks.settle()
    assert.deepEqual([covered(), closed()], [1, 0], 'it may have passed by before')
    await clock.advance(1)
    walks.pump()
    const generation = generations.enter()
    await begun[1]?.end(DONE, 0)
    walks.settle()
    assert.equal(closed(), 0, 'found and not captured')
    generations.leave(generation)
    walks.settle()
    assert.deepEqual([covered(), closed()], [2, 1])
    walks.within(0)
    walks.pump()
    await begun[2]?.end(DONE, 0)
    walks.settle()
    assert.deepEqual([covered(), closed()], [3, 1])
  })

  it('are thorough now and then, whoever asks and however the wall clock is set', async () => {
    const { clock, begun, walks, wait } = setUp()
    for (let round = 0; round < 9; round++) {
      wait()
      walks.pump()
      await begun[round]?.end(DONE)
      await clock.advance(YOUNG_MS / 4)
      clock.stepWall(round % 2 === 0 ? 31_536_000_000 : -31_536_000_000)
    }
    const [first, , , , fifth, , , , ninth] = begun
    assert.deepEqual(
      [first, fifth, ninth].map((walk) => walk?.thorough),
      [true, true, true],
    )
    assert.equal(begun.filter(({ thorough }) => thorough).length, 3)
  })

  it('rest between two that make up for lost events, but not before one that somebody waits for', async () => {
    const { clock, begun, walks, wait } = setUp()
    walks.within(0)
    walks.pump()
    walks.addTree(bytes(''))
    await begun[0]?.end(DONE, 500)
    walks.addTree(bytes(''))
    assert.equal(walks.nextMs(), clock.monotonicMs())
    walks.pump()
    await begun[1]?.end(DONE, 500)
    walks.addTree(bytes(''))
    assert.equal(walks.nextMs(), clock.monotonicMs() + 2000)
    wait()
    assert.equal(walks.nextMs(), clock.monotonicMs())
  })

  it('walk the whole tree instead of too many parts', async () => {
    const { clock, begun, walks } = setUp()
    walks.within(0)
    walks.pump()
    await begun[0]?.end(DONE)
    await clock.advance(REST_RATIO * 100)
    for (let index = 0; index <= TREES_MAX; index++) walks.addTree(bytes(`d${index}`))
    assert.equal(walks.pump(), true)
    assert.equal(begun[1]?.top, '')
  })

  it('fail everybody who waits when the root is unavailable, and are tried again later', async () => {
    const { clock, begun, ends, walks, wait } = setUp()
    const error = new HoldfastError('HF_SOURCE_UNAVAILABLE', 'gone')
    const during = wait()
    walks.pump()
    const after = wait()
    await begun[0]?.end(GONE)
    assert.deepEqual(ends, ['unavailable whole'])
    walks.fail(error)
    assert.deepEqual([during.error, after.error], [error, error])
    assert.equal(walks.pump(), false)
    assert.equal(walks.nextMs(), clock.monotonicMs() + RETRY_MS)
    await clock.advance(RETRY_MS)
    assert.equal(walks.pump(), true)
    assert.equal(walks.coverageMs, undefined)
  })

  it('conclude nothing from a walk during which what it found was given up', async () => {
    const { begun, ends, walks, wait } = setUp()
    const told = wait()
    walks.pump()
    walks.fail(new HoldfastError('HF_DRIVE_FULL', 'no room'))
    assert.ok(told.error !== undefined)
    await begun[0]?.end(DONE)
    walks.settle()
    assert.deepEqual(ends, ['done part'])
    assert.equal(walks.coverageMs, undefined)
  })
})

describe('files that are held open', () => {
  it('are looked at each second until they have been quiet for five minutes', () => {
    const hot = new HotFiles()
    hot.add(bytes('db'), 100, 0)
    assert.deepEqual(hot.due(HOT_INTERVAL_MS - 1), [])
    assert.deepEqual(hot.due(HOT_INTERVAL_MS).map(text), ['db'])
    assert.deepEqual(hot.due(HOT_INTERVAL_MS), [])
    hot.changed(bytes('db'), 100, HOT_QUIET_MS - 1)
    assert.equal(hot.due(HOT_QUIET_MS).length, 1)
    assert.equal(hot.due(2 * HOT_QUIET_MS - 2).length, 1)
    assert.equal(hot.due(2 * HOT_QUIET_MS - 1).length, 0)
    assert.equal(hot.nextMs(), undefined)
  })

  it('takes off a file that a walk met while it was written, once a watcher tells of its end', () => {
    const hot = new HotFiles()
    for (const name of ['written', 'held']) hot.add(bytes(name), 100, 0)
    hot.told(bytes('written'), HOT_TOLD_MS)
    hot.told(bytes('held'), HOT_TOLD_MS + 1)
    assert.deepEqual(hot.paths().map(text), ['held'])
  })

  it('are looked at less often when they are large', () => {
    const hot = new HotFiles()
    hot.add(bytes('large'), 1024 ** 3, 0)
    assert.ok((hot.nextMs() ?? 0) > 10_000)
  })
})

describe('many files that are held open', () => {
  it('are looked at so seldom that reading all of them takes a bounded part of the time', () => {
    const hot = new HotFiles()
    const sizes = new Map<string, number>()
    for (let index = 0; index < 100; index++) {
      const size = 2 ** (index % 30)
      sizes.set(`f${index}`, size)
      hot.add(bytes(`f${index}`), size, 0)
    }
    const minuteMs = 60_000
    let read = 0
    for (let nowMs = 0; nowMs < HOT_QUIET_MS; nowMs += 100)
      for (const path of hot.due(nowMs)) read += sizes.get(text(path)) ?? 0
    assert.ok(read <= HOT_QUIET_MS * HOT_BYTES_PER_MS, `${read / HOT_QUIET_MS} bytes a millisecond`)
    for (let nowMs = HOT_QUIET_MS; nowMs < HOT_QUIET_MS + minuteMs; nowMs += 1000) hot.due(nowMs)
    hot.add(bytes('alone'), 1024, 2 * HOT_QUIET_MS)
    assert.equal(hot.nextMs(), 2 * HOT_QUIET_MS + HOT_INTERVAL_MS, 'those that are quiet cost nothing')
  })
})

describe('unreadable paths', () => {
  it('are forgotten when a walk does not meet them again', () => {
    const unreadable = new UnreadablePaths()
    assert.equal(unreadable.add(bytes('dir'), 1, true), true)
    assert.equal(unreadable.add(bytes('file'), 1, false), true)
    unreadable.walked(1)
    assert.equal(unreadable.add(bytes('dir'), 2, true), false)
    unreadable.walked(2)
    assert.deepEqual(unreadable.paths().map(text), ['dir', 'file'])
    // The file was to be read again after the second walk, and was not even met by the third.
    unreadable.walked(3)
    assert.equal(unreadable.count, 0)
  })

  it('are counted beyond those that are kept by name', () => {
    const unreadable = new UnreadablePaths()
    for (let index = 0; index < 1500; index++) unreadable.add(bytes(`f${index}`), 1, true)
    assert.equal(unreadable.count, 1500)
    assert.equal(unreadable.paths().length, 1000)
  })
})
