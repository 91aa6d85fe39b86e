import { strict as assert } from 'node:assert'
import type { CaptureHealth } from '../../src/capture/index.ts'
import { SECOND_WALK_MS } from '../../src/capture/limits.ts'
import type { VolumeLink } from '../../src/capture/volume-link.ts'
import type { Walks } from '../../src/capture/walks.ts'
import { Watching } from '../../src/capture/watching.ts'
import { bytes, text } from './support.ts'

const ROOT = bytes('')

/** What a watcher says becomes what is asked of the watching thread and of the walks, and what is told. */
function setUp() {
  const done: string[] = []
  const link = { watch: () => void done.push('open'), refreshWatches: () => void done.push('refresh') }
  const walks = {
    count: 1,
    within: (ms: number) => void done.push(`walk in ${ms}`),
    addTree: (path: Uint8Array) => void done.push(`walk "${text(path)}"`),
    missed: () => done.push('missed') === 1,
  }
  const health: CaptureHealth['type'][] = []
  const watching = new Watching({
    link: link as Partial<VolumeLink> as VolumeLink,
    walks: walks as Partial<Walks> as Walks,
    enabled: true,
    onHealth: ({ type }) => void health.push(type),
  })
  return { watching, done, health }
}

describe('watching of a volume', () => {
  it('is opened once, and asked after each walk whether there is more to watch', () => {
    const { watching, done } = setUp()
    watching.ensure(false)
    watching.opened(3)
    watching.ensure(false)
    assert.deepEqual(done, ['open', `walk in ${SECOND_WALK_MS}`, 'refresh'])
    watching.ensure(true)
    assert.equal(done.at(-1), 'open')
  })

  it('says once what is not watched, and that it is again', () => {
    const { watching, done, health } = setUp()
    watching.ensure(false)
    for (let round = 0; round < 3; round++) watching.lost(ROOT, 'watch-limit')
    watching.lost(bytes('secret'), 'unreadable')
    watching.opened(3)
    assert.deepEqual(health, ['unwatched', 'unwatched'])
    done.length = 0
    watching.watched()
    watching.watched()
    assert.deepEqual(health, ['unwatched', 'unwatched', 'watched'])
    assert.deepEqual(done, [`walk in ${SECOND_WALK_MS}`])
    watching.lost(ROOT, 'watch-limit')
    assert.equal(health.at(-1), 'unwatched')
  })

  it('is tried again after each walk where the system refuses it, and says so once', () => {
    const { watching, done, health } = setUp()
    for (let round = 0; round < 3; round++) {
      watching.ensure(false)
      watching.refused('no watcher can be made: EMFILE')
    }
    assert.deepEqual(done, ['open', 'open', 'open'])
    assert.deepEqual(health, ['unwatched'])
    watching.ensure(false)
    watching.watched()
    assert.deepEqual(health, ['unwatched', 'watched'])
  })

  for (const reason of ['overflow', 'failed'] as const)
    it(`that misses something (${reason}) is a gap, which a walk of all must close`, () => {
      const { watching, done, health } = setUp()
      watching.ensure(false)
      watching.opened(3)
      done.length = 0
      watching.lost(ROOT, reason)
      assert.deepEqual(health, ['gap'])
      assert.deepEqual(done, ['missed', 'walk ""'])
      watching.lost(ROOT, 'overflow')
      assert.deepEqual(health, ['gap'], 'said once')
      assert.deepEqual(done.slice(2), ['missed', 'walk ""'])
    })
})
