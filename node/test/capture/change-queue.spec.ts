import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { encodeStat, STAT_WORDS } from '@holdfast/capture'
import { ChangeQueue, type Change } from '../../src/capture/change-queue.ts'
import { CREATED_MS, MERGE_MS, SMALL_JOB_BYTES_MAX } from '../../src/capture/limits.ts'
import { bytes, text } from './support.ts'

const paths = (taken: readonly Uint8Array[]): string[] => taken.map(text)
const pathsOf = (changes: readonly Change[]): string[] => changes.map(({ path }) => text(path))
const file = bytes('file')

function words(size: number): Uint32Array {
  const encoded = new Uint32Array(STAT_WORDS)
  const at = { dev: 1n, ino: 2n, mtimeNs: 3n, ctimeNs: 4n, mode: 0o644, uid: 0, gid: 0, linked: false }
  encodeStat({ ...at, type: 'file', size }, encoded)
  return encoded
}

describe('change queue', () => {
  let queue: ChangeQueue
  beforeEach(() => {
    queue = new ChangeQueue()
  })

  const read = (nowMs: number): Change => {
    const [change] = queue.takeReads(nowMs, 1, 1)
    assert.ok(change)
    return change
  }

  it('gives a hint out at once, and again only some time after the file was read', () => {
    queue.hint(file, 1000)
    assert.deepEqual(paths(queue.takeHints(1000, 10)), ['file'])
    queue.found(file, 1, false, words(1))
    queue.checked([file])
    queue.release(read(1001), 1002)
    queue.hint(file, 1003)
    assert.deepEqual(paths(queue.takeHints(1003, 10)), [])
    assert.equal(queue.nextHintMs(), 1001 + MERGE_MS)
    assert.deepEqual(paths(queue.takeHints(1001 + MERGE_MS, 10)), ['file'])
  })

  it('waits for the close of a created file, but not for ever', () => {
    queue.hint(file, 1000, true)
    assert.deepEqual(paths(queue.takeHints(1000 + CREATED_MS - 1, 10)), [])
    queue.hint(bytes('closed'), 1000, true)
    queue.hint(bytes('closed'), 1500)
    assert.deepEqual(paths(queue.takeHints(1500, 10)), ['closed'])
    assert.deepEqual(paths(queue.takeHints(1000 + CREATED_MS, 10)), ['file'])
    assert.equal(queue.nextHintMs(), undefined)
  })

  it('hurries for a flush', () => {
    queue.hint(file, 1000, true)
    queue.hurry()
    assert.deepEqual(paths(queue.takeHints(1000, 10)), ['file'])
  })

  it('gives out small live changes by themselves, before what a walk found', () => {
    for (const name of ['a', 'b']) queue.found(bytes(name), 1, false, words(1))
    queue.found(bytes('edited'), 1, false, words(1), true)
    queue.found(bytes('huge'), SMALL_JOB_BYTES_MAX + 1, false, words(1), true)
    queue.found(bytes('b'), 1, false, words(2), true)
    assert.equal(queue.liveCount, 2)
    assert.deepEqual(pathsOf(queue.takeLive(1000, 1, 100)), ['edited'])
    assert.deepEqual(pathsOf(queue.takeReads(1000, 10, 10)), ['a'])
    assert.deepEqual(pathsOf(queue.takeLive(1000, 10, 100)), ['b'])
    assert.deepEqual([queue.liveCount, queue.readCount], [0, 1])
  })

  it('holds back what is said of a busy path', () => {
    queue.found(file, 1, true, words(1))
    const change = read(0)
    queue.found(file, 2, false, words(2))
    queue.hint(file, 1000)
    assert.deepEqual(pathsOf(queue.takeReads(1000, 10, 100)), [])
    assert.deepEqual(paths(queue.takeHints(1000, 10)), [])
    queue.release(change, 1000, words(1))
    const [next] = queue.takeReads(1000, 10, 100)
    // Captured meanwhile, so the history has it.
    assert.equal(next?.known, true)
  })

  it('drops a change that saw what was captured', () => {
    queue.found(file, 1, false, words(1))
    const change = read(0)
    queue.found(file, 1, false, words(1))
    queue.release(change, 0, words(1))
    assert.equal(queue.count, 0)
    assert.equal(queue.generations.isDone(queue.generations.current), true)
  })

  it('looks again at a deletion that was seen while the path was captured', () => {
    queue.found(file, 1, true, words(1))
    const change = read(0)
    queue.gone(file)
    queue.release(change, 1000)
    assert.deepEqual(queue.takeDeletions(10), [])
    assert.deepEqual(paths(queue.takeHints(1000 + MERGE_MS, 10)), ['file'])
  })

  it('believes what was seen last', () => {
    queue.found(file, 1, true, words(1))
    queue.gone(file)
    assert.equal(queue.readCount, 0)
    assert.deepEqual(pathsOf(queue.takeDeletions(10)), ['file'])
    queue.found(bytes('other'), 1, false, words(1))
    queue.gone(bytes('other'))
    queue.found(bytes('other'), 5, false, words(5))
    assert.equal(queue.readBytes, 5)
    assert.equal(read(0).size, 5)
  })

  it('bounds what is taken, yet gives out one file of any size', () => {
    for (const name of ['a', 'b', 'c']) queue.found(bytes(name), 60, false, words(60))
    assert.deepEqual(pathsOf(queue.takeReads(0, 10, 10)), ['a'])
    assert.deepEqual(pathsOf(queue.takeReads(0, 10, 120)), ['b', 'c'])
  })

  it('knows for every generation whether all of it is through, whatever happens to the paths', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd')
    const step = fc.oneof(
      fc.record({ type: fc.constant('hint' as const), name }),
      fc.record({ type: fc.constant('found' as const), name }),
      fc.record({ type: fc.constant('gone' as const), name }),
      fc.record({ type: fc.constant('advance' as const) }),
      fc.record({ type: fc.constant('check' as const) }),
      fc.record({ type: fc.constant('read' as const) }),
      fc.record({ type: fc.constant('delete' as const) }),
      fc.record({ type: fc.constant('release' as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tested = new ChangeQueue()
        const busy: Change[] = []
        let nowMs = 0
        const drain = (): void => {
          const checked = tested.takeHints(Infinity, 100)
          tested.checked(checked)
          busy.push(...tested.takeReads(nowMs, 100, 1000), ...tested.takeDeletions(100))
          for (const change of busy.splice(0)) tested.release(change, nowMs)
        }
        for (const each of steps) {
          nowMs += 50
          if (each.type === 'hint') tested.hint(bytes(each.name), nowMs)
          else if (each.type === 'found') tested.found(bytes(each.name), 1, false, words(1))
          else if (each.type === 'gone') tested.gone(bytes(each.name))
          else if (each.type === 'advance') tested.generations.advance()
          else if (each.type === 'check') tested.checked(tested.takeHints(nowMs, 2))
          else if (each.type === 'read') busy.push(...tested.takeReads(nowMs, 2, 10))
          else if (each.type === 'delete') busy.push(...tested.takeDeletions(1))
          else {
            const change = busy.shift()
            if (change !== undefined) tested.release(change, nowMs)
          }
          assert.equal(tested.count === 0, tested.generations.isDone(tested.generations.current))
        }
        for (let round = 0; round < 5 && tested.count > 0; round++) drain()
        assert.equal(tested.count, 0)
        assert.equal(tested.readBytes, 0)
      }),
    )
  })

  it('forgets everything that is not under way', () => {
    queue.found(bytes('busy'), 1, false, words(1))
    const change = read(0)
    queue.found(bytes('waiting'), 1, false, words(1))
    queue.gone(bytes('deleted'))
    queue.hint(bytes('hinted'), 0, true)
    queue.clear()
    assert.equal(queue.count, 1)
    queue.release(change, 0)
    assert.equal(queue.count, 0)
    assert.equal(queue.generations.isDone(queue.generations.current), true)
  })
})
