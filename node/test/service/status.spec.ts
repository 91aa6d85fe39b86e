import assert from 'node:assert/strict'
import { createManualClock, createSeededRandom } from '@holdfast/doubles'
import { createRecordCodec, encodeBlock } from '@holdfast/journal'
import { deriveVolumeKeys } from '@holdfast/keys'
import { asNodeId, asVolumeId, equalBytes, type NodeId } from '@holdfast/ports'
import type { PeerStatus } from '../../src/replication/index.ts'
import type { ServiceParts } from '../../src/service/parts.ts'
import { createStatus, type NodeFacts } from '../../src/service/status.ts'
import { noise, Version } from '../restore/fixture.ts'

const nodeOf = (name: string): NodeId => asNodeId(noise(name, 32))
const NAMES = ['a', 'b', 'c'] as const
const NODES = new Map(NAMES.map((name) => [name, nodeOf(name)]))
const nameOf = (node: Uint8Array): string => NAMES.find((name) => equalBytes(nodeOf(name), node)) ?? '?'
const BLOCK_AGE_MS = 7000
const { signal } = new AbortController()

class World {
  readonly clock = createManualClock()
  readonly entry = {
    volume: asVolumeId(noise('v', 16)),
    name: 'data',
    copies: 3,
    protected: true,
    primary: nodeOf('a'),
  }
  peers: Partial<PeerStatus>[] = [
    { peer: nodeOf('b'), state: 'connected', addresses: ['/ip4/127.0.0.1/tcp/1'], failures: 0, rttMs: 3, blamed: 0 },
    { peer: nodeOf('c'), state: 'connected', addresses: [], failures: 0, blamed: 0 },
  ]
  acks = [...this.ackOf('b', 10, 10), ...this.ackOf('c', 10, 10)]
  heads: { member: NodeId; length: number }[] = []
  length = 10
  completeLength = 10
  room: 'enough' | 'low' = 'enough'
  open = true
  warnings: string[] = []
  pending: { count: number; sinceMs: number | undefined } | undefined
  capture: object | undefined = { coverageMs: 0, pendingBytes: 4, unreadableCount: 2, message: 'a gap' }

  ackOf(name: string, accepted: number, complete: number) {
    const member = nodeOf(name)
    return [
      { member, level: 'accepted', length: accepted },
      { member, level: 'complete', length: complete },
    ]
  }

  status() {
    const { ring } = new Version()
    const codec = createRecordCodec(deriveVolumeKeys(ring), this.entry.volume, createSeededRandom(1))
    const timeMs = this.clock.nowMs() - BLOCK_AGE_MS
    const block = encodeBlock([codec.seal({ kind: 'baseline', seq: 1, epoch: 1, timeMs })])
    const volume = {
      id: this.entry.volume,
      entry: this.entry,
      role: 'primary',
      epoch: 2,
      members: NAMES.map((name) => ({
        node: nodeOf(name),
        role: name === 'c' ? 'blind' : 'full',
        voter: name !== 'c',
      })),
      log: {
        head: () => ({ length: this.length }),
        get: (index: number) => Promise.resolve(index < this.length ? block : undefined),
      },
      completeLength: () => this.completeLength,
      completeness: { missingBytes: 6 },
      readable: { catalog: { counts: () => ({ files: 3, bytes: 30, versions: 5 }), applied: { seq: 9 } } },
    }
    const parts = {
      self: nodeOf('a'),
      clock: this.clock,
      authority: {
        volumes: () => [this.entry],
        nodes: () => [...NODES.values()],
        node: (node: NodeId) => ({ region: `region of ${nameOf(node)}` }),
        nameOf,
        directoryOf: () => '/srv/data',
      },
      volumes: { get: () => (this.open ? volume : undefined), find: () => volume },
      replication: { peers: () => this.peers, acks: () => this.acks, heads: () => this.heads },
      store: { stats: () => ({ storedBytes: 77 }) },
      room: { state: this.room },
      pendingOf: () => this.pending,
      captureOf: () => this.capture && { status: () => this.capture },
      volumeWarnings: () => this.warnings,
    } as unknown as ServiceParts
    const facts: NodeFacts = {
      name: 'a',
      region: 'eu-1',
      mesh: 'm',
      listen: [],
      drive: '/drive',
      startedAtMonotonicMs: this.clock.monotonicMs() - 4000,
      space: () => ({ freeBytes: 5, totalBytes: 100 }),
    }
    return createStatus(parts, facts)
  }

  async volume() {
    const [volume] = (await this.status().status({}, { signal })).volumes
    assert.ok(volume !== undefined)
    return volume
  }
}

describe('status as a service', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })

  it('says of the node what it has and since when', async () => {
    const { node } = await world.status().status({}, { signal })
    assert.deepEqual([node.storedBytes, node.uptimeSeconds, node.drives[0]?.state], [77, 4, 'ok'])
    world.room = 'low'
    assert.equal((await world.status().status({}, { signal })).node.drives[0]?.state, 'full')
  })

  it('of a volume that all members hold nothing is pending but what is not captured yet', async () => {
    const volume = await world.volume()
    assert.deepEqual(
      {
        ...volume,
        members: volume.members.map(({ node, state, role, lagSeconds }) => `${node} ${state} ${role} ${lagSeconds}`),
      },
      {
        name: 'data',
        id: Buffer.from(world.entry.volume).toString('hex'),
        role: 'primary',
        directory: '/srv/data',
        protected: true,
        epoch: 2,
        length: 10,
        seq: 9,
        primary: 'a',
        files: 3,
        bytes: 30,
        versions: 5,
        coverage: '1970-01-01T00:00:00.000Z',
        rpoSeconds: 0,
        pendingBytes: 4,
        pendingChanges: 0,
        pendingSince: null,
        degraded: false,
        copies: 3,
        copiesWanted: 3,
        unreadableCount: 2,
        warnings: ['a gap'],
        members: ['a current primary 0', 'b current full 0', 'c current blind 0'],
      },
    )
  })

  it('in doubt says how many changes are on this node alone, since when, and that they would be lost with it', async () => {
    world.pending = { count: 3, sinceMs: world.clock.nowMs() - 5000 }
    const { pendingChanges, pendingSince, rpoSeconds, warnings } = await world.volume()
    assert.deepEqual([pendingChanges, rpoSeconds], [3, 5])
    assert.equal(Date.parse(pendingSince ?? ''), world.clock.nowMs() - 5000)
    assert.ok(
      warnings.some((warning) => /^3 changes since .* wait for the next epoch; start the members/.test(warning)),
      warnings.join(),
    )
  })

  it('a member that is behind lags by the age of the first block that it lacks; the nearest one says what would be lost', async () => {
    world.acks = [...world.ackOf('b', 9, 8), ...world.ackOf('c', 10, 0)]
    const volume = await world.volume()
    assert.deepEqual(
      volume.members.map(({ state, acceptedLength, completeLength, lagSeconds }) => [
        state,
        acceptedLength,
        completeLength,
        lagSeconds,
      ]),
      [
        ['current', 10, 10, 0],
        ['behind', 9, 8, 7],
        ['behind', 10, 0, 7],
      ],
    )
    assert.deepEqual([volume.rpoSeconds, volume.pendingBytes], [7, 10])
    world.acks = [...world.ackOf('b', 9, 8), ...world.ackOf('c', 10, 10)]
    assert.equal((await world.volume()).rpoSeconds, 0)
  })

  it('without another member nothing says what would be lost', async () => {
    world.peers = []
    world.acks = []
    const volume = await world.volume()
    assert.deepEqual(
      volume.members.map(({ state }) => state),
      ['current', 'unreachable', 'unreachable'],
    )
    assert.deepEqual([volume.degraded, volume.copies, volume.rpoSeconds], [true, 1, 7])
  })

  it('is behind itself where the primary is known to have more, and does not know how long', async () => {
    world.heads = [{ member: nodeOf('a'), length: 12 }]
    const [own] = (await world.volume()).members
    assert.deepEqual([own?.state, own?.lagSeconds], ['behind', null])
  })

  it('of a volume that is not open says what the charter says', async () => {
    world.open = false
    const volume = await world.volume()
    assert.deepEqual(
      [volume.role, volume.length, volume.files, volume.coverage, volume.degraded, volume.members],
      ['none', 0, 0, null, false, []],
    )
  })

  it('peers are connected, being dialled, or unreachable after some dials, with the reason', async () => {
    const lastError = { code: 'HF_PEER_UNREACHABLE', message: 'refused' } as const
    world.peers = [
      {
        peer: nodeOf('b'),
        state: 'connected',
        addresses: ['/x'],
        failures: 0,
        rttMs: 3,
        heardAtMs: 0,
        lastError,
        blamed: 0,
      },
      {
        peer: nodeOf('c'),
        state: 'waiting',
        addresses: [],
        failures: 2,
        lastError,
        blamed: 2,
        blamedFor: { protocol: 2 },
      },
    ]
    const peers = await world.status().peers({}, { signal })
    assert.deepEqual(peers[0], {
      node: 'b',
      id: Buffer.from(nodeOf('b')).toString('hex'),
      region: 'region of b',
      state: 'connected',
      address: '/x',
      latencyMs: 3,
      lastSeen: '1970-01-01T00:00:00.000Z',
    })
    assert.deepEqual([peers[1]?.state, peers[1]?.reason, peers[1]?.blamed], ['connecting', 'refused', { protocol: 2 }])
    world.peers = [{ peer: nodeOf('c'), state: 'waiting', addresses: [], failures: 3, blamed: 0 }]
    assert.equal((await world.status().peers({}, { signal }))[0]?.state, 'unreachable')
  })
})
