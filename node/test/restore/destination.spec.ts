import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { hexOf } from '@holdfast/ports'
import { rejectsWith } from './expect.ts'
import { each, latin1, leftovers, noise, Place, treeOf, treeOfRows, Version } from './fixture.ts'

describe('restore: the destination', () => {
  let place: Place
  beforeEach(() => {
    place = new Place()
  })
  afterEach(() => place.remove())

  const names = (): string[] => treeOf(place.to, true).map((line) => line.split(' ')[0] ?? '')

  it('is refused if it holds other things, and left as it was', async () => {
    place.write('mine', 'mine')
    const error = await rejectsWith('HF_CONFLICT', new Version().file('f', 'content').restore(place.to))
    assert.match(error.message, /holds other things \(mine\); nothing was changed/)
    assert.deepEqual(names(), ['mine'])
    await rejectsWith('HF_CONFLICT', new Version().restore(`${place.to}/mine`))
    await rejectsWith('HF_DESTINATION', new Version().restore('/proc/nothing/here'))
  })

  it('keeps in place what is identical and what is extra', async () => {
    const version = new Version()
      .directory('d')
      .file('d/same', 'same')
      .file('d/other', 'other')
      .link('l', 'to')
      .file('e', '')
    await version.restore(place.to)
    const { ino } = fs.statSync(`${place.to}/d/same`)
    place.write('d/extra', 'extra')
    place.write('d/other', 'changed')
    const report = await version.restore(place.to, { inPlace: true })
    assert.deepEqual([report.skipped, report.files, report.symlinks, report.deleted], [3, 1, 0, 0])
    assert.equal(fs.statSync(`${place.to}/d/same`).ino, ino)
    assert.equal(fs.readFileSync(`${place.to}/d/other`, 'utf8'), 'other')
    assert.deepEqual(names(), ['d', 'd/extra', 'd/other', 'd/same', 'e', 'l'])
  })

  it('loses in place, when asked, what the version does not have', async () => {
    const version = new Version().directory('d').file('d/same', 'same')
    const before = treeOfRows(version.rows(), new Map([['d/same', Buffer.from('same')]]))
    for (const extra of ['x', 'y/z/extra', 'd/extra', 'd/e/\xff']) place.write(extra, extra)
    const dry = await version.restore(place.to, { inPlace: true, deleteBy: version.list, dryRun: true })
    assert.equal(dry.deleted, 4)
    const report = await version.restore(place.to, { inPlace: true, deleteBy: version.list })
    assert.equal(report.deleted, 4)
    assert.deepEqual(treeOf(place.to), before)
    assert.equal((await version.restore(place.to, { inPlace: true, deleteBy: version.list })).skipped, 1)
    place.write('x', 'again')
    const allSkipped = await version.restore(place.to, { inPlace: true, deleteBy: version.list, dryRun: true })
    assert.deepEqual([allSkipped.skipped, allSkipped.deleted], [1, 1])
  })

  it('has in place files where directories were and the other way round', async () => {
    place.write('was a directory/deep/file', 'x')
    place.write('link was a directory/file', 'x')
    place.write('was a file', 'x')
    const version = new Version()
      .file('was a directory', 'file')
      .link('link was a directory', 'target')
      .directory('was a file')
      .file('was a file/inside', 'inside')
    for (const dryRun of [true, false]) {
      const { files, symlinks, directories } = await version.restore(place.to, { inPlace: true, dryRun })
      assert.deepEqual({ files, symlinks, directories }, { files: 2, symlinks: 1, directories: 1 })
    }
    const contents = [
      ['was a directory', Buffer.from('file')],
      ['was a file/inside', Buffer.from('inside')],
    ] as const
    assert.deepEqual(treeOf(place.to), treeOfRows(version.rows(), new Map(contents)))
  })

  it('is not touched by a dry run', async () => {
    const version = new Version()
      .directory('d')
      .file('d/f', 'content')
      .file('r', noise('r', 9000), { segmentBytes: 100, recipe: true })
    const fresh = await version.restore(place.to, { dryRun: true, inPlace: true, deleteBy: version.list })
    assert.deepEqual([fresh.files, fresh.bytes, fresh.directories, fresh.errorCount], [2, 9007, 1, 0])
    assert.ok(!fs.existsSync(place.to))
    place.write('d/f', 'changed')
    place.write('.holdfast-restore', 'data: at some time\n')
    place.write('.holdfast-restore-1', 'half')
    const before = treeOf(place.to)
    await version.restore(place.to, { dryRun: true })
    await version.restore(place.to, { dryRun: true, inPlace: true, deleteBy: version.list })
    assert.deepEqual(treeOf(place.to), before)
    assert.deepEqual(version.asked, [])
  })

  it('has a marker after an abort; the same restore goes on and leaves nothing aside', async () => {
    const contents = new Map<string, Uint8Array>()
    const version = new Version().directory('d')
    for (let index = 0; index < 40; index++) {
      const bytes = noise(`f${index}`, 150_000)
      contents.set(`d/f${index}`, bytes)
      version.file(`d/f${index}`, bytes, { segmentBytes: 40_000 })
    }
    const controller = new AbortController()
    version.before = () => {
      if (version.asked.length === 8) controller.abort()
    }
    await rejectsWith('HF_ABORTED', version.restore(place.to, { signal: controller.signal }))
    assert.ok(leftovers(place.to).some((name) => name.startsWith('.holdfast-restore ')))
    await rejectsWith('HF_CONFLICT', version.restore(place.to, { identity: 'data: at another time' }))
    version.before = () => undefined
    const report = await version.restore(place.to)
    assert.equal(report.resumed, true)
    assert.equal(report.files + report.skipped, 40)
    assert.deepEqual(leftovers(place.to), [])
    assert.deepEqual(treeOf(place.to), treeOfRows(version.rows(), contents))
  })

  it('is read where a restore goes on: a file with the right size and time and other bytes is written again', async () => {
    const version = new Version().file('good', 'good').file('bad', 'content')
    await version.restore(place.to)
    const { mtime } = fs.statSync(`${place.to}/bad`)
    place.write('bad', Buffer.alloc(7))
    fs.utimesSync(`${place.to}/bad`, mtime, mtime)
    const same = fs.statSync(`${place.to}/bad`, { bigint: true }).mtimeNs
    const { rows } = {
      rows: version.rows().map((row) => ({ ...row, mtimeNs: latin1(row.path) === 'bad' ? same : row.mtimeNs })),
    }
    place.write('.holdfast-restore', 'data: at some time\n')
    const report = await version.restore(place.to, { rows: each(rows) })
    assert.deepEqual([report.resumed, report.skipped, report.files], [true, 1, 1])
    assert.equal(fs.readFileSync(`${place.to}/bad`, 'utf8'), 'content')
  })

  it('lacks just the files of a missing or corrupt chunk, and has them once the chunk is there', async () => {
    const version = new Version()
      .file('good', noise('good', 300_000))
      .close()
      .file('lost', 'lost')
      .file('half', noise('half', 200_000), { segmentBytes: 100_000 })
      .close()
      .file('half-too', noise('half-too', 90_000), { segmentBytes: 30_000 })
      .file('broken', 'broken')
    const rows = version.rows()
    const chunkOf = (name: string) => hexOf(version.extents(name)[0]?.chunk ?? new Uint8Array(0))
    const lost = version.chunks.get(chunkOf('lost')) ?? new Uint8Array(0)
    const broken = version.chunks.get(chunkOf('broken')) ?? new Uint8Array(0)
    version.chunks.delete(chunkOf('lost'))
    version.chunks.set(
      chunkOf('broken'),
      broken.map((byte, index) => (index === 200 ? byte ^ 1 : byte)),
    )
    const told: string[] = []
    const report = await version.restore(place.to, {
      onError: ({ path, code }) => told.push(`${latin1(path)} ${code}`),
    })
    assert.deepEqual(told.toSorted(), [
      'broken HF_CHUNK_CORRUPT',
      'half HF_CHUNK_MISSING',
      'half-too HF_CHUNK_CORRUPT',
      'lost HF_CHUNK_MISSING',
    ])
    assert.equal(report.errorCount, 4)
    assert.deepEqual([report.files, report.bytes], [1, 300_000])
    assert.deepEqual(names(), ['.holdfast-restore', 'good'])
    version.chunks.set(chunkOf('lost'), lost).set(chunkOf('broken'), broken)
    const again = await version.restore(place.to, { rows: each(rows) })
    assert.deepEqual([again.files, again.skipped, again.errorCount], [4, 1, 0])
    assert.deepEqual(names(), ['broken', 'good', 'half', 'half-too', 'lost'])
  })

  it('lacks one file of a chunk if its record is wrong, and has the others', async () => {
    const version = new Version()
    for (let index = 0; index < 30; index++) version.file(`f${index}`, `content ${index}`)
    version.file('large', noise('large', 300_000), { segmentBytes: 100_000 })
    const wrong = (name: string): boolean => name === 'f7' || name === 'large'
    const rows = version.rows().map((row) => {
      const [first, ...rest] = row.content?.inline ?? []
      if (!wrong(latin1(row.path)) || first === undefined) return row
      return { ...row, content: { inline: [...rest, { ...first, fingerprint: noise('other', 16) }] } }
    })
    const report = await version.restore(place.to, { rows: each(rows) })
    assert.deepEqual([report.files, report.errorCount], [29, 2])
    assert.deepEqual(leftovers(place.to).length, 1)
    assert.equal(names().length, 30)
  })

  it('lacks a file whose segments do not add up to its size, or whose recipe is gone', async () => {
    const version = new Version()
      .file('short', 'short')
      .file('r', noise('r', 9000), { segmentBytes: 100, recipe: true })
      .file('ok', 'ok')
    const rows = version.rows().map((row) => (latin1(row.path) === 'short' ? { ...row, size: 6 } : row))
    version.chunks.delete(hexOf(rows[1]?.content?.recipe ?? new Uint8Array(0)))
    const report = await version.restore(place.to, { rows: each(rows) })
    assert.deepEqual(
      report.problems.map(({ path, code }) => `${latin1(path)} ${code}`),
      ['short HF_CHUNK_CORRUPT', 'r HF_CHUNK_MISSING'],
    )
    assert.equal(report.files, 1)
  })

  it('is compared by --verify: what was altered behind its back is found', async () => {
    const version = new Version()
      .file('a', 'content')
      .file('b', 'b')
      .file('empty', '')
      .close()
      .file('last', noise('last', 1000))
    const altered = new Set<string>()
    const alter = (): void => {
      for (const name of ['a', 'empty']) {
        if (altered.has(name) || !fs.existsSync(`${place.to}/${name}`)) continue
        fs.appendFileSync(`${place.to}/${name}`, '+')
        altered.add(name)
      }
    }
    version.before = async () => {
      while (version.asked.length === 2 && altered.size < 2) {
        alter()
        await new Promise(setImmediate)
      }
    }
    const report = await version.restore(place.to, { verify: true })
    assert.deepEqual(report.problems.map(({ path, code }) => `${latin1(path)} ${code}`).toSorted(), [
      'a HF_DESTINATION',
      'empty HF_DESTINATION',
    ])
  })

  it('is compared by --verify in place: what looks identical and is not is written again', async () => {
    const version = new Version().file('a', 'content').file('b', 'content b')
    await version.restore(place.to)
    const { atime, mtime } = fs.statSync(`${place.to}/a`)
    fs.writeFileSync(`${place.to}/a`, 'CONTENT')
    fs.utimesSync(`${place.to}/a`, atime, mtime)
    const { mtimeNs } = fs.statSync(`${place.to}/a`, { bigint: true })
    const rows = version.rows().map((row) => ({ ...row, mtimeNs }))
    const report = await version.restore(place.to, { rows: each(rows), inPlace: true, verify: true })
    assert.deepEqual([report.files, report.skipped, report.errorCount], [2, 0, 0])
    assert.equal(fs.readFileSync(`${place.to}/a`, 'utf8'), 'content')
  })

  it('has read-only directories that its owner, who is not the superuser, restores into', function () {
    const script = fileURLToPath(new URL('as-owner.js', import.meta.url))
    fs.chmodSync(place.root, 0o777)
    const run = spawnSync(process.execPath, [script, place.to], { encoding: 'utf8' })
    if (/EACCES.*node_modules|EACCES.*dist/.test(run.stderr)) this.skip()
    assert.equal(run.status, 0, run.stderr)
    assert.match(run.stdout, /restored/)
  })

  it('that refuses one file ends the restore, also when that shows while the last chunk is on its way', async () => {
    const version = new Version().file('n'.repeat(256), 'name').close().file('last', 'last').close()
    let refused = false
    version.before = async () => {
      if (version.asked.length !== 2) return
      // The name aside is short: once the file has gone from it or was refused, the thread has answered or is about to.
      for (let look = 0; look < 2000 && !refused; look++) {
        refused = leftovers(place.to).length > 1
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const error = await rejectsWith('HF_DESTINATION', version.restore(place.to))
    assert.match(error.message, /ENAMETOOLONG/)
  })

  it('that is full ends the restore with what to do, and the same restore goes on once there is room', function () {
    const script = fileURLToPath(new URL('full-destination.js', import.meta.url))
    const mounted = `mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" "$3" "$1"`
    fs.mkdirSync(place.to)
    const run = spawnSync('unshare', ['-m', 'sh', '-c', mounted, 'sh', place.to, process.execPath, script], {
      encoding: 'utf8',
    })
    if (run.error !== undefined || /unshare|mount:/.test(run.stderr)) this.skip()
    assert.equal(run.status, 0, run.stderr)
    assert.equal(run.stdout.trim(), 'full HF_DESTINATION there is no room; then resumed, 12 files')
  })
})
