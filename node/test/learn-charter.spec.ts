import assert from 'node:assert/strict'
import { foundCharter } from '@holdfast/charter'
import { equalBytes } from '@holdfast/ports'
import type { Identity } from '../src/home/index.ts'
import { takeCharter } from '../src/learn-charter.ts'
import { RECEIVE_CHARTER_TIMEOUT_MS } from '../src/replication/receive-charter.ts'
import { receiveCharter } from '../src/replication/index.ts'
import { AuthorityWorld, MESH, MeshNode, operatorKey, withCode, type MapHome } from './authority/fixture.ts'

describe('a home that learns the charter from one node', () => {
  let world: AuthorityWorld
  beforeEach(() => {
    world = new AuthorityWorld()
  })
  afterEach(() => world.end())

  /** The home as `openHome` gives it. */
  const homeOf = (node: MeshNode, trusted = world.anchor) => {
    const identity = { mesh: MESH, trustedCharterHash: trusted } as Partial<Identity> as Identity
    const { home }: { home: MapHome } = node
    return {
      signingKey: node.key,
      identity,
      readState: (name: string) => home.readState(name),
      writeState: (name: string, bytes: Uint8Array) => home.writeState(name, bytes),
    }
  }
  const receive = async (self: MeshNode, from: MeshNode, address = from.name): Promise<Uint8Array> => {
    const transport = world.network.transport({
      self: self.id,
      admit: (peer) => (equalBytes(peer, from.id) ? 'member' : 'refused'),
    })
    await transport.start()
    try {
      const { clock } = world
      return await world.settle(receiveCharter({ transport, clock, peer: from.id, addresses: [address] }))
    } finally {
      await transport.stop()
    }
  }
  /** A mesh of three whose first node is stopped and as it was before anybody joined. */
  const rolledBack = async (): Promise<[MeshNode, MeshNode, MeshNode]> => {
    const a = await world.found()
    const bring = a.home.copy()
    const [b, c] = [await world.join(a, 'b'), await world.join(a, 'c')]
    await world.untilConnected()
    await a.stop()
    bring()
    return [a, b, c]
  }

  it('from before anybody joined: it asks as itself, knows everybody again, and is let in', async () => {
    const [a, b, c] = await rolledBack()
    const { before, state } = takeCharter(homeOf(a), await receive(a, b))
    assert.ok(before !== undefined && !equalBytes(before, state.digest()))
    await a.start()
    await world.untilConnected()
    assert.ok(a.isConnectedTo(b) && a.isConnectedTo(c) && c.isConnectedTo(a))
  })

  it('a charter that is damaged or missing is replaced', async () => {
    for (const damaged of [Uint8Array.of(1, 2, 3), new Uint8Array()]) {
      const [a, b] = await rolledBack()
      a.home.writeState('charter', damaged)
      assert.equal(takeCharter(homeOf(a), await receive(a, b)).before, undefined)
      await a.start()
      await world.untilConnected()
      await world.end()
      world = new AuthorityWorld()
    }
  })

  it('nothing new is no change, and nothing is written', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    await a.stop()
    const writes = a.home.written.length
    const { before, state } = takeCharter(homeOf(a), b.keeper.bundle())
    assert.ok(before !== undefined && equalBytes(before, state.digest()))
    assert.equal(a.home.written.length, writes)
  })

  it('what does not continue what it trusts is refused, and the home stays as it is', async () => {
    const [a] = await rolledBack()
    const stranger = foundCharter({
      mesh: MESH,
      name: 'forged',
      node: { id: a.id, name: 'a', region: 'r', role: 'full' },
      nodeKey: a.key,
      operatorKey: a.key,
      timeMs: 1,
    })
    assert.throws(() => takeCharter(homeOf(a), stranger.encodeBundle()), withCode('HF_CHARTER_REFUSED'))
    assert.throws(() => takeCharter(homeOf(a), new Uint8Array(5000).fill(255)), withCode('HF_DECODE'))
    a.home.writeState('charter', Uint8Array.of(1))
    assert.throws(() => takeCharter(homeOf(a), stranger.encodeBundle()), withCode('HF_CHARTER_REFUSED', /descend/))
    assert.deepEqual(a.home.readState('charter'), Uint8Array.of(1))
  })

  it('a node that was removed is told so', async () => {
    const [a, b] = await rolledBack()
    await world.settle(b.authority.removeNode(a.id, operatorKey))
    assert.throws(() => takeCharter(homeOf(a), b.keeper.bundle()), withCode('HF_CHARTER_REFUSED', /removed/))
    await assert.rejects(receive(a, b), withCode('HF_PEER_REFUSED'))
  })

  it('nobody there, or one that says nothing: an error in bounded time', async () => {
    const [a, b] = await rolledBack()
    await assert.rejects(receive(a, b, 'nowhere'), withCode('HF_PEER_UNREACHABLE'))
    const silent = new MeshNode(world, 'silent', 70)
    const transport = world.network.transport({ self: silent.id, address: 'silent', admit: () => 'member' })
    await transport.start()
    const startMs = world.clock.monotonicMs()
    await assert.rejects(receive(a, silent), withCode('HF_TIMEOUT'))
    assert.ok(world.clock.monotonicMs() - startMs <= RECEIVE_CHARTER_TIMEOUT_MS + 1000)
    await transport.stop()
  })
})
