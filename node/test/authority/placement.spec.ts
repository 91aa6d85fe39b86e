import assert from 'node:assert/strict'
import type { VolumeEntry } from '@holdfast/charter'
import { createManualClock } from '@holdfast/doubles'
import { asNodeId, asVolumeId, HoldfastError, type VolumeId } from '@holdfast/ports'
import { Placement, PLACEMENT_RETRY_MS, PLACEMENT_RETRY_MS_MAX } from '../../src/authority/placement.ts'
import { AuthorityWorld, keyOf, type MeshNode } from './fixture.ts'

describe('placement', () => {
  describe('in a mesh', () => {
    let world: AuthorityWorld
    beforeEach(() => {
      world = new AuthorityWorld()
    })
    afterEach(() => world.end())

    const protect = async (node: MeshNode, copies: number): Promise<VolumeId> =>
      (await world.settle(node.authority.protect({ name: 'data', directory: '/data', copies, members: [] }))).volume
    const members = (node: MeshNode, volume: VolumeId): string[] =>
      node.volume(volume).members.map((member) => `${node.keeper.nameOf(member.node)}${member.voter ? '' : ' no vote'}`)
    /** As the daemon does when a peer connects or the charter changes. */
    const placeOnChange = (node: MeshNode): void => {
      node.transport.onPeer(() => node.authority.place())
      node.keeper.onChange(() => node.authority.place())
    }

    it('a volume gets as many members as it has copies, each with a vote, and no more', async () => {
      const [a] = await world.mesh('a', 'b', 'c', 'd')
      assert.ok(a !== undefined)
      const volume = await protect(a, 3)
      await world.until(() => a.volume(volume).members.length === 3, 'three members')
      a.authority.place()
      await world.clock.advance(1000)
      assert.equal(members(a, volume).filter((name) => !name.endsWith('no vote')).length, 3)
    })

    it('nodes that join later become members until the copies are reached', async () => {
      const a = await world.found()
      placeOnChange(a)
      const volume = await protect(a, 2)
      assert.deepEqual(members(a, volume), ['a'])
      const b = await world.join(a, 'b')
      await world.until(() => a.volume(volume).members.length === 2, 'b is a member')
      await world.join(a, 'c')
      await world.untilConnected()
      assert.deepEqual(members(b, volume), ['a', 'b'])
    })

    it('learners and nodes of other roles: a learner gets no vote', async () => {
      const a = await world.found()
      const b = await world.join(a, 'b', 'learner')
      await world.untilConnected()
      const volume = await protect(a, 3)
      await world.until(() => a.volume(volume).members.length === 2, 'b is a member')
      assert.deepEqual(members(a, volume), ['a', 'b no vote'])
      assert.equal(b.lost.length, 0)
    })

    it('a node that is not in reach is not made a member; it is when it comes', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      placeOnChange(a)
      await b.stop()
      await world.until(() => !a.isConnectedTo(b), 'b is gone')
      const volume = await protect(a, 2)
      await world.clock.advance(10_000)
      assert.deepEqual(members(a, volume), ['a'])
      await b.start()
      await world.until(() => a.volume(volume).members.length === 2, 'b is a member')
    })

    it('a voter that cannot agree now is asked again later, without any other occasion', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      b.home.failing = 'votes'
      const volume = await protect(a, 2)
      await world.until(() => a.problems.length > 0, 'it failed')
      assert.deepEqual(members(a, volume), ['a'])
      b.home.failing = undefined
      await world.clock.advance(PLACEMENT_RETRY_MS)
      await world.until(() => a.volume(volume).members.length === 2, 'b is a member')
    })
  })

  describe('by itself', () => {
    const signingKey = keyOf(1)
    const self = asNodeId(signingKey.publicKey)
    const nodes = [1, 2].map((number) => ({
      id: asNodeId(keyOf(number).publicKey),
      name: `n${number}`,
      region: `r${number}`,
      role: 'full' as const,
    }))
    const entry = (number: number): VolumeEntry => ({
      author: self,
      counter: 1,
      volume: asVolumeId(new Uint8Array(16).fill(number)),
      name: `v${number}`,
      copies: 2,
      public: false,
      protected: true,
      primary: self,
      members: [{ node: self, role: 'full', voter: true }],
      keyEpoch: 1,
      sealedKeys: [],
      createdAtMs: 0,
      charterHash: new Uint8Array(32),
    })

    /** A placement over these volumes whose changes end as `outcome` says. */
    function placing(outcome: (volume: string) => Error | undefined) {
      const clock = createManualClock()
      const entries = [entry(1), entry(2)]
      const asked: string[] = []
      const problems: unknown[] = []
      const state = {
        volumes: () => entries,
        nodes: () => nodes,
        volume: (id: Uint8Array) => entries.find(({ volume }) => volume[0] === id[0]),
      }
      const placement = new Placement({
        keeper: { state } as unknown as ConstructorParameters<typeof Placement>[0]['keeper'],
        changes: {
          change: (id) => {
            asked.push(`v${id[0]}`)
            const failure = outcome(`v${id[0]}`)
            return failure === undefined ? Promise.resolve() : Promise.reject(failure)
          },
        },
        signingKey,
        isReachable: () => true,
        clock,
        onProblem: (error) => problems.push(error),
      })
      return { clock, placement, asked, problems }
    }
    const unreachable = new HoldfastError('HF_PEER_UNREACHABLE', 'too few voters', { retryable: true })

    it('a volume that fails holds no other one up', async () => {
      const { clock, placement, asked, problems } = placing((volume) => (volume === 'v1' ? unreachable : undefined))
      placement.run()
      await clock.advance(0)
      assert.deepEqual([asked, problems.length], [['v1', 'v2', 'v2'], 1])
      placement.stop()
      assert.equal(clock.timerCount(), 0)
    })

    it('failures that time may mend are tried again, at growing intervals with an end', async () => {
      const { clock, placement, asked } = placing(() => unreachable)
      placement.run()
      await clock.advance(0)
      const times: number[] = []
      let seen = asked.length
      for (let at = 0; at < 30 * 60; at++) {
        await clock.advance(1000)
        if (asked.length > seen) times.push(clock.monotonicMs())
        seen = asked.length
      }
      const gaps = times.map((time, index) => time - (times[index - 1] ?? 0))
      assert.deepEqual(
        gaps.slice(0, 4),
        [1, 2, 4, 8].map((factor) => factor * PLACEMENT_RETRY_MS),
      )
      assert.equal(gaps.at(-1), PLACEMENT_RETRY_MS_MAX)
      placement.stop()
      assert.equal(clock.timerCount(), 0)
    })

    it('what only a person can mend is not tried again by itself', async () => {
      const { clock, placement, asked } = placing(() => new HoldfastError('HF_OPERATOR_KEY', 'needs the operator key'))
      placement.run()
      await clock.advance(PLACEMENT_RETRY_MS_MAX * 2)
      assert.deepEqual(asked, ['v1', 'v2'])
      assert.equal(clock.timerCount(), 0)
    })

    it('a call during a run makes another run; after stop none', async () => {
      const { clock, placement, asked } = placing(() => undefined)
      placement.run()
      placement.run()
      await clock.advance(0)
      assert.equal(asked.length, 8, 'two runs over two volumes, each asked for as often as it has copies')
      placement.stop()
      placement.run()
      await clock.advance(0)
      assert.equal(asked.length, 8)
    })
  })
})
