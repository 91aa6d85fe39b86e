import assert from 'node:assert/strict'
import { openSealed } from '@holdfast/keys'
import { equalBytes, type VolumeId } from '@holdfast/ports'
import { AuthorityWorld, operatorKey, withCode, type MeshNode } from './fixture.ts'

describe('changes of volumes', () => {
  let world: AuthorityWorld
  beforeEach(() => {
    world = new AuthorityWorld()
  })
  afterEach(() => world.end())

  const protect = async (node: MeshNode, copies: number, ...members: MeshNode[]): Promise<VolumeId> => {
    const request = { name: 'data', directory: '/data', copies, members: members.map(({ id }) => id) }
    return (await world.settle(node.authority.protect(request))).volume
  }
  const memberNames = (node: MeshNode, volume: VolumeId): string[] =>
    node.volume(volume).members.map((member) => node.keeper.nameOf(member.node))
  const nodeOf = (node: MeshNode) => {
    const info = node.state.node(node.id)
    assert.ok(info !== undefined)
    return info
  }

  describe('votes for members', () => {
    it('a member is added with the agreement of the voters, and gets the key', async () => {
      const [a, b, c] = await world.mesh('a', 'b', 'c')
      assert.ok(a !== undefined && b !== undefined && c !== undefined)
      const volume = await protect(a, 3, b, c)
      await world.untilConnected()
      for (const node of [a, b, c]) {
        assert.deepEqual(memberNames(node, volume).toSorted(), ['a', 'b', 'c'])
        assert.ok(node.volume(volume).members.every((member) => member.voter))
        assert.deepEqual(node.authority.keyRing(node.volume(volume)), a.authority.keyRing(a.volume(volume)))
      }
      const sheet = a.volume(volume).sealedKeys.find(({ to }) => equalBytes(to, operatorKey.publicKey))
      assert.ok(sheet !== undefined && openSealed(operatorKey, sheet.sealed) !== undefined, 'and so has the sheet')
    })

    it('a voter writes down what it agrees to before it answers; without room it does not agree', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      b.home.failing = 'votes'
      const volume = await protect(a, 2)
      await world.until(() => a.problems.length > 0, 'nobody agreed')
      assert.ok(withCode('HF_PEER_UNREACHABLE', /too few voters.*stay as they are/)(a.problems[0]))
      assert.deepEqual(memberNames(a, volume), ['a'])
      b.home.failing = undefined
      await world.settle(a.authority.addMember(volume, nodeOf(b), 'full'))
      assert.deepEqual(memberNames(a, volume), ['a', 'b'])
      assert.ok(b.home.written.includes('votes'))
    })

    it('the author writes down what it asks for before it asks', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      a.home.failing = 'votes'
      await protect(a, 2)
      await world.until(() => a.problems.length > 0, 'it failed')
      assert.ok(withCode('HF_DRIVE_FULL')(a.problems[0]))
      assert.equal(b.home.readState('votes'), undefined, 'nobody was asked')
    })

    it('a step that the author forgot, but a voter holds on to, is finished first', async () => {
      const [a, b, c, d] = await world.mesh('a', 'b', 'c', 'd')
      assert.ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined)
      await Promise.all([c.stop(), d.stop()])
      await world.until(() => !a.isConnectedTo(c) && !a.isConnectedTo(d), 'c and d are gone')
      const volume = await protect(a, 3, b)
      await Promise.all([c.start(), d.start()])
      await world.untilConnected()
      const bring = a.home.copy()
      a.home.failing = 'charter'
      const lost = a.authority.addMember(volume, nodeOf(c), 'full')
      await assert.rejects(world.settle(lost), withCode('HF_DRIVE_FULL'))
      await a.stop()
      bring()
      a.home.failing = undefined
      await a.start()
      await world.untilConnected()
      await world.settle(a.authority.addMember(volume, nodeOf(d), 'full', operatorKey))
      assert.deepEqual(memberNames(a, volume), ['a', 'b', 'c', 'd'])
      await world.untilConnected()
      assert.deepEqual(b.conflicts, [], 'no voter has seen two steps of one number')
    })

    it('two changes at once are made one after the other', async () => {
      const [a, b, c] = await world.mesh('a', 'b', 'c')
      assert.ok(a !== undefined && b !== undefined && c !== undefined)
      const volume = await protect(a, 1)
      const add = (node: MeshNode): Promise<void> => a.authority.addMember(volume, nodeOf(node), 'full', operatorKey)
      await world.settle(Promise.all([add(b), add(c), add(b)]))
      assert.deepEqual(memberNames(a, volume), ['a', 'b', 'c'])
    })
  })

  describe('a damaged record of co-signatures', () => {
    it('a voter runs on and agrees to nothing; the file stays as it is', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      await b.stop()
      b.home.writeState('votes', Uint8Array.of(1, 2))
      await b.start()
      await world.untilConnected()
      assert.equal(b.lost.length, 1)
      const volume = await protect(a, 2)
      await world.until(() => a.problems.length > 0, 'nobody agreed')
      assert.ok(withCode('HF_PEER_UNREACHABLE', /b: the record of co-signatures.*damaged/)(a.problems[0]))
      assert.deepEqual(memberNames(a, volume), ['a'])
      assert.deepEqual(b.home.readState('votes'), Uint8Array.of(1, 2))
    })

    it('an author changes no voters; what needs none goes on', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      await a.stop()
      a.home.writeState('votes', Uint8Array.of(1, 2))
      await a.start()
      await world.untilConnected()
      const volume = await protect(a, 2)
      await world.until(() => a.problems.length > 0, 'it failed')
      assert.ok(withCode('HF_DECODE', /votes/)(a.problems[0]))
      assert.equal(b.home.readState('votes'), undefined, 'nobody was asked')
      await world.settle(a.authority.unprotect(volume))
      assert.equal(a.volume(volume).protected, false)
      assert.deepEqual(a.home.readState('votes'), Uint8Array.of(1, 2))
    })
  })

  describe('what takes the operator key', () => {
    it('removing a member, changing a role, more members than copies: refused without it, and nothing is changed', async () => {
      const [a, b, c] = await world.mesh('a', 'b', 'c')
      assert.ok(a !== undefined && b !== undefined && c !== undefined)
      const volume = await protect(a, 2, b)
      const before = a.state.digest()
      for (const attempt of [
        a.authority.removeMember(volume, b.id, undefined),
        a.authority.setRole(volume, b.id, 'learner', undefined),
        a.authority.addMember(volume, nodeOf(c), 'learner'),
        a.authority.removeMember(volume, b.id, c.key),
      ])
        await assert.rejects(world.settle(attempt), withCode('HF_OPERATOR_KEY'))
      assert.ok(equalBytes(a.state.digest(), before))
      await world.settle(a.authority.removeMember(volume, b.id, operatorKey))
      assert.deepEqual(memberNames(a, volume), ['a'])
      assert.equal(
        a.volume(volume).sealedKeys.some(({ to }) => equalBytes(to, b.id)),
        false,
      )
    })

    it('only its primary changes a volume', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      const volume = await protect(a, 2, b)
      await world.untilConnected()
      await assert.rejects(b.authority.unprotect(volume), withCode('HF_NOT_PRIMARY'))
    })
  })

  describe('roles', () => {
    it('blind to full: the member is given the key', async () => {
      const a = await world.found()
      const b = await world.join(a, 'b', 'blind')
      await world.untilConnected()
      const volume = await protect(a, 2, b)
      await world.untilConnected()
      assert.throws(() => b.authority.keyRing(b.volume(volume)), withCode('HF_WRONG_KEY'))
      await world.settle(a.authority.setRole(volume, b.id, 'full', operatorKey))
      await world.untilConnected()
      assert.deepEqual(b.authority.keyRing(b.volume(volume)), a.authority.keyRing(a.volume(volume)))
      assert.equal(b.volume(volume).members[1]?.voter, true, 'and it keeps its vote')
    })

    it('full to blind cannot be: it has the key; the same role again is no change', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      const volume = await protect(a, 2, b)
      const { counter } = a.volume(volume)
      const blind = a.authority.setRole(volume, b.id, 'blind', operatorKey)
      await assert.rejects(world.settle(blind), withCode('HF_POLICY', /cannot be taken back/))
      await world.settle(a.authority.setRole(volume, b.id, 'full', operatorKey))
      assert.equal(a.volume(volume).counter, counter)
    })

    it('full to learner ends its vote', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      const volume = await protect(a, 2, b)
      await world.settle(a.authority.setRole(volume, b.id, 'learner', operatorKey))
      assert.deepEqual(
        a.volume(volume).members.map(({ role, voter }) => `${role} ${voter}`),
        ['full true', 'learner false'],
      )
    })
  })

  describe('protecting', () => {
    it('a name that is none: refused, and the directory is free for another try', async () => {
      const a = await world.found()
      const request = { name: 'a:b', directory: '/srv/a:b', copies: 1, members: [] }
      await assert.rejects(a.authority.protect(request), withCode('HF_CHARTER_REFUSED'))
      assert.deepEqual(a.authority.directories(), [])
      assert.equal(a.home.readState('directories'), undefined)
    })

    it('a charter that cannot be kept: no volume, and the directory is free, after a restart too', async () => {
      const a = await world.found()
      a.home.failing = 'charter'
      const request = { name: 'data', directory: '/data', copies: 1, members: [] }
      await assert.rejects(a.authority.protect(request), withCode('HF_DRIVE_FULL'))
      a.home.failing = undefined
      await a.stop()
      await a.start()
      assert.deepEqual([a.authority.directories(), a.state.volumes()], [[], []])
      await protect(a, 1)
      assert.equal(a.authority.directories().length, 1)
    })

    it('a named member that does not answer: the volume is protected all the same, and the error says both', async () => {
      const [a, b] = await world.mesh('a', 'b')
      assert.ok(a !== undefined && b !== undefined)
      b.home.failing = 'votes'
      const says = /data is protected, but not with every member that was named: too few voters/
      await assert.rejects(protect(a, 2, b), withCode('HF_PEER_UNREACHABLE', says))
      assert.equal(a.state.volumes().length, 1)
    })

    it('unprotect ends it, protecting again goes on with the same volume', async () => {
      const a = await world.found()
      const volume = await protect(a, 1)
      await world.settle(a.authority.unprotect(volume))
      await world.settle(a.authority.unprotect(volume))
      assert.equal(a.volume(volume).counter, 2, 'a second time is no change')
      const again = await world.settle(a.authority.protectAgain(volume, '/data'))
      assert.deepEqual([again.protected, again.counter], [true, 3])
      assert.equal(a.authority.directoryOf(volume), '/data')
    })
  })
})
