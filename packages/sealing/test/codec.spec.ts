import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { KIB } from '@holdfast/ports'
import { compressionPays, decompress, defaultCompressor, expandZstdInJavaScript } from '../src/codec.ts'
import { noise, text } from './helpers.ts'

/** What the reference implementation of zstd made of known plaintexts, with and without content size in the frame. */
interface Frame {
  readonly name: string
  readonly plainSeed: string
  readonly plainBytes: number
  readonly frame: string
}

const frames = JSON.parse(
  readFileSync(new URL('../../test/vectors/zstd-frames.json', import.meta.url), 'utf8'),
) as Frame[]

describe('codec', () => {
  it('reads zstd of the reference implementation, with and without the runtime’s own', () => {
    assert.equal(frames.length, 3)
    for (const { name, plainSeed, plainBytes, frame } of frames) {
      const bytes = new Uint8Array(Buffer.from(frame, 'base64'))
      const plain = text(plainSeed, plainBytes)
      assert.deepEqual(expandZstdInJavaScript(bytes, plainBytes), plain, name)
      const expanded = decompress('zstd', bytes, plainBytes)
      assert.deepEqual(expanded && new Uint8Array(expanded), plain, name)
    }
  })

  it('refuses zstd that is longer, shorter, cut or altered to another length', () => {
    for (const { frame, plainBytes } of frames) {
      const bytes = new Uint8Array(Buffer.from(frame, 'base64'))
      assert.equal(decompress('zstd', bytes, plainBytes - 1), undefined)
      assert.equal(decompress('zstd', bytes, plainBytes + 1), undefined)
      assert.equal(decompress('zstd', bytes.subarray(0, bytes.length - 9), plainBytes), undefined)
      assert.equal(decompress('zstd', new Uint8Array(0), plainBytes), undefined)
    }
  })

  it('refuses a zstd frame that asks for a window of gigabytes', () => {
    const magic = [0x28, 0xb5, 0x2f, 0xfd]
    assert.throws(() => expandZstdInJavaScript(Uint8Array.of(...magic, 0x00, 0xa0, 1, 0, 0), 100), RangeError)
    const size = [0xff, 0xff, 0xff, 0x7f]
    assert.throws(() => expandZstdInJavaScript(Uint8Array.of(...magic, 0xa0, ...size, 1, 0, 0), 100), RangeError)
  })

  it('refuses brotli that is longer, shorter or malformed', () => {
    const { codec, compress } = defaultCompressor
    const compressed = compress(text('brotli', 5000))
    assert.equal(decompress(codec, compressed, 4999), undefined)
    assert.equal(decompress(codec, compressed, 5001), undefined)
    assert.equal(decompress(codec, compressed.subarray(0, -5), 5000), undefined)
    assert.equal(decompress('brotli', noise('garbage', 50), 5000), undefined)
    assert.equal(decompress('raw', noise('raw', 50), 51), undefined)
  })

  it('judges by pieces from all over', () => {
    const mixed = new Uint8Array(256 * KIB)
    assert.ok(compressionPays(mixed, defaultCompressor))
    mixed.set(noise('middle', 200 * KIB), 28 * KIB)
    assert.ok(compressionPays(mixed, defaultCompressor))
    assert.ok(!compressionPays(noise('all', 256 * KIB), defaultCompressor))
  })
})
