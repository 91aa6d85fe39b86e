import assert from 'node:assert/strict'
import { createSeededRandom } from '@holdfast/doubles'
import { equalBytes } from '@holdfast/ports'
import { CharterChanges, CHARTER_VOTE_METHOD } from '../../src/authority/charter-changes.ts'
import type { CallHandler } from '../../src/replication/index.ts'
import { AuthorityWorld, MeshNode, operatorKey, withCode } from './fixture.ts'

describe('changes of the charter', () => {
  let world: AuthorityWorld
  beforeEach(() => {
    world = new AuthorityWorld()
  })
  afterEach(() => world.end())

  /** Loses every answer of a voter from now on, as a machine that hangs does; what it is asked still arrives. */
  const hang = (voter: MeshNode): void => {
    for (const node of world.nodes) if (node !== voter) world.network.cut(node.id, voter.id)
  }

  it('a node is admitted by every voter, and every node ends with the same charter', async () => {
    const nodes = await world.mesh('a', 'b', 'c')
    for (const node of nodes) {
      assert.deepEqual(
        node.state
          .nodes()
          .map(({ name }) => name)
          .toSorted(),
        ['a', 'b', 'c'],
      )
      assert.equal(node.state.head().version, 3)
    }
    assert.equal(nodes[0]?.state.log().at(-1)?.votes.length, 2, 'both voters of version 2 signed version 3')
  })

  it('a voter writes down what it promised before its answer leaves; without room it makes no promise', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    b.home.failing = 'acceptor'
    const failed = a.authority.removeNode(b.id, operatorKey)
    await assert.rejects(world.settle(failed), withCode('HF_PEER_UNREACHABLE', /no majority/))
    assert.equal(a.state.head().version, 2, 'a vote that could not be kept was not counted')
    b.home.failing = undefined
    await world.settle(a.authority.removeNode(b.id, operatorKey))
    assert.equal(a.state.head().version, 3)
  })

  it('its own promise is kept no less: a proposer without room changes nothing', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    a.home.failing = 'acceptor'
    await assert.rejects(world.settle(a.authority.removeNode(b.id, operatorKey)), withCode('HF_DRIVE_FULL'))
    assert.equal(a.state.head().version, 2)
  })

  it('a version that cannot be kept is not in force here', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    const before = a.state.digest()
    a.home.failing = 'charter'
    await assert.rejects(world.settle(a.authority.removeNode(b.id, operatorKey)), withCode('HF_DRIVE_FULL'))
    assert.ok(equalBytes(a.state.digest(), before))
  })

  it('two nodes that change it at once: one after the other, and both changes hold', async () => {
    const [a, b, c] = await world.mesh('a', 'b', 'c')
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    const [d, e] = [world.newNode('d'), new MeshNode(world, 'e', 9)]
    const byA = a.authority.invite({ role: 'full', ttlMs: 60_000 })
    const byB = b.authority.invite({ role: 'full', ttlMs: 60_000 })
    await world.settle(Promise.all([world.ask(a, byA.token, d), world.ask(b, byB.token, e)]))
    await world.untilConnected()
    const names = c.state.nodes().map(({ name }) => name)
    assert.deepEqual(names.toSorted(), ['a', 'b', 'c', 'd', 'e'])
    assert.equal(c.state.head().version, 5)
  })

  it('one of three voters hangs: a majority is enough, and nobody waits for the third', async () => {
    const [a, b, c] = await world.mesh('a', 'b', 'c')
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    hang(c)
    const startMs = world.clock.monotonicMs()
    await world.settle(a.authority.removeNode(c.id, operatorKey))
    assert.ok(world.clock.monotonicMs() - startMs < 1000, `it took ${world.clock.monotonicMs() - startMs} ms`)
    assert.equal(b.state.node(c.id), undefined)
    await c.stop()
    world.network.heal()
  })

  it('no majority in reach: nothing is changed, and it says so', async () => {
    const [a, b, c] = await world.mesh('a', 'b', 'c')
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    await Promise.all([b.stop(), c.stop()])
    const failed = world.settle(a.authority.removeNode(c.id, operatorKey))
    await assert.rejects(failed, withCode('HF_PEER_UNREACHABLE', /no majority.*nothing was changed/))
    assert.equal(a.state.head().version, 3)
  })

  it('removing a node takes the operator key, and this mesh’s', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    await assert.rejects(a.authority.removeNode(b.id, undefined), withCode('HF_OPERATOR_KEY'))
    await assert.rejects(a.authority.removeNode(b.id, a.key), withCode('HF_OPERATOR_KEY', /another mesh/))
    assert.equal(a.state.head().version, 2)
  })

  describe('a voter whose record of ballots is damaged', () => {
    it('runs on, refuses to vote, and says why; the others are enough, and then it votes again', async () => {
      const [a, b, c] = await world.mesh('a', 'b', 'c')
      assert.ok(a !== undefined && b !== undefined && c !== undefined)
      await c.stop()
      c.home.writeState('acceptor', Uint8Array.of(1, 2, 3))
      await c.start()
      await world.untilConnected()
      assert.equal(c.lost.length, 1)
      await b.stop()
      const { token } = a.authority.invite({ role: 'full', ttlMs: 600_000 })
      const d = world.newNode('d')
      const failed = world.settle(world.ask(a, token, d))
      await assert.rejects(failed, withCode('HF_PEER_UNREACHABLE', /record of ballots of this voter is damaged/))
      await b.start()
      await world.untilConnected()
      await world.admit(a, token, d)
      await world.untilConnected()
      assert.equal(c.state.head().version, 4)
      await b.stop()
      await world.settle(a.authority.removeNode(d.id, operatorKey))
      assert.equal(c.state.head().version, 5, 'three of four voters with its vote: the record no longer matters')
    })

    it('alone in its mesh it goes on at once: there is nobody whom it could have told', async () => {
      const a = await world.found()
      await a.stop()
      a.home.writeState('acceptor', Uint8Array.of(7))
      await a.start()
      await world.join(a, 'b')
      assert.equal(a.state.head().version, 2)
    })
  })

  it('messages that no proposer sends are refused, and leave no promise', async () => {
    const a = await world.found()
    let handler: CallHandler | undefined
    const replication = {
      call: () => Promise.reject(new Error('asks nobody')),
      onCall: (method: string, given: CallHandler) => {
        if (method === CHARTER_VOTE_METHOD) handler = given
      },
    }
    const { keeper, key: signingKey, home } = a
    const random = createSeededRandom(1)
    const parts = { keeper, home, signingKey, replication, clock: world.clock, random, onRecordLost() {} }
    const changes = new CharterChanges(parts)
    assert.ok(changes instanceof CharterChanges)
    const writes = home.written.length
    for (const body of [new Uint8Array(), Uint8Array.of(1), Uint8Array.of(1, 9, 9, 9), new Uint8Array(100).fill(255)])
      await assert.rejects(async () => handler?.(body, a.id), withCode('HF_DECODE'))
    assert.equal(home.written.length, writes)
  })
})
