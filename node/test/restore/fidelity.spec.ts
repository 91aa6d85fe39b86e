import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ACL_ACCESS, ACL_DEFAULT, cString, createXattrReader, libc, placeOfPath } from '@holdfast/capture'
import { rejectsWith } from './expect.ts'
import { latin1, leftovers, noise, Place, Version } from './fixture.ts'

const calls = libc()
const isRoot = process.getuid?.() === 0
const group = (number: number): { hardLink: Uint8Array } => ({ hardLink: Uint8Array.of(number) })
const xattr = (name: string, value: string | Uint8Array) => ({ name: Buffer.from(name), value: Buffer.from(value) })
/** user:0 rwx, user:4242 r--, group r-x, mask r-x, others ---. */
const ACL = Buffer.from(
  '0200000001000700ffffffff020004009210000004000500ffffffff10000500ffffffff20000000ffffffff',
  'hex',
)

describe('restore: what belongs to a path beside its content', function () {
  if (calls === undefined) return
  let place: Place
  beforeEach(() => {
    place = new Place()
  })
  afterEach(() => place.remove())

  const read = createXattrReader()
  const xattrsOf = (name: string): string[] => {
    const found = read(placeOfPath(calls, cString(place.at(name))))
    assert.ok(typeof found !== 'string')
    return found.xattrs.map(({ name: attribute, value }) => `${latin1(attribute)}=${latin1(value)}`)
  }
  const inode = (name: string): number => fs.lstatSync(place.at(name)).ino
  const names = (): string[] => fs.readdirSync(place.to, { recursive: true, encoding: 'utf8' }).toSorted()

  describe('hard links', () => {
    it('are made between the names of one thing, whatever it is and in whatever directory', async () => {
      const fifo = { special: { kind: 'fifo', major: 0, minor: 0 } } as const
      const version = new Version()
        .directory('d')
        .file('d/two', noise('f', 300_000), { ...group(1), segmentBytes: 50_000 })
        .link('d/l', 'x', group(2))
        .file('empty', '', group(4))
        .other('fifo', { ...fifo, ...group(3) })
        .file('one', noise('f', 300_000), { ...group(1), segmentBytes: 50_000 })
        .file('empty too', '', group(4))
        .link('l', 'x', group(2))
        .file('lone', 'lone', group(9))
        .other('p', { ...fifo, ...group(3) })
      const report = await version.restore(place.to, { verify: true })
      for (const [a, b] of [
        ['one', 'd/two'],
        ['l', 'd/l'],
        ['fifo', 'p'],
        ['empty', 'empty too'],
      ] as const)
        assert.equal(inode(a), inode(b), `${a} and ${b}`)
      assert.equal(fs.lstatSync(place.at('l')).isSymbolicLink(), true)
      assert.equal(fs.statSync(place.at('lone')).nlink, 1)
      assert.deepEqual([report.files, report.symlinks, report.specials, report.errorCount], [5, 2, 2, 0])
      const dry = await version.restore(`${place.to}-dry`, { dryRun: true })
      assert.deepEqual([dry.files, dry.symlinks, dry.specials], [5, 2, 2])
      assert.deepEqual(
        names().filter((name) => name.includes('.holdfast')),
        [],
      )
    })

    it('are not made where the records differ: each path has what its own record says', async () => {
      const version = new Version()
        .file('old', 'as it was', group(1))
        .file('new', 'as it is', group(1))
        .file('other mode', 'as it was', { ...group(1), mode: 0o600 })
        .file('other attributes', 'as it was', { ...group(1), xattrs: [xattr('user.a', 'a')] })
      await version.restore(place.to)
      assert.deepEqual(
        names().map((name) => `${name}: ${fs.readFileSync(place.at(name), 'utf8')}`),
        ['new: as it is', 'old: as it was', 'other attributes: as it was', 'other mode: as it was'],
      )
      assert.equal(new Set(names().map(inode)).size, 4)
    })

    it('whose first name cannot be restored are not restored, and said', async () => {
      const version = new Version().file('a', noise('gone', 1000), group(1)).close().file('b', 'b').close()
      version.file('c', noise('gone', 1000), group(1))
      const [lost] = version.extents('a')
      version.chunks.delete(Buffer.from(lost?.chunk ?? []).toString('hex'))
      const report = await version.restore(place.to)
      assert.deepEqual(
        report.problems.map(({ path, code }) => `${latin1(path)} ${code}`),
        ['a HF_CHUNK_MISSING', 'c HF_CHUNK_MISSING'],
      )
      assert.deepEqual(names(), ['.holdfast-restore', 'b'])
    })

    it('that are there in place stay; a copy in the place of one gives way to it', async () => {
      const version = new Version().file('a', 'content', group(1)).file('b', 'content', group(1))
      await version.restore(place.to)
      const again = await version.restore(place.to, { inPlace: true })
      assert.deepEqual([again.files, again.skipped], [0, 2])
      const kept = inode('a')
      fs.copyFileSync(place.at('b'), place.at('copy'))
      fs.renameSync(place.at('copy'), place.at('b'))
      const mended = await version.restore(place.to, { inPlace: true })
      assert.deepEqual([mended.files, mended.skipped], [1, 1])
      assert.deepEqual([inode('a'), inode('b')], [kept, kept])
      fs.rmSync(place.at('a'))
      await version.restore(place.to, { inPlace: true, verify: true })
      assert.equal(inode('a'), inode('b'))
      assert.deepEqual(leftovers(place.to), [])
    })

    it('lead to what was restored, though a link to elsewhere is planted there meanwhile', async () => {
      place.makeOutside()
      const version = new Version().directory('d').file('d/a', 'content', group(1)).file('z', 'content', group(1))
      version.before = () => {
        fs.symlinkSync(`${place.outside}/precious`, place.at('z'))
        version.before = () => undefined
      }
      await version.restore(place.to, { inPlace: true })
      assert.equal(inode('z'), inode('d/a'))
      assert.deepEqual(place.outsideNow(), ['precious: precious'])
    })
  })

  it('holes come back as holes, zeros that were there as zeros', async () => {
    const content = Buffer.concat([noise('a', 10_000), Buffer.alloc(900_000), noise('b', 5), Buffer.alloc(300_000)])
    const version = new Version()
      .file('sparse', content, { sparse: true, segmentBytes: 60_000 })
      .file('one segment', Buffer.alloc(50_000), { sparse: true })
      .file('zeros', content, { segmentBytes: 60_000 })
    await version.restore(place.to, { verify: true })
    const blocks = (name: string): number => fs.statSync(place.at(name)).blocks * 512
    for (const name of ['sparse', 'zeros']) assert.ok(fs.readFileSync(place.at(name)).equals(content), name)
    assert.deepEqual([blocks('sparse'), blocks('one segment')], [4 * 4096, 0])
    assert.ok(blocks('zeros') >= content.byteLength)
    assert.ok(fs.readFileSync(place.at('one segment')).equals(Buffer.alloc(50_000)))
  })

  it('attributes and access lists come back, of files that nobody may write, of directories after their files', async () => {
    const xattrs = [xattr('user.a', 'a'), xattr('user.bytes', Uint8Array.of(0, 255))]
    const version = new Version()
      .directory('d', { mode: 0o500, xattrs })
      .file('d/read only', 'x', { mode: 0o400, xattrs })
      .directory('handed down', { mode: 0o755, xattrs: [xattr(ACL_DEFAULT, ACL)] })
      .file('handed down/plain', 'x')
      .file('listed', 'x', { mode: 0o750, xattrs: [xattr(ACL_ACCESS, ACL)] })
    assert.equal((await version.restore(place.to)).errorCount, 0)
    for (const name of ['d', 'd/read only']) assert.deepEqual(xattrsOf(name), ['user.a=a', 'user.bytes=\0\xff'])
    assert.deepEqual(xattrsOf('listed'), [`${ACL_ACCESS}=${latin1(ACL)}`])
    assert.deepEqual([xattrsOf('handed down'), xattrsOf('handed down/plain')], [[`${ACL_DEFAULT}=${latin1(ACL)}`], []])
    assert.equal(fs.statSync(place.at('listed')).mode & 0o7777, 0o750)
  })

  it('a destination that hands down access lists gives none to what is restored into it', async () => {
    fs.mkdirSync(place.to)
    calls.lsetxattr(cString(Buffer.from(place.to)), cString(Buffer.from(ACL_DEFAULT)), ACL)
    await new Version().file('f', 'x').directory('d').file('d/f', 'x').restore(place.to)
    assert.deepEqual([xattrsOf('f'), xattrsOf('d'), xattrsOf('d/f')], [[], [], []])
  })

  it('in place, other attributes make a file another one, and go from a directory', async () => {
    const version = new Version()
      .directory('d')
      .file('f', 'x', { xattrs: [xattr('user.a', 'a')] })
      .file('g', 'x')
    await version.restore(place.to)
    assert.equal((await version.restore(place.to, { inPlace: true })).files, 0)
    for (const [name, attribute] of [
      ['d', 'user.b'],
      ['f', 'user.a'],
      ['g', 'user.b'],
    ] as const)
      calls.lsetxattr(cString(place.at(name)), cString(Buffer.from(attribute)), Buffer.from('other'))
    assert.equal((await version.restore(place.to, { inPlace: true })).files, 2)
    assert.deepEqual([xattrsOf('d'), xattrsOf('f'), xattrsOf('g')], [[], ['user.a=a'], []])
  })

  it('devices, setuid bits and capabilities come back only when asked', async function () {
    if (!isRoot) this.skip()
    const capability = xattr('security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex'))
    const version = new Version()
      .other('block', { mode: 0o640, uid: 3, special: { kind: 'block', major: 259, minor: 70_000 } })
      .other('null', { special: { kind: 'character', major: 1, minor: 3 }, xattrs: [xattr('trusted.t', 't')] })
      .file('tool', 'x', { mode: 0o6755, xattrs: [capability] })
    const plain = await version.restore(place.to)
    assert.deepEqual([names(), plain.unsupported, xattrsOf('tool')], [['tool'], 0, []])
    assert.match(
      plain.warnings.join(),
      /^3 paths are restored without device, setuid bits or capabilities; --privileged/,
    )
    fs.rmSync(place.to, { recursive: true })
    const report = await version.restore(place.to, { privileged: true })
    assert.deepEqual([report.specials, report.warnings, report.errorCount], [2, [], 0])
    const block = fs.statSync(place.at('block'))
    assert.deepEqual([block.isBlockDevice(), block.mode & 0o7777, block.uid], [true, 0o640, 3])
    assert.equal(fs.statSync(place.at('null')).rdev, fs.statSync('/dev/null').rdev)
    assert.deepEqual(xattrsOf('null'), ['trusted.t=t'])
    assert.deepEqual([fs.statSync(place.at('tool')).mode & 0o7777, xattrsOf('tool').length], [0o6755, 1])
    const again = await version.restore(place.to, { privileged: true, inPlace: true })
    assert.deepEqual([again.skipped, again.specials], [3, 0])
  })

  it('an attribute that is refused is a problem of its path alone', async () => {
    const version = new Version().file('f', 'x', {
      xattrs: [xattr(ACL_ACCESS, 'no list'), xattr('user.a', 'a')],
    })
    const report = await version.restore(place.to)
    assert.deepEqual([xattrsOf('f'), fs.readFileSync(place.at('f'), 'utf8')], [['user.a=a'], 'x'])
    assert.match(report.problems[0]?.message ?? '', /the attribute system.posix_acl_access of f could not be set \(E/)
  })

  it('what the destination cannot keep is said before the first byte is written', function () {
    const script = fileURLToPath(new URL('poor-destination.js', import.meta.url))
    const mounted = `mount -t ramfs ramfs "$1" && exec "$2" "$3" "$1"`
    fs.mkdirSync(place.to)
    const command = ['-m', 'sh', '-c', mounted, 'sh', place.to, process.execPath, script]
    const run = spawnSync('unshare', command, { encoding: 'utf8' })
    if (run.error !== undefined || /unshare|mount:/.test(run.stderr)) this.skip()
    assert.equal(run.status, 0, run.stderr)
    assert.match(run.stdout, /said first/)
  })

  it('a file in the place of the destination’s probe is a refusal, not a loss', async () => {
    place.write('.holdfast-restore-probe', 'mine')
    await rejectsWith('HF_DESTINATION', new Version().file('f', 'x').restore(place.to, { inPlace: true }))
    assert.deepEqual(fs.readFileSync(place.at('.holdfast-restore-probe'), 'utf8'), 'mine')
  })
})
