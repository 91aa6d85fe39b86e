import assert from 'node:assert/strict'
import fs from 'node:fs'
import { createManualClock } from '@holdfast/doubles'
import type { RestoreSummary } from '../../src/api/look-messages.ts'
import type { WorkEvent } from '../../src/api/work.ts'
import type { ServiceParts } from '../../src/service/parts.ts'
import { createRestoring } from '../../src/service/restoring.ts'
import { latin1, leftovers, noise, Place, treeOf, Version } from '../restore/fixture.ts'

/** A volume whose catalog has one version of the tree per seq. */
class World {
  readonly place = new Place()
  readonly versions = new Map<number, Version>()
  newest = 5
  readonly #clock = createManualClock()

  run(path: string, more: { delete?: boolean; inPlace?: boolean } = {}, signal = new AbortController().signal) {
    const rowsAt = (moment: { seq?: number } | undefined) =>
      this.#version(moment?.seq)
        .rows()
        .map(({ content, ...row }) => ({
          ...row,
          content: content?.inline === undefined ? { type: 'none' } : { type: 'inline', extents: content.inline },
        }))
    const newest = this.#version(undefined)
    const catalog = {
      resolve: (moment?: { seq?: number }) => {
        const seq = moment?.seq ?? this.newest
        return Promise.resolve({ seq, timeMs: 1_700_000_000_000 + seq })
      },
      get: (name: Uint8Array, moment?: { seq?: number }) =>
        Promise.resolve(rowsAt(moment).find((row) => latin1(row.path) === latin1(name))),
      async *walk(_path: Uint8Array, moment?: { seq?: number }) {
        yield* rowsAt(moment)
      },
    }
    const volume = {
      id: newest.volume,
      name: 'data',
      reader: () => ({ catalog, ring: newest.ring }),
      log: { head: () => ({ length: 1 }) },
    }
    const parts = {
      clock: this.#clock,
      volumes: { find: () => volume },
      chunks: { get: this.#get, locate: () => ({ pack: 1, offset: 0 }) },
      replication: { heads: () => [] },
    } as unknown as ServiceParts
    const request = {
      volume: 'data',
      path: Buffer.from(path),
      to: this.place.to,
      verify: false,
      dryRun: false,
      privileged: false,
    }
    return createRestoring(parts).restore({ ...request, inPlace: false, delete: false, ...more }, { signal })
  }

  readonly #get: Version['get'] = async (volume, id, options) => {
    for (const version of this.versions.values())
      if (version.locate(volume, id) !== undefined) return version.get(volume, id, options)
    throw new Error('no such chunk')
  }

  #version(seq = this.newest): Version {
    const version = this.versions.get(seq)
    assert.ok(version !== undefined)
    return version
  }
}

async function all(events: AsyncIterable<WorkEvent<RestoreSummary>>): Promise<WorkEvent<RestoreSummary>[]> {
  const got: WorkEvent<RestoreSummary>[] = []
  for await (const event of events) got.push(event)
  return got
}

describe('restore as a service', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(() => world.place.remove())

  it('run again without a moment, it goes on with the one it began with, though the volume has changed', async () => {
    const before = new Version()
    for (let index = 0; index < 30; index++) before.file(`f${index}`, noise(`f${index}`, 300_000))
    world.versions.set(5, before).set(9, new Version().file('later', 'later'))
    const controller = new AbortController()
    before.before = () => {
      if (before.asked.length === 3) controller.abort()
    }
    await assert.rejects(all(world.run('', {}, controller.signal)), { code: 'HF_ABORTED' })
    before.before = () => undefined
    world.newest = 9
    const events = await all(world.run(''))
    assert.match(JSON.stringify(events), /going on with the unfinished restore of 2023-11-14T22:13:20.005Z/)
    assert.equal(treeOf(world.place.to, true).length, 30)
    assert.deepEqual(leftovers(world.place.to), [])
  })

  it('of one file refuses to delete everything else', async () => {
    world.versions.set(5, new Version().file('f', 'content'))
    world.place.write('mine', 'mine')
    const run = all(world.run('f', { inPlace: true, delete: true }))
    await assert.rejects(run, { code: 'HF_BAD_INPUT', message: 'data:f is one file; nothing was changed' })
    assert.deepEqual(fs.readdirSync(world.place.to), ['mine'])
    await all(world.run('f', { inPlace: true }))
    assert.deepEqual(fs.readdirSync(world.place.to), ['f', 'mine'])
  })
})
