import assert from 'node:assert/strict'
import fs from 'node:fs'
import { latin1, leftovers, noise, Place, treeOf, treeOfRows, Version, type Looks } from './fixture.ts'

const isRoot = process.getuid?.() === 0

describe('restore: a whole tree', () => {
  let place: Place
  beforeEach(() => {
    place = new Place()
  })
  afterEach(() => place.remove())

  it('is equal in names, content, links, modes, owners and times', async () => {
    const version = new Version()
    const contents = new Map<string, Uint8Array>()
    const file = (
      name: string,
      content: Uint8Array,
      more: Looks & { segmentBytes?: number; recipe?: boolean } = {},
    ) => {
      contents.set(name, content)
      version.file(name, content, more)
    }
    const owner = isRoot ? { uid: 1234, gid: 4321 } : {}
    version.directory('d', { mode: 0o711, mtimeNs: -1n })
    version.directory('d/empty', { mode: 0o1777, mtimeNs: 0n })
    version.directory('d/read only', { mode: 0o555, mtimeNs: 1_000_000_001n, ...owner })
    file('d/read only/inside', Buffer.from('inside'), { mode: 0o400, ...owner })
    version.directory('d/read only/below', { mode: 0o500 })
    file('d/read only/below/one', noise('one', 5))
    file('empty', new Uint8Array(0), { mode: 0 })
    file('\xff\xfe\x80not utf-8', noise('bytes', 100))
    file('new\nline', Buffer.from('new line'))
    file('n'.repeat(255), noise('long', 10))
    version.directory('\xe9'.repeat(255))
    file(`${'\xe9'.repeat(255)}/${'\xea'.repeat(255)}`, noise('longer', 10))
    file('before 1970', noise('early', 3), { mtimeNs: -123_456_789_012_345_678n })
    file('ns', noise('ns', 3), { mtimeNs: 1_234_567_890_987_654_321n, mode: 0o4 })
    version.link('dangling', 'no/such\xff/place', { mtimeNs: -5n, ...owner })
    version.link('absolute', '/etc/passwd', { mtimeNs: 999_999_999n })
    file('several chunks', noise('several', 1_500_000), { segmentBytes: 100_000 })
    file('recipe', noise('recipe', 1_200_000), { segmentBytes: 700, recipe: true })
    file('repeated', Buffer.alloc(300_000, 'ab'), { segmentBytes: 1000, recipe: true })

    const report = await version.restore(place.to, { verify: true })

    assert.deepEqual(treeOf(place.to), treeOfRows(version.rows(), contents))
    assert.equal(report.files, contents.size)
    assert.equal(report.directories, 5)
    assert.equal(report.symlinks, 2)
    assert.equal(report.errorCount, 0)
    assert.equal(
      report.bytes,
      [...contents.values()].reduce((sum, bytes) => sum + bytes.byteLength, 0),
    )
    assert.equal(report.warnings.length, isRoot ? 0 : 1)
  })

  it('opens one chunk of many files once', async () => {
    const version = new Version()
    for (let index = 0; index < 700; index++) version.file(`f${index}`, `content ${index}`)
    const report = await version.restore(place.to)
    assert.equal(report.files, 700)
    assert.equal(version.asked.length, 1)
    assert.equal(fs.readFileSync(place.at('f699'), 'utf8'), 'content 699')
  })

  it('leaves no descriptor open', async () => {
    const version = new Version()
    for (let index = 0; index < 80; index++) version.directory(`d${index}`).file(`d${index}/f`, `content ${index}`)
    const open = (): number => fs.readdirSync('/proc/self/fd').length
    await version.restore(`${place.to}-0`)
    const before = open()
    for (const run of [1, 2, 3]) await version.restore(`${place.to}-${run}`)
    assert.ok(open() <= before + 2, `${before} descriptors before, ${open()} after`)
  })

  it('sets setuid and setgid bits only when asked', async () => {
    const version = new Version().file('tool', 'tool', { mode: 0o6755 }).directory('shared', { mode: 0o2775 })
    const modes = (to: string) => ['tool', 'shared'].map((name) => fs.statSync(`${to}/${name}`).mode & 0o7777)
    await version.restore(place.to)
    assert.deepEqual(modes(place.to), [0o755, 0o775])
    await version.restore(`${place.to}-asked`, { privileged: true })
    assert.deepEqual(modes(`${place.to}-asked`), [0o6755, 0o2775])
  })

  it('counts what it cannot restore and cuts the base from every path', async () => {
    const version = new Version().directory('a/b').file('a/b/file', 'content').other('a/b/pipe')
    const report = await version.restore(place.to, { base: Buffer.from('a') })
    assert.equal(report.unsupported, 1)
    assert.match(report.warnings.at(-1) ?? '', /1 links, fifos or devices/)
    assert.deepEqual(
      treeOf(place.to, true).map((line) => line.split(' ')[0]),
      ['b', 'b/file'],
    )
  })

  it('makes the parents of the destination', async () => {
    await new Version().file('f', 'content').restore(`${place.to}/x/y`)
    assert.equal(fs.readFileSync(`${place.to}/x/y/f`, 'utf8'), 'content')
    assert.deepEqual(leftovers(place.to), [])
  })

  it('writes where a name of the destination is not UTF-8', async () => {
    const to = Buffer.concat([Buffer.from(`${place.to}-`), Buffer.from([0xff, 0xfe])])
    await new Version().file('f', 'content').restore(to)
    assert.equal(latin1(fs.readFileSync(Buffer.concat([to, Buffer.from('/f')]))), 'content')
  })
})
