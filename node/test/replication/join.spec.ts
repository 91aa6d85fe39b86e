import assert from 'node:assert/strict'
import { createManualClock, createMemoryNetwork } from '@holdfast/doubles'
import { HoldfastError, JOIN_PROTOCOL, equalBytes } from '@holdfast/ports'
import type { Transport } from '@holdfast/ports'
import { JOIN_TIMEOUT_MS } from '../../src/replication/join.ts'
import { requestJoin } from '../../src/replication/index.ts'
import type { JoinHandler } from '../../src/replication/index.ts'
import { TestNode, nodeIdOf } from './fixture.ts'

describe('joining', () => {
  const clock = createManualClock()
  const identity = nodeIdOf(50)
  let network = createMemoryNetwork({ clock })
  let inviter: TestNode
  let joiner: Transport

  beforeEach(async () => {
    network = createMemoryNetwork({ clock })
    inviter = new TestNode(1, clock, () =>
      network.transport({
        self: nodeIdOf(1),
        address: 'inviter',
        admit: (peer) => (equalBytes(peer, identity) ? 'join' : 'refused'),
      }),
    )
    await inviter.start()
    joiner = network.transport({ self: identity, admit: () => 'member' })
    await joiner.start()
  })
  afterEach(async () => {
    await joiner.stop()
    await inviter.stop()
    await clock.advance(0)
    assert.equal(clock.timerCount(), 0)
  })

  const ask = (options: { signal?: AbortSignal; transport?: Transport } = {}): Promise<Uint8Array> =>
    requestJoin({
      transport: joiner,
      clock,
      inviter: inviter.id,
      addresses: ['inviter'],
      request: Uint8Array.of(1, 2, 3),
      ...options,
    })
  const answer = (handler: JoinHandler): void => inviter.replication.onJoin(handler)

  it('carries one request and its answer, and tells who asks', async () => {
    answer(async (who, request) => {
      assert.deepEqual([who, request], [identity, Uint8Array.of(1, 2, 3)])
      return Uint8Array.of(4, 5)
    })
    assert.deepEqual(await ask(), Uint8Array.of(4, 5))
    assert.deepEqual(await ask(), Uint8Array.of(4, 5), 'the same node asking again is answered')
    assert.deepEqual(inviter.replication.peers(), [], 'and is no peer')
  })

  it('a refusal keeps its code', async () => {
    answer(async () => {
      throw new HoldfastError('HF_BAD_TOKEN', 'the token is used')
    })
    await assert.rejects(ask(), { code: 'HF_BAD_TOKEN', message: 'the token is used' })
  })

  it('a stranger does not get as far as the handler', async () => {
    answer(() => assert.fail('reached'))
    const stranger = network.transport({ self: nodeIdOf(51), admit: () => 'member' })
    await stranger.start()
    await assert.rejects(ask({ transport: stranger }), { code: 'HF_PEER_REFUSED' })
    await stranger.stop()
  })

  it('an inviter that is not there, falls silent, or is given up', async () => {
    answer(() => new Promise(() => {}).then(() => new Uint8Array(0)))
    await assert.rejects(
      requestJoin({
        transport: joiner,
        clock,
        inviter: inviter.id,
        addresses: ['nowhere'],
        request: new Uint8Array(1),
      }),
      { code: 'HF_PEER_UNREACHABLE' },
    )
    await assert.rejects(ask({ signal: AbortSignal.abort() }), { code: 'HF_ABORTED' })
    const controller = new AbortController()
    const given = assert.rejects(ask({ signal: controller.signal }), { code: 'HF_ABORTED' })
    await clock.advance(100)
    controller.abort()
    await given
    const silent = assert.rejects(ask(), { code: 'HF_TIMEOUT' })
    await clock.advance(JOIN_TIMEOUT_MS)
    await silent
    await joiner.stop()
  })

  it('what is no join request is ended and blamed', async () => {
    answer(() => assert.fail('reached'))
    await joiner.connect(inviter.id, ['inviter'])
    const stream = await joiner.open(inviter.id, JOIN_PROTOCOL)
    await stream.send(Uint8Array.of(9, 9))
    await assert.rejects(stream.receive(), { code: 'HF_PEER_UNREACHABLE' })
  })
})
