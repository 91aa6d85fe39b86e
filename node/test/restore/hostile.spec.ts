import assert from 'node:assert/strict'
import fs from 'node:fs'
import { rejectsWith } from './expect.ts'
import { leftovers, noise, Place, treeOf, Version } from './fixture.ts'

describe('restore: links planted in the destination', () => {
  let place: Place
  beforeEach(() => {
    place = new Place()
    place.makeOutside()
    fs.mkdirSync(place.to)
  })
  afterEach(() => {
    try {
      assert.deepEqual(place.outsideNow(), ['precious: precious'])
    } finally {
      place.remove()
    }
  })

  it('one in the place of a directory gives way to the directory', async () => {
    fs.symlinkSync(place.outside, `${place.to}/d`)
    const version = new Version().directory('d').file('d/precious', 'restored').directory('d/sub').file('d/sub/f', 'f')
    await version.restore(place.to, { inPlace: true })
    assert.equal(fs.readFileSync(`${place.to}/d/precious`, 'utf8'), 'restored')
    assert.equal(fs.readFileSync(`${place.to}/d/sub/f`, 'utf8'), 'f')
  })

  it('one in the place of a directory does not make what is behind it identical', async () => {
    fs.symlinkSync(place.outside, `${place.to}/d`)
    const { mtimeNs, mode, uid, gid } = fs.lstatSync(`${place.outside}/precious`, { bigint: true })
    const looks = { mtimeNs, mode: Number(mode & 0o7777n), uid: Number(uid), gid: Number(gid) }
    const version = new Version().directory('d').file('d/precious', 'PRECIOUS', looks)
    const dry = await version.restore(place.to, { inPlace: true, dryRun: true })
    assert.equal(dry.skipped, 0)
    assert.equal((await version.restore(place.to, { inPlace: true })).skipped, 0)
    assert.equal(fs.readFileSync(`${place.to}/d/precious`, 'utf8'), 'PRECIOUS')
  })

  it('one in the place of a file, an empty file or a link is replaced', async () => {
    for (const name of ['file', 'empty', 'link', 'large'])
      fs.symlinkSync(`${place.outside}/precious`, `${place.to}/${name}`)
    const version = new Version()
      .file('file', 'restored')
      .file('empty', '')
      .link('link', 'elsewhere')
      .file('large', noise('large', 200_000), { segmentBytes: 50_000 })
    await version.restore(place.to, { inPlace: true, verify: true })
    assert.ok(fs.lstatSync(`${place.to}/file`).isFile() && fs.lstatSync(`${place.to}/large`).isFile())
    assert.equal(fs.lstatSync(`${place.to}/empty`).size, 0)
    assert.equal(fs.readlinkSync(`${place.to}/link`), 'elsewhere')
  })

  it('one in the place of the marker is not written through', async () => {
    fs.symlinkSync(`${place.outside}/precious`, `${place.to}/.holdfast-restore`)
    await new Version().file('f', 'content').restore(place.to, { inPlace: true })
    assert.deepEqual(leftovers(place.to), [])
  })

  it('a fifo in the place of the marker holds nothing up', async () => {
    const { execFileSync } = await import('node:child_process')
    execFileSync('mkfifo', [`${place.to}/.holdfast-restore`])
    await rejectsWith('HF_CONFLICT', new Version().file('f', 'content').restore(place.to))
  })

  it('ones with the names that files have until they are whole are not written through', async () => {
    for (let index = 0; index < 5; index++)
      fs.symlinkSync(`${place.outside}/precious`, `${place.to}/.holdfast-restore-${index}`)
    const report = await new Version()
      .file('f', 'content')
      .file('g', '')
      .link('h', 'f')
      .restore(place.to, { inPlace: true })
    assert.equal(report.errorCount, 0)
    assert.equal(fs.readFileSync(`${place.to}/f`, 'utf8'), 'content')
  })

  it('one that takes the place of a directory while it runs ends the restore', async () => {
    const version = new Version()
      .directory('d')
      .file('d/a', noise('a', 400_000))
      .close()
      .file('d/b', noise('b', 400_000))
    version.before = () => {
      if (fs.lstatSync(`${place.to}/d`).isSymbolicLink()) return
      fs.renameSync(`${place.to}/d`, `${place.to}/moved`)
      fs.symlinkSync(place.outside, `${place.to}/d`)
    }
    // A thread that has the directory open goes on writing there: below the destination in any case.
    await version.restore(place.to, { inPlace: true }).then(
      () => assert.ok(fs.existsSync(`${place.to}/moved/b`)),
      (error: unknown) => assert.equal((error as { code?: unknown }).code, 'HF_DESTINATION'),
    )
  })

  it('extra links are removed, not what they lead to', async () => {
    fs.symlinkSync(place.outside, `${place.to}/extra`)
    fs.mkdirSync(`${place.to}/deep/er`, { recursive: true })
    fs.symlinkSync(place.outside, `${place.to}/deep/er/link`)
    const version = new Version().file('f', 'content')
    const report = await version.restore(place.to, { inPlace: true, deleteBy: version.list })
    assert.equal(report.deleted, 2)
    assert.deepEqual(treeOf(place.to, true).length, 1)
  })

  it('a directory deeper than the descriptors kept open is removed', async () => {
    const deep = `${place.to}/extra/${Array.from({ length: 150 }, (_, index) => `${index}`).join('/')}`
    fs.mkdirSync(deep, { recursive: true })
    fs.writeFileSync(`${deep}/f`, 'f')
    const version = new Version().file('extra', 'now a file').link('link', 'x')
    fs.mkdirSync(`${place.to}/link/${'d/'.repeat(100)}`, { recursive: true })
    const report = await version.restore(place.to, { inPlace: true })
    assert.equal(report.errorCount, 0)
    assert.equal(fs.readFileSync(`${place.to}/extra`, 'utf8'), 'now a file')
    assert.equal(fs.readlinkSync(`${place.to}/link`), 'x')
  })
})
