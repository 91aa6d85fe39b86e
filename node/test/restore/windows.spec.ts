import assert from 'node:assert/strict'
import { hexOf } from '@holdfast/ports'
import { latin1, leftovers, noise, Place, treeOf, treeOfRows, Version } from './fixture.ts'
import { rejectsWith } from './expect.ts'

/** Room for some ten segments, so that windows are cut through most files. */
const SMALL = { windowPlanBytesMax: 1000 }

describe('restore: in windows that are cut through files', () => {
  let place: Place
  let version: Version
  let contents: Map<string, Uint8Array>
  beforeEach(() => {
    place = new Place()
    version = new Version()
    contents = new Map()
  })
  afterEach(() => place.remove())

  function file(name: string, bytes: number, recipe = true): void {
    const content = noise(name, bytes)
    contents.set(name, content)
    version.file(name, content, { segmentBytes: 4000, recipe })
  }

  it('is equal, read back and compared', async () => {
    version.directory('d')
    for (const [name, bytes] of [
      ['d/large', 700_000],
      ['d/less', 100_001],
      ['d/whole', 4000],
      ['empty', 0],
      ['larger', 900_000],
    ] as const)
      file(name, bytes, bytes > 4000)
    version.link('link', 'd/large')
    const report = await version.restore(place.to, { ...SMALL, verify: true })
    assert.deepEqual(
      [report.files, report.symlinks, report.bytes, report.errorCount],
      [5, 1, 700_000 + 100_001 + 4000 + 900_000, 0],
    )
    assert.deepEqual(treeOf(place.to), treeOfRows(version.rows(), contents))
    assert.deepEqual(leftovers(place.to), [])
  })

  it('lacks just the file of which a later part is lost, and leaves nothing of it aside', async () => {
    for (const name of ['a', 'b', 'c']) {
      file(name, 1_200_000)
      version.close()
    }
    const rows = version.rows()
    const lost = [...version.chunks.keys()][4] ?? ''
    version.chunks.delete(lost)
    const report = await version.restore(place.to, SMALL)
    assert.deepEqual(
      report.problems.map(({ path, code }) => `${latin1(path)} ${code}`),
      ['b HF_CHUNK_MISSING'],
    )
    assert.equal(report.files, 2)
    assert.deepEqual(
      treeOf(place.to, true).map((line) => line.split(' ')[0]),
      ['.holdfast-restore', 'a', 'c'],
    )
    assert.equal(rows.length, 3)
  })

  it('lacks just the file whose recipe ends before its record says, and leaves nothing of it aside', async () => {
    file('a', 100_000)
    file('long', 300_000)
    file('z', 100_000)
    const recipes = new Set(version.rows().map(({ content }) => hexOf(content?.recipe ?? new Uint8Array(0))))
    const [, recipe] = recipes
    assert.ok(recipe !== undefined)
    const asked = version.asked.length
    // The tree of a larger file under the record of a smaller one: it is found out when most of it is written.
    const rows = version.rows().map((row) => (latin1(row.path) === 'long' ? { ...row, size: 299_999 } : row))
    const report = await version.restore(place.to, { ...SMALL, rows: eachOf(rows) })
    assert.equal(asked, 0)
    assert.deepEqual(
      report.problems.map(({ path }) => latin1(path)),
      ['long'],
    )
    assert.deepEqual(
      treeOf(place.to, true).map((line) => line.split(' ')[0]),
      ['.holdfast-restore', 'a', 'z'],
    )
  })

  it('goes on after an abort in the middle of a file, and reads what is there', async () => {
    for (const name of ['a', 'b', 'c']) file(name, 600_000)
    const controller = new AbortController()
    version.before = () => {
      if (version.asked.length === 40) controller.abort()
    }
    await rejectsWith('HF_ABORTED', version.restore(place.to, { ...SMALL, signal: controller.signal }))
    version.before = () => undefined
    const report = await version.restore(place.to, SMALL)
    assert.deepEqual([report.resumed, report.files + report.skipped, report.errorCount], [true, 3, 0])
    assert.deepEqual(treeOf(place.to), treeOfRows(version.rows(), contents))
    assert.deepEqual(leftovers(place.to), [])
    const again = await version.restore(place.to, { ...SMALL, inPlace: true, verify: true })
    assert.deepEqual([again.files, again.skipped], [0, 3])
  })

  it('that cannot be written ends with the reason, though the next window is planned meanwhile', async () => {
    version.file('n'.repeat(256), 'name').close()
    for (const name of ['a', 'b', 'c']) file(name, 600_000)
    const error = await rejectsWith('HF_DESTINATION', version.restore(place.to, SMALL))
    assert.match(error.message, /ENAMETOOLONG/)
  })
})

async function* eachOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
