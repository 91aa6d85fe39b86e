import assert from 'node:assert/strict'
import { CharterState, foundCharter } from '@holdfast/charter'
import { shortId } from '@holdfast/ports'
import { AuthorityWorld, keyOf, MeshNode, operatorKey, withCode } from './fixture.ts'

describe('the charter of a node', () => {
  let world: AuthorityWorld
  beforeEach(() => {
    world = new AuthorityWorld()
  })
  afterEach(() => world.end())

  it('is durable before anybody is told of a change', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    const seen: (string | undefined)[] = []
    b.keeper.onChange(() => {
      const kept = CharterState.open(b.home.readState('charter') ?? new Uint8Array(), {
        mesh: b.state.mesh().id,
        charterHash: world.anchor,
      })
      seen.push(kept.volumes()[0]?.name)
    })
    await world.settle(a.authority.protect({ name: 'data', directory: '/data', copies: 1, members: [] }))
    await world.until(() => seen.length > 0, 'the volume arrives')
    assert.deepEqual(new Set(seen), new Set(['data']))
  })

  it('a merge that cannot be kept changes nothing, tells nobody, and is made up for later', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    let told = 0
    b.keeper.onChange(() => told++)
    b.home.failing = 'charter'
    await world.settle(a.authority.protect({ name: 'data', directory: '/data', copies: 1, members: [] }))
    await world.clock.advance(1000)
    assert.deepEqual([b.state.volumes().length, told], [0, 0])
    b.home.failing = undefined
    await world.untilConnected()
    assert.equal(b.state.volumes().length, 1, 'the digests differed, so the charter was sent again')
  })

  it('what is known already is no change: nothing is written, nobody is told', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    const writes = b.home.written.length
    b.keeper.onChange(() => assert.fail('nothing changed'))
    assert.equal(await b.keeper.merge(a.keeper.bundle()), false)
    assert.equal(b.home.written.length, writes)
  })

  it('garbage and the charter of another mesh are refused, and nothing is written', async () => {
    const a = await world.found()
    const other = foundCharter({
      mesh: a.state.mesh().id,
      name: 'forged',
      node: { id: a.id, name: 'a', region: 'r', role: 'full' },
      nodeKey: keyOf(1),
      operatorKey: keyOf(77),
      timeMs: 5,
    })
    const writes = a.home.written.length
    await assert.rejects(a.keeper.merge(other.encodeBundle()), withCode('HF_CHARTER_REFUSED'))
    await assert.rejects(a.keeper.merge(Uint8Array.of(1, 2, 3)), withCode('HF_DECODE'))
    assert.equal(a.home.written.length, writes)
  })

  it('names nodes that are and were in the mesh, and shortens the ids of others', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    await world.settle(a.authority.removeNode(b.id, operatorKey))
    assert.deepEqual([a.keeper.nameOf(b.id), a.keeper.isNode(b.id)], ['b', false])
    assert.equal(a.keeper.nameOf(keyOf(99).publicKey), shortId(keyOf(99).publicKey))
  })

  describe('of a home that was brought back from an older copy', () => {
    it('lacks a member that joined since: learnt from the one it knows, and nobody stays locked out', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      const bring = a.home.copy()
      const c = await world.join(a, 'c')
      await world.untilConnected()
      await a.stop()
      bring()
      await a.start()
      assert.equal(a.state.node(c.id), undefined, 'the copy does not know c, and refuses it')
      await world.untilConnected()
      assert.equal(a.state.node(c.id)?.name, 'c')
      assert.ok(c.isConnectedTo(a))
      const { token } = a.authority.invite({ role: 'full', ttlMs: 60_000 })
      await world.settle(world.ask(a, token, world.newNode('d')))
      assert.equal(b.state.head().version, 4, 'and it takes part in the next change')
    })

    it('forgot a token that was used: the same token lets nobody else in', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      const { token } = a.authority.invite({ role: 'full', ttlMs: 600_000 })
      const bring = a.home.copy()
      await world.settle(world.ask(a, token, world.newNode('c')))
      await a.stop()
      bring()
      await a.start()
      await world.untilConnected()
      const thief = new MeshNode(world, 'x', 50)
      await assert.rejects(world.settle(world.ask(a, token, thief)), withCode('HF_BAD_TOKEN', /used/))
      assert.deepEqual(
        b.state
          .nodes()
          .map(({ name }) => name)
          .toSorted(),
        ['a', 'b', 'c'],
      )
    })

    it('knows nobody: it refuses everybody until a person brings it the charter', async () => {
      const a = await world.found()
      const bring = a.home.copy()
      const b = await world.join(a, 'b')
      await world.untilConnected()
      await a.stop()
      bring()
      await a.start()
      await world.clock.advance(60_000)
      assert.equal(b.isConnectedTo(a), false)
      await a.keeper.merge(b.keeper.bundle())
      await world.untilConnected()
      assert.ok(b.isConnectedTo(a))
    })
  })
})
