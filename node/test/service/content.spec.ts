import assert from 'node:assert/strict'
import type { CatalogRow } from '@holdfast/journal'
import { deriveVolumeKeys } from '@holdfast/keys'
import { hexOf } from '@holdfast/ports'
import { fileContent } from '../../src/service/content.ts'
import type { ServiceParts } from '../../src/service/parts.ts'
import type { Volume } from '../../src/volumes/volume.ts'
import { latin1, noise, Version } from '../restore/fixture.ts'

const signal = new AbortController().signal

/** The content of one file of the version as `cat` gives it; `alter` changes the row before. */
async function content(version: Version, name: string, alter = (row: CatalogRow): CatalogRow => row): Promise<Buffer> {
  const found = version.rows().find((row) => latin1(row.path) === name)
  assert.ok(found !== undefined)
  const { inline, recipe } = found.content ?? {}
  const row = alter({
    ...found,
    content: inline
      ? { type: 'inline', extents: inline }
      : recipe
        ? { type: 'recipe', root: recipe }
        : { type: 'none' },
  } as unknown as CatalogRow)
  const volume = { id: version.volume, reader: () => ({ keys: deriveVolumeKeys(version.ring) }) } as unknown as Volume
  const parts = { chunks: version } as unknown as ServiceParts
  const pieces: Uint8Array[] = []
  for await (const piece of fileContent(parts, volume, row, signal)) pieces.push(Uint8Array.from(piece))
  return Buffer.concat(pieces)
}

describe('content of a version', () => {
  const large = noise('large', 300_000)
  const version = new Version()
    .file('small', 'small')
    .file('empty', '')
    .file('large', large, { segmentBytes: 70_000 })
    .file('recipe', large, { segmentBytes: 500, recipe: true })

  it('is the bytes of the file, inline, by recipe or none', async () => {
    assert.equal((await content(version, 'small')).toString(), 'small')
    assert.equal((await content(version, 'empty')).byteLength, 0)
    for (const name of ['large', 'recipe']) assert.ok((await content(version, name)).equals(large))
  })

  it('opens a chunk once for segments that follow each other', async () => {
    version.asked.length = 0
    await content(version, 'large')
    assert.ok(version.asked.length <= 2)
  })

  it('is refused where a segment does not match its fingerprint or lies outside its chunk', async () => {
    const altered = (change: object) =>
      content(version, 'small', (row) => {
        assert.ok(row.content.type === 'inline')
        return {
          ...row,
          content: { type: 'inline', extents: row.content.extents.map((each) => ({ ...each, ...change })) },
        }
      })
    const message = /a segment of small does not match its fingerprint/
    await assert.rejects(altered({ fingerprint: noise('other', 16) }), { code: 'HF_CHUNK_CORRUPT', message })
    await assert.rejects(altered({ offset: 510 * 1024 }), { code: 'HF_CHUNK_CORRUPT', message })
    await assert.rejects(altered({ length: 4 }), { code: 'HF_CHUNK_CORRUPT', message })
  })

  it('is refused where it has another size than its record says', async () => {
    const sized = (name: string, size: number) => content(version, name, (row) => ({ ...row, size }))
    await assert.rejects(sized('small', 6), { code: 'HF_CHUNK_CORRUPT', message: /has 5 bytes, its record says 6/ })
    await assert.rejects(sized('empty', 1), { code: 'HF_CHUNK_CORRUPT' })
    await assert.rejects(sized('recipe', large.byteLength - 1), { code: 'HF_DECODE' })
  })

  it('is refused where a chunk is missing or altered', async () => {
    const other = new Version().file('f', 'content')
    const [extent] = other.extents('f')
    const id = hexOf(extent?.chunk ?? new Uint8Array(0))
    const stored = other.chunks.get(id) ?? new Uint8Array(0)
    other.chunks.set(
      id,
      stored.map((byte, index) => (index === stored.byteLength - 1 ? byte ^ 1 : byte)),
    )
    await assert.rejects(content(other, 'f'), { code: 'HF_CHUNK_CORRUPT' })
    other.chunks.delete(id)
    await assert.rejects(content(other, 'f'), { code: 'HF_CHUNK_MISSING' })
  })
})
