import assert from 'node:assert/strict'
import { createManualClock } from '@holdfast/doubles'
import { asCoreKey, asNodeId, asVolumeId, equalBytes, hexOf, HoldfastError } from '@holdfast/ports'
import type { AckStatement } from '@holdfast/replication'
import type { FlushSummary } from '../../src/api/volume-messages.ts'
import type { WorkEvent } from '../../src/api/work.ts'
import { createFlush } from '../../src/service/flush.ts'
import type { ServiceParts } from '../../src/service/parts.ts'

const A = asNodeId(new Uint8Array(32).fill(1))
const B = asNodeId(new Uint8Array(32).fill(2))
const voter = (node: typeof A) => ({ node, role: 'full', voter: true }) as const

class Listeners {
  readonly set = new Set<() => void>()
  readonly add = (listener: () => void): (() => void) => {
    this.set.add(listener)
    return () => this.set.delete(listener)
  }
  tell(): void {
    for (const listener of this.set) listener()
  }
}

/** A volume of the node A and maybe B, with a capture that does what the test says. */
function volumeOf(name: string, index: number) {
  const heads = new Listeners()
  return {
    id: asVolumeId(new Uint8Array(16).fill(index)),
    name,
    epoch: 1,
    role: 'primary',
    coreKey: asCoreKey(new Uint8Array(32).fill(index)),
    members: [voter(A), voter(B)],
    entry: { protected: true, primary: A, copies: 3 },
    log: { head: () => ({ length: 5 }) },
    reader: () => ({ catalog: { applied: { seq: 50 } } }),
    completeLength: () => 5,
    heads,
    onHead: heads.add,
  }
}

class World {
  readonly clock = createManualClock()
  readonly acks: AckStatement[] = []
  readonly acked = new Listeners()
  readonly changed = new Listeners()
  readonly room = {
    state: 'enough',
    problem: undefined as HoldfastError | undefined,
    changed: new Listeners(),
    onChange: (listener: () => void): (() => void) => this.room.changed.add(listener),
    refusals: [] as string[],
    refused: (error: HoldfastError, state = 'none') => this.room.refusals.push(`${state} ${error.code}`),
  }
  volumes = [volumeOf('one', 1), volumeOf('two', 2)]
  /** Of the nodes of the mesh. */
  roles = ['full', 'full']
  /** Replaced by tests: what the capture of a volume does when it is flushed. */
  capture = (_name: string, _signal: AbortSignal): Promise<{ unreadableCount: number }> =>
    Promise.resolve({ unreadableCount: 0 })
  pending: { count: number; sinceMs: number | undefined } | undefined
  readonly #captures = new Map<string, object>()

  readonly flush = createFlush(this.parts())

  parts(): ServiceParts {
    const volumes = {
      list: () => this.volumes,
      get: (id: Uint8Array) => this.volumes.find((volume) => equalBytes(volume.id, id)),
      find: (text: string) => this.volumes.find((volume) => volume.name === text || hexOf(volume.id) === text),
      onChange: this.changed.add,
    }
    const captureOf = (id: Uint8Array) => {
      const name = volumes.get(id)?.name ?? ''
      const known = this.#captures.get(name) ?? {
        flush: ({ signal }: { signal: AbortSignal }) => this.capture(name, signal),
        status: () => ({ pendingFiles: 0 }),
      }
      this.#captures.set(name, known)
      return this.volumes.length === 0 ? undefined : known
    }
    return {
      self: A,
      clock: this.clock,
      volumes,
      captureOf,
      room: this.room,
      pendingOf: () => this.pending,
      capturing: (id: Uint8Array) => Promise.resolve(this.volumes.length === 0 ? undefined : captureOf(id)),
      replication: { acks: () => this.acks, onAck: this.acked.add },
      authority: {
        nameOf: (id: Uint8Array) => (equalBytes(id, A) ? 'A' : 'B'),
        nodes: () => this.roles.map((role) => ({ role })),
      },
    } as unknown as ServiceParts
  }

  run(
    volume?: string,
    signal = new AbortController().signal,
    level: 'local' | 'quorum' = 'quorum',
  ): Promise<WorkEvent<FlushSummary>[]> {
    const request = { level, timeoutMs: 5000, ...(volume === undefined ? {} : { volume }) } as const
    return (async () => {
      const events: WorkEvent<FlushSummary>[] = []
      for await (const event of this.flush.flush(request, { signal })) events.push(event)
      return events
    })()
  }

  ack(volume: number, length: number): void {
    const coreKey = asCoreKey(new Uint8Array(32).fill(volume))
    for (const level of ['accepted', 'complete'] as const) this.acks.unshift({ member: B, coreKey, level, length })
    this.acked.tell()
  }

  get listeners(): number {
    return (
      this.acked.set.size +
      this.changed.set.size +
      this.room.changed.set.size +
      this.volumes.reduce((sum, { heads }) => sum + heads.set.size, 0)
    )
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('flush', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(() => {
    assert.equal(world.listeners, 0, 'listeners are left')
    assert.equal(world.clock.timerCount(), 0, 'timers are left')
  })

  it('waits until the members have what was captured, and names them', async () => {
    const flushed = world.run('one')
    await settle()
    world.ack(1, 4)
    await settle()
    world.ack(1, 5)
    const summary = (await flushed).at(-1)
    assert.ok(summary?.message_type === 'summary')
    assert.deepEqual(summary.volumes, [
      { volume: 'one', epoch: 1, length: 5, seq: 50, level: 'quorum', counted: ['A', 'B'], unreadableCount: 0 },
    ])
  })

  describe('of a volume that has no second member', () => {
    const alone = (copies: number) => {
      const [one] = world.volumes
      assert.ok(one !== undefined)
      world.volumes = [{ ...one, members: [voter(A)], entry: { ...one.entry, copies } }]
    }
    const levelOf = async (): Promise<string> => {
      const summary = (await world.run('one')).at(-1)
      assert.ok(summary?.message_type === 'summary')
      const [flushed] = summary.volumes
      return `${flushed?.level} by ${flushed?.counted.join()}`
    }

    it('in a mesh that has a node for it: waits until that is a member and has everything', async () => {
      alone(3)
      let done = false
      const flushed = levelOf().finally(() => (done = true))
      await settle()
      assert.equal(done, false)
      world.volumes[0]?.members.push(voter(B))
      world.changed.tell()
      await settle()
      assert.equal(done, false)
      world.ack(1, 5)
      assert.equal(await flushed, 'quorum by A,B')
    })

    it('in a mesh of one, with one copy, or with nobody who may hold one and vote: that is `local`', async () => {
      for (const [copies, roles] of [
        [3, ['full']],
        [1, ['full', 'full']],
        [3, ['full', 'learner', 'vault', 'witness']],
      ] as const) {
        alone(copies)
        world.roles = [...roles]
        assert.equal(await levelOf(), 'local by A')
      }
    })
  })

  it('begins anew when the volume goes on to another epoch meanwhile', async () => {
    const flushed = world.run('one')
    await settle()
    world.volumes = [{ ...volumeOf('one', 1), epoch: 2 }]
    world.changed.tell()
    await settle()
    world.ack(1, 5)
    const summary = (await flushed).at(-1)
    assert.ok(summary?.message_type === 'summary')
    assert.equal(summary.volumes[0]?.epoch, 2)
  })

  it('says at once that there is no room for the journal, before and while it waits', async () => {
    world.capture = (_name, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    const flushed = world.run('one')
    await settle()
    world.room.state = 'none'
    world.room.problem = new HoldfastError('HF_DRIVE_FULL', 'the drive is full', { next: 'make room' })
    world.room.changed.tell()
    await assert.rejects(flushed, { code: 'HF_DRIVE_FULL', next: 'make room' })
    world.capture = (_name, signal) => (signal.aborted ? Promise.reject(new Error('aborted')) : new Promise(() => {}))
    await assert.rejects(world.run('one'), { code: 'HF_DRIVE_FULL' })
  })

  it('content that found no room is noted, so that status says the same', async () => {
    world.capture = () => Promise.reject(new HoldfastError('HF_DRIVE_FULL', 'no room for 8 MiB'))
    await assert.rejects(world.run('one'), { code: 'HF_DRIVE_FULL' })
    assert.deepEqual(world.room.refusals, ['low HF_DRIVE_FULL'])
  })

  it('in doubt: local is what is recorded on this node alone, and says so', async () => {
    world.pending = { count: 3, sinceMs: 1000 }
    const summary = (await world.run('one', undefined, 'local')).at(-1)
    assert.ok(summary?.message_type === 'summary')
    assert.deepEqual(summary.volumes[0]?.counted, ['A'])
    assert.equal(summary.volumes[0]?.pendingChanges, 3)
  })

  it('in doubt: quorum waits for the next epoch, whatever members acknowledge of this one', async () => {
    world.pending = { count: 3, sinceMs: 1000 }
    const flushed = world.run('one')
    await settle()
    world.ack(1, 5)
    await settle()
    assert.ok(world.listeners > 0, 'it waits')
    world.pending = undefined
    world.volumes = [{ ...volumeOf('one', 1), epoch: 2 }]
    world.changed.tell()
    const summary = (await flushed).at(-1)
    assert.ok(summary?.message_type === 'summary')
    assert.equal(summary.volumes[0]?.epoch, 2)
    assert.equal(summary.volumes[0]?.pendingChanges, undefined)
  })

  it('is out of time: says what stays true, exit code of a time-out', async () => {
    const flushed = world.run('one')
    const refused = assert.rejects(flushed, { code: 'HF_TIMEOUT', message: /not safe at level quorum within 5 s/ })
    await world.clock.advance(5000)
    await refused
  })

  it('is out of time on the primary for another member: a time-out too, not an abort', async () => {
    const body = Buffer.from(
      JSON.stringify({ volume: hexOf(world.volumes[0]?.id ?? A), level: 'quorum', timeoutMs: 5000 }),
    )
    const refused = assert.rejects(world.flush.answerFlush(body), { code: 'HF_TIMEOUT' })
    await world.clock.advance(5000)
    await refused
  })

  it('is given up when the caller leaves, also one that has left already', async () => {
    const controller = new AbortController()
    const flushed = world.run('one', controller.signal)
    await settle()
    controller.abort()
    await assert.rejects(flushed, { code: 'HF_ABORTED' })
    await assert.rejects(world.run('one', controller.signal), { code: 'HF_ABORTED' })
  })

  it('ends when the volume is unprotected and closed meanwhile', async () => {
    world.capture = () => {
      world.volumes = []
      return Promise.reject(new HoldfastError('HF_CLOSED', 'capture has stopped'))
    }
    await assert.rejects(world.run('one'), { code: 'HF_CLOSED', message: /not protected any more/ })
  })

  it('of all volumes: the failure of one ends the wait for the others', async () => {
    world.capture = (name) =>
      name === 'two'
        ? Promise.reject(new HoldfastError('HF_SOURCE_UNAVAILABLE', 'the directory is gone'))
        : Promise.resolve({ unreadableCount: 0 })
    await assert.rejects(world.run(), { code: 'HF_SOURCE_UNAVAILABLE' })
    await settle()
  })
})
