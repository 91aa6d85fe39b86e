import assert from 'node:assert/strict'
import { createManualClock, createMemoryDrive } from '@holdfast/doubles'
import type { DriveOperation, DriveFault } from '@holdfast/doubles'
import { asChunkId, hexOf, KIB, MIB } from '@holdfast/ports'
import type { SharedSegmentTable } from '@holdfast/sealing'
import { createSegmentTableMemory, openSegmentTable } from '@holdfast/sealing'
import { createPackWriter, packNumberClaims } from '@holdfast/store-pack'
import type { GroupContent } from '../../src/ingest/group-codec.ts'
import { decodeGroup } from '../../src/ingest/group-codec.ts'
import { IngestEngine } from '../../src/ingest/ingest-engine.ts'
import { BATCH_PATHS_MAX, GROUP_DRAFTS_MAX, GROUP_MS, READ_ATTEMPTS_MAX } from '../../src/ingest/limits.ts'
import type { FromWorker, ToWorker } from '../../src/ingest/messages.ts'
import { batchOf } from '../../src/ingest/messages.ts'
import { bytes, noise, TestDirectory, testRing, text } from './fixture.ts'

const ring = testRing('engine')
const VOLUME = hexOf(ring.volume)

const fullAtWrite = ({ type }: DriveOperation): DriveFault | undefined => (type === 'write' ? 'full' : undefined)

/** Engines on one thread, with a table, a clock and a drive in memory; what they post is kept, and groups are taken at once. */
class EngineWorld {
  readonly source = new TestDirectory()
  readonly clock = createManualClock()
  readonly drive = createMemoryDrive()
  readonly table: SharedSegmentTable = openSegmentTable(
    createSegmentTableMemory({ segmentsMax: 1000, chunksMax: 1000 }),
  )
  readonly posted: FromWorker[] = []
  readonly groups: GroupContent[] = []
  onGroup: (() => void) | undefined
  readonly #numbers = new SharedArrayBuffer(4)
  #engines = 0

  constructor() {
    this.drive.makeDirectory('packs')
    new Int32Array(this.#numbers)[0] = 1
  }

  engine(): IngestEngine {
    const engine = new IngestEngine({
      worker: this.#engines++,
      table: openSegmentTable(this.table.memory),
      packs: createPackWriter({ drive: this.drive, claimPackNumber: packNumberClaims(this.#numbers) }),
      clock: this.clock,
      post: (message) => {
        this.posted.push(message)
        if (message.type !== 'group') return
        this.groups.push(decodeGroup(message.content))
        this.onGroup?.()
        queueMicrotask(() => engine.receive({ type: 'taken' }))
      },
      breathe: () => Promise.resolve(),
    })
    engine.receive({ type: 'volume', volume: VOLUME, keyRing: ring.encode() })
    return engine
  }

  /** As the pool does when it has passed a group on. */
  announce(): void {
    for (const { number, entry } of this.groups.flatMap(({ frames }) => frames)) {
      if (number !== undefined) {
        this.table.setChunk(number, { id: asChunkId(entry.id), storedBytes: entry.bodyBytes })
      }
    }
  }

  batch(job: number, ...names: string[]): ToWorker {
    return this.batchAs({ job }, ...names)
  }

  batchAs(as: { job: number; volume?: string; isUrgent?: boolean }, ...names: string[]): ToWorker {
    const paths = names.map((name) => ({ path: bytes(name), sizeHint: 0 }))
    const of = { volume: VOLUME, isUrgent: false, rootIdentity: undefined, ...as }
    return { type: 'batch', batch: batchOf(of, bytes(this.source.root), paths) }
  }

  types(): string[] {
    return this.posted.map(({ type }) => type)
  }

  drafts(): GroupContent['drafts'] {
    return this.groups.flatMap(({ drafts }) => drafts)
  }

  /** Until the engines have nothing to do but wait for messages. */
  async idle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('ingest engine', () => {
  let world: EngineWorld

  beforeEach(() => {
    world = new EngineWorld()
  })

  afterEach(() => world.source.remove())

  it('a draft waits for the chunk that another worker has open, then needs it', async () => {
    world.source.write('file', noise('shared', 100 * KIB))
    const [first, second] = [world.engine(), world.engine()]
    first.receive(world.batch(1, 'file'))
    await world.idle()
    assert.deepEqual(world.types(), ['batch-done'], 'its bundle is still open')

    second.receive(world.batch(2, 'file'))
    second.receive({ type: 'finish', job: 2 })
    await world.idle()
    assert.deepEqual(world.types(), ['batch-done', 'batch-done'])

    first.receive({ type: 'finish', job: 1 })
    await world.idle()
    assert.deepEqual(world.types().slice(2), ['group', 'finished'])
    second.receive({ type: 'announced' })
    await world.idle()
    assert.equal(world.groups.length, 1, 'sealed, but nobody has been told of its frame')

    world.announce()
    second.receive({ type: 'announced' })
    await world.idle()
    assert.deepEqual(world.types().slice(4), ['group', 'finished'])
    const [one, other] = world.drafts()
    assert.deepEqual(other?.extents, one?.extents)
    assert.deepEqual(other?.needs.map(hexOf), one?.needs.map(hexOf))
    assert.deepEqual(world.groups[1]?.frames, [])
  })

  it('a draft whose chunk another worker lost is read again and stored here', async () => {
    world.source.write('file', noise('lost', 100 * KIB))
    const [first, second] = [world.engine(), world.engine()]
    first.receive(world.batch(1, 'file'))
    second.receive(world.batch(2, 'file'))
    second.receive({ type: 'finish', job: 2 })
    await world.idle()
    world.table.markOwnerLost(0)
    second.receive({ type: 'announced' })
    await world.idle()
    const [draft, ...more] = world.drafts()
    assert.deepEqual(more, [])
    assert.equal(draft?.type, 'file')
    assert.equal(world.groups[0]?.frames.length, 1)
  })

  it('a drive without room ends the job; with room again the same content is stored', async () => {
    world.source.write('file', noise('full', 300 * KIB))
    world.source.write('other', noise('other', 300 * KIB))
    const engine = world.engine()
    world.drive.setFault(fullAtWrite)
    engine.receive(world.batch(1, 'file'))
    engine.receive({ type: 'finish', job: 1 })
    await world.idle()
    const failed = world.posted.find((message) => message.type === 'failed')
    assert.equal(failed?.error.code, 'HF_DRIVE_FULL')
    assert.ok(!world.types().includes('finished'), 'it waits to be cancelled')
    engine.receive({ type: 'cancel', job: 1 })
    await world.idle()
    assert.equal(world.types().at(-1), 'finished')
    assert.deepEqual(world.drafts(), [])

    world.drive.setFault(undefined)
    engine.receive(world.batch(2, 'file', 'other'))
    engine.receive({ type: 'finish', job: 2 })
    await world.idle()
    assert.deepEqual(
      world.drafts().map(({ type }) => type),
      ['file', 'file'],
    )
    assert.equal(new Set(world.groups.flatMap(({ frames }) => frames.map(({ entry }) => hexOf(entry.id)))).size, 2)
  })

  it('a job that shared a bundle with one that failed reads its files again', async () => {
    world.source.write('a', noise('a', 100 * KIB))
    world.source.write('b', noise('b', 300 * KIB))
    world.source.write('c', noise('c', 300 * KIB))
    const engine = world.engine()
    engine.receive(world.batch(1, 'a'))
    await world.idle()
    world.drive.setFault(fullAtWrite)
    engine.receive(world.batch(2, 'b', 'c'))
    engine.receive({ type: 'finish', job: 2 })
    await world.idle()
    world.drive.setFault(undefined)
    engine.receive({ type: 'finish', job: 1 })
    await world.idle()
    assert.deepEqual(
      world.drafts().map(({ path, type }) => [text(path), type]),
      [['a', 'file']],
    )
  })

  it('a commit whose sync fails is refused, and what it should have covered is lost', async () => {
    world.source.write('file', noise('sync', 100 * KIB))
    const engine = world.engine()
    engine.receive(world.batch(1, 'file'))
    engine.receive({ type: 'finish', job: 1 })
    await world.idle()
    world.announce()
    const [place] = world.groups.flatMap(({ frames }) => frames)
    assert.equal(world.table.chunkState(place?.number ?? -1), 'sealed')
    world.drive.setFault(({ type }) => (type === 'datasync' ? 'error' : undefined))
    engine.receive({ type: 'commit', request: 5, frames: [] })
    await world.idle()
    const refused = world.posted.find((message) => message.type === 'refused')
    assert.deepEqual([refused?.request, refused?.error.code], [5, 'HF_DRIVE_FAILED'])
    assert.equal(world.table.chunkState(place?.number ?? -1), 'lost')
    engine.receive(world.batch(2, 'file'))
    engine.receive({ type: 'finish', job: 2 })
    await world.idle()
    const failed = world.posted.find((message) => message.type === 'failed')
    assert.equal(failed?.error.code, 'HF_DRIVE_FAILED')
  })

  it('a commit answers with what it made durable', async () => {
    world.source.write('file', noise('durable', 100 * KIB))
    const engine = world.engine()
    engine.receive(world.batch(1, 'file'))
    engine.receive({ type: 'finish', job: 1 })
    await world.idle()
    engine.receive({ type: 'commit', request: 1, frames: [] })
    await world.idle()
    const committed = world.posted.find((message) => message.type === 'committed')
    const numbers = world.groups.flatMap(({ frames }) => frames.map(({ number }) => number))
    assert.deepEqual(committed?.durable, numbers)
    await world.drive.syncDirectory('')
    assert.deepEqual(world.drive.unsynced(), [])
  })

  it('a draft does not wait longer than the age of a group for its bundle to fill', async () => {
    world.source.write('early', noise('early', 10 * KIB))
    world.source.write('late', noise('late', 10 * KIB))
    const engine = world.engine()
    engine.receive(world.batch(1, 'early'))
    await world.idle()
    assert.deepEqual(world.drafts(), [])
    await world.clock.advance(GROUP_MS)
    engine.receive(world.batch(1, 'late'))
    await world.idle()
    assert.deepEqual(
      world.drafts().map(({ path }) => text(path)),
      ['early'],
    )
  })

  it('many drafts without content come in groups of bounded size', async () => {
    const engine = world.engine()
    const names = Array.from({ length: GROUP_DRAFTS_MAX + 100 }, (_, index) => `gone ${index}`)
    for (let from = 0; from < names.length; from += BATCH_PATHS_MAX) {
      engine.receive(world.batch(1, ...names.slice(from, from + BATCH_PATHS_MAX)))
    }
    engine.receive({ type: 'finish', job: 1 })
    await world.idle()
    assert.deepEqual(
      world.groups.map(({ drafts }) => drafts.length),
      [GROUP_DRAFTS_MAX, 100],
    )
    assert.deepEqual(
      world.groups.map(({ group }) => group),
      [0, 1],
    )
  })

  it('what is urgent is read between two pieces of a large file, which is read on as it was', async () => {
    world.source.write('large', noise('around', 20 * MIB))
    world.source.write('edit', noise('edit', 9 * MIB))
    const engine = world.engine()
    const other = testRing('urgent')
    engine.receive({ type: 'volume', volume: hexOf(other.volume), keyRing: other.encode() })
    world.onGroup = () => {
      world.onGroup = undefined
      engine.receive(world.batchAs({ job: 2, volume: hexOf(other.volume), isUrgent: true }, 'edit'))
      engine.receive({ type: 'finish', job: 2 })
    }
    engine.receive(world.batch(1, 'large'))
    engine.receive({ type: 'finish', job: 1 })
    await world.idle()
    assert.deepEqual(
      world.drafts().map(({ path }) => text(path)),
      ['edit', 'large'],
    )
    world.announce()
    const { length } = world.groups
    engine.receive(world.batch(3, 'large'))
    engine.receive({ type: 'finish', job: 3 })
    await world.idle()
    const again = world.groups.slice(length)
    assert.deepEqual(again.flatMap(({ drafts }) => drafts)[0]?.recipe, world.drafts()[1]?.recipe)
    assert.deepEqual(
      again.flatMap(({ frames }) => frames),
      [],
      'read undisturbed, it holds nothing that was not stored',
    )
  })

  it('the recipe of a large file is sealed for its volume, whichever was read last', async () => {
    world.source.write('large', noise('recipe', 5 * MIB))
    world.source.write('small', noise('small', 10 * KIB))
    const engine = world.engine()
    const other = testRing('other')
    engine.receive({ type: 'volume', volume: hexOf(other.volume), keyRing: other.encode() })
    engine.receive(world.batch(1, 'large'))
    engine.receive(world.batchAs({ job: 2, volume: hexOf(other.volume) }, 'small'))
    engine.receive({ type: 'finish', job: 1 })
    engine.receive({ type: 'finish', job: 2 })
    await world.idle()
    const root = world.drafts().find(({ path }) => text(path) === 'large')?.recipe?.root
    assert.ok(root)
    const frames = world.groups.flatMap(({ frames: each }) => each)
    const found = frames.filter(({ entry }) => hexOf(entry.id) === hexOf(root))
    assert.deepEqual(
      found.map(({ entry }) => hexOf(entry.volume)),
      [VOLUME],
    )
  })

  it('a large file comes in several groups, the draft in the last', async () => {
    world.source.write('large', noise('groups', 20 * MIB))
    const engine = world.engine()
    engine.receive(world.batch(1, 'large'))
    engine.receive({ type: 'finish', job: 1 })
    await world.idle()
    assert.ok(world.groups.length >= 3)
    assert.deepEqual(
      world.groups.map(({ drafts }) => drafts.length).slice(0, -1),
      world.groups.slice(1).map(() => 0),
    )
    const sizes = world.groups.map(({ frames }) => frames.reduce((sum, { entry }) => sum + entry.bodyBytes, 0))
    assert.ok(Math.max(...sizes) < 9 * MIB, sizes.join(', '))
  })

  it('a file that is lost again and again is given up', async () => {
    world.source.write('file', noise('doomed', 100 * KIB))
    const engine = world.engine()
    world.engine().receive(world.batch(1, 'file'))
    await world.idle()
    engine.receive(world.batch(2, 'file'))
    engine.receive({ type: 'finish', job: 2 })
    await world.idle()
    // Each time it looks again, the one that had the content has died, and the next has it open.
    for (let other = 1; other <= READ_ATTEMPTS_MAX; other++) {
      world.table.markOwnerLost(other)
      world.engine().receive(world.batch(1, 'file'))
      await world.idle()
      engine.receive({ type: 'announced' })
      await world.idle()
    }
    const [draft] = world.drafts()
    assert.deepEqual([draft?.type, draft?.error?.code], ['unreadable', 'HF_UNREADABLE'])
  })
})
