import assert from 'node:assert/strict'
import { FEED_WINDOW_BYTES, Feed } from '../src/index.ts'

describe('Feed', () => {
  it('sends from where it was asked to the end, and on as the log grows', () => {
    const feed = new Feed({ from: 3, length: 5 })
    assert.equal(feed.next(), 3)
    feed.sent(5, 100)
    assert.equal(feed.next(), undefined)
    feed.grow(6)
    assert.equal(feed.next(), 5)
  })

  it('waits when the window is full, and goes on as frames are accepted', () => {
    const feed = new Feed({ from: 0, length: 100 })
    for (let end = 10; end <= 40; end += 10) feed.sent(end, FEED_WINDOW_BYTES / 4)
    assert.equal(feed.next(), undefined)
    assert.ok(feed.progress(9))
    assert.equal(feed.next(), undefined, 'part of a frame is no frame')
    assert.ok(feed.progress(10))
    assert.equal(feed.next(), 40)
  })

  it('sends one frame above the window, alone', () => {
    const feed = new Feed({ from: 0, length: 2 })
    feed.sent(1, 10 * FEED_WINDOW_BYTES)
    assert.equal(feed.next(), undefined)
    feed.progress(1)
    assert.equal(feed.next(), 1)
  })

  it('knows progress that cannot be', () => {
    const feed = new Feed({ from: 0, length: 9 })
    feed.sent(3, 10)
    assert.equal(feed.progress(4), false)
    assert.equal(feed.progress(3), true)
  })
})
