import assert from 'node:assert/strict'
import fs, { constants } from 'node:fs'
import { libc, type Libc } from '@holdfast/capture'
import { Fitting, unkept, type Abilities, type Lack } from '../../src/restore/abilities.ts'
import { probe } from '../../src/restore/probe.ts'
import type { RestoreRow } from '../../src/restore/types.ts'
import { each, latin1, Place, Version } from './fixture.ts'

const real = libc()
const isRoot = process.getuid?.() === 0
const RESTORER = { uid: 0, gid: 0, privileged: false }

describe('restore: what a destination can keep', function () {
  if (real === undefined) return
  let place: Place
  beforeEach(() => {
    place = new Place()
    fs.mkdirSync(place.to)
  })
  afterEach(() => place.remove())

  function probed(meddle: Partial<Libc> = {}, privileged = false): Abilities {
    const root = fs.openSync(place.to, 'r')
    try {
      return probe({ ...(real as Libc), ...meddle }, root, privileged)
    } finally {
      fs.closeSync(root)
      assert.deepEqual(fs.readdirSync(place.to), [])
    }
  }
  const lacks = (meddle?: Partial<Libc>, privileged?: boolean): Lack[] =>
    [...probed(meddle, privileged).lacks].toSorted()
  const refuse = (): number => -95

  it('is everything where nothing is lacking, and nothing is left of the probe', () => {
    const expected: Lack[] = isRoot ? [] : ['owners', 'system-attributes']
    assert.deepEqual(lacks(), expected)
    assert.equal(probed().nameBytesMax, 255)
    assert.equal(probed().handsDownAcl, false)
  })

  it('is found out call by call', () => {
    const base = lacks()
    const lacking = (...more: Lack[]): Lack[] => [...new Set([...base, ...more])].toSorted()
    assert.deepEqual(lacks({ fsetxattr: refuse }), lacking('acls', 'system-attributes', 'user-attributes'))
    assert.deepEqual(lacks({ symlinkat: refuse, linkat: refuse }), lacking('hard-links', 'symlinks'))
    assert.deepEqual(lacks({ mknodat: refuse }), lacking('fifos'))
    assert.deepEqual(lacks({ mknodat: refuse }, true), lacking('devices', 'fifos'))
    const seconds: Libc['futimens'] = (fd, times) => {
      new BigInt64Array(times.buffer)[3] = 0n
      return real.futimens(fd, times)
    }
    assert.deepEqual(lacks({ futimens: seconds }), lacking('nanoseconds'))
    assert.deepEqual(lacks({ futimens: refuse }), lacking('early-times', 'nanoseconds'))
  })

  it('names: case, bytes, characters and length', () => {
    const base = lacks()
    const lacking = (lack: Lack): Lack[] => [...base, lack].toSorted()
    const named = (change: (name: string) => string | number): Partial<Libc> => ({
      openat(directory, name, flags, mode) {
        const changed = (flags & constants.O_DIRECTORY) !== 0 ? latin1(name) : change(latin1(name))
        return typeof changed === 'number'
          ? changed
          : real.openat(directory, Buffer.from(changed, 'latin1'), flags, mode)
      },
      unlinkat(directory, name, flags) {
        const changed = flags === 0 ? change(latin1(name)) : latin1(name)
        return typeof changed === 'number' ? changed : real.unlinkat(directory, Buffer.from(changed, 'latin1'), flags)
      },
    })
    assert.deepEqual(lacks(named((name) => name.toLowerCase())), lacking('case'))
    assert.deepEqual(lacks(named((name) => (name.includes('\xff') ? -84 : name))), lacking('name-bytes'))
    assert.deepEqual(lacks(named((name) => (name.includes(':') ? -22 : name))), lacking('name-characters'))
    const short = probed(named((name) => (name.length > 143 + 1 ? -36 : name)))
    assert.deepEqual([[...short.lacks].toSorted(), short.nameBytesMax], [lacking('name-length'), 143])
  })

  it('what a version needs of it is said once each, and nothing else', async () => {
    const version = new Version()
      .link('l', 'x')
      .file('f', 'x', { uid: 7, mtimeNs: -1n })
      .file('F', 'x')
      .file('\xff', 'x')
    const said = async (list: readonly Lack[], rows: readonly RestoreRow[] = version.rows(), nameBytesMax = 255) => {
      const sentences: string[] = []
      const abilities = { lacks: new Set(list), nameBytesMax, handsDownAcl: false }
      for await (const sentence of unkept(each(rows), abilities, RESTORER)) sentences.push(sentence.slice(0, 20))
      return sentences.toSorted()
    }
    assert.deepEqual(await said(['acls', 'fifos', 'hard-links', 'holes', 'devices', 'user-attributes']), [])
    assert.deepEqual(await said(['owners']), ['owners are not resto'])
    assert.deepEqual(await said(['symlinks', 'case', 'name-bytes', 'early-times']), [
      'names that are not U',
      'names that differ on',
      'symbolic links are n',
      'times before 1970 or',
    ])
    assert.deepEqual(await said(['name-length'], new Version().file('long', 'x').rows(), 3), ['names that are too l'])
    assert.deepEqual(await said(['case', 'owners'], new Version().file('f', 'x', { uid: 0, gid: 0 }).rows()), [])
  })

  it('paths that it cannot have are refused with all below them, the others are not', () => {
    const fitting = (list: readonly Lack[], nameBytesMax = 255) =>
      new Fitting({ lacks: new Set(list), nameBytesMax, handsDownAcl: false })
    const refusals = (subject: Fitting, ...paths: string[]): boolean[] =>
      paths.map((path) => subject.refusal(Buffer.from(path, 'latin1')) !== undefined)
    assert.deepEqual(refusals(fitting(['case']), 'a', 'A', 'A/x', 'a/x', 'b'), [false, true, true, false, false])
    assert.deepEqual(refusals(fitting(['name-length'], 3), 'abcd', 'abc/abcd/x', 'abc'), [true, true, false])
    assert.deepEqual(refusals(fitting(['name-bytes']), 'd\xff/x', 'x'), [true, false])
    assert.deepEqual(refusals(fitting(['name-characters']), 'a:b', 'x ', 'new\nline', 'x'), [true, true, true, false])
    assert.deepEqual(refusals(fitting([]), 'n'.repeat(300)), [false])
  })
})
