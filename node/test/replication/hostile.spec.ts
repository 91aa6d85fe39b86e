import assert from 'node:assert/strict'
import { asVolumeId, equalBytes, hasCode } from '@holdfast/ports'
import type { MessageStream, Transport } from '@holdfast/ports'
import {
  CALLS_PER_PEER_MAX,
  CALL_PROTOCOL,
  CHARTER_PROTOCOL,
  CHUNKS_PROTOCOL,
  CONTROL_PROTOCOL,
  JOURNAL_PROTOCOL,
  SET_ASIDE,
  VIOLATIONS_MAX,
  decodeCall,
  encodeCall,
  encodeControl,
  encodeFrameMessage,
  encodeJournalAnswer,
  encodeJournalRequest,
} from '@holdfast/replication'
import { CHARTER_REFUSED_MS } from '../../src/replication/charter-exchange.ts'
import { MemoryWorld, TestNode, VOLUME, content, member, nodeIdOf } from './fixture.ts'

const PROTOCOLS = [CONTROL_PROTOCOL, CHARTER_PROTOCOL, JOURNAL_PROTOCOL, CHUNKS_PROTOCOL, CALL_PROTOCOL]
const garbage = Uint8Array.of(255, 1, 2, 3)

describe('hostile members', () => {
  let world: MemoryWorld
  let a: TestNode
  let b: TestNode
  let rogue: Transport
  /** What honest nodes open to the rogue, by protocol. */
  let onStream: Map<string, (stream: MessageStream) => void>

  /** Nodes 1 and 2, and a member that speaks the protocols as it likes. */
  beforeEach(async () => {
    world = new MemoryWorld()
    const [first, second, third] = await world.create(3)
    assert.ok(first && second && third)
    a = first
    b = second
    await third.stop()
    world.nodes.pop()
    onStream = new Map()
    rogue = world.network.transport({ self: nodeIdOf(3), admit: () => 'member', address: 'node-3' })
    for (const protocol of PROTOCOLS) rogue.handle(protocol, (stream) => onStream.get(protocol)?.(stream))
    await rogue.start()
  })
  afterEach(async () => {
    await rogue.stop()
    await world.end()
  })

  /** A stream from the rogue to node 1. */
  const open = async (protocol: string): Promise<MessageStream> => {
    const connecting = rogue.connect(a.id, ['node-1'])
    await world.clock.advance(100)
    await connecting
    const opening = rogue.open(a.id, protocol)
    await world.clock.advance(100)
    return opening
  }
  const statusAt = (node: TestNode) => node.replication.peers().find((p) => equalBytes(p.peer, rogue.self))
  /** Others go on. */
  const othersGoOn = async (): Promise<void> => {
    await a.volume.commit([content(a.length, 2_000)])
    await world.until(() => b.equals(a), 'the honest member gets the commit')
  }
  /** Sends until it is held back; how many went out. */
  const sendUntilHeld = async (stream: MessageStream, message: (i: number) => Uint8Array, max: number) => {
    let sent = 0
    const sending = (async () => {
      for (; sent < max; sent++) await stream.send(message(sent))
    })().catch(() => {})
    for (let before = -1; before < sent;) {
      before = sent
      await world.clock.advance(200)
    }
    return { sent, sending }
  }

  for (const protocol of PROTOCOLS.filter((p) => p !== CHARTER_PROTOCOL)) {
    it(`garbage on ${protocol} is blamed, and after ${VIOLATIONS_MAX} times its sender is set aside`, async () => {
      for (let i = 0; i < VIOLATIONS_MAX; i++) {
        const stream = await open(protocol)
        await stream.send(garbage)
        await world.until(() => (statusAt(a)?.blamedFor.protocol ?? 0) > i, 'blamed')
      }
      assert.equal(statusAt(a)?.state, 'set-aside')
      await world.until(() => !a.transport.peers().some((p) => equalBytes(p, rogue.self)), 'disconnected')
      const refused = rogue.connect(a.id, ['node-1']).then(
        () => undefined,
        (error: unknown) => error,
      )
      await world.clock.advance(100)
      assert.ok(hasCode(await refused, 'HF_PEER_REFUSED'))
      await othersGoOn()
      await world.until(() => statusAt(a)?.state === 'connected', 'it is tried again', SET_ASIDE.firstMs + 5_000)
    })
  }

  it('a stranger to the volume has no say about it', async () => {
    const members = [member(1), member(2)]
    for (const node of [a, b]) {
      node.volume.members = members
      node.registry.set()
      node.registry.set(node.volume)
    }
    const told: number[] = []
    a.replication.onHead((head) => told.push(head.epoch))
    const stream = await open(CONTROL_PROTOCOL)
    const head = { volume: VOLUME, epoch: 99, coreKey: a.volume.coreKey, length: 1_000, treeHash: new Uint8Array(32) }
    await stream.send(encodeControl({ type: 'heads', heads: [head] }))
    await world.clock.advance(1_000)
    assert.ok(!told.includes(99))
    assert.ok(!a.replication.heads(VOLUME).some((h) => h.epoch === 99))
    await othersGoOn()
  })

  it('one that asks for journals and reads nothing is read no more, and holds one pump', async () => {
    for (let i = 0; i < 12; i++) await a.volume.commit([], { padding: 300_000 })
    await world.until(() => b.equals(a), 'level')
    const before = a.store.frameReads
    const stream = await open(JOURNAL_PROTOCOL)
    const { coreKey } = a.volume
    const { sent } = await sendUntilHeld(
      stream,
      (i) => encodeJournalRequest({ type: 'subscribe', volume: VOLUME, subscription: i, coreKey, from: 0 }),
      20_000,
    )
    assert.ok(sent < 20_000, `${sent} requests were taken`)
    assert.ok(a.store.frameReads - before < 10, `${a.store.frameReads - before} readings were begun`)
    await othersGoOn()
  })

  it('one that asks for unknown volumes and reads nothing is read no more', async () => {
    const stream = await open(JOURNAL_PROTOCOL)
    const { sent } = await sendUntilHeld(
      stream,
      (subscription) => {
        const volume = asVolumeId(new Uint8Array(16).fill(1 + (subscription % 200)))
        return encodeJournalRequest({ type: 'subscribe', volume, subscription, coreKey: a.volume.coreKey, from: 0 })
      },
      40_000,
    )
    assert.ok(sent < 40_000, `${sent} requests were taken`)
    await othersGoOn()
  })

  it('frames that it was not asked for harm nobody: the source is neither blamed nor left', async () => {
    // Node 2 follows node 1 by its first subscription.
    await world.until(() => a.replication.heads(VOLUME).length > 0, 'streams are open')
    onStream.set(JOURNAL_PROTOCOL, (stream) => {
      const frame = { coreKey: a.volume.coreKey, start: 7, blocks: [Uint8Array.of(1)], signature: new Uint8Array(64) }
      for (const subscription of [1, 2, 3]) {
        const bytes = encodeFrameMessage({ volume: VOLUME, subscription, frame, chunks: [] })
        void stream.send(encodeJournalAnswer({ type: 'frame-part', last: true, bytes })).catch(() => {})
      }
    })
    await world.until(() => statusAt(b)?.state === 'connected', 'node 2 is connected to it')
    await world.clock.advance(2_000)
    assert.equal(b.status(a)?.blamed, 0)
    await a.volume.commit([content(1, 100)])
    await world.until(() => b.equals(a), 'the next commit comes at once', 1_000)
  })

  it('a frame of parts without end or content is refused', async () => {
    onStream.set(JOURNAL_PROTOCOL, (stream) => {
      const part = encodeJournalAnswer({ type: 'frame-part', last: false, bytes: new Uint8Array(0) })
      void (async () => {
        for (;;) await stream.send(part)
      })().catch(() => {})
    })
    await world.until(() => (statusAt(b)?.blamedFor.protocol ?? 0) > 0, 'blamed')
    await othersGoOn()
  })

  it('one that does not know a protocol is no offender: it may be of another version', async () => {
    const other = world.network.transport({ self: nodeIdOf(4), admit: () => 'member', address: 'node-4' })
    await other.start()
    a.charter.know(...a.charter.known, { id: other.self, addresses: ['node-4'] })
    const seen = () => a.replication.peers().find((p) => equalBytes(p.peer, other.self))
    await world.until(() => seen()?.state === 'connected', 'connected')
    await world.clock.advance(5_000)
    assert.equal(seen()?.blamed, 0)
    await other.stop()
    a.charter.know(...a.charter.known.slice(0, -1))
    await world.clock.advance(100)
  })

  it('a second stream of a protocol takes the place of the first', async () => {
    const first = await open(CONTROL_PROTOCOL)
    const over = first.receive().then(
      () => 'ended',
      () => 'broken',
    )
    const second = await open(CONTROL_PROTOCOL)
    assert.equal(await over, 'broken')
    await second.send(
      encodeControl({ type: 'heartbeat', sequence: 5, intervalMs: 500, charterDigest: new Uint8Array(32) }),
    )
    const answer = second.receive()
    await world.clock.advance(100)
    assert.ok(await answer)
  })

  it('calls that never end count against their peer even when their stream is gone', async () => {
    let running = 0
    a.replication.onCall('hang', () => {
      running++
      return new Promise(() => {})
    })
    a.replication.onCall('echo', (body) => Promise.resolve(body))
    const request = (id: number, method: string) =>
      encodeCall({ type: 'request', id, method, body: new Uint8Array(10) })
    for (let round = 0; round < 3; round++) {
      const stream = await open(CALL_PROTOCOL)
      for (let id = 0; id < CALLS_PER_PEER_MAX; id++) await stream.send(request(id, 'hang'))
      await world.clock.advance(100)
      stream.abort()
      await world.clock.advance(100)
    }
    assert.equal(running, CALLS_PER_PEER_MAX)
    const stream = await open(CALL_PROTOCOL)
    await stream.send(request(1, 'echo'))
    const receiving = stream.receive()
    await world.clock.advance(100)
    const answer = decodeCall((await receiving) ?? new Uint8Array(0))
    assert.ok(answer.type === 'failure' && answer.code === 'HF_BUSY')
    const echoed = b.replication.call(a.id, 'echo', Uint8Array.of(1))
    await world.clock.advance(2_000)
    assert.deepEqual(await echoed, Uint8Array.of(1), 'others are answered')
  })

  it('one that calls and reads no answer is read no more', async () => {
    a.replication.onCall('echo', (body) => Promise.resolve(body))
    const stream = await open(CALL_PROTOCOL)
    const call = (id: number): Uint8Array =>
      encodeCall({ type: 'request', id, method: 'echo', body: new Uint8Array(1_000) })
    const { sent } = await sendUntilHeld(stream, call, 20_000)
    assert.ok(sent < 20_000, `${sent} calls were taken`)
    await othersGoOn()
  })

  it('a peer that reads no call collects none: what its caller gives up is not kept', async () => {
    const streams: MessageStream[] = []
    onStream.set(CALL_PROTOCOL, (stream) => streams.push(stream))
    await world.until(() => statusAt(a)?.state === 'connected', 'connected')
    const calls = [1, 2, 3].map((n) =>
      a.replication
        .call(rogue.self, 'any', new Uint8Array(3_000_000).fill(n), { timeoutMs: 5_000 })
        .catch((error: unknown) => error),
    )
    await world.clock.advance(8_000)
    for (const outcome of await Promise.all(calls)) assert.ok(hasCode(outcome, 'HF_TIMEOUT'), String(outcome))
    let received = 0
    for (const stream of streams) {
      void (async () => {
        while (await stream.receive()) received++
      })().catch(() => {})
    }
    await world.clock.advance(1_000)
    assert.ok(received < calls.length, 'what was not sent when its caller gave up is not sent')
  })

  it('refused charters cost one check a second', async () => {
    const before = a.charter.merges
    const stream = await open(CHARTER_PROTOCOL)
    const forged = new TextEncoder().encode('forged')
    for (let i = 0; i < 50; i++) await stream.send(forged)
    await world.clock.advance(10 * CHARTER_REFUSED_MS)
    assert.ok(a.charter.merges - before <= 12, `${a.charter.merges - before} merges`)
    assert.ok((statusAt(a)?.blamedFor.charter ?? 0) >= 5)
    assert.equal(statusAt(a)?.state, 'connected', 'an old charter is no reason to lose a member')
  })
})
