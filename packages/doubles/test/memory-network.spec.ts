import assert from 'node:assert/strict'
import { transportContract } from '@holdfast/contracts'
import { asNodeId } from '@holdfast/ports'
import type { NodeId, Transport } from '@holdfast/ports'
import { createManualClock, createMemoryNetwork, createSeededRandom } from '../src/index.ts'
import type { ManualClock, MemoryNetwork } from '../src/index.ts'
import { settle } from '../src/clock/manual-clock.ts'

const random = createSeededRandom(11)
const newId = (): NodeId => asNodeId(random.bytes(32))

describe('MemoryNetwork', () => {
  describe('contract', () => {
    let network: MemoryNetwork
    beforeEach(() => (network = createMemoryNetwork({ clock: createManualClock() })))
    transportContract({ create: async (admit) => network.transport({ self: newId(), admit }) })
  })

  describe('faults', () => {
    let clock: ManualClock
    let network: MemoryNetwork
    let a: Transport
    let b: Transport

    beforeEach(async () => {
      clock = createManualClock()
      network = createMemoryNetwork({ clock })
      a = network.transport({ self: newId(), admit: () => 'member' })
      b = network.transport({ self: newId(), admit: () => 'member' })
      b.handle('/holdfast/echo/1', (stream) => {
        void (async () => {
          for (let m = await stream.receive(); m; m = await stream.receive()) await stream.send(m)
        })().catch(() => {})
      })
      await a.start()
      await b.start()
    })
    afterEach(async () => {
      await a.stop()
      await b.stop()
      await clock.advance(60_000)
      assert.equal(clock.timerCount(), 0, 'no timer is left')
    })

    const connected = async (): Promise<void> => a.connect(b.self, b.addresses())

    it('a delay holds every message back by that much, in each direction and in order', async () => {
      await connected()
      const stream = await a.open(b.self, '/holdfast/echo/1')
      network.delay(a.self, b.self, 25)
      await stream.send(Uint8Array.of(1))
      await stream.send(Uint8Array.of(2))
      let answer: Uint8Array | undefined
      void stream.receive().then((m) => (answer = m))
      await clock.advance(49)
      assert.equal(answer, undefined)
      await clock.advance(1)
      assert.deepEqual(answer, Uint8Array.of(1))
      assert.deepEqual(await stream.receive(), Uint8Array.of(2))
    })

    it('a cut tells nobody and loses nothing; healed, what waited arrives', async () => {
      await connected()
      const stream = await a.open(b.self, '/holdfast/echo/1')
      network.cut(a.self, b.self)
      await stream.send(Uint8Array.of(1))
      let answer: Uint8Array | undefined
      void stream.receive().then((m) => (answer = m))
      await clock.advance(3_600_000)
      assert.equal(answer, undefined)
      assert.equal(a.peers().length, 1)
      network.heal()
      await settle()
      assert.deepEqual(answer, Uint8Array.of(1))
    })

    it('a dial through a cut times out', async () => {
      network.cut(a.self, b.self)
      const dialing = assert.rejects(connected(), { code: 'HF_PEER_UNREACHABLE' })
      await clock.advance(10_000)
      await dialing
      network.heal()
      await connected()
    })

    it('an opening through a cut times out', async () => {
      await connected()
      network.cut(a.self, b.self)
      const opening = assert.rejects(a.open(b.self, '/holdfast/echo/1'), { code: 'HF_TIMEOUT' })
      await clock.advance(10_000)
      await opening
      network.heal()
    })

    it('a partition cuts between groups only', async () => {
      const c = network.transport({ self: newId(), admit: () => 'member' })
      await c.start()
      await connected()
      network.partition([[a.self, b.self], [c.self]])
      const stream = await a.open(b.self, '/holdfast/echo/1')
      await stream.send(Uint8Array.of(1))
      assert.deepEqual(await stream.receive(), Uint8Array.of(1))
      const dialing = assert.rejects(c.connect(a.self, a.addresses()), { code: 'HF_PEER_UNREACHABLE' })
      await clock.advance(10_000)
      await dialing
      await c.stop()
    })

    it('a reset is noticed at once by both, and the next dial works', async () => {
      await connected()
      const lost: string[] = []
      a.onPeer((e) => lost.push(`a ${e.type}`))
      b.onPeer((e) => lost.push(`b ${e.type}`))
      network.reset(a.self, b.self)
      assert.deepEqual(lost.toSorted(), ['a lost', 'b lost'])
      await connected()
    })

    it('a crash breaks every connection and frees the address', async () => {
      await connected()
      network.crash(b.self)
      assert.deepEqual(a.peers(), [])
      await assert.rejects(connected(), { code: 'HF_PEER_UNREACHABLE' })
    })
  })
})
