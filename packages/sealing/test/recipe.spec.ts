import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { ChunkId } from '@holdfast/ports'
import { asChunkId, hasCode, hexOf } from '@holdfast/ports'
import type { ChunkName, Extent, OpenedNode, RecipeNode, StoredExtent } from '../src/index.ts'
import {
  buildRecipe,
  CHUNK_STORED_BYTES_MAX,
  createNodeFingerprinter,
  createOpener,
  createSealer,
  readChunkHeader,
  readRecipe,
  RECIPE_CHILDREN_MAX,
} from '../src/index.ts'
import { encodeBranch, encodeLeaf } from '../src/recipe-node.ts'
import { noise, testKeys } from './helpers.ts'

const opener = createOpener(testKeys())

/** Chunks by id, and how often each was sealed. */
class Chunks {
  readonly stored = new Map<string, Uint8Array>()
  readonly #sealer = createSealer(testKeys())
  readonly #out = new Uint8Array(CHUNK_STORED_BYTES_MAX)

  readonly seal = ({ plain, header }: RecipeNode): ChunkName => {
    const name = this.#sealer.seal(plain, this.#out, 0, header)
    this.stored.set(hexOf(name.id), this.#out.slice(0, name.storedBytes))
    return name
  }

  readonly fetch = (id: ChunkId): Promise<Uint8Array> => {
    const stored = this.stored.get(hexOf(id))
    return stored === undefined ? Promise.reject(new Error('not stored')) : Promise.resolve(stored)
  }
}

/** The n-th segment of a file, seven to a chunk. */
function extentAt(index: number, seed = 'file'): StoredExtent {
  return {
    chunk: asChunkId(noise(`${seed} chunk ${Math.floor(index / 7)}`, 32)),
    storedBytes: 300_000,
    offset: (index % 7) * 70_000,
    length: 70_000,
    fingerprint: noise(`${seed} segment ${index}`, 16),
  }
}

const extents = (count: number, seed?: string): StoredExtent[] =>
  Array.from({ length: count }, (_, index) => extentAt(index, seed))

const sizeOf = (list: readonly Extent[]): number => list.reduce((sum, { length }) => sum + length, 0)

async function readAll(chunks: Chunks, root: ChunkId, size: number): Promise<StoredExtent[]> {
  const list: StoredExtent[] = []
  for await (const extent of readRecipe(root, { fetch: chunks.fetch, opener, size })) list.push(extent)
  return list
}

describe('recipe', () => {
  it('reads back the extents it was built from, whatever they are', async () => {
    const segment = fc.record({
      chunk: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(asChunkId),
      offset: fc.integer({ min: 0, max: 100_000 }),
      length: fc.integer({ min: 1, max: 262_144 }),
      fingerprint: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    })
    // A chunk has one length.
    const extent = segment.map((each): StoredExtent => ({ ...each, storedBytes: 70 + (each.chunk[0] ?? 0) }))
    await fc.assert(
      fc.asyncProperty(fc.array(extent, { minLength: 1, maxLength: 400, size: 'max' }), async (list) => {
        const chunks = new Chunks()
        const { root, contentBytes } = buildRecipe(list, chunks.seal)
        assert.equal(contentBytes, sizeOf(list))
        assert.deepEqual(await readAll(chunks, root.id, contentBytes), list)
      }),
      { numRuns: 30 },
    )
  })

  it('has a node for every 64 entries or so, and names every chunk below it', async () => {
    const chunks = new Chunks()
    const list = extents(20_000)
    const { root, levels } = buildRecipe(list, chunks.seal)
    assert.equal(levels, 3)
    assert.ok(chunks.stored.size > 20_000 / 90 && chunks.stored.size < 20_000 / 45, `${chunks.stored.size} nodes`)
    assert.deepEqual(await readAll(chunks, root.id, sizeOf(list)), list)
    const named = new Set<string>()
    for (const stored of chunks.stored.values()) {
      const { recipe } = readChunkHeader(stored)
      assert.ok(recipe !== undefined && recipe.children.length <= RECIPE_CHILDREN_MAX)
      for (const { id } of recipe.children) named.add(hexOf(id))
    }
    for (const { chunk } of list) assert.ok(named.has(hexOf(chunk)))
    for (const id of chunks.stored.keys()) assert.ok(id === hexOf(root.id) || named.has(id))
  })

  it('of an edited file shares all but a few nodes', () => {
    const chunks = new Chunks()
    const list = extents(20_000)
    buildRecipe(list, chunks.seal)
    const nodes = chunks.stored.size
    const edited = [...list.slice(0, 9000), extentAt(0, 'edit'), ...list.slice(9002)]
    buildRecipe(edited, chunks.seal)
    const fresh = [...chunks.stored.values()].slice(nodes)
    assert.ok(fresh.length <= 9, `${fresh.length} new nodes`)
    const freshBytes = fresh.reduce((sum, stored) => sum + stored.byteLength, 0)
    assert.ok(freshBytes < 40_000, `${freshBytes} new bytes`)
  })

  it('of one repeated segment ends, whether or not that segment ends nodes', async () => {
    for (const fingerprint of [new Uint8Array(16), new Uint8Array(16).fill(255)]) {
      const chunks = new Chunks()
      const list = Array.from({ length: 5000 }, () => ({ ...extentAt(0), fingerprint }))
      const { root, levels } = buildRecipe(list, chunks.seal)
      assert.ok(levels <= 4)
      assert.ok(chunks.stored.size < 12, `${chunks.stored.size} nodes`)
      assert.equal((await readAll(chunks, root.id, sizeOf(list))).length, 5000)
    }
  })

  it('tells of each node that it opens', async () => {
    const chunks = new Chunks()
    const list = extents(500)
    const { root, contentBytes } = buildRecipe(list, chunks.seal)
    const fingerprint = createNodeFingerprinter(testKeys().fingerprint)
    const sealed = new Set<string>()
    buildRecipe(list, (node) => {
      sealed.add(hexOf(fingerprint(node)))
      return chunks.seal(node)
    })
    const told = new Map<string, string>()
    const onNode = (node: OpenedNode): unknown => told.set(hexOf(node.id), hexOf(fingerprint(node)))
    const source = { fetch: chunks.fetch, opener, size: contentBytes, onNode }
    for await (const { storedBytes } of readRecipe(root.id, source)) assert.equal(storedBytes, 300_000)
    assert.deepEqual(new Set(told.keys()), new Set(chunks.stored.keys()))
    assert.deepEqual(new Set(told.values()), sealed)
  })

  it('without extents is misuse', () => {
    assert.throws(() => buildRecipe([], new Chunks().seal), TypeError)
  })

  it('that does not add up to the file’s size is refused', async () => {
    const chunks = new Chunks()
    const list = extents(500)
    const { root, contentBytes } = buildRecipe(list, chunks.seal)
    for (const size of [0, contentBytes - 1, contentBytes + 1]) {
      await assert.rejects(readAll(chunks, root.id, size), isCode('HF_DECODE'))
    }
  })

  it('whose nodes are of other levels or lengths than those above say is refused', async () => {
    const chunks = new Chunks()
    const leaf = encodeLeaf(extents(20))
    const child = { ...chunks.seal(leaf), contentBytes: leaf.contentBytes }
    const skipped = chunks.seal(encodeBranch(3, [child]))
    await assert.rejects(readAll(chunks, skipped.id, leaf.contentBytes), isCode('HF_DECODE'))
    const lying = chunks.seal(encodeBranch(2, [{ ...child, contentBytes: 1 }]))
    await assert.rejects(readAll(chunks, lying.id, 1), isCode('HF_DECODE'))
  })

  it('whose node is malformed, or a bundle, is refused', async () => {
    const chunks = new Chunks()
    const { header, plain: good, contentBytes } = encodeLeaf(extents(3))
    const bad = [
      good.subarray(0, -1),
      Uint8Array.of(...good, 0),
      Uint8Array.of(2, ...good.subarray(1)),
      Uint8Array.of(1, 0),
    ]
    bad.push(Uint8Array.of(1, 3, 1, 0, 1, ...new Uint8Array(51)))
    for (const bytes of bad) {
      const { id } = chunks.seal({ header, plain: bytes, contentBytes })
      await assert.rejects(readAll(chunks, id, contentBytes), isCode('HF_DECODE'))
    }
    const out = new Uint8Array(CHUNK_STORED_BYTES_MAX)
    const { id, storedBytes } = createSealer(testKeys()).seal(good, out, 0)
    chunks.stored.set(hexOf(id), out.slice(0, storedBytes))
    await assert.rejects(readAll(chunks, id, contentBytes), isCode('HF_DECODE'))
  })

  it('passes on why a node could not be fetched', async () => {
    await assert.rejects(readAll(new Chunks(), asChunkId(new Uint8Array(32)), 1), /not stored/)
  })

  it('node fingerprints differ by level, children and entries', () => {
    const fingerprint = createNodeFingerprinter(testKeys().fingerprint)
    const leaf = encodeLeaf(extents(3))
    const seen = new Set(
      [
        leaf,
        encodeLeaf(extents(4)),
        { ...leaf, header: { ...leaf.header, level: 2 } },
        { ...leaf, header: { ...leaf.header, children: [{ id: extentAt(0, 'x').chunk, storedBytes: 1 }] } },
      ].map((node) => hexOf(fingerprint(node))),
    )
    assert.equal(seen.size, 4)
    assert.deepEqual(fingerprint(leaf), fingerprint(encodeLeaf(extents(3))))
  })

  it('has the bytes of the golden vector', () => {
    const { plain: leaf } = encodeLeaf([extentAt(0), extentAt(1), extentAt(7)])
    const prints = [0, 1, 7].map((index) => hexOf(noise(`file segment ${index}`, 16)))
    const entries = [`0000fe70110100${prints[0]}`, `00fe70110100fe70110100${prints[1]}`, `0100fe70110100${prints[2]}`]
    assert.equal(hexOf(leaf), `0103${entries.join('')}`)
    const node = { id: asChunkId(new Uint8Array(32)), storedBytes: 9, contentBytes: 300 }
    assert.equal(hexOf(encodeBranch(2, [node, node]).plain), '010200fd2c0100fd2c01')
  })
})

function isCode(code: Parameters<typeof hasCode>[1]): (error: unknown) => boolean {
  return (error) => hasCode(error, code)
}
