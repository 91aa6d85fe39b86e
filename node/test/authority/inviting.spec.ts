import assert from 'node:assert/strict'
import { decodeJoinToken, INVITATIONS_MAX } from '@holdfast/charter'
import { signingKeyFromSeed } from '@holdfast/keys'
import { asNodeId, equalBytes } from '@holdfast/ports'
import { AuthorityWorld, MeshNode, withCode } from './fixture.ts'

const HOUR_MS = 3_600_000
const oneHour = { role: 'full', ttlMs: HOUR_MS } as const

describe('inviting and joining', () => {
  let world: AuthorityWorld
  beforeEach(() => {
    world = new AuthorityWorld()
  })
  afterEach(() => world.end())

  const identityOf = (token: string) =>
    asNodeId(signingKeyFromSeed(Uint8Array.from(decodeJoinToken(token).seed)).publicKey)

  it('a token names mesh, inviter, address, role and end; its invitation is durable when it is given out', async () => {
    const a = await world.found()
    const { token, expiresAtMs } = a.authority.invite({ role: 'blind', region: 'mars', ttlMs: HOUR_MS })
    const { inviter, addresses, role, region, mesh } = decodeJoinToken(token)
    assert.ok(equalBytes(inviter, a.id) && equalBytes(mesh, a.state.mesh().id))
    assert.deepEqual([addresses, role, region], [['a'], 'blind', 'mars'])
    assert.equal(expiresAtMs, world.clock.nowMs() + HOUR_MS)
    await a.stop()
    await a.start()
    await world.admit(a, token, world.newNode('b'))
    const admitted = a.state.nodes().find(({ name }) => name === 'b')
    assert.deepEqual([admitted?.role, admitted?.region], ['blind', 'mars'], 'the token overrules the joiner')
  })

  it('without room no token is given out', async () => {
    const a = await world.found()
    a.home.failing = 'charter'
    assert.throws(() => a.authority.invite(oneHour), withCode('HF_DRIVE_FULL'))
    assert.equal(a.state.invitationsOf(a.id).length, 0)
  })

  it('a token lets one node in; another one with it is refused, also when both ask at once', async () => {
    const a = await world.found()
    const { token } = a.authority.invite(oneHour)
    const [b, thief] = [world.newNode('b'), new MeshNode(world, 'thief', 50)]
    const both = await world.settle(Promise.allSettled([world.ask(a, token, b), world.ask(a, token, thief)]))
    assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
    assert.equal(a.state.nodes().length, 2)
    const loser = both[0]?.status === 'fulfilled' ? thief : b
    await assert.rejects(world.settle(world.ask(a, token, loser)), withCode('HF_BAD_TOKEN', /used/))
    assert.equal(a.state.nodes().length, 2)
  })

  it('the use is durable before the node is let in: a crash in between, and only that node may ask again', async () => {
    const a = await world.found()
    const { token } = a.authority.invite(oneHour)
    const b = world.newNode('b')
    a.home.failing = 'acceptor'
    await assert.rejects(world.settle(world.ask(a, token, b)), withCode('HF_DRIVE_FULL'))
    assert.equal(a.state.node(b.id), undefined)
    await a.stop()
    a.home.failing = undefined
    await a.start()
    const thief = new MeshNode(world, 'thief', 50)
    await assert.rejects(world.settle(world.ask(a, token, thief)), withCode('HF_BAD_TOKEN', /used/))
    await world.admit(a, token, b)
    assert.equal(a.state.node(b.id)?.name, 'b')
  })

  it('a use that cannot be kept lets nobody in', async () => {
    const a = await world.found()
    const { token } = a.authority.invite(oneHour)
    a.home.failing = 'charter'
    await assert.rejects(world.settle(world.ask(a, token, world.newNode('b'))), withCode('HF_DRIVE_FULL'))
    assert.equal(a.state.invitationsOf(a.id)[0]?.usedBy, undefined)
    assert.equal(a.state.nodes().length, 1)
  })

  it('the same node asking again is answered alike, after the token’s time too, and after the inviter’s restart', async () => {
    const a = await world.found()
    const { token } = a.authority.invite(oneHour)
    const b = world.newNode('b')
    await world.settle(world.ask(a, token, b))
    await world.clock.advance(HOUR_MS)
    await a.stop()
    await a.start()
    await world.admit(a, token, b)
    assert.equal(a.state.head().version, 2, 'one version, however often it asked')
  })

  it('a token expires by the inviter’s clock; its identity is not let in at all then', async () => {
    const a = await world.found()
    const { token } = a.authority.invite({ role: 'full', ttlMs: 60_000 })
    assert.ok(a.authority.isInvited(identityOf(token)))
    world.clock.stepWall(60_000)
    assert.equal(a.authority.isInvited(identityOf(token)), false)
    await assert.rejects(world.settle(world.ask(a, token, world.newNode('b'))), withCode('HF_PEER_REFUSED'))
  })

  it('the holder of a token reaches the join protocol and no other; a stranger reaches none', async () => {
    const a = await world.found()
    const { token } = a.authority.invite(oneHour)
    const dial = async (self: ReturnType<typeof identityOf>, protocol: string): Promise<void> => {
      const transport = world.network.transport({ self, admit: () => 'member' })
      await transport.start()
      try {
        await transport.connect(a.id, ['a'])
        await transport.open(a.id, protocol)
      } finally {
        await transport.stop()
      }
    }
    await dial(identityOf(token), '/holdfast/join/1')
    for (const protocol of ['charter', 'control', 'call', 'journal', 'chunks'])
      await assert.rejects(dial(identityOf(token), `/holdfast/${protocol}/1`), withCode('HF_PEER_REFUSED'))
    const stranger = new MeshNode(world, 'stranger', 60)
    for (const protocol of ['join', 'charter', 'call'])
      await assert.rejects(dial(stranger.id, `/holdfast/${protocol}/1`), withCode('HF_PEER_REFUSED'))
  })

  it('no address to give out: no token, and what to do', async () => {
    const a = await world.found()
    await a.transport.stop()
    assert.throws(() => a.authority.invite(oneHour), withCode('HF_POLICY', /no address/))
  })

  it('a name that is taken gets a number', async () => {
    const [, b] = await world.mesh('a', 'b')
    assert.ok(b !== undefined)
    const { token } = b.authority.invite(oneHour)
    await world.settle(world.ask(b, token, new MeshNode(world, 'a', 40)))
    assert.deepEqual(
      b.state
        .nodes()
        .map(({ name }) => name)
        .toSorted(),
      ['a', 'a-2', 'b'],
    )
  })

  it('open invitations are bounded; those that let a node in make room', async () => {
    const a = await world.found()
    const first = a.authority.invite({ role: 'full', ttlMs: 24 * HOUR_MS }).token
    for (let count = 1; count < INVITATIONS_MAX; count++) a.authority.invite({ role: 'full', ttlMs: 24 * HOUR_MS })
    assert.throws(() => a.authority.invite(oneHour), withCode('HF_BUSY', /open invitations/))
    await world.settle(world.ask(a, first, world.newNode('b')))
    a.authority.invite(oneHour)
  })
})
