import assert from 'node:assert/strict'
import { HoldfastError, MIB, equalBytes, hexOf } from '@holdfast/ports'
import { evaluateQuorum } from '@holdfast/replication'
import { MemoryWorld, TestNode, VOLUME, content, idOf, member, nodeIdOf } from './fixture.ts'

const level = (...nodes: TestNode[]): boolean => nodes.every((n) => n.equals(nodes[0] ?? n))
const served = (node: TestNode, bytes: Uint8Array): number =>
  node.store.reads.filter((id) => id === hexOf(idOf(bytes))).length
const connected = (x: TestNode, y: TestNode): boolean =>
  x.status(y)?.state === 'connected' && y.status(x)?.state === 'connected'

describe('replication', () => {
  let world: MemoryWorld
  beforeEach(() => (world = new MemoryWorld()))
  afterEach(() => world.end())

  const start = async (count: number): Promise<[TestNode, TestNode, TestNode]> => {
    const nodes = await world.create(count)
    const [a, b] = nodes
    assert.ok(a && b)
    return [a, b, nodes[2] ?? b]
  }

  describe('of a live volume', () => {
    it('small commits arrive with their chunks, without a request for them', async () => {
      const [a, b] = await start(2)
      await world.until(() => b.replication.heads(VOLUME).length > 0, 'the streams are open')
      await world.clock.advance(1_000)
      for (let i = 0; i < 20; i++) {
        await a.volume.commit([content(i, 3_000)])
        await world.until(() => level(a, b), `commit ${i}`, 1_000)
      }
      assert.deepEqual(a.store.reads, [], 'nothing was read to serve them')
      assert.equal(b.volume.accepted, 20)
    })

    it('large commits are fetched, each chunk once', async () => {
      const [a, b] = await start(2)
      const contents = Array.from({ length: 12 }, (_, i) => content(i, 400_000 + i))
      for (let i = 0; i < 12; i += 3) await a.volume.commit(contents.slice(i, i + 3), { blocks: 2 })
      await world.until(() => level(a, b), 'the follower is level')
      for (const c of contents) assert.equal(served(a, c), 1)
    })

    it('acks reach quorum, with the set they come from', async () => {
      const [a, b, c] = await start(3)
      const seen: string[] = []
      a.replication.onAck((ack) => seen.push(`${ack.member[0] === a.id[0] ? 'own' : 'other'} ${ack.level}`))
      await a.volume.commit([content(1, 500_000)])
      const reached = () => evaluateQuorum(a.volume.members, a.replication.acks(VOLUME), a.volume.coreKey, a.length)
      await world.until(() => reached().reached && level(a, b, c), 'quorum')
      await world.until(() => reached().completeBy.length === 3, 'all are complete')
      assert.deepEqual(
        reached().acceptedBy.map(hexOf),
        [a, b, c].map((n) => hexOf(n.id)),
      )
      assert.ok(seen.includes('own accepted') && seen.includes('other complete'))
    })

    it('an ack for other blocks does not count', async () => {
      const [a, b] = await start(2)
      await a.volume.commit([])
      await world.until(() => level(a, b), 'the follower is level')
      const log = b.volume.log
      const head = log.head()
      Object.defineProperty(b.volume, 'log', {
        value: { ...log, identity: log.identity, head: () => ({ ...head, length: 1, treeHash: new Uint8Array(32) }) },
      })
      b.volume.completeLength = () => 0
      await world.clock.advance(2_000)
      const before = a.status(b)?.blamed ?? 0
      b.registry.set()
      b.registry.set(b.volume)
      await world.until(() => (a.status(b)?.blamed ?? 0) > before, 'the member is blamed')
      Object.defineProperty(b.volume, 'log', { value: log })
    })

    it('a frame of many megabytes and blocks arrives whole', async () => {
      const [a, b] = await start(2)
      await a.volume.commit([], { blocks: 900, padding: 4_500 })
      await world.until(() => level(a, b), 'the follower is level')
      assert.equal(b.length, 900)
      assert.equal(b.volume.accepted, 1)
    })
  })

  describe('of a member that was away', () => {
    it('catches up by itself from where it was, and what had arrived is not sent again', async () => {
      const [a, b] = await start(2)
      const early = content(1, 300_000)
      await a.volume.commit([early])
      await world.until(() => level(a, b), 'level before')
      await b.stop()
      const late = Array.from({ length: 30 }, (_, i) => content(100 + i, 200_000))
      for (const c of late) await a.volume.commit([c])
      await world.until(() => a.status(b)?.state !== 'connected', 'the loss is noticed', 100)
      const accepted = b.volume.accepted
      await b.start()
      await world.until(() => level(a, b), 'level again')
      assert.equal(b.volume.accepted - accepted, late.length)
      assert.equal(served(a, early), 1)
      for (const c of late) assert.equal(served(a, c), 1)
    })

    it('a killed member is noticed at once, and found again when it is back', async () => {
      const [a, b] = await start(2)
      await a.volume.commit([content(1, 10)])
      await world.until(() => level(a, b), 'level before')
      await world.until(() => a.status(b)?.rttMs !== undefined, 'a heartbeat was answered')
      world.network.crash(b.id)
      assert.notEqual(a.status(b)?.state, 'connected')
      await b.replication.stop()
      await world.clock.advance(90_000)
      const status = a.status(b)
      assert.ok(status && status.failures >= 4, 'redialled again and again')
      assert.equal(status.lastError?.code, 'HF_PEER_UNREACHABLE')
      await a.volume.commit([content(2, 10)])
      await b.start()
      await world.until(() => level(a, b) && connected(a, b), 'level again', 31_000)
    })

    it('a connection that breaks in the middle of a transfer goes on where it was', async () => {
      const [a, b] = await start(2)
      world.network.delay(a.id, b.id, 20)
      const contents = Array.from({ length: 40 }, (_, i) => content(i, 300_000))
      await a.volume.commit(contents.slice(0, 20))
      await a.volume.commit(contents.slice(20))
      const heldByB = (): Uint8Array[] => contents.filter((c) => b.store.has(VOLUME, idOf(c)))
      await world.until(() => heldByB().length > 5, 'the transfer is under way')
      const held = heldByB()
      assert.ok(held.length < 40)
      world.network.reset(a.id, b.id)
      assert.equal(a.status(b)?.state, 'connecting', 'the first redial is immediate')
      await world.until(() => level(a, b), 'level')
      for (const c of held) assert.equal(served(a, c), 1)
    })

    it('a member behind a cut is dropped after a silence, and is level soon after the cut is healed', async () => {
      const [a, b] = await start(2)
      await a.volume.commit([content(1, 10)])
      await world.until(() => level(a, b), 'level before')
      world.network.cut(a.id, b.id)
      await a.volume.commit([content(2, 100_000)])
      const noticedMs = await world.until(() => a.status(b)?.state !== 'connected', 'silence is noticed')
      assert.ok(noticedMs >= 9_000 && noticedMs <= 11_000, String(noticedMs))
      assert.equal(a.status(b)?.lastError?.code, 'HF_TIMEOUT')
      await world.clock.advance(60_000)
      world.network.heal()
      await world.until(() => level(a, b), 'level again', 45_000)
    })

    it('two stalls of two seconds lose nothing and drop nobody', async () => {
      const [a, b] = await start(2)
      await a.volume.commit([content(1, 10)])
      await world.until(() => level(a, b), 'level before')
      const since = a.status(b)?.sinceMs
      for (let i = 0; i < 2; i++) {
        world.network.cut(a.id, b.id)
        await a.volume.commit([content(2 + i, 10)])
        await world.clock.advance(2_000)
        world.network.heal()
        await world.clock.advance(3_000)
      }
      assert.ok(level(a, b))
      assert.equal(a.status(b)?.sinceMs, since)
    })

    it('without its primary a member takes journal and chunks from another', async () => {
      const [a, b, c] = await start(3)
      await c.stop()
      await a.volume.commit([content(1, 500_000)])
      await a.volume.commit([content(2, 50)])
      await world.until(() => level(a, b), 'one follower is level')
      await a.stop()
      await c.start()
      await world.until(() => level(b, c), 'the other is level')
      await a.start()
    })

    it('a primary that comes back with less than a member takes it from there', async () => {
      const [a, b] = await start(2)
      for (let i = 0; i < 5; i++) await a.volume.commit([content(i, 100_000)])
      await world.until(() => level(a, b), 'level before')
      await a.stop()
      for (let i = 2; i < 5; i++) a.store.forget(idOf(content(i, 100_000)))
      await a.openVolume(1, a.volume.members)
      assert.equal(a.length, 0)
      await a.start()
      await world.until(() => level(a, b), 'the primary is level')
      await a.volume.commit([content(9, 10)])
      await world.until(() => level(a, b) && b.length === 6, 'and writes on')
    })
  })

  describe('with faults', () => {
    it('wrong bytes are not stored: the sender is blamed, the chunk comes from another', async () => {
      const [a, b, c] = await start(3)
      await c.stop()
      const chunk = content(1, 200_000)
      await a.volume.commit([chunk])
      await world.until(() => level(a, b), 'one follower is level')
      a.store.rotten.add(hexOf(idOf(chunk)))
      world.network.delay(b.id, c.id, 80)
      await c.start()
      await world.until(() => level(a, b, c), 'the other is level')
      assert.equal(c.status(a)?.blamed, 1)
      assert.equal(served(b, chunk), 1)
    })

    it('a frame whose signature is wrong is refused and its sender blamed; another member serves', async () => {
      const [a, b, c] = await start(3)
      await c.stop()
      await a.volume.commit([content(1, 10)])
      await world.until(() => level(a, b), 'one follower is level')
      const frames = a.store.journalFrames.bind(a.store)
      a.store.journalFrames = async function* (coreKey, from) {
        for await (const frame of frames(coreKey, from)) yield { ...frame, signature: new Uint8Array(64) }
      }
      // Nothing at the tail is in memory any more.
      await a.stop()
      await a.start()
      await c.start()
      await world.until(() => level(b, c), 'the other is level')
      assert.equal(c.status(a)?.blamed, 1)
    })

    it('a failure of the own drive blames nobody and is overcome', async () => {
      const [a, b] = await start(2)
      b.volume.acceptFailure = new HoldfastError('HF_DRIVE_FULL', 'full')
      await a.volume.commit([content(1, 10)])
      await world.clock.advance(100)
      b.store.putFailure = new HoldfastError('HF_DRIVE_FULL', 'full')
      await a.volume.commit([content(2, 100_000)])
      await world.clock.advance(30_000)
      assert.equal(level(a, b), false)
      b.store.putFailure = undefined
      await world.until(() => level(a, b), 'level', 45_000)
      assert.equal(b.status(a)?.blamed, 0)
    })

    it('a chunk that nobody has is asked for again from time to time, and does not hold up others', async () => {
      const [a, b] = await start(2)
      const lost = content(1, 100_000)
      await a.volume.commit([lost])
      a.store.forget(idOf(lost))
      const others = Array.from({ length: 5 }, (_, i) => content(10 + i, 100_000))
      await a.volume.commit(others)
      await world.until(() => others.every((c) => b.store.has(VOLUME, idOf(c))), 'the others arrive')
      assert.equal(b.volume.completeLength(), 0)
      await world.clock.advance(30_000)
      assert.ok(served(a, lost) >= 3)
      await a.store.put(VOLUME, [{ id: idOf(lost), bytes: lost }])
      await world.until(() => level(b), 'it arrives', 15_000)
      assert.equal(b.volume.completeLength(), 2)
    })

    it('who is no member of the volume is served neither journal nor chunks', async () => {
      const [a, b] = await start(2)
      const chunk = content(1, 100_000)
      await world.until(() => connected(a, b), 'connected')
      a.volume.members = [member(1)]
      await a.volume.commit([chunk])
      await world.clock.advance(20_000)
      assert.equal(b.length, 0)
      assert.deepEqual(
        b.replication.heads(VOLUME).filter((h) => h.length > 0),
        [],
      )
      await assert.rejects(Promise.all([b.replication.fetchChunk(VOLUME, idOf(chunk)), world.clock.advance(100)]), {
        code: 'HF_CHUNK_MISSING',
      })
      a.volume.members = [member(1), member(2)]
      a.registry.set(a.volume)
      await world.until(() => level(a, b), 'a member again', 45_000)
    })
  })

  describe('fetchChunk', () => {
    it('gives verified bytes from the nearest holder, without storing them', async () => {
      const [a, b, c] = await start(3)
      const chunk = content(1, 700_000)
      await a.volume.commit([chunk])
      await world.until(() => level(a, b, c), 'level')
      c.store.forget(idOf(chunk))
      world.network.delay(a.id, c.id, 50)
      await world.until(() => (c.status(a)?.rttMs ?? 0) >= 100, 'the round trip is measured')
      const before = [served(a, chunk), served(b, chunk)]
      const fetched = c.replication.fetchChunk(VOLUME, idOf(chunk))
      await world.clock.advance(500)
      assert.deepEqual(Buffer.from(await fetched).equals(chunk), true)
      assert.deepEqual([served(a, chunk), served(b, chunk)], [before[0], (before[1] ?? 0) + 1])
    })

    it('says missing when nobody has it, and gives up when asked', async () => {
      const [a, b] = await start(2)
      await world.until(() => connected(a, b), 'connected')
      await world.clock.advance(1_000)
      const nothing = b.replication.fetchChunk(VOLUME, idOf(content(9, 10)))
      const outcome = assert.rejects(nothing, { code: 'HF_CHUNK_MISSING' })
      await world.clock.advance(100)
      await outcome
      await assert.rejects(b.replication.fetchChunk(VOLUME, idOf(content(9, 10)), { signal: AbortSignal.abort() }), {
        code: 'HF_ABORTED',
      })
      world.network.cut(a.id, b.id)
      const controller = new AbortController()
      const waiting = assert.rejects(
        b.replication.fetchChunk(VOLUME, idOf(content(9, 10)), { signal: controller.signal }),
        { code: 'HF_ABORTED' },
      )
      await world.clock.advance(100)
      controller.abort()
      await waiting
      world.network.heal()
    })

    it('is rejected when replication stops', async () => {
      const [a, b] = await start(2)
      await world.until(() => connected(a, b), 'connected')
      world.network.cut(a.id, b.id)
      await world.clock.advance(1_000)
      const waiting = assert.rejects(b.replication.fetchChunk(VOLUME, idOf(content(9, 10))))
      await b.replication.stop()
      await waiting
      world.network.heal()
    })
  })

  describe('of the charter', () => {
    it('reaches everybody on connect and on change, also over a node between', async () => {
      const [a, b, c] = await start(3)
      for (const [x, y] of [
        [a, c],
        [c, a],
      ] as const) {
        x.charter.known = x.charter.known.filter((p) => !equalBytes(p.id, y.id))
        x.charter.changed()
      }
      await world.until(() => connected(a, b) && connected(b, c) && !connected(a, c), 'a chain')
      a.charter.add('one')
      await world.until(() => c.charter.words.has('one'), 'it reaches the far end', 2_000)
      const merges = a.charter.merges + b.charter.merges + c.charter.merges
      await world.clock.advance(60_000)
      assert.equal(a.charter.merges + b.charter.merges + c.charter.merges, merges, 'and then it is quiet')
      await c.stop()
      a.charter.add('two')
      await world.clock.advance(1_000)
      await c.start()
      await world.until(() => c.charter.words.has('two'), 'on connect', 45_000)
    })

    it('is sent again to one that has another, and a refused one is blamed', async () => {
      const [a, b] = await start(2)
      await world.until(() => connected(a, b), 'connected')
      await world.clock.advance(1_000)
      // A merge that fails at first, as on a full drive.
      const merge = a.charter.merge.bind(a.charter)
      a.charter.merge = () => Promise.reject(new HoldfastError('HF_DRIVE_FULL', 'full'))
      b.charter.add('here')
      await world.clock.advance(1_000)
      a.charter.merge = merge
      assert.equal(a.charter.words.has('here'), false)
      await world.until(() => a.charter.words.has('here'), 'repaired', 20_000)
      a.charter.add('forged')
      await world.until(() => (b.status(a)?.blamed ?? 0) > 0, 'blamed')
      assert.equal(b.charter.words.has('forged'), false)
      a.charter.words.delete('forged')
      a.charter.changed()
    })

    it('a node that leaves it is disconnected and forgotten', async () => {
      const [a, b] = await start(2)
      await world.until(() => connected(a, b), 'connected')
      a.charter.know()
      b.charter.know()
      await world.until(() => a.replication.peers().length === 0 && a.transport.peers().length === 0, 'forgotten')
      await world.clock.advance(60_000)
      assert.equal(a.transport.peers().length, 0)
    })

    it('a new address is dialled at once', async () => {
      const [a, b] = await start(2)
      await b.stop()
      a.charter.know({ id: b.id, addresses: ['nowhere'] })
      b.charter.know()
      await world.clock.advance(120_000)
      await b.start()
      a.charter.know({ id: b.id, addresses: ['node-2'] })
      await world.until(() => a.status(b)?.state === 'connected', 'connected', 100)
    })
  })

  describe('calls', () => {
    it('are answered, and failures keep their code', async () => {
      const [a, b] = await start(2)
      await world.until(() => connected(a, b), 'connected')
      b.replication.onCall('echo', async (body, from) => {
        assert.deepEqual(from, a.id)
        return new Uint8Array(Buffer.concat([body, Uint8Array.of(9)]))
      })
      b.replication.onCall('fail', async () => {
        throw new HoldfastError('HF_POLICY', 'not on a Sunday', { retryable: true })
      })
      b.replication.onCall('crash', async () => {
        throw new TypeError('a defect')
      })
      assert.deepEqual(await a.replication.call(b.id, 'echo', Uint8Array.of(1)), Uint8Array.of(1, 9))
      const many = Array.from({ length: 40 }, (_, i) => a.replication.call(b.id, 'echo', Uint8Array.of(i)))
      assert.deepEqual(
        (await Promise.all(many)).map((m) => m[0]),
        [...many.keys()],
      )
      await assert.rejects(a.replication.call(b.id, 'fail', new Uint8Array(0)), {
        code: 'HF_POLICY',
        message: 'not on a Sunday',
        retryable: true,
      })
      await assert.rejects(a.replication.call(b.id, 'crash', new Uint8Array(0)), { code: 'HF_INTERNAL' })
      await assert.rejects(a.replication.call(b.id, 'none', new Uint8Array(0)), { code: 'HF_NOT_FOUND' })
      await assert.rejects(a.replication.call(b.id, 'echo', new Uint8Array(4 * MIB + 1)), { code: 'HF_BAD_INPUT' })
      const large = content(1, 3 * MIB)
      assert.equal((await a.replication.call(b.id, 'echo', large)).byteLength, large.byteLength + 1)
      assert.throws(() => b.replication.onCall('echo', async (m) => m), TypeError)
    })

    it('time out, give up when asked, are bounded, and end with the connection', async () => {
      const [a, b] = await start(2)
      await world.until(() => connected(a, b), 'connected')
      const waiting: (() => void)[] = []
      b.replication.onCall('wait', () => new Promise((resolve) => waiting.push(() => resolve(new Uint8Array(1)))))
      const late = assert.rejects(a.replication.call(b.id, 'wait', new Uint8Array(0), { timeoutMs: 500 }), {
        code: 'HF_TIMEOUT',
      })
      await world.clock.advance(500)
      await late
      const controller = new AbortController()
      const given = assert.rejects(a.replication.call(b.id, 'wait', new Uint8Array(0), { signal: controller.signal }), {
        code: 'HF_ABORTED',
      })
      controller.abort()
      await given
      const calls = Array.from({ length: 62 }, () => a.replication.call(b.id, 'wait', new Uint8Array(0)))
      const outcomes = Promise.allSettled(calls)
      await world.clock.advance(10)
      for (const release of waiting.splice(0, 2)) release()
      const more = Array.from({ length: 3 }, () => a.replication.call(b.id, 'wait', new Uint8Array(0)))
      await assert.rejects(Promise.all(more), { code: 'HF_BUSY' })
      void Promise.allSettled(more)
      world.network.reset(a.id, b.id)
      assert.ok((await outcomes).every((o) => o.status === 'rejected' && o.reason.code === 'HF_PEER_UNREACHABLE'))
      for (const release of waiting) release()
      await assert.rejects(a.replication.call(nodeIdOf(9), 'wait', new Uint8Array(0)), { code: 'HF_PEER_UNREACHABLE' })
    })
  })

  it('stops in the middle of anything, twice, and starts once', async () => {
    const [a, b] = await start(2)
    for (let i = 0; i < 20; i++) await a.volume.commit([content(i, 300_000)])
    await world.until(() => b.volume.accepted > 2, 'the transfer is under way')
    await b.replication.stop()
    await b.replication.stop()
    await assert.rejects(b.replication.start(), { code: 'HF_CLOSED' })
    await assert.rejects(b.replication.fetchChunk(VOLUME, idOf(content(1, 1))), { code: 'HF_CLOSED' })
  })
})
