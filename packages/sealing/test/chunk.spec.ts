import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { addKeyEpoch, createKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { asChunkId, asVolumeId, hasCode, hexOf, KIB } from '@holdfast/ports'
import { defaultCompressor } from '../src/codec.ts'
import type { Sealer } from '../src/index.ts'
import {
  CHUNK_HEADER_BYTES,
  CHUNK_PLAIN_BYTES_MAX,
  CHUNK_STORED_BYTES_MAX,
  CHUNK_TAG_BYTES,
  createOpener,
  createSealer,
  readChunkHeader,
  RECIPE_CHILDREN_MAX,
  verifyChunk,
} from '../src/index.ts'
import { noise, sealed, testKeys, text } from './helpers.ts'

const opener = createOpener(testKeys())
const child = (name: string) => ({ id: asChunkId(noise(name, 32)), storedBytes: 1000 })

describe('chunk', () => {
  it('opens to what was sealed, for any length and content', () => {
    const plain = fc.record({
      make: fc.constantFrom(noise, text),
      length: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: CHUNK_PLAIN_BYTES_MAX })),
      seed: fc.string({ maxLength: 4 }),
    })
    fc.assert(
      fc.property(plain, ({ make, length, seed }) => {
        const bytes = make(seed, length)
        const { id, stored, storedBytes } = sealed(bytes)
        assert.ok(verifyChunk(id, stored))
        assert.ok(storedBytes <= CHUNK_HEADER_BYTES + length + CHUNK_TAG_BYTES)
        const opened = opener.open(stored)
        assert.equal(opened.kind, 'bundle')
        assert.deepEqual(new Uint8Array(opened.plain), bytes)
      }),
      { numRuns: 60 },
    )
  })

  it('is the same for equal content, and another under another key or key epoch', () => {
    const plain = text('same', 5000)
    assert.deepEqual(sealed(plain), sealed(plain))
    const other = sealed(plain, createSealer(testKeys('other')))
    assert.notDeepEqual(other.id, sealed(plain).id)
    const ring = createKeyRing(asVolumeId(new Uint8Array(16)), noise('first', 32))
    const grown = addKeyEpoch(ring, noise('second', 32))
    const old = sealed(plain, createSealer(deriveVolumeKeys(ring)))
    const renewed = sealed(plain, createSealer(deriveVolumeKeys(grown)))
    assert.notDeepEqual(old.id, renewed.id)
    const open = (stored: Uint8Array) => createOpener(deriveVolumeKeys(grown)).open(stored)
    assert.deepEqual([open(old.stored).keyEpoch, open(renewed.stored).keyEpoch], [1, 2])
    assert.throws(() => createOpener(deriveVolumeKeys(ring)).open(renewed.stored), isCode('HF_WRONG_KEY'))
    assert.throws(() => opener.open(other.stored), isCode('HF_CHUNK_CORRUPT'))
  })

  it('compresses what shrinks and leaves the rest as it is', () => {
    assert.ok(sealed(text('long', 100 * KIB)).storedBytes < 60 * KIB)
    assert.equal(sealed(noise('long', 100 * KIB)).storedBytes, 100 * KIB + CHUNK_HEADER_BYTES + CHUNK_TAG_BYTES)
    const mixed = new Uint8Array(400 * KIB)
    mixed.set(noise('half', 200 * KIB))
    assert.ok(sealed(mixed).storedBytes < 210 * KIB, 'a sample from the middle alone would have missed it')
  })

  it('shows kind, level and children of a recipe node without a key, and opens it', () => {
    const children = Array.from({ length: RECIPE_CHILDREN_MAX }, (_, index) => child(`child ${index}`))
    const { stored } = sealed(text('node', 900), createSealer(testKeys()), { level: 3, children })
    const shown = { kind: 'recipe', keyEpoch: 1, plainBytes: 900, recipe: { level: 3, children } }
    assert.deepEqual(readChunkHeader(stored), shown)
    const { plain, ...opened } = opener.open(stored)
    assert.deepEqual(opened, shown)
    assert.deepEqual(new Uint8Array(plain), text('node', 900))
  })

  it('of greatest length fits its bound', () => {
    const children = Array.from({ length: RECIPE_CHILDREN_MAX }, (_, index) => child(`child ${index}`))
    const plain = noise('greatest', CHUNK_PLAIN_BYTES_MAX)
    const { storedBytes, stored } = sealed(plain, createSealer(testKeys()), { level: 1, children })
    assert.equal(storedBytes, CHUNK_STORED_BYTES_MAX)
    assert.deepEqual(new Uint8Array(opener.open(stored).plain), plain)
  })

  for (const [name, stored] of [
    ['raw bundle', sealed(noise('tamper', 40)).stored],
    ['compressed bundle', sealed(text('tamper', 200)).stored],
    ['recipe node', sealed(text('tamper', 90), createSealer(testKeys()), { level: 1, children: [child('a')] }).stored],
  ] as const) {
    it(`with any byte altered is refused: ${name}`, () => {
      for (let at = 0; at < stored.byteLength; at++) {
        for (const bit of [0x01, 0x80]) {
          const altered = stored.slice()
          altered[at] = (altered[at] ?? 0) ^ bit
          assert.throws(
            () => opener.open(altered),
            isCode('HF_DECODE', 'HF_WRONG_KEY', 'HF_CHUNK_CORRUPT'),
            `byte ${at}`,
          )
        }
      }
    })

    it(`cut short or lengthened is refused: ${name}`, () => {
      for (let length = 0; length < stored.byteLength; length++) {
        assert.throws(() => opener.open(stored.subarray(0, length)), isCode('HF_DECODE', 'HF_CHUNK_CORRUPT'))
      }
      const longer = new Uint8Array(stored.byteLength + 1)
      longer.set(stored)
      assert.throws(() => opener.open(longer), isCode('HF_DECODE', 'HF_CHUNK_CORRUPT'))
      assert.throws(() => opener.open(new Uint8Array(CHUNK_STORED_BYTES_MAX + 1)), isCode('HF_DECODE'))
    })
  }

  it('whose text expands to more or less than its header says is refused', () => {
    const sealer = sealerOf(text('actual', 300))
    for (const plainBytes of [299, 301, 5000]) {
      const { stored } = sealed(text('claimed', plainBytes), sealer)
      assert.throws(() => opener.open(stored), isCode('HF_CHUNK_CORRUPT'))
    }
  })

  it('misuse is a TypeError: empty, too long, no children', () => {
    const sealer = createSealer(testKeys())
    const out = new Uint8Array(CHUNK_STORED_BYTES_MAX)
    assert.throws(() => sealer.seal(new Uint8Array(0), out, 0), TypeError)
    assert.throws(() => sealer.seal(new Uint8Array(CHUNK_PLAIN_BYTES_MAX + 1), out, 0), TypeError)
    assert.throws(() => sealer.seal(new Uint8Array(1), out, 0, { level: 1, children: [] }), TypeError)
    assert.throws(() => sealer.seal(new Uint8Array(1), out, 0, { level: 9, children: [child('a')] }), TypeError)
  })

  it('verifies by its id, key or not', () => {
    const { id, stored } = sealed(noise('id', 500))
    assert.ok(verifyChunk(id, stored))
    stored[100] = (stored[100] ?? 0) ^ 1
    assert.ok(!verifyChunk(id, stored))
  })

  it('has the bytes of the golden vectors', () => {
    const vectors = JSON.parse(
      readFileSync(new URL('../../test/vectors/chunks.json', import.meta.url), 'utf8'),
    ) as Vector[]
    assert.deepEqual(
      vectors.map(({ name }) => name),
      ['raw bundle', 'brotli bundle', 'zstd bundle', 'recipe node of level 1', 'recipe node of level 2'],
    )
    for (const vector of vectors) {
      const keys = {
        keyEpoch: vector.keyEpoch,
        content: () => ({ hash: fromHex(vector.hashKey), key: fromHex(vector.contentKey) }),
      }
      const compress = () => fromHex(vector.text)
      const sealer = createSealer(keys, {
        compressor: { codec: vector.codec === 'zstd' ? 'zstd' : 'brotli', compress },
      })
      const recipe = vector.recipe && {
        level: vector.recipe.level,
        children: vector.recipe.children.map((it) => ({ id: asChunkId(fromHex(it.id)), storedBytes: it.storedBytes })),
      }
      const made = sealed(
        fromHex(vector.plain),
        sealer,
        ...(recipe === undefined ? ([] as const) : ([recipe] as const)),
      )
      assert.equal(hexOf(made.stored), vector.stored, vector.name)
      assert.equal(hexOf(made.id), vector.id, vector.name)
      const opened = createOpener(keys).open(fromHex(vector.stored))
      assert.equal(hexOf(opened.plain), vector.plain, vector.name)
      assert.deepEqual(opened.recipe, recipe, vector.name)
    }
  })
})

interface Vector {
  readonly name: string
  readonly keyEpoch: number
  readonly hashKey: string
  readonly contentKey: string
  readonly codec: string
  readonly plain: string
  /** Compressed plaintext; not shorter than it where the codec is raw. */
  readonly text: string
  readonly recipe?: { readonly level: number; readonly children: readonly { id: string; storedBytes: number }[] }
  readonly stored: string
  readonly id: string
}

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

function isCode(...codes: readonly Parameters<typeof hasCode>[1][]): (error: unknown) => boolean {
  return (error) => codes.some((code) => hasCode(error, code))
}

/** A sealer that takes any plaintext for `actual`. */
function sealerOf(actual: Uint8Array): Sealer {
  const { codec, compress } = defaultCompressor
  return createSealer(testKeys(), { compressor: { codec, compress: () => compress(actual) } })
}
