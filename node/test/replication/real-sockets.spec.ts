import assert from 'node:assert/strict'
import { createLibp2pTransport } from '@holdfast/mesh-libp2p'
import { createSeededRandom } from '@holdfast/doubles'
import { equalBytes, hexOf } from '@holdfast/ports'
import type { Admission, NodeId } from '@holdfast/ports'
import { evaluateQuorum } from '@holdfast/replication'
import { TRANSPORT_WINDOW_BYTES, requestJoin } from '../../src/replication/index.ts'
import { createSystemClock } from '../../src/system/index.ts'
import { TestNode, VOLUME, content, idOf, keyOf, member, nodeIdOf } from './fixture.ts'

const clock = createSystemClock()
const JOINER = 90

/** Resolves when it is so; looked at after every change of what the nodes hold and say. */
async function until(condition: () => boolean, what: string, limitMs = 15_000): Promise<void> {
  const endMs = clock.monotonicMs() + limitMs
  while (!condition()) {
    assert.ok(clock.monotonicMs() < endMs, `not within ${limitMs} ms: ${what}`)
    await new Promise<void>((resolve) => void clock.setTimer(10, resolve))
  }
}

describe('replication over real sockets', () => {
  let nodes: TestNode[]
  beforeEach(() => (nodes = []))
  afterEach(() => Promise.all(nodes.map((n) => n.stop())))

  const admit = (peer: NodeId): Admission =>
    nodes.some((n) => equalBytes(n.id, peer)) ? 'member' : equalBytes(peer, nodeIdOf(JOINER)) ? 'join' : 'refused'

  const start = async (count: number): Promise<[TestNode, TestNode, TestNode]> => {
    const members = Array.from({ length: count }, (_, i) => member(i + 1))
    const ports = new Map<number, string>()
    for (let n = 1; n <= count; n++) {
      const node = new TestNode(n, clock, () =>
        createLibp2pTransport({
          signingKey: keyOf(n),
          listen: [ports.get(n) ?? '127.0.0.1:0'],
          admit,
          clock,
          windowBytes: TRANSPORT_WINDOW_BYTES,
        }),
      )
      nodes.push(node)
      await node.openVolume(1, members)
    }
    for (const node of nodes) {
      await node.start()
      const [address] = node.transport.addresses()
      assert.ok(address)
      ports.set(node.n, address)
    }
    for (const node of nodes) {
      node.charter.know(
        ...nodes.filter((n) => n !== node).map((n) => ({ id: n.id, addresses: [ports.get(n.n) ?? ''] })),
      )
    }
    const [a, b] = nodes
    assert.ok(a && b)
    return [a, b, nodes[2] ?? b]
  }
  const level = (...some: TestNode[]): boolean => some.every((n) => n.equals(nodes[0] ?? n))

  it('two nodes: live commits, large chunks, quorum, a stranger, a joiner', async () => {
    const [a, b] = await start(2)
    await a.volume.commit([content(1, 1_000)])
    await until(() => level(a, b), 'a small commit')
    const large = Array.from({ length: 24 }, (_, i) => content(100 + i, 500_000))
    for (let i = 0; i < 24; i += 6) await a.volume.commit(large.slice(i, i + 6), { blocks: 3, padding: 100_000 })
    await until(() => level(a, b), '12 MB')
    for (const c of large) assert.equal(a.store.reads.filter((id) => id === hexOf(idOf(c))).length, 1)
    await until(
      () => evaluateQuorum(a.volume.members, a.replication.acks(VOLUME), a.volume.coreKey, a.length).reached,
      'quorum',
    )
    assert.ok((a.status(b)?.rttMs ?? -1) >= 0)
    assert.deepEqual(
      Buffer.from(await b.replication.fetchChunk(VOLUME, idOf(content(1, 1_000)))),
      Buffer.from(content(1, 1_000)),
    )

    const stranger = createLibp2pTransport({ signingKey: keyOf(91), listen: [], admit: () => 'member', clock })
    await stranger.start()
    await assert.rejects(stranger.connect(a.id, a.transport.addresses()), { code: 'HF_PEER_REFUSED' })
    await stranger.stop()

    a.replication.onJoin(async (identity, request) => {
      assert.deepEqual(identity, nodeIdOf(JOINER))
      return request.toReversed()
    })
    const joiner = createLibp2pTransport({ signingKey: keyOf(JOINER), listen: [], admit: () => 'member', clock })
    await joiner.start()
    const request = createSeededRandom(3).bytes(100)
    const answer = await requestJoin({
      transport: joiner,
      clock,
      inviter: a.id,
      addresses: a.transport.addresses(),
      request,
    })
    assert.deepEqual(answer, request.toReversed())
    await joiner.stop()
  })

  it('three nodes: one is away and catches up by itself, the primary goes and the others go on', async () => {
    const [a, b, c] = await start(3)
    await a.volume.commit([content(1, 300_000)])
    await until(() => level(a, b, c), 'all are level')
    await c.stop()
    await until(() => a.status(c)?.state !== 'connected', 'the loss is noticed')
    for (let i = 0; i < 10; i++) await a.volume.commit([content(10 + i, 100_000)])
    await until(() => level(a, b), 'two are level')
    const accepted = c.volume.accepted
    await a.stop()
    await c.start()
    await until(() => level(b, c), 'the third is level, without its primary')
    assert.equal(c.volume.accepted - accepted, 10)
    await a.start()
    await a.volume.commit([content(50, 10)])
    await until(() => level(a, b, c), 'all are level again')
  }).timeout(40_000)
})
