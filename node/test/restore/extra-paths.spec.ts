import assert from 'node:assert/strict'
import { extraPaths } from '../../src/restore/extra-paths.ts'
import { latin1, Place, Version } from './fixture.ts'

describe('restore: what the version does not have', () => {
  let place: Place
  beforeEach(() => {
    place = new Place()
  })
  afterEach(() => place.remove())

  const found = async (version: Version, namesAtOnce?: number): Promise<string[]> => {
    const paths: string[] = []
    for await (const path of extraPaths(Buffer.from(place.to), version.list, namesAtOnce)) paths.push(latin1(path))
    return paths.toSorted()
  }

  it('is found in directories of more names than are compared at once, at every place of the order', async () => {
    const version = new Version().directory('d')
    const extra: string[] = []
    for (let index = 0; index < 40; index++) {
      const name = `d/${String(index).padStart(3, '0')}\xff`
      place.write(name, 'x')
      if (index % 3 === 0) extra.push(name)
      else version.file(name, 'x')
    }
    for (const namesAtOnce of [1, 2, 7, 26, 27, 1000]) assert.deepEqual(await found(version, namesAtOnce), extra)
  })

  it('is named outermost only, in the directories that both have, the empty ones of the version included', async () => {
    for (const name of ['both/extra', 'empty/extra/deep/er', 'extra/a', 'extra/b', 'file'] as const)
      place.write(name, 'x')
    const version = new Version().directory('both').directory('empty').file('file', 'x').file('both/gone', 'x')
    assert.deepEqual(await found(version), ['both/extra', 'empty/extra', 'extra'])
  })

  it('is not what is in a directory where the version has a file', async () => {
    place.write('other/inside', 'x')
    assert.deepEqual(await found(new Version().file('other', 'x')), [])
  })

  it('is nothing where there is nothing, and never the marker', async () => {
    assert.deepEqual(await found(new Version().file('f', 'x')), [])
    place.write('.holdfast-restore', 'x')
    assert.deepEqual(await found(new Version()), [])
  })
})
