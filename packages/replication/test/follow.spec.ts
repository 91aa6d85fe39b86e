import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { NodeId } from '@holdfast/ports'
import { BLAMED_SOURCE_MS, FOLLOW_STALL_MS, Follow } from '../src/index.ts'
import type { FollowEffect, FollowEvent, FollowSource } from '../src/index.ts'
import { node } from './ids.ts'

const [primary, near, far] = [node(1), node(2), node(3)]
const source = (peer: NodeId, length?: number, rttMs = 10): FollowSource => ({
  peer,
  primary: peer === primary,
  length,
  rttMs,
})

/** One line per effect: what a reader compares. */
const line = (effect: FollowEffect): string => {
  const who = 'peer' in effect ? ` ${effect.peer[0]}` : ''
  switch (effect.type) {
    case 'subscribe':
      return `subscribe${who} #${effect.subscription} from ${effect.from}`
    case 'unsubscribe':
      return `unsubscribe${who} #${effect.subscription}`
    case 'progress':
      return `progress${who} #${effect.subscription} ${effect.length}`
    case 'retry-later':
      return `retry-later ${effect.failures}`
    default:
      return `${effect.type}${who}`
  }
}

const play = (follow: Follow) => {
  let nowMs = 0
  return {
    tell: (event: FollowEvent): string[] => follow.step(event, nowMs).map(line),
    pass: (ms: number) => (nowMs += ms),
  }
}

const frame = (subscription: number, start: number, blockCount = 1): FollowEvent => ({
  type: 'frame',
  subscription,
  start,
  blockCount,
})

describe('Follow', () => {
  it('follows the primary from its own length on, and tells its progress', () => {
    const { tell } = play(new Follow({ length: 4, onlyIfBehind: false }))
    assert.deepEqual(tell({ type: 'sources', sources: [source(near, 9), source(primary, 9)] }), [
      'subscribe 1 #1 from 4',
    ])
    assert.deepEqual(tell(frame(1, 4, 2)), ['accept'])
    assert.deepEqual(tell(frame(1, 6, 3)), ['accept'])
    assert.deepEqual(tell({ type: 'length', length: 6 }), ['progress 1 #1 6'])
    assert.deepEqual(tell({ type: 'length', length: 9 }), ['progress 1 #1 9'])
    assert.deepEqual(tell({ type: 'length', length: 9 }), [])
  })

  it('without the primary follows the longest, and the nearest of equals; changes back when the primary returns', () => {
    const { tell } = play(new Follow({ length: 4, onlyIfBehind: false }))
    assert.deepEqual(tell({ type: 'sources', sources: [source(near, 3), source(far, undefined)] }), [])
    assert.deepEqual(tell({ type: 'sources', sources: [source(far, 7, 50), source(near, 7, 5)] }), [
      'subscribe 2 #1 from 4',
    ])
    assert.deepEqual(tell(frame(1, 4, 2)), ['accept'])
    assert.deepEqual(tell({ type: 'sources', sources: [source(far, 8), source(near, 7)] }), [], 'a source is kept')
    assert.deepEqual(tell({ type: 'sources', sources: [source(primary), source(near, 7)] }), [
      'unsubscribe 2 #1',
      'subscribe 1 #2 from 6',
    ])
  })

  it('goes on elsewhere from what has arrived when its source is lost', () => {
    const { tell } = play(new Follow({ length: 0, onlyIfBehind: false }))
    tell({ type: 'sources', sources: [source(primary, 9), source(near, 9)] })
    assert.deepEqual(tell(frame(1, 0, 5)), ['accept'])
    assert.deepEqual(tell({ type: 'sources', sources: [source(near, 9)] }), ['subscribe 2 #2 from 5'])
    assert.deepEqual(tell({ type: 'length', length: 5 }), ['progress 2 #2 5'])
  })

  it('a primary that is behind a member follows it until it is level, and nobody else', () => {
    const { tell } = play(new Follow({ length: 4, onlyIfBehind: true }))
    assert.deepEqual(tell({ type: 'sources', sources: [source(near, 4), source(far)] }), [])
    assert.deepEqual(tell({ type: 'sources', sources: [source(near, 6), source(far)] }), ['subscribe 2 #1 from 4'])
    assert.deepEqual(tell(frame(1, 4, 2)), ['accept'])
    assert.deepEqual(tell({ type: 'length', length: 6 }), ['progress 2 #1 6', 'unsubscribe 2 #1'])
  })

  it('a gap: blames, drops what waits, asks another from its own length on', () => {
    const { tell } = play(new Follow({ length: 0, onlyIfBehind: false }))
    tell({ type: 'sources', sources: [source(primary, 9), source(near, 9)] })
    tell(frame(1, 0, 2))
    assert.deepEqual(tell(frame(1, 3)), ['unsubscribe 1 #1', 'drop-queue', 'blame 1', 'subscribe 2 #2 from 0'])
    assert.deepEqual(tell(frame(1, 4)), [], 'frames of the earlier subscription are ignored')
  })

  it('a frame that fails its proof: blames whoever sent it, even after a change of source', () => {
    const { tell } = play(new Follow({ length: 0, onlyIfBehind: false }))
    tell({ type: 'sources', sources: [source(near, 9)] })
    tell(frame(1, 0, 2))
    tell({ type: 'sources', sources: [source(near, 9), source(primary, 9)] })
    assert.deepEqual(tell({ type: 'not-accepted', peer: near, reason: 'refused' }), [
      'unsubscribe 1 #2',
      'drop-queue',
      'blame 2',
      'subscribe 1 #3 from 0',
    ])
  })

  it('a source that says it has more and sends none is left for another, blamed, and passed over', () => {
    const { tell, pass } = play(new Follow({ length: 0, onlyIfBehind: false }))
    tell({ type: 'sources', sources: [source(near, 1_000_000), source(far, 9)] })
    pass(FOLLOW_STALL_MS - 1)
    assert.deepEqual(tell({ type: 'tick' }), [])
    pass(1)
    assert.deepEqual(tell({ type: 'tick' }), ['unsubscribe 2 #1', 'blame 2', 'subscribe 3 #2 from 0'])
    // This one serves: it is kept as long as frames come.
    for (let i = 0; i < 9; i++) {
      pass(FOLLOW_STALL_MS - 1)
      assert.deepEqual(tell(frame(2, i)), ['accept'])
      tell({ type: 'length', length: i + 1 })
      assert.ok(!tell({ type: 'tick' }).includes('blame 3'))
    }
  })

  it('a slow source is kept if there is no other, and if what it sent waits to be accepted here', () => {
    const { tell, pass } = play(new Follow({ length: 0, onlyIfBehind: false }))
    tell({ type: 'sources', sources: [source(near, 9)] })
    pass(10 * FOLLOW_STALL_MS)
    assert.deepEqual(tell({ type: 'tick' }), [])
    tell({ type: 'sources', sources: [source(near, 9), source(far, 9)] })
    assert.deepEqual(tell(frame(1, 0, 2)), ['accept'])
    pass(10 * FOLLOW_STALL_MS)
    assert.deepEqual(tell({ type: 'tick' }), [])
  })

  it('passes a blamed source over for a while, then tries it again if there is no other', () => {
    const { tell, pass } = play(new Follow({ length: 0, onlyIfBehind: false }))
    tell({ type: 'sources', sources: [source(primary, 9)] })
    assert.deepEqual(tell({ type: 'violation', subscription: 1, reason: 'nonsense' }), [
      'unsubscribe 1 #1',
      'drop-queue',
      'blame 1',
      'retry-later 1',
    ])
    pass(BLAMED_SOURCE_MS - 1)
    assert.deepEqual(tell({ type: 'retry' }), ['retry-later 1'])
    pass(1)
    assert.deepEqual(tell({ type: 'retry' }), ['subscribe 1 #2 from 0'])
  })

  it('a source that cannot serve is passed over without blame', () => {
    const { tell } = play(new Follow({ length: 0, onlyIfBehind: false }))
    tell({ type: 'sources', sources: [source(primary, 9), source(near, 9)] })
    assert.deepEqual(tell({ type: 'refused', subscription: 1, reason: 'unknown-volume' }), ['subscribe 2 #2 from 0'])
    assert.deepEqual(tell({ type: 'refused', subscription: 1, reason: 'unknown-volume' }), [])
    assert.deepEqual(tell({ type: 'refused', subscription: 2, reason: 'unavailable' }), ['retry-later 2'])
  })

  it('a source that could not serve is tried again as soon as it tells another length', () => {
    const { tell } = play(new Follow({ length: 0, onlyIfBehind: false }))
    tell({ type: 'sources', sources: [source(primary)] })
    assert.deepEqual(tell({ type: 'refused', subscription: 1, reason: 'unknown-volume' }), ['retry-later 1'])
    assert.deepEqual(tell({ type: 'sources', sources: [source(primary)] }), ['retry-later 1'])
    assert.deepEqual(tell({ type: 'sources', sources: [source(primary, 0)] }), ['subscribe 1 #2 from 0'])
  })

  it('a failure here: waits with a growing back-off, blames nobody, starts over from its own length', () => {
    const { tell } = play(new Follow({ length: 0, onlyIfBehind: false }))
    tell({ type: 'sources', sources: [source(primary, 9)] })
    tell(frame(1, 0, 2))
    assert.deepEqual(tell({ type: 'not-accepted', peer: primary, reason: 'failed' }), [
      'unsubscribe 1 #1',
      'drop-queue',
      'retry-later 1',
    ])
    assert.deepEqual(tell({ type: 'sources', sources: [source(primary, 9), source(near, 9)] }), [])
    assert.deepEqual(tell({ type: 'retry' }), ['subscribe 1 #2 from 0'])
    assert.deepEqual(tell({ type: 'not-accepted', peer: primary, reason: 'gap' }).at(-1), 'retry-later 2')
    tell({ type: 'retry' })
    tell({ type: 'length', length: 2 })
    assert.deepEqual(tell({ type: 'not-accepted', peer: primary, reason: 'failed' }).at(-1), 'retry-later 1')
  })

  it('accepts a gap-free sequence whatever happens', () => {
    const peers = [primary, near, far]
    const sources = fc
      .array(fc.record({ index: fc.nat(2), length: fc.option(fc.nat(20), { nil: undefined }) }), { maxLength: 3 })
      .map((list) => list.map(({ index, length }) => source(peers[index] ?? primary, length)))
    const event: fc.Arbitrary<FollowEvent> = fc.oneof(
      sources.map((s): FollowEvent => ({ type: 'sources', sources: s })),
      fc.tuple(fc.nat(6), fc.nat(20), fc.nat(4)).map(([s, start, count]) => frame(s, start, count)),
      fc.constant<FollowEvent>({ type: 'retry' }),
      fc
        .tuple(fc.nat(2), fc.constantFrom('gap' as const, 'refused' as const, 'failed' as const))
        .map(([i, reason]): FollowEvent => ({ type: 'not-accepted', peer: peers[i] ?? primary, reason })),
      fc.nat(6).map((subscription): FollowEvent => ({ type: 'refused', subscription, reason: 'beyond-end' })),
      fc.constant('accept-one' as const) as unknown as fc.Arbitrary<FollowEvent>,
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const follow = new Follow({ length: 0, onlyIfBehind: false })
        let length = 0
        let queue: { start: number; count: number }[] = []
        const perform = (effects: readonly FollowEffect[], given?: { start: number; count: number }): void => {
          for (const effect of effects) {
            if (effect.type === 'drop-queue') queue = []
            if (effect.type === 'accept') {
              assert.ok(given)
              const last = queue.at(-1)
              assert.equal(given.start, last ? last.start + last.count : length)
              queue.push(given)
            }
          }
        }
        for (const [index, e] of events.entries()) {
          if ((e as unknown) === 'accept-one') {
            const first = queue.shift()
            if (first) perform(follow.step({ type: 'length', length: (length += first.count) }, index * 1000))
          } else {
            const given = e.type === 'frame' ? { start: e.start, count: e.blockCount } : undefined
            perform(follow.step(e, index * 1000), given)
          }
        }
      }),
    )
  })
})
