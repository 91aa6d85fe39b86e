import { strict as assert } from 'node:assert'
import { EVENT_PATHS_MAX, EVENTS_AHEAD_MAX } from '../../src/capture/limits.ts'
import type { FromWatcher } from '../../src/capture/messages.ts'
import { pathsOf } from '../../src/capture/path-list.ts'
import { Watched } from '../../src/capture/watched.ts'
import { bytes, text } from './support.ts'

describe('events on their way to the main thread', () => {
  let sent: FromWatcher[]
  let watched: Watched

  beforeEach(() => {
    sent = []
    watched = new Watched(7, (message) => void sent.push(message))
  })

  const dirty = (): string[] =>
    sent.flatMap((message) => (message.type === 'events' ? [...pathsOf(message.dirty)].map(text) : []))
  const losses = (): string[] => sent.flatMap((message) => (message.type === 'lost' ? [message.reason] : []))
  const fill = (): void => {
    for (let index = 0; index < EVENTS_AHEAD_MAX; index++) watched.onDirty([bytes(`first ${index}`)])
  }

  it('wait where it does not keep up, and go on in their order when it does', () => {
    fill()
    for (let index = 0; index < 100; index++) watched.onDirty([bytes(`late ${index}`)])
    assert.equal(sent.length, EVENTS_AHEAD_MAX)
    watched.taken()
    assert.equal(sent.length, EVENTS_AHEAD_MAX + 1)
    assert.deepEqual(
      dirty().slice(EVENTS_AHEAD_MAX),
      Array.from({ length: 100 }, (_, index) => `late ${index}`),
    )
    assert.deepEqual(losses(), [])
  })

  it('are dropped beyond a bound, trees too, which is said at once: everything must be walked', () => {
    fill()
    watched.onTree(bytes('new'))
    for (let index = 0; index < 3 * EVENT_PATHS_MAX; index++) watched.onDirty([bytes(`lost ${index}`)])
    assert.equal(sent.length, EVENTS_AHEAD_MAX + 1, 'once')
    assert.deepEqual(losses(), ['overflow'])
  })

  it('that are dropped in a storm without end are said again each time the other side has heard of the last', () => {
    fill()
    for (let round = 0; round < 5 * EVENTS_AHEAD_MAX; round++) {
      for (let index = 0; index <= 2 * EVENT_PATHS_MAX; index++) watched.onDirty([bytes('x')])
      watched.taken()
    }
    const said = losses().length
    assert.ok(said >= 4 && said <= 6, `${said} times`)
    while (sent.filter(({ type }) => type === 'events').length > 0) {
      sent.length = 0
      for (let index = 0; index < EVENTS_AHEAD_MAX; index++) watched.taken()
    }
    watched.onDirty([bytes('after')])
    assert.deepEqual(dirty(), ['after'])
  })
})
