import assert from 'node:assert/strict'
import { JOIN_PROTOCOL, hexOf } from '@holdfast/ports'
import type { Admission, NodeId } from '@holdfast/ports'
import { PROTOCOL, World, echo, nextPeerEvent, rejectsWith } from './world.ts'
import type { TransportContract } from './world.ts'

/** Connecting, refusing and losing peers. */
export function connectionContract(contract: TransportContract): void {
  const world = new World(contract)
  afterEach(() => world.end())

  const setUp = async (admission: (peer: NodeId) => Admission) => {
    const inviter = await world.create(admission)
    const reached: string[] = []
    inviter.onPeer((e) => reached.push(e.type))
    for (const protocol of [PROTOCOL, JOIN_PROTOCOL]) {
      inviter.handle(protocol, (stream) => {
        reached.push(protocol)
        echo(stream)
      })
    }
    await inviter.start()
    return { inviter, reached, caller: await world.started() }
  }

  describe('connections', () => {
    it('connects, tells both sides, and connects again without a second event', async () => {
      const [a, b] = [await world.started(), await world.started()]
      const events: string[] = []
      a.onPeer((e) => events.push(`a ${e.type} ${hexOf(e.peer)}`))
      const seenByB = nextPeerEvent(b, 'connected')
      await a.connect(b.self, b.addresses())
      assert.deepEqual(await seenByB, a.self)
      await a.connect(b.self, b.addresses())
      assert.deepEqual(events, [`a connected ${hexOf(b.self)}`])
      assert.deepEqual(a.peers().map(hexOf), [hexOf(b.self)])
      assert.deepEqual(b.peers().map(hexOf), [hexOf(a.self)])
    })

    it('serves both directions over one connection', async () => {
      const [a, b] = await world.pair()
      a.handle(PROTOCOL, echo)
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const stream = await from.open(to.self, PROTOCOL)
        await stream.send(Uint8Array.of(1, 2))
        assert.deepEqual(await stream.receive(), Uint8Array.of(1, 2))
        await stream.close()
      }
    })

    it('tells both sides when one disconnects, and connects anew', async () => {
      const [a, b] = await world.pair()
      const [lostByA, lostByB] = [nextPeerEvent(a, 'lost'), nextPeerEvent(b, 'lost')]
      await a.disconnect(b.self)
      assert.deepEqual(await lostByA, b.self)
      assert.deepEqual(await lostByB, a.self)
      assert.deepEqual([a.peers(), b.peers()], [[], []])
      await rejectsWith(a.open(b.self, PROTOCOL), 'HF_PEER_UNREACHABLE')
      await a.connect(b.self, b.addresses())
      assert.equal(a.peers().length, 1)
    })

    it('tells the other side when one stops, and refuses every call after', async () => {
      const [a, b] = await world.pair()
      const lost = nextPeerEvent(a, 'lost')
      await b.stop()
      await b.stop()
      assert.deepEqual(await lost, b.self)
      assert.deepEqual(b.peers(), [])
      await rejectsWith(b.connect(a.self, a.addresses()), 'HF_CLOSED')
      await rejectsWith(b.open(a.self, PROTOCOL), 'HF_CLOSED')
    })

    it('says unreachable when nobody listens, and tries every address', async () => {
      const [a, b, gone] = [await world.started(), await world.started(), await world.started()]
      const deadAddresses = gone.addresses()
      await gone.stop()
      await rejectsWith(a.connect(gone.self, deadAddresses), 'HF_PEER_UNREACHABLE')
      await rejectsWith(a.connect(gone.self, []), 'HF_PEER_UNREACHABLE')
      await a.connect(b.self, [...deadAddresses, ...b.addresses()])
      assert.equal(a.peers().length, 1)
    })

    it('refuses an address that leads to another peer', async () => {
      const [a, b, c] = [await world.started(), await world.started(), await world.started()]
      await rejectsWith(a.connect(b.self, c.addresses()), 'HF_PEER_REFUSED', 'HF_PEER_UNREACHABLE')
      assert.deepEqual(a.peers(), [])
    })

    it('gives up when asked', async () => {
      const [a, b] = [await world.started(), await world.started()]
      await rejectsWith(a.connect(b.self, b.addresses(), { signal: AbortSignal.abort() }), 'HF_ABORTED')
      assert.deepEqual(a.peers(), [])
    })

    it('announces a peer before it serves its first stream', async () => {
      const [a, b] = [await world.create(), await world.started()]
      const order: string[] = []
      const served = new Promise<void>((resolve) => {
        a.onPeer((e) => order.push(e.type))
        a.handle(PROTOCOL, (stream) => {
          order.push('stream')
          stream.abort()
          resolve()
        })
      })
      // The other side opens a stream in the very moment that it hears of the connection.
      b.onPeer((e) => {
        if (e.type === 'connected') void b.open(e.peer, PROTOCOL).catch(() => {})
      })
      await a.start()
      await a.connect(b.self, b.addresses())
      await served
      assert.deepEqual(order, ['connected', 'stream'])
    })
  })

  describe('admission', () => {
    it('lets no stranger reach a protocol', async () => {
      const { inviter, reached, caller } = await setUp(() => 'refused')
      await rejectsWith(caller.connect(inviter.self, inviter.addresses()), 'HF_PEER_REFUSED')
      await rejectsWith(caller.open(inviter.self, PROTOCOL), 'HF_PEER_UNREACHABLE')
      assert.deepEqual(reached, [])
      assert.deepEqual([caller.peers(), inviter.peers()], [[], []])
    })

    it('does not call one whom it would refuse', async () => {
      const { inviter, reached } = await setUp(() => 'member')
      const shy = await world.started(() => 'refused')
      await rejectsWith(shy.connect(inviter.self, inviter.addresses()), 'HF_PEER_REFUSED')
      assert.deepEqual(reached, [])
    })

    it('lets the holder of a join token use the join protocol and no other', async () => {
      const { inviter, reached, caller } = await setUp(() => 'join')
      await caller.connect(inviter.self, inviter.addresses())
      const other = (async () => {
        const stream = await caller.open(inviter.self, PROTOCOL)
        await stream.send(Uint8Array.of(1))
        await stream.receive()
      })()
      await rejectsWith(other, 'HF_PEER_REFUSED', 'HF_PEER_UNREACHABLE', 'HF_PEER_PROTOCOL')
      const join = await caller.open(inviter.self, JOIN_PROTOCOL)
      await join.send(Uint8Array.of(9))
      assert.deepEqual(await join.receive(), Uint8Array.of(9))
      assert.deepEqual(reached, [JOIN_PROTOCOL], 'and it is no peer')
      assert.deepEqual(inviter.peers(), [])
    })

    it('asks again for every stream, so that a removed member gets no further', async () => {
      let admission: Admission = 'member'
      const { inviter, reached, caller } = await setUp(() => admission)
      await caller.connect(inviter.self, inviter.addresses())
      admission = 'refused'
      const use = (async () => {
        const stream = await caller.open(inviter.self, PROTOCOL)
        await stream.send(Uint8Array.of(1))
        await stream.receive()
      })()
      await rejectsWith(use, 'HF_PEER_REFUSED', 'HF_PEER_UNREACHABLE', 'HF_PEER_PROTOCOL')
      assert.deepEqual(reached, ['connected'])
    })
  })
}
