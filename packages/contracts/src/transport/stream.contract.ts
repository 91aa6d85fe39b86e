import assert from 'node:assert/strict'
import { TRANSPORT_MESSAGE_BYTES_MAX, TRANSPORT_STREAMS_MAX } from '@holdfast/ports'
import type { MessageStream } from '@holdfast/ports'
import { PROTOCOL, World, echo, noise, rejectsWith } from './world.ts'
import type { TransportContract } from './world.ts'

/** Bytes that a stream may take from its sender while nobody reads them, in all buffers together. */
const TRANSPORT_UNREAD_BYTES_MAX = 24 * 1024 * 1024

/** Messages on one stream: whole, ordered, bounded, and ended cleanly. */
export function streamContract(contract: TransportContract): void {
  const world = new World(contract)
  afterEach(() => world.end())

  describe('messages', () => {
    it('arrive whole and in order, whatever their size', async () => {
      const [a, b] = await world.pair()
      const stream = await a.open(b.self, PROTOCOL)
      assert.deepEqual([stream.peer, stream.protocol], [b.self, PROTOCOL])
      const messages = [0, 1, 5, 65_531, 65_536, 65_537, 300_000, 0, 3].map(noise)
      const sent = (async () => {
        for (const m of messages) await stream.send(m)
        await stream.close()
      })()
      for (const m of messages) assert.deepEqual(await stream.receive(), m)
      assert.equal(await stream.receive(), undefined)
      assert.equal(await stream.receive(), undefined, 'and stays at its end')
      await sent
    })

    it('pass at the maximum size, and are refused above it before anything is sent', async () => {
      const [a, b] = await world.pair()
      const stream = await a.open(b.self, PROTOCOL)
      const largest = noise(TRANSPORT_MESSAGE_BYTES_MAX)
      await rejectsWith(stream.send(new Uint8Array(TRANSPORT_MESSAGE_BYTES_MAX + 1)), 'HF_BAD_INPUT')
      const sent = stream.send(largest)
      const back = await stream.receive()
      await sent
      assert.ok(back && Buffer.compare(back, largest) === 0)
    })

    it('are the sender’s to reuse once sent, and the receiver’s to keep', async () => {
      const { near, far } = await world.stream()
      const buffer = Uint8Array.of(1, 1, 1)
      await near.send(buffer)
      buffer.fill(2)
      await near.send(buffer)
      buffer.fill(3)
      const first = await far.receive()
      assert.deepEqual(first, Uint8Array.of(1, 1, 1))
      assert.deepEqual(await far.receive(), Uint8Array.of(2, 2, 2))
      assert.deepEqual(first, Uint8Array.of(1, 1, 1))
    })

    it('of concurrent senders stay whole', async () => {
      const { near, far } = await world.stream()
      const sending = Promise.all([1, 2, 3, 4].map((i) => near.send(new Uint8Array(100_000).fill(i))))
      const seen = new Set<number>()
      for (let i = 0; i < 4; i++) {
        const m = await far.receive()
        assert.ok(m && m.byteLength === 100_000 && m.every((byte) => byte === m[0]))
        seen.add(m[0] ?? 0)
      }
      await sending
      assert.equal(seen.size, 4)
    })

    it('flow both ways at once', async () => {
      const { near, far } = await world.stream()
      assert.deepEqual(await Promise.all([pump(near, far), pump(far, near)]), [60, 60])
    })
  })

  describe('back-pressure', () => {
    it('a reader that does not read holds its sender back, is not reset, and other streams go on', async () => {
      const held: MessageStream[] = []
      const [a, b] = await world.pair((stream) => held.push(stream))
      b.handle('/holdfast/echo/1', echo)
      const bulk = await a.open(b.self, PROTOCOL)
      const size = 64 * 1024
      const count = (2 * TRANSPORT_UNREAD_BYTES_MAX) / size
      let taken = 0
      const sending = (async () => {
        for (let i = 0; i < count; i++) {
          const message = new Uint8Array(size)
          new DataView(message.buffer).setUint32(0, i)
          await bulk.send(message)
          taken++
        }
        await bulk.close()
      })()
      const rpc = await a.open(b.self, '/holdfast/echo/1')
      let before = -1
      for (let round = 0; before < taken || round < 50; round++) {
        before = taken
        for (let i = 0; i < 20; i++) {
          await rpc.send(Uint8Array.of(i))
          assert.deepEqual(await rpc.receive(), Uint8Array.of(i))
        }
      }
      assert.ok(taken * size <= TRANSPORT_UNREAD_BYTES_MAX, `${taken * size} bytes were taken unread`)
      const reader = held[0]
      assert.ok(reader)
      let next = 0
      for (let m = await reader.receive(); m; m = await reader.receive()) {
        assert.equal(new DataView(m.buffer, m.byteOffset).getUint32(0), next++)
      }
      assert.equal(next, count)
      await sending
    })

    it('bounds empty messages too', async () => {
      const { near, far } = await world.stream()
      const controller = new AbortController()
      let sent = 0
      const sending = (async () => {
        for (; sent < 1_000_000; sent++) await near.send(new Uint8Array(0), { signal: controller.signal })
      })()
      const stalled = async (): Promise<void> => {
        for (let before = -1; before < sent;) {
          before = sent
          for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve))
        }
      }
      await stalled()
      assert.ok(sent < 1_000_000)
      controller.abort()
      await rejectsWith(sending, 'HF_ABORTED')
      for (let i = 0; i < sent; i++) assert.equal((await far.receive())?.byteLength, 0)
    })
  })

  describe('ends', () => {
    it('closing one half lets the other go on', async () => {
      const { near, far } = await world.stream()
      await near.send(Uint8Array.of(1))
      await near.close()
      await near.close()
      await rejectsWith(near.send(Uint8Array.of(2)), 'HF_CLOSED')
      assert.deepEqual(await far.receive(), Uint8Array.of(1))
      assert.equal(await far.receive(), undefined)
      const back = noise(3_000_000)
      const sent = far.send(back)
      assert.deepEqual(await near.receive(), back)
      await sent
      await far.close()
      assert.equal(await near.receive(), undefined)
    })

    it('aborting ends both halves at once, at both ends', async () => {
      const { near, far } = await world.stream()
      await near.send(Uint8Array.of(1))
      const waiting = far.receive().then(() => far.receive())
      near.abort(new Error('enough'))
      near.abort()
      await rejectsWith(waiting, 'HF_PEER_UNREACHABLE')
      await rejectsWith(far.send(Uint8Array.of(1)), 'HF_PEER_UNREACHABLE')
      await rejectsWith(near.receive(), 'HF_CLOSED')
      await rejectsWith(near.send(Uint8Array.of(1)), 'HF_CLOSED')
    })

    it('a lost connection ends its streams, waiting calls too', async () => {
      const { near, far, transports } = await world.stream()
      const waiting = near.receive()
      const blocked = (async () => {
        for (;;) await near.send(new Uint8Array(1024 * 1024))
      })()
      await far.receive()
      const outcomes = Promise.all([
        rejectsWith(waiting, 'HF_PEER_UNREACHABLE'),
        rejectsWith(blocked, 'HF_PEER_UNREACHABLE'),
      ])
      await transports[1].stop()
      await outcomes
      await rejectsWith(far.receive(), 'HF_CLOSED', 'HF_PEER_UNREACHABLE')
    })

    it('a stopped transport ends its own streams', async () => {
      const { near, transports } = await world.stream()
      const waiting = rejectsWith(near.receive(), 'HF_CLOSED', 'HF_PEER_UNREACHABLE')
      await transports[0].stop()
      await waiting
    })

    it('an aborted receive loses nothing', async () => {
      const { near, far } = await world.stream()
      const controller = new AbortController()
      const waiting = far.receive({ signal: controller.signal })
      controller.abort()
      await rejectsWith(waiting, 'HF_ABORTED')
      await near.send(Uint8Array.of(7))
      assert.deepEqual(await far.receive(), Uint8Array.of(7))
      await rejectsWith(far.receive({ signal: AbortSignal.abort() }), 'HF_ABORTED')
    })

    it('an aborted send that had not begun leaves the stream as it was', async () => {
      const { near, far } = await world.stream()
      await rejectsWith(near.send(Uint8Array.of(1), { signal: AbortSignal.abort() }), 'HF_ABORTED')
      await near.send(Uint8Array.of(2))
      assert.deepEqual(await far.receive(), Uint8Array.of(2))
    })

    it('receive is called one at a time', async () => {
      const { near, far } = await world.stream()
      const waiting = far.receive()
      await assert.rejects(far.receive(), TypeError)
      await near.send(Uint8Array.of(1))
      assert.deepEqual(await waiting, Uint8Array.of(1))
    })
  })

  describe('limits', () => {
    it('a protocol nobody handles is refused', async () => {
      const [a, b] = await world.pair()
      await rejectsWith(a.open(b.self, '/holdfast/nothing/1'), 'HF_PEER_PROTOCOL')
    })

    it('one handler per protocol', async () => {
      const a = await world.create()
      a.handle(PROTOCOL, echo)
      assert.throws(() => a.handle(PROTOCOL, echo), TypeError)
    })

    it('streams of one peer and protocol are bounded, and a closed one makes room', async () => {
      const [a, b] = await world.pair()
      const use = async (): Promise<MessageStream> => {
        const stream = await a.open(b.self, PROTOCOL)
        await stream.send(Uint8Array.of(1))
        assert.deepEqual(await stream.receive(), Uint8Array.of(1))
        return stream
      }
      const streams: MessageStream[] = []
      for (let i = 0; i < TRANSPORT_STREAMS_MAX; i++) streams.push(await use())
      await rejectsWith(use(), 'HF_BUSY', 'HF_PEER_UNREACHABLE', 'HF_PEER_REFUSED')
      await streams[0]?.close()
      assert.equal(await streams[0]?.receive(), undefined)
      await use()
    })

    it('opening gives up when asked', async () => {
      const [a, b] = await world.pair()
      await rejectsWith(a.open(b.self, PROTOCOL, { signal: AbortSignal.abort() }), 'HF_ABORTED')
    })
  })
}

/** Sends sixty messages, reads them at the other end, and counts. */
async function pump(from: MessageStream, to: MessageStream): Promise<number> {
  const sent = (async () => {
    for (let i = 0; i < 60; i++) await from.send(new Uint8Array(64 * 1024).fill(i))
    await from.close()
  })()
  let count = 0
  for (let m = await to.receive(); m; m = await to.receive()) assert.equal(m[0], count++)
  await sent
  return count
}
