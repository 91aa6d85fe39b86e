import assert from 'node:assert/strict'
import { SET_ASIDE, VIOLATIONS_MAX } from '@holdfast/replication'
import { createManualClock } from '@holdfast/doubles'
import type { ManualClock } from '@holdfast/doubles'
import { HoldfastError } from '@holdfast/ports'
import type { NodeId, Transport } from '@holdfast/ports'
import { PeerTable } from '../../src/replication/peer-table.ts'
import { DIALS_MAX, Peers } from '../../src/replication/peers.ts'
import { TestCharter, nodeIdOf } from './fixture.ts'

const log = { debug() {}, info() {}, warn() {} }

/** A transport that only dials, as told. */
class Dials {
  readonly at: number[] = []
  open = 0
  openMax = 0
  readonly #clock: ManualClock
  readonly #listeners = new Set<(event: { type: 'connected' | 'lost'; peer: NodeId }) => void>()
  outcome: 'refused' | 'connected' | 'hangs' = 'refused'
  readonly disconnected: NodeId[] = []

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  get transport(): Transport {
    return {
      peers: () => [],
      onPeer: (listener: (event: { type: 'connected' | 'lost'; peer: NodeId }) => void) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
      connect: (peer: NodeId, _addresses: readonly string[], { signal }: { signal: AbortSignal }) =>
        this.#connect(peer, signal),
      disconnect: async (peer: NodeId) => void this.disconnected.push(peer),
    } as unknown as Transport
  }

  emit(type: 'connected' | 'lost', peer: NodeId): void {
    for (const listener of this.#listeners) listener({ type, peer })
  }

  async #connect(peer: NodeId, signal: AbortSignal): Promise<void> {
    this.at.push(this.#clock.monotonicMs())
    this.openMax = Math.max(this.openMax, ++this.open)
    try {
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(new HoldfastError('HF_ABORTED', 'aborted')))
        if (this.outcome === 'refused') reject(new HoldfastError('HF_PEER_UNREACHABLE', 'nobody'))
        if (this.outcome === 'connected') {
          this.emit('connected', peer)
          resolve()
        }
      })
    } finally {
      this.open--
    }
  }
}

describe('Peers', () => {
  const peer = nodeIdOf(2)
  let clock: ManualClock
  let dials: Dials
  let charter: TestCharter
  let table: PeerTable
  let peers: Peers
  let events: string[]

  beforeEach(() => {
    clock = createManualClock()
    dials = new Dials(clock)
    charter = new TestCharter()
    charter.known = [{ id: peer, addresses: ['there'] }]
    table = new PeerTable(clock, log, (record, ms) => peers.setAside(record, ms))
    events = []
    peers = new Peers({
      transport: dials.transport,
      clock,
      random: { bytes: (n) => new Uint8Array(n), fraction: () => 1 },
      log,
      charter,
      table,
      onConnected: () => events.push('connected'),
      onLost: () => events.push('lost'),
      onRemoved: () => events.push('removed'),
    })
  })
  afterEach(async () => {
    await peers.stop()
    assert.equal(clock.timerCount(), 0)
  })

  it('dials at once, then for ever with a back-off of 1 s to 30 s', async () => {
    peers.start()
    await clock.advance(150_000)
    const waits = dials.at.slice(1).map((at, i) => at - (dials.at[i] ?? 0))
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
    const [status] = table.status()
    assert.equal(status?.failures, 9)
    assert.equal(status?.lastError?.code, 'HF_PEER_UNREACHABLE')
    assert.equal(status?.nextDialAtMs, clock.nowMs() + 1_000)
  })

  it('a connection that carried verified data is redialled at once, then with the back-off', async () => {
    peers.start()
    dials.outcome = 'connected'
    await clock.advance(1_000)
    assert.deepEqual(events, ['connected'])
    table.of(peer).verified = true
    dials.outcome = 'refused'
    dials.at.length = 0
    const lostMs = clock.monotonicMs()
    dials.emit('lost', peer)
    await clock.advance(4_000)
    assert.deepEqual(
      dials.at.map((at) => at - lostMs),
      [0, 1_000, 3_000],
    )
  })

  it('a connection that carried none is not redialled at once', async () => {
    peers.start()
    dials.outcome = 'connected'
    await clock.advance(1_000)
    dials.at.length = 0
    dials.emit('lost', peer)
    await clock.advance(999)
    assert.deepEqual(dials.at, [])
    await clock.advance(1)
    assert.equal(dials.at.length, 1)
    assert.deepEqual(events, ['connected', 'lost', 'connected'])
  })

  it('a connection that was ended for breaking the protocol is not redialled at once, whatever else it carried', async () => {
    peers.start()
    dials.outcome = 'connected'
    await clock.advance(1_000)
    table.of(peer).verified = true
    table.blame(peer, 'protocol', 'test')
    dials.at.length = 0
    dials.emit('lost', peer)
    await clock.advance(999)
    assert.deepEqual(dials.at, [])
    await clock.advance(1)
    assert.equal(dials.at.length, 1)
  })

  it('a peer that keeps breaking the protocol is set aside: disconnected, not dialled, and tried again later', async () => {
    peers.start()
    dials.outcome = 'connected'
    await clock.advance(1_000)
    for (let i = 0; i < VIOLATIONS_MAX; i++) table.blame(peer, 'protocol', 'test')
    await clock.advance(0)
    assert.deepEqual(dials.disconnected, [peer])
    dials.at.length = 0
    dials.emit('lost', peer)
    dials.emit('connected', peer)
    charter.know({ id: peer, addresses: ['elsewhere'] })
    await clock.advance(SET_ASIDE.firstMs - 1)
    const [status] = table.status()
    assert.deepEqual([status?.state, dials.at], ['set-aside', []])
    assert.equal(status?.setAsideUntilMs, clock.nowMs() + 1)
    await clock.advance(1)
    assert.equal(dials.at.length, 1)
    assert.equal(table.status()[0]?.setAsideUntilMs, undefined)
  })

  it('dials so many at a time, and all of them', async () => {
    charter.known = Array.from({ length: 30 }, (_, i) => ({ id: nodeIdOf(i + 2), addresses: ['there'] }))
    peers.start()
    await clock.advance(0)
    assert.equal(dials.at.length, 30)
    assert.ok(dials.openMax <= DIALS_MAX)
    dials.outcome = 'hangs'
    await clock.advance(2_000)
    assert.equal(dials.open, DIALS_MAX)
  })

  it('a peer without an address waits for one, or for the peer', async () => {
    charter.known = [{ id: peer, addresses: [] }]
    peers.start()
    await clock.advance(60_000)
    assert.deepEqual(dials.at, [])
    dials.outcome = 'connected'
    charter.know({ id: peer, addresses: ['there'] })
    await clock.advance(0)
    assert.deepEqual(events, ['connected'])
  })

  it('a peer that left the charter is disconnected and not dialled any more', async () => {
    peers.start()
    dials.outcome = 'connected'
    await clock.advance(1_000)
    charter.know()
    await clock.advance(60_000)
    assert.deepEqual(dials.disconnected, [peer])
    assert.deepEqual(events, ['connected', 'removed'])
    assert.equal(dials.at.length, 2)
    assert.deepEqual(table.status(), [])
  })

  it('gives up a dial under way when it stops', async () => {
    dials.outcome = 'hangs'
    peers.start()
    await clock.advance(0)
    assert.equal(dials.open, 1)
    await peers.stop()
    assert.equal(dials.open, 0)
  })
})
