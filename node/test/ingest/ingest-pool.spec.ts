import assert from 'node:assert/strict'
import fs from 'node:fs'
import { addKeyEpoch } from '@holdfast/keys'
import type { ErrorCode } from '@holdfast/ports'
import { asVolumeId, equalBytes, hasCode, hexOf, KIB, MIB } from '@holdfast/ports'
import { readChunkHeader } from '@holdfast/sealing'
import type { IngestPool, KnownSegment, SealedGroup } from '../../src/ingest/index.ts'
import { createIngestPool, INLINE_EXTENTS_MAX, knownSegments } from '../../src/ingest/index.ts'
import { GROUPS_IN_FLIGHT_MAX } from '../../src/ingest/limits.ts'
import { bytes, noise, PoolWorld } from './fixture.ts'

const isCode = (code: ErrorCode) => (error: unknown) => hasCode(error, code)
const DYING = new URL('./dying-worker.js', import.meta.url)

describe('ingest pool', () => {
  let world: PoolWorld

  beforeEach(async () => {
    world = await PoolWorld.open()
  })

  afterEach(() => world.close())

  it('stores a tree so that it can be read back: two workers, all kinds of entries', async () => {
    const { source } = world
    const files = new Map<string | Uint8Array, Uint8Array>([
      ['empty', new Uint8Array(0)],
      ['one byte', bytes('x')],
      ['docs/a segment', noise('a segment', 16 * KIB)],
      ['docs/several segments', noise('several', 700 * KIB)],
      ['docs/text', bytes('all work and no play\n'.repeat(40_000))],
      ['zeros', new Uint8Array(3 * MIB)],
      ['large', noise('large', 9 * MIB)],
      [Uint8Array.of(0x6e, 0xff, 0xfe, 0x0a), bytes('a name that is not UTF-8')],
    ])
    for (const [name, content] of files) source.write(name, content)
    fs.symlinkSync(Uint8Array.of(0x2f, 0xff) as Buffer, source.at('link'))
    fs.symlinkSync('docs', source.at('link to a directory'))
    const pool = await world.pool()
    await world.ingest(pool, [
      ...files.keys(),
      '',
      'docs',
      'link',
      'link to a directory',
      'gone',
      'docs/gone',
      'one byte/x',
    ])

    for (const [name, content] of files) {
      const draft = world.draft(name)
      assert.equal(draft.type, 'file')
      assert.equal(draft.torn, false)
      assert.equal(draft.size, content.byteLength)
      assert.ok(equalBytes(await world.content(name), content), String(name))
      const stats = fs.lstatSync(source.at(name), { bigint: true })
      assert.equal(draft.mtimeNs, stats.mtimeNs)
      assert.equal(draft.stat?.ino, stats.ino)
    }
    assert.deepEqual(world.draft('empty').extents, [])
    assert.ok((await world.extents(world.draft('large'))).length > INLINE_EXTENTS_MAX)
    assert.deepEqual(
      world.draft('large').refs.map(({ kind }) => kind),
      ['recipe'],
    )
    assert.equal(world.draft('').type, 'directory')
    assert.equal(world.draft('docs').type, 'directory')
    assert.deepEqual(world.draft('link').target, Uint8Array.of(0x2f, 0xff))
    assert.deepEqual(world.draft('link to a directory').target, bytes('docs'))
    for (const name of ['gone', 'docs/gone', 'one byte/x']) {
      const { type, stat, refs } = world.draft(name)
      assert.deepEqual([type, stat, refs], ['absent', undefined, []])
    }
  })

  it('names in a record what the record needs: extents’ chunks, or the recipe root with its children in public', async () => {
    world.source.write('small', noise('small', 200 * KIB))
    world.source.write('large', noise('large', 6 * MIB))
    const pool = await world.pool()
    await world.ingest(pool, ['small', 'large'])
    const small = world.draft('small')
    assert.deepEqual(
      small.refs.map(({ id }) => hexOf(id)),
      [...new Set((small.extents ?? []).map(({ chunk }) => hexOf(chunk)))],
    )
    for (const { id, storedBytes } of small.refs) {
      assert.equal((await world.store.get(world.ring.volume, id))?.byteLength, storedBytes)
    }
    const large = world.draft('large')
    assert.ok(large.recipe)
    assert.deepEqual(large.refs[0]?.id, large.recipe.root)
    const root = await world.store.get(world.ring.volume, large.recipe.root)
    assert.ok(root)
    const { recipe } = readChunkHeader(root)
    assert.ok(recipe)
    const needs = new Set(large.needs.map(hexOf))
    for (const { id } of recipe.children) assert.ok(needs.has(hexOf(id)))
    assert.ok(needs.has(hexOf(large.recipe.root)))
  })

  it('stores equal content once, whichever workers meet it', async () => {
    const shared = noise('shared', 2 * MIB)
    const names = Array.from({ length: 12 }, (_, index) => `copy ${index}`)
    for (const name of names) world.source.write(name, shared)
    const pool = await world.pool()
    await world.ingest(pool, names)
    assert.equal(new Set(world.groups.map(({ worker }) => worker)).size, 2, 'both workers had a part')
    assert.equal(await world.bundleBytes(), shared.byteLength)
    for (const name of names) assert.ok(equalBytes(await world.content(name), shared))
  })

  it('writes nothing for content that an earlier job stored, and asks for nothing durable again', async () => {
    world.source.write('first', noise('again', 5 * MIB))
    const pool = await world.pool()
    await world.ingest(pool, ['first'])
    const groups = world.groups.length
    world.source.write('second', noise('again', 5 * MIB))
    await world.ingest(pool, ['second'])
    assert.deepEqual(
      world.groups.slice(groups).flatMap(({ entries }) => entries),
      [],
    )
    assert.deepEqual(world.draft('second').needs, [])
    assert.deepEqual(world.draft('second').recipe, world.draft('first').recipe)
  })

  it('finds content that it was told of', async () => {
    const content = noise('told', 700 * KIB)
    world.source.write('file', content)
    await world.ingest(await world.pool(), ['file'])
    const groups = world.groups.length
    const { extents = [], refs } = world.draft('file')
    const other = await world.pool()
    other.learn(
      extents.map((extent) => ({
        ...extent,
        storedBytes: refs.find(({ id }) => equalBytes(id, extent.chunk))?.storedBytes ?? 0,
      })),
    )
    await world.ingest(other, ['file'])
    assert.deepEqual(
      world.groups.slice(groups).flatMap(({ entries }) => entries),
      [],
    )
    assert.deepEqual(world.draft('file').refs, refs)
    assert.ok(equalBytes(await world.content('file'), content))
  })

  it('finds a large file that it was told of, its recipe included', async () => {
    const content = noise('large told', 5 * MIB)
    world.source.write('file', content)
    await world.ingest(await world.pool(), ['file'])
    const groups = world.groups.length
    const { recipe, size } = world.draft('file')
    assert.ok(recipe)
    const other = await world.pool()
    const known: KnownSegment[] = []
    for await (const segment of knownSegments({ root: recipe.root, size }, world.knownContent())) known.push(segment)
    other.learn(known)
    await world.ingest(other, ['file'])
    assert.deepEqual(
      world.groups.slice(groups).flatMap(({ entries }) => entries),
      [],
    )
    assert.deepEqual(world.draft('file').recipe, recipe)
  })

  it('stores little more for an insert into a large file', async () => {
    const before = noise('image', 12 * MIB)
    world.source.write('image', before)
    const pool = await world.pool()
    await world.ingest(pool, ['image'])
    const groups = world.groups.length
    const after = Buffer.concat([before.subarray(0, 5 * MIB), noise('insert', 5000), before.subarray(5 * MIB)])
    world.source.write('image', after)
    await world.ingest(pool, ['image'])
    const entries = world.groups.slice(groups).flatMap((group) => group.entries)
    const freshBytes = entries.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
    assert.ok(freshBytes < 600 * KIB, `${freshBytes} new bytes`)
    assert.ok(equalBytes(await world.content('image'), after))
  })

  it('seals under the newest key epoch', async () => {
    world.source.write('file', noise('epochs', 1000))
    const pool = await world.pool()
    const grown = addKeyEpoch(world.ring, noise('second key', 32))
    pool.addVolume({ volume: grown.volume, keyRing: grown.encode() })
    await world.ingest(pool, ['file'])
    const [ref] = world.draft('file').refs
    assert.ok(ref)
    const stored = await world.store.get(grown.volume, ref.id)
    assert.equal(stored && readChunkHeader(stored).keyEpoch, 2)
  })

  it('keeps volumes apart', async () => {
    const other = await PoolWorld.open('other')
    try {
      world.source.write('file', noise('same', 100 * KIB))
      const pool = await world.pool({ workers: 1 })
      pool.addVolume({ volume: other.ring.volume, keyRing: other.ring.encode() })
      const job = world.job(['file'])
      const groups: SealedGroup[] = []
      const take = (group: SealedGroup): void => void groups.push(group)
      await Promise.all([pool.ingest(job, take), pool.ingest({ ...job, volume: other.ring.volume }, take)])
      const entries = groups.flatMap((group) => group.entries)
      const volumes = entries.map(({ volume }) => hexOf(volume))
      assert.deepEqual(new Set(volumes), new Set([hexOf(world.ring.volume), hexOf(other.ring.volume)]))
      assert.equal(new Set(entries.map(({ id }) => hexOf(id))).size, 2)
    } finally {
      await other.close()
    }
  })

  it('reads what is urgent while its only worker is at a large file', async () => {
    world.source.write('large', noise('busy', 48 * MIB))
    world.source.write('edit', noise('edit', 1000))
    const pool = await world.pool({ workers: 1 })
    const ended: string[] = []
    let edit: Promise<void> | undefined
    const ingest = async (name: string, isUrgent: boolean, onGroup: () => void): Promise<void> => {
      const paths = [{ path: bytes(name), sizeHint: 48 * MIB }]
      await pool.ingest({ volume: world.ring.volume, root: bytes(world.source.root), paths, isUrgent }, onGroup)
      ended.push(name)
    }
    await ingest('large', false, () => {
      edit ??= ingest('edit', true, () => undefined)
    })
    await edit
    assert.deepEqual(ended, ['edit', 'large'])
  })

  it('concludes nothing from absence when the root is gone, or is another directory', async () => {
    world.source.write('file', bytes('x'))
    const pool = await world.pool()
    const job = world.job(['file', 'gone'])
    const stats = fs.statSync(world.source.root, { bigint: true })
    await pool.ingest({ ...job, rootIdentity: { dev: stats.dev, ino: stats.ino } }, world.receiver(pool))
    const elsewhere = { ...job, rootIdentity: { dev: stats.dev, ino: stats.ino + 1n } }
    await assert.rejects(pool.ingest(elsewhere, world.receiver(pool)), isCode('HF_SOURCE_UNAVAILABLE'))
    world.source.remove()
    await assert.rejects(pool.ingest(job, world.receiver(pool)), isCode('HF_SOURCE_UNAVAILABLE'))
  })

  it('says which path it could not read, and goes on with the others', async () => {
    const long = 'n'.repeat(300)
    world.source.write('fine', bytes('fine'))
    const pool = await world.pool()
    await world.ingest(pool, [long, 'fine'])
    const { type, error } = world.draft(long)
    assert.deepEqual([type, error?.code], ['unreadable', 'HF_UNREADABLE'])
    assert.match(error?.message ?? '', /ENAMETOOLONG/)
    assert.equal(world.draft('fine').type, 'file')
  })

  it('waits while too many groups are not taken', async () => {
    world.source.write('large', noise('pressure', 50 * MIB))
    const pool = await world.pool({ workers: 1 })
    let delivered = 0
    const gate: { open?: () => void } = {}
    const held = new Promise<void>((resolve) => (gate.open = resolve))
    const receive = world.receiver(pool)
    let job = Promise.resolve()
    await new Promise<void>((resolve) => {
      job = pool.ingest(world.job(['large']), async (group) => {
        delivered++
        if (delivered === GROUPS_IN_FLIGHT_MAX) resolve()
        await held
        await receive(group)
      })
    })
    // A worker that did not wait would deliver more between these answers.
    for (let round = 0; round < 50; round++) await pool.commit(0, [])
    assert.equal(delivered, GROUPS_IN_FLIGHT_MAX)
    gate.open?.()
    await job
    assert.ok(delivered > GROUPS_IN_FLIGHT_MAX)
  })

  it('an aborted job rejects, and does not spoil what others find', async () => {
    world.source.write('large', noise('abort', 20 * MIB))
    const pool = await world.pool()
    const abort = new AbortController()
    const receive = world.receiver(pool)
    const job = pool.ingest(
      world.job(['large']),
      (group) => {
        abort.abort()
        return receive(group)
      },
      abort.signal,
    )
    await assert.rejects(job, isCode('HF_ABORTED'))
    assert.equal(world.drafts.size, 0)
    await assert.rejects(pool.ingest(world.job(['large']), receive, abort.signal), isCode('HF_ABORTED'))
    await pool.ingest(world.job(['large']), receive)
    assert.ok(equalBytes(await world.content('large'), noise('abort', 20 * MIB)))
  })

  it('a receiver that throws ends its job with its error, and what it was told of is stored anew', async () => {
    world.source.write('file', noise('refused', 300 * KIB))
    const pool = await world.pool()
    const refusal = new Error('no')
    const refuse = (): never => {
      throw refusal
    }
    await assert.rejects(pool.ingest(world.job(['file']), refuse), refusal)
    await world.ingest(pool, ['file'])
    assert.ok(equalBytes(await world.content('file'), noise('refused', 300 * KIB)))
    await assert.rejects(
      pool.ingest(world.job(['file']), () => Promise.reject(refusal)),
      refusal,
    )
  })

  it('a worker that dies ends its jobs and commits with an error, and is replaced', async () => {
    world.source.write('fatal', bytes('x'))
    world.source.write('file', noise('survivor', 300 * KIB))
    const pool = await world.pool({ workers: 1, entry: DYING })
    await world.ingest(pool, ['file'])
    const job = pool.ingest(world.job(['fatal']), world.receiver(pool))
    const commit = pool.commit(0, [])
    await assert.rejects(job, isCode('HF_INTERNAL'))
    await assert.rejects(commit, isCode('HF_INTERNAL'))
    await assert.rejects(pool.commit(0, []), isCode('HF_INTERNAL'))
    world.drafts.clear()
    world.source.write('other', noise('survivor', 300 * KIB))
    await world.ingest(pool, ['file', 'other'])
    assert.equal(world.groups.at(-1)?.worker, 1)
    assert.ok(equalBytes(await world.content('other'), noise('survivor', 300 * KIB)))
  })

  it('what a dead worker had not synced is stored anew', async () => {
    world.source.write('fatal', bytes('x'))
    world.source.write('file', noise('unsynced', 300 * KIB))
    const pool = await world.pool({ workers: 1, entry: DYING })
    const lost: SealedGroup[] = []
    await pool.ingest(world.job(['file']), (group) => void lost.push(group))
    await assert.rejects(pool.ingest(world.job(['fatal']), world.receiver(pool)), isCode('HF_INTERNAL'))
    await world.ingest(pool, ['file'])
    assert.ok(world.groups.some(({ entries }) => entries.length > 0))
    assert.ok(equalBytes(await world.content('file'), noise('unsynced', 300 * KIB)))
  })

  it('gives up when workers die again and again', async () => {
    world.source.write('fatal', bytes('x'))
    const pool = await world.pool({ workers: 1, entry: DYING })
    const codes = new Set<string>()
    for (let round = 0; round < 10; round++) {
      await pool
        .ingest(world.job(['fatal']), () => {})
        .catch((error: unknown) => codes.add((error as { code: string }).code))
    }
    assert.deepEqual([...codes], ['HF_INTERNAL'])
    await assert.rejects(
      pool.ingest(world.job(['fatal']), () => {}),
      /every ingest worker has died/,
    )
  })

  it('stops with a running job, which ends with HF_CLOSED', async () => {
    world.source.write('large', noise('stop', 20 * MIB))
    const pool = await world.pool()
    const receive = world.receiver(pool)
    let stopped: Promise<void> | undefined
    const job = pool.ingest(world.job(['large']), () => {
      stopped ??= pool.stop()
    })
    await assert.rejects(job, isCode('HF_CLOSED'))
    await stopped
    await pool.stop()
    await assert.rejects(pool.ingest(world.job(['large']), receive), isCode('HF_CLOSED'))
    await assert.rejects(pool.commit(0, []), isCode('HF_CLOSED'))
  })

  it('refuses what it has no key for, and work before its start', async () => {
    const pool = await world.pool({ workers: 1 })
    const job = { ...world.job(['x']), volume: asVolumeId(new Uint8Array(16)) }
    await assert.rejects(
      pool.ingest(job, () => {}),
      isCode('HF_NOT_FOUND'),
    )
    const fresh = createIngestPool({
      driveDirectory: world.source.root,
      packNumbers: new SharedArrayBuffer(4),
      clock: { nowMs: () => 0, monotonicMs: () => 0, setTimer: () => ({ cancel() {} }) },
    })
    await assert.rejects(
      fresh.ingest(world.job(['x']), () => {}),
      isCode('HF_CLOSED'),
    )
    await fresh.stop()
  })

  it('a job without paths resolves', async () => {
    const pool: IngestPool = await world.pool({ workers: 1 })
    await pool.ingest(world.job([]), () => assert.fail('a group of nothing'))
  })

  it('commits frames after what was written, and says where they are', async () => {
    const pool = await world.pool({ workers: 1 })
    const frame = world.journalFrame()
    const [entry, ...more] = await pool.commit(0, [frame])
    assert.deepEqual(more, [])
    assert.equal(entry?.kind, 'journal')
    assert.equal(entry.blockCount, 1)
    world.store.adopt([entry])
    assert.equal(world.store.journals()[0]?.length, 1)
  })

  it('runs many small jobs at once', async () => {
    const names = Array.from({ length: 200 }, (_, index) => `file ${index}`)
    for (const name of names) world.source.write(name, bytes(`content of ${name}`))
    const pool = await world.pool()
    await Promise.all(names.map((name) => world.ingest(pool, [name])))
    for (const name of names) assert.deepEqual(await world.content(name), bytes(`content of ${name}`))
  })
})
