import assert from 'node:assert/strict'
import { HoldfastError } from '@holdfast/ports'
import { EVENTS_WAITING_MAX, EventQueue } from '../../src/service/event-queue.ts'

interface Event {
  readonly message_type: string
  readonly n?: number
}

const failed = (n: number): Event => ({ message_type: 'error', n })
const status = (n: number): Event => ({ message_type: 'status', n })
const SUMMARY: Event = { message_type: 'summary' }
const never = (): AbortSignal => new AbortController().signal

async function all(events: AsyncIterable<Event>): Promise<Event[]> {
  const got: Event[] = []
  for await (const event of events) got.push(event)
  return got
}

describe('EventQueue', () => {
  it('gives events in order, the newest status, and the result last', async () => {
    const queue = new EventQueue<Event>(never())
    queue.push(failed(1))
    queue.status(status(1))
    queue.status(status(2))
    queue.push(failed(2))
    assert.deepEqual(await all(queue.drain(Promise.resolve(SUMMARY))), [failed(1), failed(2), status(2), SUMMARY])
  })

  it('keeps a bounded number of events for a slow reader, and the newest status and the result besides', async () => {
    const queue = new EventQueue<Event>(never())
    for (let n = 0; n < EVENTS_WAITING_MAX + 50; n++) queue.push(failed(n))
    queue.status(status(1))
    const got = await all(queue.drain(Promise.resolve(SUMMARY)))
    assert.equal(got.length, EVENTS_WAITING_MAX + 2)
    assert.deepEqual(got.slice(-2), [status(1), SUMMARY])
  })

  it('wakes a reader that waits', async () => {
    const queue = new EventQueue<Event>(never())
    let finish: (event: Event) => void = () => undefined
    const events = queue.drain(new Promise((resolve) => (finish = resolve)))
    const first = events.next()
    queue.push(failed(1))
    assert.deepEqual((await first).value, failed(1))
    const second = events.next()
    queue.status(status(1))
    assert.deepEqual((await second).value, status(1))
    const last = events.next()
    finish(SUMMARY)
    assert.deepEqual((await last).value, SUMMARY)
    assert.equal((await events.next()).done, true)
  })

  it('throws the failure of the work after everything that was pushed', async () => {
    const queue = new EventQueue<Event>(never())
    queue.push(failed(1))
    const got: Event[] = []
    const reading = (async () => {
      for await (const event of queue.drain(Promise.reject(new HoldfastError('HF_BUSY', 'no')))) got.push(event)
    })()
    await assert.rejects(reading, { code: 'HF_BUSY' })
    assert.deepEqual(got, [failed(1)])
  })

  it('aborts the work when the reader leaves, and waits for its end', async () => {
    const queue = new EventQueue<Event>(never())
    let ended = false
    const work = new Promise<Event>((_resolve, reject) => {
      queue.signal.addEventListener('abort', () =>
        setImmediate(() => {
          ended = true
          reject(new HoldfastError('HF_ABORTED', 'aborted'))
        }),
      )
    })
    queue.push(failed(1))
    for await (const event of queue.drain(work)) {
      assert.deepEqual(event, failed(1))
      break
    }
    assert.ok(ended)
  })

  it("aborts the work with the caller's signal, also one that was aborted before", async () => {
    const controller = new AbortController()
    const queue = new EventQueue<Event>(controller.signal)
    assert.equal(queue.signal.aborted, false)
    controller.abort()
    assert.equal(queue.signal.aborted, true)
    assert.equal(new EventQueue<Event>(controller.signal).signal.aborted, true)
  })
})
