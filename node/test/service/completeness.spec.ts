import assert from 'node:assert/strict'
import { blake3 } from '@holdfast/hash'
import type { ChunkRef } from '@holdfast/journal'
import { createKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { asVolumeId, hexOf, HoldfastError } from '@holdfast/ports'
import type { ChunkId, ChunkStore } from '@holdfast/ports'
import { buildRecipe, CHUNK_STORED_BYTES_MAX, createSealer } from '@holdfast/sealing'
import type { ChunkName, RecipeHeader } from '@holdfast/sealing'
import * as fc from 'fast-check'
import { Completeness } from '../../src/volumes/completeness.ts'

const VOLUME = asVolumeId(new Uint8Array(16).fill(7))
const sealer = createSealer(deriveVolumeKeys(createKeyRing(VOLUME, new Uint8Array(32).fill(5))))
const stored = new Map<string, Uint8Array>()

function seal(plain: Uint8Array, recipe?: RecipeHeader): ChunkName {
  const out = new Uint8Array(CHUNK_STORED_BYTES_MAX)
  const name = sealer.seal(plain, out, 0, recipe)
  stored.set(hexOf(name.id), out.slice(0, name.storedBytes))
  return name
}

const bundle = (text: string): ChunkName => seal(Buffer.from(text))

/** A recipe over so many segments, each in a bundle of its own. */
function recipeOf(name: string, segments: number): { root: ChunkName; levels: number } {
  const extents = Array.from({ length: segments }, (_, index) => {
    const { id, storedBytes } = bundle(`${name} ${index}`)
    const fingerprint = blake3(Buffer.from(`${name} ${index}`)).slice(0, 16)
    return { chunk: id, storedBytes, offset: 0, length: 1, fingerprint }
  })
  return buildRecipe(extents, (node) => seal(node.plain, node.header))
}

const SMALL = recipeOf('small', 40)
const LARGE = recipeOf('large', 6000)
const BUNDLES = ['a', 'b', 'c'].map(bundle)
const content = ({ id, storedBytes }: ChunkName): ChunkRef => ({ id, storedBytes, role: 'content' })
const recipe = ({ id, storedBytes }: ChunkName): ChunkRef => ({ id, storedBytes, role: 'recipe' })
const BLOCKS: readonly (readonly ChunkRef[])[] = [
  [],
  BUNDLES.slice(0, 2).map(content),
  [recipe(SMALL.root)],
  [content(BUNDLES[0] ?? SMALL.root), recipe(SMALL.root), recipe(LARGE.root)],
  BUNDLES.map(content),
]
const ALL = [...stored.keys()]

/** The part of a store that completeness looks at. */
class Held {
  readonly ids = new Set<string>()
  readonly store = {
    has: (_volume, id) => this.ids.has(hexOf(id)),
    get: (_volume, id) => Promise.resolve(this.ids.has(hexOf(id)) ? stored.get(hexOf(id)) : undefined),
  } satisfies Pick<ChunkStore, 'has' | 'get'>

  completeness(): Completeness {
    return new Completeness(this.store as unknown as ChunkStore, VOLUME)
  }
}

/** Chunks come as they are asked for, in an order that `pick` chooses, until none is missing. */
async function fill(held: Held, completeness: Completeness, pick: (count: number) => number): Promise<number> {
  let rounds = 0
  for (let missing = completeness.missing(20, () => false); missing.length > 0; rounds++) {
    const next = missing[pick(missing.length)] ?? missing[0]
    assert.ok(next !== undefined && !held.ids.has(hexOf(next.id)))
    held.ids.add(hexOf(next.id))
    await completeness.arrived(next.id)
    missing = completeness.missing(20, () => false)
  }
  return rounds
}

describe('Completeness', function () {
  this.timeout(60_000)

  it('misses nothing any more that the writer recorded again', async () => {
    const held = new Held()
    const completeness = held.completeness()
    const [bundled] = BUNDLES
    assert.ok(bundled)
    await completeness.addBlock(0, [content(bundled)])
    assert.equal(completeness.completeLength, 0)
    held.ids.add(hexOf(bundled.id))
    completeness.addOwn(1, 2, [content(bundled)])
    assert.deepEqual([completeness.completeLength, completeness.missingCount], [2, 0])
  })

  it('knows recipes of several levels by what they name', async () => {
    assert.ok(LARGE.levels >= 3 && SMALL.levels >= 1)
    const held = new Held()
    const completeness = held.completeness()
    for (const [block, refs] of BLOCKS.entries()) await completeness.addBlock(block, refs)
    assert.equal(completeness.completeLength, 1)
    assert.equal(await fill(held, completeness, () => 0), ALL.length)
    assert.equal(completeness.completeLength, BLOCKS.length)
    assert.deepEqual([completeness.missingCount, completeness.missingBytes], [0, 0])
  })

  it('looks up what a writer recorded itself, and not into its recipes', async () => {
    const held = new Held()
    const completeness = held.completeness()
    for (const { id } of [LARGE.root, ...BUNDLES.slice(1)]) held.ids.add(hexOf(id))
    completeness.addOwn(0, 3, [recipe(LARGE.root), ...BUNDLES.slice(1).map(content)])
    assert.equal(completeness.completeLength, 3)
    completeness.addOwn(3, 5, BUNDLES.map(content))
    assert.deepEqual([completeness.completeLength, completeness.missingCount], [3, 1])
    assert.equal(await fill(held, completeness, () => 0), 1)
    assert.equal(completeness.completeLength, 5)
  })

  it('ends complete in any order of blocks and arrivals, and never claims a block that lacks a chunk', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(ALL.length - 1), { maxLength: 400 }),
        fc.array(fc.nat(2), { maxLength: 40 }),
        fc.infiniteStream(fc.nat(19)),
        async (early, steps, picks) => {
          const held = new Held()
          const completeness = held.completeness()
          const pick = (count: number): number => (picks.next().value ?? 0) % count
          for (const index of early) held.ids.add(ALL[index] ?? '')
          let next = 0
          const addBlock = async (): Promise<void> => {
            const refs = BLOCKS[next]
            if (refs !== undefined) await completeness.addBlock(next++, refs)
          }
          for (const step of steps) {
            if (step === 0) await addBlock()
            else {
              const missing = completeness.missing(20, () => false)
              const chosen = missing.length > 0 ? missing[pick(missing.length)] : undefined
              if (chosen === undefined) continue
              held.ids.add(hexOf(chosen.id))
              await completeness.arrived(chosen.id)
              // Told twice, or of a chunk that nobody lacked: nothing changes.
              await completeness.arrived(chosen.id)
            }
            for (let block = 0; block < completeness.completeLength; block++)
              for (const ref of BLOCKS[block] ?? []) assert.ok(held.ids.has(hexOf(ref.id)))
          }
          while (next < BLOCKS.length) await addBlock()
          await fill(held, completeness, pick)
          assert.equal(completeness.completeLength, BLOCKS.length)
          assert.ok(ALL.every((id) => held.ids.has(id)))
        },
      ),
      { numRuns: 15 },
    )
  })

  it('a recipe that turns out to be damaged, or to be none, fails nothing: it is missing, or names nothing', async () => {
    const held = new Held()
    for (const id of ALL) held.ids.add(id)
    const rotten = new Set([hexOf(SMALL.root.id)])
    const garbage = seal(Buffer.from('x'))
    stored.set(hexOf(garbage.id), Buffer.from('not a chunk'))
    held.ids.add(hexOf(garbage.id))
    const get = held.store.get
    held.store.get = (volume, id) => {
      if (!rotten.has(hexOf(id))) return get(volume, id)
      held.ids.delete(hexOf(id))
      return Promise.reject(new HoldfastError('HF_CHUNK_CORRUPT', 'damaged'))
    }
    const completeness = held.completeness()
    await completeness.addBlock(0, [recipe(garbage)])
    await completeness.addBlock(1, [recipe(SMALL.root)])
    assert.deepEqual([completeness.completeLength, completeness.missingCount], [1, 1])
    rotten.clear()
    held.ids.add(hexOf(SMALL.root.id))
    await completeness.arrived(SMALL.root.id)
    assert.deepEqual([completeness.completeLength, completeness.missingCount], [2, 0])
    stored.delete(hexOf(garbage.id))
  })

  it('says which are missing, oldest first, without those that are skipped', async () => {
    const completeness = new Held().completeness()
    await completeness.addBlock(0, BUNDLES.map(content))
    const names = (found: readonly { id: ChunkId }[]) => found.map(({ id }) => hexOf(id))
    const all = BUNDLES.map(({ id }) => hexOf(id))
    assert.deepEqual(names(completeness.missing(9, () => false)), all)
    assert.deepEqual(names(completeness.missing(1, (id) => hexOf(id) === all[0])), all.slice(1, 2))
    assert.equal(
      completeness.missingBytes,
      BUNDLES.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    )
  })

  const complete = async (): Promise<{ held: Held; completeness: Completeness }> => {
    const held = new Held()
    for (const id of ALL) held.ids.add(id)
    const completeness = held.completeness()
    for (const [block, refs] of BLOCKS.entries()) await completeness.addBlock(block, refs)
    assert.equal(completeness.completeLength, BLOCKS.length)
    return { held, completeness }
  }

  it('a chunk that is lost makes nothing complete until it is back', async () => {
    const { held, completeness } = await complete()
    const [first] = BUNDLES
    assert.ok(first !== undefined)
    held.ids.delete(hexOf(first.id))
    completeness.lost(first.id, 0, false, 0)
    completeness.lost(first.id, 0, false, 0)
    assert.deepEqual([completeness.completeLength, completeness.missingCount], [0, 1])
    held.ids.add(hexOf(first.id))
    await completeness.arrived(first.id)
    assert.deepEqual([completeness.completeLength, completeness.missingCount], [BLOCKS.length, 0])
  })

  it('a chunk that is lost again before its arrival was taken in stays missing', async () => {
    const { held, completeness } = await complete()
    for (const { id } of [SMALL.root, BUNDLES[1] ?? SMALL.root]) {
      held.ids.delete(hexOf(id))
      completeness.lost(id, 0, false, 0)
      await completeness.arrived(id)
      assert.deepEqual([completeness.completeLength, completeness.missingCount], [0, 1])
      held.ids.add(hexOf(id))
      await completeness.arrived(id)
      assert.equal(completeness.missingCount, 0)
    }
  })

  it('a lost chunk that a later block names as a recipe is looked into when it is back', async () => {
    const held = new Held()
    const completeness = held.completeness()
    completeness.lost(SMALL.root.id, 0, false, 0)
    await completeness.addBlock(0, [recipe(SMALL.root)])
    held.ids.add(hexOf(SMALL.root.id))
    await completeness.arrived(SMALL.root.id)
    assert.ok(completeness.missingCount > 0, 'its children are missing')
    assert.equal(completeness.completeLength, 0)
  })

  it('a chunk that an earlier block needs too counts for the earlier one', async () => {
    const completeness = new Held().completeness()
    const [first] = BUNDLES
    assert.ok(first !== undefined)
    for (let block = 0; block < 3; block++) await completeness.addBlock(block, block === 2 ? [content(first)] : [])
    assert.equal(completeness.completeLength, 2)
    await completeness.addEarlier([content(first)])
    assert.equal(completeness.completeLength, 0)
  })
})
